"""Results of each fold, saved to files so that an interrupted run can continue."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

SETTINGS = "settings"  # the name, in a file, of all that its arrays depend on


class FoldStore:
    """A cache of arrays, keyed by everything they depend on; without a folder it keeps nothing.

    fresh: measure everything again and overwrite. `reused`: the folds read from disk.
    """

    def __init__(self, folder=None, fresh=False):
        self.folder = None if folder is None else Path(folder)
        self.fresh = fresh
        self.reused = set()

    def recall(self, make, *, model, what, fold, **key):
        """{name: array} from `make()`, or from the file of an earlier call.

        model, what, fold: parts of the file's name; key: all else that the arrays depend on.
        """
        if self.folder is None:
            return make()
        settings = json.dumps(key | {"code": code_hash()}, sort_keys=True, default=str)
        digest = hashlib.sha256(settings.encode()).hexdigest()[:16]
        path = self.folder / f"{Path(model).name}-{fold}-{what}-{digest}.npz"
        if path.exists() and not self.fresh:
            try:
                arrays = _read(path, settings)
            except Exception:  # a damaged or foreign file can raise anything
                print(f"{path} is damaged or of another measurement, so it is measured again.")
            else:
                self.reused.add(fold)
                return arrays
        arrays = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        # Renamed once complete: an interrupted write must not pass for a result.
        half = path.with_suffix(".part.npz")
        np.savez_compressed(half, **arrays, **{SETTINGS: np.array(settings)})
        half.replace(path)
        return arrays


def _read(path, settings):
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    if str(arrays.pop(SETTINGS)) != settings:
        raise ValueError("of other settings")
    return arrays


@cache
def code_hash():
    """A hash of the package's code, except its user interface: other code, other results."""
    package = Path(__file__).parents[1]
    files = [*package.rglob("*.py"), *package.rglob("*.yaml")]
    files = sorted(f for f in files if package / "ui" not in f.parents)
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def fingerprint(dataset):
    """A hash of everything in a dataset: names, labels and values."""
    digest = hashlib.sha256()
    for part in (dataset.ids, dataset.labels, dataset.subjects, dataset.columns):
        digest.update(repr(part).encode())
    for values in [dataset.table] if dataset.recordings is None else dataset.recordings:
        array = getattr(values, "signal", values)
        digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(repr(getattr(values, "sampling_rate", None)).encode())
    return digest.hexdigest()[:16]
