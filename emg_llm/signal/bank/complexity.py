"""Features of complexity: entropies, fractal dimensions, Hjorth's parameters."""

from functools import lru_cache

import numpy as np

from emg_llm.signal.bank.block import Block, Feature, count, inner, logarithm, over

M = 2  # samples in a pattern
TOLERANCE = 0.2  # standard deviations
LONGEST = 10  # interval of Higuchi's dimension, samples
SHORTEST_BOX = 4  # samples, of detrended fluctuation analysis


def _sample_entropy(block: Block) -> np.ndarray:
    """By lags: whether patterns i and i + k match, for all i and rows at once."""
    x, n = block.standard, block.length - M  # n patterns
    shorter, longer = np.zeros((2, x.shape[1]), np.float32)
    for k in range(1, n):
        near = abs(x[k:] - x[:-k]) <= TOLERANCE
        both = near[:-2] & near[1:-1]
        shorter += count(both)
        longer += count(both & near[2:])
    most = np.log(max(n * (n - 1) / 2, 1))  # of all pairs, one matches
    return np.where(longer > 0, -logarithm(over(longer, shorter)), most)


def _fuzzy_entropy(block: Block) -> np.ndarray:
    """As `_sample_entropy`, with a degree of likeness for each pair of patterns."""
    x, n = block.standard, block.length - M
    shorter, longer = np.zeros((2, x.shape[1]), np.float32)
    for k in range(1, n):
        d = x[k:] - x[:-k]
        # Patterns lose their means. Of two differences that leaves ± half of theirs.
        half = d[:-2] - d[1:-1]
        shorter += _likeness(half, 0.25).sum(axis=0)
        low, high = np.minimum(d[:-2], d[1:-1]), np.maximum(d[:-2], d[1:-1])
        np.minimum(low, d[2:], out=low)
        np.maximum(high, d[2:], out=high)
        mean = d[:-2] + d[1:-1]
        mean += d[2:]
        mean /= 3
        np.subtract(mean, low, out=low)
        high -= mean
        longer += _likeness(np.maximum(low, high, out=high), 1.0).sum(axis=0)
    return np.where(longer > 0, logarithm(over(shorter, longer)), 0)


def _likeness(distance, factor):
    """exp(-factor distance² / TOLERANCE), in place."""
    np.square(distance, out=distance)
    distance *= np.float32(-factor / TOLERANCE)
    return np.exp(distance, out=distance)


def _permutation_entropy(block):
    x = block.columns
    a, b, c = x[:-2] <= x[1:-1], x[1:-1] <= x[2:], x[:-2] <= x[2:]
    orders = a & b, a & ~b & c, a & ~b & ~c, ~a & b & c, ~a & b & ~c, ~a & ~b
    share = np.stack([count(order) for order in orders], axis=1) / max(block.length - 2, 1)
    return np.abs(inner(share, logarithm(share))) / np.float32(np.log(6))


