"""Features of the power spectrum: P[j] = |X[j]|² / N² in bin j of frequency f[j], 0 to half the
rate."""

import numpy as np

from emg_llm.signal.bank.block import Block, Feature, inner, logarithm, over

P12 = "Phinyomark 2012"
LOW, HIGH = (30.0, 250.0), (250.0, 500.0)  # Hz, for the frequency ratio
BANDS = ((20, 60), (60, 120), (120, 230), (230, 450))  # Hz
AROUND_PEAK = 20.0  # Hz


def _mean_frequency(block: Block) -> np.ndarray:
    return over(block.moments[1], block.moments[0])


def _median_frequency(block):
    so_far = np.cumsum(block.power, axis=1)
    return block.frequency[np.count_nonzero(so_far < so_far[:, -1:] / 2, axis=1)]


def _peak_frequency(block):
    return block.frequency[block.power.argmax(axis=1)]


def _variance_of_frequency(block):
    total, first, second, _ = block.moments
    return np.maximum(over(second, total) - np.square(over(first, total)), 0)


def _frequency_ratio(block):
    return np.where(block.constant, 0, over(block.band(*LOW), block.band(*HIGH)))


def _power_spectrum_ratio(block):
    near = abs(block.frequency - _peak_frequency(block)[:, None]) <= AROUND_PEAK
    return over(np.where(near, block.power, 0).sum(axis=1), block.moments[0])


def _band_power(low, high):
    return lambda block: block.band(low, high)


def _spectral_entropy(block):
    share = over(block.power, block.power.sum(axis=1, keepdims=True))
    return -inner(share, logarithm(share)) / np.float32(np.log(share.shape[1]))


FREQUENCY = (
    Feature(
        "mean_frequency",
        "mean frequency",
        "Hz",
        "Σ f[j] P[j] / Σ P[j]",
        "MNF in " + P12,
        _mean_frequency,
    ),
    Feature(
        "mdf",
        "median frequency",
        "Hz",
        "the first f[j] with P[1] + … + P[j] ≥ 1/2 Σ P",
        P12,
        _median_frequency,
    ),
    Feature("pkf", "peak frequency", "Hz", "the f[j] of the largest P[j]", P12, _peak_frequency),
    Feature("ttp", "total power", "u²", "Σ P[j]", P12, lambda b: b.moments[0]),
    Feature(
        "mnp", "mean power", "u²", "1/M Σ P[j]", P12, lambda b: b.moments[0] / len(b.frequency)
    ),
    Feature("sm1", "first spectral moment", "u² Hz", "Σ f[j] P[j]", P12, lambda b: b.moments[1]),
    Feature("sm2", "second spectral moment", "u² Hz²", "Σ f[j]² P[j]", P12, lambda b: b.moments[2]),
    Feature("sm3", "third spectral moment", "u² Hz³", "Σ f[j]³ P[j]", P12, lambda b: b.moments[3]),
    Feature(
        "vcf",
        "variance of central frequency",
        "Hz²",
        "sm2 / ttp − mean_frequency²",
        P12,
        _variance_of_frequency,
    ),
    Feature(
        "fr",
        "frequency ratio",
        "1",
        "P from {:g} to {:g} Hz / P from {:g} to {:g} Hz".format(*LOW, *HIGH),
        P12,
        _frequency_ratio,
    ),
    Feature(
        "psr",
        "power spectrum ratio",
        "1",
        f"P within {AROUND_PEAK:g} Hz of the peak / Σ P[j]",
        P12,
        _power_spectrum_ratio,
    ),
    Feature(
        "spectral_entropy",
        "spectral entropy",
        "1",
        "−Σ p[j] ln p[j] / ln M; p = P / Σ P",
        "Inouye 1991",
        _spectral_entropy,
    ),
    *(
        Feature(
            f"power_{low}_{high}",
            f"power from {low} to {high} Hz",
            "u²",
            f"Σ P[j] over {low} Hz ≤ f[j] < {high} Hz",
            "–",
            _band_power(low, high),
        )
        for low, high in BANDS
    ),
)
