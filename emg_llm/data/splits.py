"""Training, validation, calibration and test people, apart before anything is cut or fitted."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emg_llm.data.datasets import PARTS, Dataset, DatasetError, Rows

VALIDATION_SHARE = 0.2  # of the training people, where a fold has validation people
MANY = 10  # people, of whom some can do nothing but calibrate


# Whom a Confidence is fitted on.
CALIBRATION, VALIDATION, SCORED = "calibration people", "validation people", "the scored people"


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a dataset for training, validation, calibration and test: sorted int arrays.

    Validation people choose between settings; calibration people choose nothing and tell how sure
    the chosen model can be. grouping: the unit that stays on one side. "subject"; "session", with
    its subject on both sides; "recording", if no subject is known; or "given", the data's own
    split column, which keeps subjects whole too.
    """

    name: str
    grouping: str
    seed: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    calibration: np.ndarray
    hash: str

    @classmethod
    def of(
        cls, dataset: Dataset, name: str, grouping: str, seed: int, parts: Sequence[Rows]
    ) -> Self:
        """A Split of rows for training, validation, test and, if there are any, calibration.

        Raises DatasetError if a group is in several parts.
        """
        digest = hashlib.sha256()
        named = dict(zip(PARTS, [*parts, []][: len(PARTS)], strict=True))
        for part, rows in named.items():
            if len(rows) or part != "calibration":  # without it, the hash is that of three parts
                digest.update(f"{part}:{','.join(sorted(dataset.ids[i] for i in rows))};".encode())
        sorted_rows = {part: np.sort(np.asarray(rows, int)) for part, rows in named.items()}
        torn = _torn(_units(dataset, grouping), sorted_rows.values())
        if torn:
            where = "The 'split' column of" if grouping == "given" else f"The split {name} of"
            raise DatasetError(
                f"{where} {dataset.name} has {_listed(torn)} in more than one part, so the test "
                "isn't on new people; put all recordings of a person into one part."
            )
        return cls(name, grouping, seed, **sorted_rows, hash=digest.hexdigest()[:16])

    @property
    def scored(self) -> np.ndarray:
        """The rows that results are computed on: test, or validation if there is no test."""
        rows = self.test if len(self.test) else self.validation
        if not len(rows):
            raise DatasetError(
                "There are no recordings to test on; mark rows of the 'split' column as 'test'."
            )
        return rows

    @property
    def refit(self) -> Self:
        """The same people, all for training: what has learned them can't be measured on them."""
        everybody = np.sort(np.concatenate([getattr(self, part) for part in PARTS]))
        nobody = everybody[:0]
        return replace(self, train=everybody, validation=nobody, test=nobody, calibration=nobody)

    @property
    def calibrating(self) -> tuple[np.ndarray, str]:
        """(the rows that a Confidence is fitted on, who they are); validation rows if need be."""
        if len(self.calibration):
            return self.calibration, CALIBRATION
        return self.validation, VALIDATION if len(self.test) else SCORED

    def protocol(self) -> dict[str, Any]:
        """The description of the split in results files."""
        return {
            "name": self.name,
            "grouping": self.grouping,
            "split_hash": self.hash,
            "seed": self.seed,
        }


def held_out_split(dataset: Dataset, seed: int = 0) -> Split:
    """One Split: the data's own if it has one, otherwise shares of the people.

    50 % are for training, 10 % for validation, 20 % for calibration and 20 % for the test. Fewer
    than MANY people are divided 60/20/20, and the validation people calibrate too.
    A recording whose person is unknown counts as a person of its own. If no person is named at
    all, recordings are split within each label, and `grouping` says so.
    """
    if dataset.splits is not None:
        split = given_split(dataset, seed)
        if not len(split.train):
            raise DatasetError(f"{dataset.name}: mark rows of the 'split' column as 'train'.")
        return split
    rng = np.random.default_rng(seed)
    if any(dataset.subjects):
        people = rng.permutation(sorted(set(dataset.groups)))
        if len(people) < 3:
            raise DatasetError(
                f"{dataset.name} has {len(people)} people; training, validation and test need "
                "one each. Add people, or a 'split' column."
            )
        parts = [
            np.flatnonzero(np.isin(dataset.groups, p)) for p in _shares(people, len(people) >= MANY)
        ]
        return Split.of(dataset, "held_out", "subject", seed, parts)
    by_label, many = [], min(Counter(dataset.labels).values()) >= MANY
    for label in dataset.label_names:
        rows = rng.permutation([i for i, value in enumerate(dataset.labels) if value == label])
        if len(rows) < 3:
            raise DatasetError(
                f"{dataset.name} has {len(rows)} recordings labelled {label!r}; training, "
                "validation and test need one each. Add recordings, or a 'split' column."
            )
        by_label.append(_shares(rows, many))
    parts = [np.concatenate(shares) for shares in zip(*by_label, strict=True)]
    return Split.of(dataset, "held_out", "recording", seed, parts)


def _shares(shuffled, many):
    """A shuffled array as (train, validation, test) or, if `many`, with calibration."""
    n, m = max(1, round(0.2 * len(shuffled))), max(1, round(0.1 * len(shuffled)))
    first, test, rest = shuffled[:n], shuffled[n : 2 * n], shuffled[2 * n :]
    return (rest[m:], rest[:m], test, first) if many else (rest, first, test)


