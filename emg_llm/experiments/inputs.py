"""What a language model's answers depend on: the same Readings with one input changed.

Another recording's codes or levels come from one with another label, so that a model that uses them
follows them. Sites that swap names move in the prompt; sites that swap values don't: what a model
reads by place alone only the second changes.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emg_llm.bridge.reading import Reading

UNCHANGED = "as it is"
REPLACED = "codes of another recording", "levels of another recording"


def donors_of(targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int (n,): for each recording the index of a random one with another label, or itself where
    there is none."""
    others = [np.flatnonzero(targets != target) for target in targets]
    return np.array([rng.choice(o) if len(o) else k for k, o in enumerate(others)], int)


def changed_readings(
    readings: Sequence[Reading], donors: np.ndarray, rng: np.random.Generator
) -> dict[str, list[Reading]]:
    """{name of a change: the changed Readings}, for the changes that these Readings allow.

    donors: int (n,), the index of the Reading that each takes codes or levels from.
    """
    coded = all(reading.codes for reading in readings)
    levelled = all(len(reading.levels) > 1 for reading in readings)
    pairs = [(reading, readings[donor]) for reading, donor in zip(readings, donors, strict=True)]
    changed = {}
    if coded:
        changed[REPLACED[0]] = [replace(r, codes=other.codes) for r, other in pairs]
    if levelled:
        changed[REPLACED[1]] = [
            replace(r, sites=other.sites, levels=other.levels, neutral=other.neutral)
            for r, other in pairs
        ]
        orders = [_other_order(len(r.levels), rng) for r in readings]
        changed["names of sites permuted"] = [
            replace(r, sites=tuple(r.sites[i] for i in order))
            for r, order in zip(readings, orders, strict=True)
        ]
        changed["values of sites permuted"] = [
            replace(r, levels=tuple(r.levels[i] for i in order))
            for r, order in zip(readings, orders, strict=True)
        ]
    if coded and levelled:
        changed["codes removed"] = [replace(r, codes=()) for r in readings]
        changed["levels removed"] = [replace(r, sites=(), levels=()) for r in readings]
    return changed


def _other_order(n, rng):
    """A random order of 0 … n - 1, other than that one."""
    while (order := rng.permutation(n)).tolist() == list(range(n)):
        pass
    return order