def _higuchi(block: Block) -> np.ndarray:
    x, intervals = block.columns, range(1, min(LONGEST, block.length // 2) + 1)
    lengths = [_higuchi_weights(block.length, k) @ abs(x[k:] - x[:-k]) for k in intervals]
    return -_slope(np.log(intervals), np.stack(lengths))


@lru_cache(maxsize=64)
def _higuchi_weights(length, k):
    """Of each |x[i + k] - x[i]| in the mean length of the k curves that take every k-th sample."""
    curve = np.arange(length - k) % k
    return ((length - 1) / ((length - 1 - curve) // k * k) / k / k).astype(np.float32)


def _katz(block):
    n = block.length - 1
    extent = abs(block.columns - block.columns[0]).max(axis=0)
    longest = np.where(extent > 0, np.log(n), 0)
    return over(longest, longest + logarithm(over(extent, block.path)))


def _fluctuation(block: Block) -> np.ndarray:
    profile = np.cumsum(block.standard, axis=0, dtype=np.float64)
    boxes = [SHORTEST_BOX]
    while 2 * boxes[-1] <= block.length // 4:
        boxes.append(2 * boxes[-1])
    if len(boxes) < 2:
        return np.zeros(profile.shape[1])
    rest = np.stack([_around_trend(profile, n) for n in boxes])
    return _slope(np.log(boxes), np.sqrt(rest))


def _around_trend(profile, n):
    """The mean square of what straight lines leave in boxes of n samples, (rows,)."""
    boxes = profile[: len(profile) // n * n].reshape(-1, n, profile.shape[1])
    line = np.linalg.qr(np.stack([np.ones(n), np.arange(n)], axis=1))[0]  # (n, 2)
    rest = boxes - line @ (line.T @ boxes)
    return np.einsum("bnr,bnr->r", rest, rest) / (len(boxes) * n)


def _slope(x, values):
    """The slope of the line through the logarithms of values (places, rows) at x, (rows,)."""
    x = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    return np.where((values > 0).all(axis=0), x @ logarithm(values), 0)


def _moments(block):
    """Variances of the signal, its differences and theirs: three of (rows,), 0 for constants."""
    first, second = block.steps, block.steps[1:] - block.steps[:-1]
    values = block.variance, _variance(first, block.columns), _variance(second, first)
    return [np.where(block.constant, 0, v) for v in values]


def _variance(steps, of):
    """Of the differences of `of`, (rows,): their mean is known from its ends."""
    mean = (of[-1] - of[0]) / len(steps)
    return np.maximum(np.einsum("ij,ij->j", steps, steps) / len(steps) - np.square(mean), 0)


def _mobility(block):
    signal, first, _ = _moments(block)
    return np.sqrt(over(first, signal))


def _complexity(block):
    signal, first, second = _moments(block)
    return np.sqrt(over(over(second, first), over(first, signal)))


COMPLEXITY = (
    Feature(
        "sampen",
        "sample entropy",
        "1",
        f"−ln A/B; B, A: pairs of patterns of {M} and {M + 1} samples that differ by ≤ "
        f"{TOLERANCE:g} standard deviations",
        "Richman 2000",
        _sample_entropy,
    ),
    Feature(
        "fuzzyen",
        "fuzzy entropy",
        "1",
        f"ln B/A; B, A: sums of exp(−d²/{TOLERANCE:g}) over pairs of patterns of {M} and {M + 1} "
        "samples less their means, d their largest difference in standard deviations",
        "Chen 2007",
        _fuzzy_entropy,
    ),
    Feature(
        "permutation_entropy",
        "permutation entropy",
        "1",
        "−Σ p ln p / ln 6; p: shares of the six orders of three samples",
        "Bandt 2002",
        _permutation_entropy,
    ),
    Feature(
        "higuchi",
        "Higuchi's fractal dimension",
        "1",
        f"minus the slope of ln L(k) over ln k, k = 1 … {LONGEST}; L: mean length of the curves of "
        "every k-th sample",
        "Higuchi 1988",
        _higuchi,
    ),
    Feature(
        "katz",
        "Katz's fractal dimension",
        "1",
        "ln n / (ln n + ln d/L); n = N − 1, d = max |x[i] − x[1]|, L = wl",
        "Katz 1988",
        _katz,
    ),
    Feature(
        "dfa",
        "exponent of detrended fluctuations",
        "1",
        f"slope of ln F(n) over ln n, n = {SHORTEST_BOX}, {2 * SHORTEST_BOX}, … ≤ N/4; F: RMS of "
        "Σ (x[i] − mean) around straight lines in boxes of n samples",
        "Peng 1994",
        _fluctuation,
    ),
    Feature(
        "hjorth_mobility",
        "Hjorth's mobility",
        "1",
        "√(variance of x[i+1] − x[i] / variance of x)",
        "Hjorth 1970",
        _mobility,
    ),
    Feature(
        "hjorth_complexity",
        "Hjorth's complexity",
        "1",
        "mobility of x[i+1] − x[i] / mobility of x",
        "Hjorth 1970",
        _complexity,
    ),
)
