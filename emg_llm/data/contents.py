"""What a dataset holds, whatever its name: a short hash of the samples of each recording."""

import hashlib
from typing import Any

import numpy as np

from emg_llm.data.datasets import PARTS, Dataset, Rows
from emg_llm.data.splits import Split
from emg_llm.signal.levels import unless_any
from emg_llm.signal.recording import Recording
from emg_llm.signal.simulation import is_simulated

BYTES = 6  # of a hash: a chance of 1 in 10^8 that two of a thousand recordings share one


def content_hash(item: Recording | np.ndarray) -> str:
    """A hash of a recording's valid samples, or of a feature row; names and labels don't count."""
    values = item.signal[item.valid] if isinstance(item, Recording) else item
    digest = hashlib.sha256(f"{values.shape}".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[: 2 * BYTES]


def content_hashes(dataset: Dataset) -> np.ndarray:
    """(recordings,): the `content_hash` of each."""
    each = range(len(dataset))
    return dataset.once("contents", lambda: np.array([content_hash(dataset.item(i)) for i in each]))


def training_contents(dataset: Dataset, **parts: Rows) -> dict[str, Any]:
    """{"contents": the hashes of each part of a training}, to know the data under another name.

    A hash says nothing to somebody who doesn't have the recording. Empty for simulated data,
    whose name says what it holds.
    """
    if is_simulated(dataset.name):
        return {}
    hashes = content_hashes(dataset)
    return {"contents": {part: " ".join(sorted(hashes[rows])) for part, rows in parts.items()}}


def training_protocol(dataset: Dataset, split: Split, scaling: str = "training") -> dict[str, Any]:
    """`split.protocol()`, what the model knows of the people it is measured on, and the
    `training_contents` of the split."""
    parts = {part: getattr(split, part) for part in PARTS}
    known = {"known": unless_any(scaling)}
    return split.protocol() | known | training_contents(dataset, **parts)
