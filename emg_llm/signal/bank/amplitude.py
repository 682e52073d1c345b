"""Features of the amplitude: how strong, how spread, how often across a level."""

from functools import lru_cache

import numpy as np

from emg_llm.signal.bank.block import Block, Feature, count, inner, logarithm, over

P12 = "Phinyomark 2012"


def _rms(block):
    return np.sqrt(block.variance + np.square(block.mean))


def _third(block):
    """Sums of x³, (rows,)."""
    return inner(block.squares, block.rows)


def _fifth(block):
    return inner(np.square(block.squares), block.rows)


def _v3(block):
    return np.cbrt(inner(block.squares, block.magnitude) / block.length)


def _log(block):
    x = block.magnitude
    if x.all():
        return np.exp(np.log(x).mean(axis=1))
    sums, n = logarithm(x).sum(axis=1), np.count_nonzero(x, axis=1).astype(np.float32)
    return np.where(n > 0, np.exp(over(sums, n)), 0)


def _msr(block):
    roots = np.sqrt(block.magnitude)
    total, signed = roots.sum(axis=1), np.copysign(roots, block.rows).sum(axis=1)
    return np.hypot(total + signed, total - signed) / (2 * block.length)


def _l_scale(block):
    return np.sort(block.rows, axis=1) @ _l_weights(block.length)


@lru_cache(maxsize=8)
def _l_weights(length):
    place = np.arange(length) / max(length - 1, 1)
    return ((2 * place - 1) / length).astype(np.float32)


def _spread(block):
    """The variance, 0 for constant rows, whose mean is rounded."""
    return np.where(block.constant, 0, block.variance)


def _skewness(block):
    third = inner(np.square(block.centred), block.centred) / block.length
    return over(third, np.power(_spread(block), 1.5))


def _kurtosis(block):
    squares = np.square(block.centred)
    return over(inner(squares, squares) / block.length, np.square(_spread(block)))


def _zero_crossings(block: Block) -> np.ndarray:
    return count(block.columns[1:] * block.columns[:-1] < 0)


def _slope_sign_changes(block: Block) -> np.ndarray:
    return count(block.steps[1:] * block.steps[:-1] < 0)


def _dasdv(block):
    return np.sqrt(np.einsum("ij,ij->j", block.steps, block.steps) / (block.length - 1))


def _mfl(block):
    return logarithm(_dasdv(block) * np.float32(np.sqrt(block.length - 1))) / np.log(10)


AMPLITUDE = (
    Feature("mean", "mean", "u", "1/N Σ x[i]", "–", lambda b: b.mean),
    Feature(
        "variance",
        "variance",
        "u²",
        "1/N Σ (x[i] − mean)²",
        "VAR in " + P12 + ", there without the mean",
        lambda b: b.variance,
    ),
    Feature("rms", "RMS", "u", "√(1/N Σ x[i]²)", P12, _rms),
    Feature(
        "mav",
        "mean absolute value",
        "u",
        "1/N Σ |x[i]|",
        "Hudgins 1993",
        lambda b: b.magnitude_sums[:, 0],
    ),
    Feature(
        "mav1",
        "mean absolute value, steps",
        "u",
        "1/N Σ w[i] |x[i]|; w = 1 for N/4 ≤ i ≤ 3N/4, else 1/2",
        P12,
        lambda b: b.magnitude_sums[:, 1],
    ),
    Feature(
        "mav2",
        "mean absolute value, ramps",
        "u",
        "1/N Σ w[i] |x[i]|; w = 1 for N/4 ≤ i ≤ 3N/4, else 4 min(i, N − i)/N",
        P12,
        lambda b: b.magnitude_sums[:, 2],
    ),
    Feature(
        "mavslp",
        "slope of the mean absolute value",
        "u",
        "mav of the second half − mav of the first",
        "Hudgins 1993",
        lambda b: b.magnitude_sums[:, 3],
    ),
    Feature("iemg", "integrated EMG", "u", "Σ |x[i]|", P12, lambda b: b.magnitude.sum(axis=1)),
    Feature(
        "ssi",
        "simple square integral",
        "u²",
        "Σ x[i]²",
        P12,
        lambda b: inner(b.rows, b.rows),
    ),
    Feature("wl", "waveform length", "u", "Σ |x[i+1] − x[i]|", "Hudgins 1993", lambda b: b.path),
    Feature(
        "aac",
        "average amplitude change",
        "u",
        "1/N Σ |x[i+1] − x[i]|",
        P12,
        lambda b: b.path / b.length,
    ),
    Feature(
        "dasdv",
        "standard deviation of differences",
        "u",
        "√(1/(N−1) Σ (x[i+1] − x[i])²)",
        P12,
        _dasdv,
    ),
    Feature(
        "mfl",
        "maximum fractal length",
        "lg u",
        "lg √(Σ (x[i+1] − x[i])²)",
        "Arjunan 2010",
        _mfl,
    ),
    Feature("log", "log detector", "u", "exp(1/n Σ ln |x[i]|) over the n samples ≠ 0", P12, _log),
    Feature(
        "msr",
        "mean square root",
        "√u",
        "|1/N Σ √x[i]|, with complex roots",
        "Phinyomark 2018",
        _msr,
    ),
    Feature("v3", "v-order 3", "u", "(1/N Σ |x[i]|³)^(1/3)", P12, _v3),
    Feature("tm3", "third moment", "u³", "|1/N Σ x[i]³|", P12, lambda b: abs(_third(b)) / b.length),
    Feature(
        "tm4",
        "fourth moment",
        "u⁴",
        "1/N Σ x[i]⁴",
        P12,
        lambda b: inner(b.squares, b.squares) / b.length,
    ),
    Feature("tm5", "fifth moment", "u⁵", "|1/N Σ x[i]⁵|", P12, lambda b: abs(_fifth(b)) / b.length),
    Feature("skewness", "skewness", "1", "1/N Σ (x[i] − mean)³ / variance^(3/2)", "–", _skewness),
    Feature("kurtosis", "kurtosis", "1", "1/N Σ (x[i] − mean)⁴ / variance²", "–", _kurtosis),
    Feature("peak", "peak", "u", "max |x[i]|", "–", lambda b: b.magnitude.max(axis=1)),
    Feature(
        "lscale",
        "L-scale",
        "u",
        "1/N Σ (2(i−1)/(N−1) − 1) x(i), x(i) in ascending order",
        "Hosking 1990",
        _l_scale,
    ),
    Feature(
        "zc",
        "zero crossings",
        "1",
        "number of i with x[i] x[i+1] < 0",
        "Hudgins 1993",
        _zero_crossings,
    ),
    Feature(
        "ssc",
        "slope sign changes",
        "1",
        "number of i with (x[i] − x[i−1]) (x[i] − x[i+1]) > 0",
        "Hudgins 1993",
        _slope_sign_changes,
    ),
    Feature(
        "wamp",
        "Willison amplitude",
        "1",
        "number of i with |x[i+1] − x[i]| > threshold",
        P12,
        lambda b: count(b.step_sizes > b.threshold),
    ),
    Feature(
        "myop",
        "myopulse percentage rate",
        "1",
        "1/N · number of i with |x[i]| > threshold",
        P12,
        lambda b: count(abs(b.columns) > b.threshold) / b.length,
    ),
)
