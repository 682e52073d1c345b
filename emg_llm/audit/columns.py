"""Columns of a feature table that are no measurement: labels, counters, clocks."""

import re

import numpy as np

# A column whose name consists of these words alone isn't taken for a measurement.
NOT_MUSCLE = {
    *("label", "labels", "target", "class", "emotion", "emotions", "category", "code", "y"),
    *("row", "rows", "index", "idx", "id", "ids", "nr", "no", "number", "num", "count", "counter"),
    *(
        "trial",
        "trials",
        "repetition",
        "rep",
        "block",
        "order",
        "sequence",
        "seq",
        "line",
        "sample",
    ),
    *("time", "timestamp", "clock", "hour", "hours", "minute", "minutes", "second", "seconds"),
    *("day", "date", "weekday", "session", "subject", "person", "participant", "patient", "user"),
    *("file", "path", "age", "sex", "gender", "handedness", "of", "the"),
}
FEW = 3  # times the number of labels: the most values that a column of codes has
PER_PERSON = 5  # rows of a person that show an order
FEWEST = 12  # rows that do


def counts(column, groups):
    """What a column (rows,) counts: "rows", "rows of each person", or ""."""
    if not np.array_equal(column, np.rint(column)) or len(column) < FEWEST:
        return ""
    if _is_run(column):
        return "rows"
    parts = [column[groups == group] for group in np.unique(groups)]
    many = [part for part in parts if len(part) >= PER_PERSON]
    return "rows of each person" if many and all(map(_is_run, many)) else ""


def counts_within(column, groups, targets):
    """Whether the column numbers the rows of each person's label, from the same number on."""
    if counts(column, groups) or not np.array_equal(column, np.rint(column)):
        return False
    pairs = np.array([f"{target} {group}" for target, group in zip(targets, groups, strict=True)])
    parts = [column[pairs == pair] for pair in np.unique(pairs)]
    start = {part.min() for part in parts}
    return min(map(len, parts)) > 2 and len(start) == 1 and all(map(_is_run, parts))


def is_clock(column, groups):
    """Whether the column rises (or falls) from row to row of every person."""
    parts = [np.diff(column[groups == group]) for group in np.unique(groups)]
    many = [part for part in parts if len(part) >= PER_PERSON - 1]
    if sum(map(len, many)) < FEWEST:
        return False
    steps = np.concatenate(many)
    return bool((steps > 0).all() or (steps < 0).all())


def is_coded(column, n_labels):
    """Whether the column has so few values that they may be codes."""
    return len(np.unique(column)) <= FEW * n_labels


def named_otherwise(name):
    """Whether a column's name says that it is no measurement."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", str(name)).lower())
    return bool(words) and set(words) <= NOT_MUSCLE


def no_measurement(dataset, column):
    """Why a column (an index) of a feature table can't be a measurement of muscles, or ""."""
    x, groups = dataset.table[:, column], dataset.groups
    if of := counts(x, groups):
        return f"It numbers the {of}."
    if counts_within(x, groups, dataset.targets):
        return "It numbers the trials of each label."
    if is_clock(x, groups):
        return "It rises or falls from row to row of each person, like a clock."
    if named_otherwise(dataset.columns[column]):
        return "Its name says that it is no measurement."
    return ""


def measured_columns(dataset):
    """bool (columns,): those that may be a measurement."""
    each = range(len(dataset.columns))
    return dataset.once(
        "measured", lambda: np.array([not no_measurement(dataset, c) for c in each])
    )


def decibel(table):
    """float (rows, columns): columns that are positive throughout are powers, and become dB."""
    is_power = (table > 0).all(axis=0)
    return np.where(is_power, 10 * np.log10(np.where(is_power, table, 1)), table)


def _is_run(values):
    """Whether the values are all numbers from one to another, in any order."""
    return len(np.unique(values)) == len(values) == values.max() - values.min() + 1
