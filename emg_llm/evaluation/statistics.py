"""Statistics over people: intervals, paired differences, and whether a model reads anything.

Recordings of one person resemble each other, so people are the units. Standard errors come from a
jackknife that leaves out one person at a time, quantiles from Student's t. The percentile bootstrap
is too narrow with few people. Where there is a single person, recordings are the units, and the
figures hold for that person. `benchmarks/intervals.py` measures coverage and false alarms.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95
# A few people can agree by luck. The standard error is at least this share of that of independent
# recordings; chosen by benchmarks/intervals.py.
LEAST_OF_SHARE, LEAST_OF_MEAN = 0.8, 0.5
LABELS_SHARE = 0.2  # of the false alarms of `above_chance`, for its tests of single labels


def units(groups: Any) -> np.ndarray:
    """int (n,): the unit of each recording, its person; itself if there is one person."""
    names, member = np.unique(groups, return_inverse=True)
    return np.arange(len(member)) if len(names) == 1 else member


def units_name(groups: Any) -> str:
    """What the units are: "people" or "recordings"."""
    return "people" if 1 < len(set(groups)) < len(groups) else "recordings"


def share_interval(correct: Any, groups: Any) -> list[float]:
    """95 % interval over people of the mean of values from 0 to 1: [low, high]."""
    return [float(limit) for limit in share_limits(*_sums(correct, groups))]


def share_limits(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of sums / counts, both float (..., units), by t on the logit.

    The logit keeps the interval within 0 and 1 and is what makes it cover near them; half a
    recording is added on either side, so that it exists where all are right.
    """
    if sums.shape[-1] < 2:
        return np.zeros(sums.shape[:-1]), np.ones(sums.shape[:-1])
    n, total = counts.sum(-1), sums.sum(-1)
    inner = (total + 0.5) / (n + 1)
    spread = inner * (1 - inner)
    error = np.maximum(_error(sums, counts), LEAST_OF_SHARE * np.sqrt(spread / n))
    logit = np.log(inner / (1 - inner))
    width = _quantile(sums.shape[-1]) * error / spread
    low, high = (1 / (1 + np.exp(-x)) for x in (logit - width, logit + width))
    return np.where(total <= 0, 0.0, low), np.where(total >= n, 1.0, high)


def mean_interval(values: Any, groups: Any, bound: float = 1.0) -> list[float]:
    """95 % interval over people of the mean of values from -bound to bound: [low, high]."""
    mean, error, k = _mean(values, groups)
    width = _quantile(k) * error if k > 1 else np.inf
    return [float(np.clip(x, -bound, bound)) for x in (mean - width, mean + width)]


def difference(after: Any, before: Any, groups: Any) -> dict[str, Any]:
    """Paired difference of two models on the same recordings.

    after, before: whether each recording is read correctly, (n,). Returns gain, the difference in
    accuracy; gain_ci95, its interval over people; gain_p, two-sided, of a paired t test.
    """
    more = np.asarray(after, float) - np.asarray(before, float)
    mean, error, k = _mean(more, groups)
    certain = 0.0 if mean else 1.0
    p = 2 * stats.t.sf(abs(mean) / error, k - 1) if error > 0 and k > 1 else certain
    figures = {"gain": float(mean), "gain_ci95": mean_interval(more, groups)}
    return figures | {"gain_p": float(p) if k > 1 else 1.0}


def correlation_interval(r: Callable[[np.ndarray], float], groups: Any) -> list[float]:
    """95 % interval over people of a correlation, by t on Fisher's z: [low, high].

    r(rows) -> the correlation over these rows, NaN where it is undefined.
    """
    member = units(groups)
    z = np.arctanh(np.clip(r(np.arange(len(member))), -0.9999, 0.9999))
    left_out = np.array([r(np.flatnonzero(member != k)) for k in range(member.max() + 1)])
    left_out = np.arctanh(np.clip(left_out[np.isfinite(left_out)], -0.9999, 0.9999))
    if len(left_out) < 3:
        return [-1.0, 1.0]
    width = _quantile(len(left_out)) * _jackknife(left_out)
    return [float(np.tanh(z - width)), float(np.tanh(z + width))]