def given_split(dataset: Dataset, seed: int = 0) -> Split:
    """The Split of the data's own column; raises DatasetError if parts share people.

    Where nobody is marked for calibration, two thirds of the validation people are, by the seed,
    if there are at least three.
    """
    splits = np.array(dataset.splits or (), object)
    parts = {part: np.flatnonzero(splits == part) for part in PARTS}
    held = parts["validation"]
    people = np.random.default_rng(seed).permutation(np.unique(dataset.groups[held]))
    if not len(parts["calibration"]) and len(parts["test"]) and len(people) > 2:
        stays = np.isin(dataset.groups[held], people[: max(1, round(len(people) / 3))])
        parts["validation"], parts["calibration"] = held[stays], held[~stays]
    return Split.of(dataset, "held_out", "given", seed, list(parts.values()))


def leave_one_subject_out(
    dataset: Dataset, seed: int = 0, validation: bool = False
) -> Iterator[Split]:
    """One Split per person, who is the test; all others are for training.

    validation: set aside a fifth of each fold's training people for early stopping.
    """
    people = _named_people(dataset, "Leaving one subject out", 3 if validation else 2)
    groups = np.array(dataset.subjects)
    for fold, person in enumerate(people):
        train, test = np.flatnonzero(groups != person), np.flatnonzero(groups == person)
        parts = *_inner(groups, train, validation, (seed, fold)), test
        yield Split.of(dataset, "leave_one_subject_out", "subject", seed, parts)


def grouped_k_fold(
    dataset: Dataset, seed: int = 0, folds: int = 4, validation: bool = False
) -> Iterator[Split]:
    """`folds` Splits, each with another share of the people as the test.

    validation: set aside a fifth of each fold's training people for early stopping.
    """
    from sklearn.model_selection import GroupKFold

    people = np.array(_named_people(dataset, "Folds over people", 3 if validation else 2))
    if not 2 <= folds <= len(people):
        raise DatasetError(
            f"--folds must be between 2 and {len(people)} for {len(people)} people, not {folds}."
        )
    groups = np.array(dataset.subjects)
    # People are split, not rows, so that the folds don't depend on the order of the data.
    k_fold = GroupKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, chosen) in enumerate(k_fold.split(people, groups=people)):
        is_test = np.isin(groups, people[chosen])
        train = np.flatnonzero(~is_test)
        parts = *_inner(groups, train, validation, (seed, fold)), np.flatnonzero(is_test)
        yield Split.of(dataset, "grouped_k_fold", "subject", seed, parts)


def held_out_sessions(dataset: Dataset, seed: int = 0, validation: bool = False) -> Iterator[Split]:
    """Leave out one session of every person in turn: how well a model does on people it knows.

    Fold k tests the k-th session of every person (sorted by name) and trains on all others; a
    person with fewer sessions only trains in the last folds. The same people are on both sides.
    validation: set aside each person's session before the tested one for early stopping.
    """
    people = _named_people(dataset, "Leaving sessions out", 1)
    least = 3 if validation else 2
    sessions = dataset.sessions or (None,) * len(dataset)
    units = list(zip(dataset.subjects, sessions, strict=True))
    named: dict[str | None, Sequence[str]] = {
        p: sorted({s for q, s in units if q == p and s is not None}) for p in people
    }
    few = [p for p in people if len(named[p]) < least or (p, None) in units]
    if few:
        raise DatasetError(
            f"Leaving sessions out needs at least {least} named sessions from each person; for "
            f"{_listed(few)} of {dataset.name}, complete the 'session' column."
        )
    place = np.array([named[p].index(s) for p, s in units])
    count = np.array([len(named[p]) for p, _ in units])
    for fold in range(count.max()):
        is_test = place == fold
        is_validation = validation & (place == (fold - 1) % count) & (fold < count)
        parts = [np.flatnonzero(m) for m in (~is_test & ~is_validation, is_validation, is_test)]
        yield Split.of(dataset, "held_out_sessions", "session", seed, parts)


def protocol_splits(
    name: str, dataset: Dataset, seed: int = 0, folds: int = 4, validation: bool = False
) -> list[Split]:
    """All Splits of a protocol, given its name; settings that it doesn't use are ignored."""
    options = {"grouped_k_fold": {"folds": folds}}.get(name, {})
    if name != "held_out":
        options = options | {"validation": validation}
    return list(PROTOCOLS[name](dataset, seed, **options))


PROTOCOLS: dict[str, Callable[..., Iterator[Split]]] = {
    "held_out": lambda dataset, seed=0: iter([held_out_split(dataset, seed)]),
    "leave_one_subject_out": leave_one_subject_out,
    "grouped_k_fold": grouped_k_fold,
    "held_out_sessions": held_out_sessions,
}


def _named_people(dataset, what, least):
    people = sorted(set(dataset.subjects) - {None})
    if len(people) < least or None in dataset.subjects:
        raise DatasetError(
            f"{what} needs at least {least} named people and a name for every recording; "
            f"{dataset.name} has {len(people)}. Add a 'subject' column."
        )
    return people


def _inner(groups, train, validation, seed):
    """(train, validation) rows; validation is a fifth of the training people, or empty."""
    if not validation:
        return train, []
    people = np.random.default_rng(seed).permutation(np.unique(groups[train]))
    chosen = people[: max(1, round(VALIDATION_SHARE * len(people)))]
    is_validation = np.isin(groups[train], chosen)
    return train[~is_validation], train[is_validation]


def _units(dataset, grouping):
    """(rows,): the name of the unit that must stay on one side."""
    if grouping == "session":
        pairs = zip(dataset.subjects, dataset.sessions, strict=True)
        return np.array([f"{subject}, session {session}" for subject, session in pairs])
    return dataset.groups


def _torn(units, parts):
    """Names of the units that are in several parts."""
    parts_of = Counter(unit for rows in parts for unit in np.unique(units[rows]).tolist())
    return sorted(unit for unit, n in parts_of.items() if n > 1)


def _listed(names, most=3):
    rest = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {rest} more" if rest > 0 else "")
