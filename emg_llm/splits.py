"""Who trains, who validates, who tests: people are kept apart before anything is cut or fitted."""

import hashlib
from dataclasses import dataclass

import numpy as np

from emg_llm.datasets import PARTS, DatasetError


@dataclass(frozen=True, eq=False)
class Split:
    """Which recordings train, validate and test: sorted int arrays into a dataset.

    grouping: "subject", "recording" or "given" (the data's own split column).
    """

    name: str
    grouping: str
    seed: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    hash: str

    @classmethod
    def of(cls, dataset, name, grouping, seed, parts):
        digest = hashlib.sha256()
        for part, rows in zip(PARTS, parts, strict=True):
            digest.update(f"{part}:{','.join(sorted(dataset.ids[i] for i in rows))};".encode())
        rows = [np.sort(np.asarray(p, int)) for p in parts]
        split = cls(name, grouping, seed, *rows, digest.hexdigest()[:16])
        if grouping == "subject":
            people = [set(dataset.groups[p]) for p in rows]
            assert not (people[0] & people[2] or people[1] & people[2] or people[0] & people[1])
        return split

    @property
    def scored(self):
        """The rows that results are about: test, or validation where there is no test."""
        rows = self.test if len(self.test) else self.validation
        if not len(rows):
            raise DatasetError(
                "No recording is left to test on; let some rows of the 'split' column say 'test'."
            )
        return rows

    def protocol(self):
        """What results files say about how the data was split."""
        return {
            "name": self.name,
            "grouping": self.grouping,
            "split_hash": self.hash,
            "seed": self.seed,
        }


def held_out_split(dataset, seed=0):
    """One Split: the data's own where it has one, otherwise people (60/20/20 %).

    A recording whose person is unknown counts as a person of its own. Where no person is named
    at all, recordings are split within each label, and the split says so.
    """
    if dataset.splits is not None:
        parts = [[i for i, s in enumerate(dataset.splits) if s == part] for part in PARTS]
        if not parts[0]:
            raise DatasetError(f"{dataset.name}: no row of the 'split' column says 'train'.")
        return Split.of(dataset, "held_out", "given", seed, parts)
    rng = np.random.default_rng(seed)
    if any(dataset.subjects):
        people = rng.permutation(sorted(set(dataset.groups)))
        if len(people) < 3:
            raise DatasetError(
                f"{dataset.name} has {len(people)} people; training, validation and test need "
                "one each. Add people, or a 'split' column."
            )
        n = max(1, round(0.2 * len(people)))
        chosen = people[2 * n :], people[:n], people[n : 2 * n]
        parts = [np.flatnonzero(np.isin(dataset.groups, part)) for part in chosen]
        return Split.of(dataset, "held_out", "subject", seed, parts)
    parts = [], [], []
    for label in dataset.label_names:
        rows = rng.permutation([i for i, value in enumerate(dataset.labels) if value == label])
        if len(rows) < 3:
            raise DatasetError(
                f"{dataset.name} has {len(rows)} recordings labelled {label!r}; training, "
                "validation and test need one each. Add recordings, or a 'split' column."
            )
        n = max(1, round(0.2 * len(rows)))
        for part, chosen in zip(parts, (rows[2 * n :], rows[:n], rows[n : 2 * n]), strict=True):
            part.extend(chosen)
    return Split.of(dataset, "held_out", "recording", seed, parts)


def leave_one_subject_out(dataset, seed=0):
    """A Split for each person: tested on that person, trained on the others."""
    people = sorted(set(dataset.subjects) - {None})
    if len(people) < 2 or None in dataset.subjects:
        raise DatasetError(
            f"Leaving one subject out needs two named people or more; {dataset.name} has "
            f"{len(people)}. Add a 'subject' column."
        )
    groups = np.array(dataset.subjects)
    for person in people:
        test = np.flatnonzero(groups == person)
        train = np.flatnonzero(groups != person)
        yield Split.of(dataset, "leave_one_subject_out", "subject", seed, (train, [], test))


PROTOCOLS = {
    "held_out": lambda dataset, seed: iter([held_out_split(dataset, seed)]),
    "leave_one_subject_out": leave_one_subject_out,
}