def above_chance(
    predicted: Any, targets: Any, groups: Any, n_labels: int, by_person: bool = True
) -> float:
    """p, one-sided, that a model which knows nothing reads as well, in total or any one label.

    by_person: whether how often a person shows and is given each label counts as knowing nothing;
    otherwise a model that recognises people is above chance where they show other labels.
    """
    member, groups = units(groups), np.asarray(groups)
    by_person = by_person and units_name(groups) == "people"
    counts = np.zeros((member.max() + 1, n_labels, n_labels))
    np.add.at(counts, (member, np.asarray(targets), np.asarray(predicted)), 1)
    return float(chance_p(counts, by_person))


def chance_p(confusions: np.ndarray, by_person: bool = True) -> np.ndarray:
    """The p of `above_chance` from counts (..., units, true labels, predicted labels).

    For each person and label, the excess is the share of recordings read correctly as this label,
    less what its frequencies among the person's labels and answers give. It has mean 0 for answers
    that depend on no label, however much recordings of one emotion are answered alike. Over people,
    t tests ask whether the sum over the labels, or that of one label, exceeds 0. The former gets
    0.8 of the false alarms, the latter share the rest (Bonferroni).
    """
    if confusions.shape[-3] < 2:
        return np.ones(confusions.shape[:-3])
    shown, given = confusions.sum(-1), confusions.sum(-2)  # (..., units, labels)
    counts = shown.sum(-1, keepdims=True)
    frequency = shown / counts
    if not by_person:
        frequency = shown.sum(-2, keepdims=True) / counts.sum(-2, keepdims=True)
    by_luck = frequency * given
    excess = np.diagonal(confusions, axis1=-2, axis2=-1) - by_luck
    total, n = counts.sum(-2), counts[..., 0]
    # The variance of independent recordings: of each label, then of all.
    variance = (by_luck * (1 - frequency) * (1 - given / counts)).sum(-2) / total**2
    chance = by_luck.sum((-2, -1))[..., None] / total
    variance = np.concatenate([variance, chance * (1 - chance) / total], axis=-1)
    sums = np.concatenate([excess, excess.sum(-1, keepdims=True)], axis=-1).swapaxes(-1, -2)
    error = np.maximum(_error(sums, n[..., None, :]), LEAST_OF_MEAN * np.sqrt(variance))
    mean = sums.sum(-1) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 1e-12, mean / error, np.where(mean > 1e-12, np.inf, 0.0))
    p = stats.t.sf(t, sums.shape[-1] - 1)
    labels = p[..., :-1].min(-1) * confusions.shape[-1] / LABELS_SHARE
    return np.minimum(np.minimum(labels, p[..., -1] / (1 - LABELS_SHARE)), 1.0)


def _sums(values, groups):
    """(sum of the values, number of them) of each unit."""
    member = units(groups)
    return np.bincount(member, weights=np.asarray(values, float)), np.bincount(member)


def _mean(values, groups):
    """(mean, its standard error, number of units)."""
    sums, counts = _sums(values, groups)
    k, n = len(counts), counts.sum()
    if k < 2:
        return sums.sum() / n, 0.0, k
    least = LEAST_OF_MEAN * np.std(values) / np.sqrt(n)
    return sums.sum() / n, max(float(_error(sums, counts)), least), k


def _error(sums, counts):
    """Standard error of sums / counts (..., units): units differ in size, so a ratio."""
    total, n = sums.sum(-1, keepdims=True), counts.sum(-1, keepdims=True)
    return _jackknife((total - sums) / (n - counts))


def _jackknife(left_out):
    """Standard error from the estimates that leave out one unit each, float (..., units)."""
    k = left_out.shape[-1]
    return np.sqrt((k - 1) * left_out.var(-1))


def _quantile(k):
    return stats.t.ppf((1 + LEVEL) / 2, k - 1)
