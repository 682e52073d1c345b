"""What each fold measured, kept in files: an interrupted run goes on where it stopped."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np


class FoldStore:
    """Arrays by what they depend on; without a folder nothing is kept.

    fresh: measure everything again, over what is there. `reused` holds the folds of which
    something was read from disk.
    """

    def __init__(self, folder=None, fresh=False):
        self.folder = None if folder is None else Path(folder)
        self.fresh = fresh
        self.reused = set()

    def recall(self, make, *, model, what, fold, **key):
        """The arrays {name: array} that `make()` returns, or those it returned before.

        model, what, fold: words for the file's name; key: all else that the arrays depend on.
        """
        if self.folder is None:
            return make()
        told = json.dumps(key | {"code": code_hash()}, sort_keys=True, default=str)
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        path = self.folder / f"{Path(model).name}-{fold}-{what}-{digest}.npz"
        if path.exists() and not self.fresh:
            self.reused.add(fold)
            with np.load(path) as arrays:
                return dict(arrays)
        arrays = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        # Renamed when it is complete: an interrupted write must not pass for a result.
        half = path.with_suffix(".part.npz")
        np.savez_compressed(half, **arrays)
        half.replace(path)
        return arrays


@cache
def code_hash():
    """A hash of this package's code without its user interface: other code, other results."""
    package = Path(__file__).parents[1]
    files = [*package.rglob("*.py"), *package.rglob("*.yaml")]
    files = sorted(f for f in files if package / "ui" not in f.parents)
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def fingerprint(dataset):
    """A hash of all that a dataset holds: the same names over other numbers are other data."""
    digest = hashlib.sha256()
    for part in (dataset.ids, dataset.labels, dataset.subjects, dataset.columns):
        digest.update(repr(part).encode())
    for values in [dataset.table] if dataset.recordings is None else dataset.recordings:
        array = getattr(values, "signal", values)
        digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(repr(getattr(values, "sampling_rate", None)).encode())
    return digest.hexdigest()[:16]
