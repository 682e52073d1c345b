"""What is known of each person beforehand: a neutral recording, or several unlabelled ones.

A dataset carries, for each row, the rows that are known of its person. One that carries both is
there to learn from: a model of scaling "any" reads each recording with either of them or without.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emg_llm.data.datasets import PARTS, Dataset, DatasetError
from emg_llm.data.splits import Split
from emg_llm.signal.levels import ANY, KNOWN, LEAST

NEUTRAL, SEVERAL_OF = KNOWN
SEVERAL = 10  # recordings, of which "several" has fewer only where a person has fewer
Rows = Sequence[int] | np.ndarray


def with_known(dataset: Dataset, scaling: str, seed: int = 0) -> Dataset:
    """The dataset with what models of `scaling` know of each person, drawn by `seed`.

    "neutral": one recording that is labelled neutral. "several": SEVERAL recordings of any label.
    "any": both, as far as a person has them, but for a neutral recording not itself. Others:
    nothing. Raises DatasetError where a person lacks what all of them must have.
    """
    wanted = KNOWN if scaling == ANY else tuple(p for p in KNOWN if p == scaling)
    if not wanted and not dataset.known:
        return dataset
    return replace(dataset, known={p: _drawn(dataset, p, seed, scaling != ANY) for p in wanted})


def knowing(dataset: Dataset, *privileges: str) -> Dataset:
    """The dataset with only these of what is known; what it has cached is shared."""
    known = {p: rows for p, rows in dataset.known.items() if p in privileges}
    other = replace(dataset, known=known)
    object.__setattr__(other, "_memo", dataset._memo)
    return other


def _drawn(dataset, privilege, seed, strict):
    """For each row, the rows that are known of its person; none where it lacks them, unless
    `strict`."""
    rng, groups, drawn = np.random.default_rng(seed), dataset.groups, {}
    labels, neutral = np.array(dataset.labels), privilege == NEUTRAL
    for person in np.unique(groups):
        rows = np.flatnonzero((groups == person) & ((labels == NEUTRAL) | (not neutral)))
        if len(rows) < LEAST[privilege]:
            if strict:
                raise DatasetError(_lacking(dataset, privilege, person))
            drawn[person] = ()
            continue
        chosen = rng.choice(rows, 1 if neutral else min(SEVERAL, len(rows)), replace=False)
        drawn[person] = tuple(sorted(map(int, chosen)))
    known = [drawn[person] for person in groups]
    if neutral and not strict:  # a zero minus itself would tell its label
        known = [() if some == (i,) else some for i, some in enumerate(known)]
    return tuple(known)


def _lacking(dataset, privilege, person):
    if privilege == NEUTRAL:
        return (
            f"--scaling neutral needs a recording labelled neutral of each person, and "
            f"{dataset.name} has none of {person}; add one, or choose another --scaling."
        )
    return (
        f"--scaling several needs two recordings or more of each person, and {dataset.name} has "
        f"one of {person}; add another, or choose another --scaling."
    )


def known_of(dataset: Dataset, scaling: str, rows: Rows) -> dict[str, list[tuple[int, ...]]]:
    """{privilege: for each of `rows`, the rows known of its person}, of what models of `scaling`
    can use. Raises DatasetError where they need what was not drawn."""
    if scaling in KNOWN and scaling not in dataset.known:
        what = "a neutral recording" if scaling == NEUTRAL else "several recordings"
        raise DatasetError(
            f"The model reads levels against {what} of the person, and none is known in "
            f"{dataset.name}; give --scaling {scaling}."
        )
    usable = [p for p in dataset.known if scaling in (ANY, p)]
    return {p: [dataset.known[p][i] for i in rows] for p in usable}


def known_values(
    dataset: Dataset, scaling: str, rows: Rows, measure: Callable[[list[int]], np.ndarray]
) -> dict[str, list[np.ndarray]]:
    """{privilege: for each of `rows`, values (recordings, columns) of those known of its person}.

    measure(rows) gives float (rows, columns). Rows of the same person share one array.
    """
    of = known_of(dataset, scaling, rows)
    every = sorted({i for sets in of.values() for some in sets for i in some})
    if not every:
        return {p: [np.empty((0, 0))] * len(rows) for p in of}
    values, place = measure(every), {i: k for k, i in enumerate(every)}
    shared = {
        some: values[[place[i] for i in some]] for some in {s for sets in of.values() for s in sets}
    }
    return {p: [shared[some] for some in sets] for p, sets in of.items()}


def known_rows(dataset: Dataset, rows: Rows) -> np.ndarray:
    """int (n,): all rows that are known of the people of `rows`."""
    sets = [of_all[i] for of_all in dataset.known.values() for i in rows]
    return np.unique([i for some in sets for i in some]).astype(int)


def neutral_rows(dataset: Dataset) -> np.ndarray:
    """int (n,): the rows that would be read against themselves, as their person's zero."""
    zeros = dataset.known.get(NEUTRAL, ())
    return np.array([i for i, some in enumerate(zeros) if i in some], int)


def without_neutral(dataset: Dataset, split: Split) -> Split:
    """The Split without the recordings that are a zero: they are neither learned nor scored.
    Several recordings that are one are scored, as nobody knows their labels; with "any" scaling,
    a neutral recording is read with nothing known."""
    zeros = neutral_rows(dataset)
    kept: dict[str, Any] = {part: np.setdiff1d(getattr(split, part), zeros) for part in PARTS}
    return replace(split, **kept)
