"""One neutral recording of each person, known beforehand: the zero of the person's levels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emg_llm.data.datasets import PARTS, Dataset, DatasetError
from emg_llm.data.splits import Split

NEUTRAL = "neutral"  # the label, and the scaling


def with_neutral(dataset: Dataset, scaling: str, seed: int = 0) -> Dataset:
    """With "neutral" scaling, the dataset with one neutral recording of each person drawn by
    `seed`; with another, the dataset itself. Raises DatasetError where a person has none."""
    if scaling != NEUTRAL:
        return dataset
    rng, groups, zero = np.random.default_rng(seed), dataset.groups, {}
    labels = np.array(dataset.labels)
    for person in np.unique(groups):
        rows = np.flatnonzero((groups == person) & (labels == NEUTRAL))
        if not len(rows):
            raise DatasetError(
                f"--scaling neutral needs a recording labelled neutral of each person, and "
                f"{dataset.name} has none of {person}; add one, or choose another --scaling."
            )
        zero[person] = int(rng.choice(rows))
    return replace(dataset, neutral=tuple(zero[person] for person in groups))


def neutral_of(dataset: Dataset, rows: Sequence[int] | np.ndarray) -> list[int]:
    """The row of each one's neutral recording. Raises DatasetError where none was drawn."""
    if dataset.neutral is None:
        raise DatasetError(
            f"The model reads levels against a neutral recording of the person, and none is known "
            f"in {dataset.name}; give --scaling neutral."
        )
    return [dataset.neutral[i] for i in rows]


def without_neutral(dataset: Dataset, split: Split) -> Split:
    """The Split without the recordings that are a zero: they are neither learned nor scored."""
    zeros = [] if dataset.neutral is None else dataset.neutral
    kept: dict[str, Any] = {part: np.setdiff1d(getattr(split, part), zeros) for part in PARTS}
    return replace(split, **kept)
