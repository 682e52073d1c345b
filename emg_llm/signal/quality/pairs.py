"""Channels that are alike: copies, two amplifiers on one electrode, crosstalk."""

import numpy as np

from emg_llm.signal.quality.criteria import BY_NAME
from emg_llm.signal.recording import Recording
from emg_llm.signal.spectrum import TINY

MOST_WINDOWS, WINDOW_S = 3000, 0.1
ACTIVE, STILL = 10.0, 2.0  # times as much power in the loudest fifth of windows as in the quietest

Pairs = dict[tuple[int, int], float]


def alike(cleaned: Recording, alive: np.ndarray) -> dict[str, Pairs]:
    """{criterion: {(i, j): |r|}} of a cleaned recording's pairs that may not meet it.

    alive: bool (channels,). What two amplifiers on one electrode don't share is their noise, which
    is as strong at rest as in activity; what two electrodes don't share comes from the muscle.
    """
    windows = _windows(cleaned)
    x = windows.reshape(-1, windows.shape[2]).astype(np.float64)
    x -= x.mean(axis=0)
    scale = np.sqrt(np.mean(x * x, axis=0))
    x /= np.where(scale > 0, scale, 1)
    r = x.T @ x / len(x)
    r[~alive] = r[:, ~alive] = 0
    least = {name: _least(name) for name in ("copy", "one electrode", "crosstalk")}
    found: dict[str, Pairs] = {name: {} for name in least}
    for i, j in np.argwhere(np.triu(np.abs(r), 1) > min(least.values())):
        pair, value = (int(i), int(j)), min(1.0, float(abs(r[i, j])))
        found["copy"][pair] = found["crosstalk"][pair] = value
        if least["copy"] >= value > least["one electrode"]:
            rest = x[:, j] - r[i, j] * x[:, i]
            shape = windows.shape[:2]
            if _only_noise(x[:, i].reshape(shape), rest.reshape(shape)):
                found["one electrode"][pair] = value
    return found


def _windows(cleaned):
    """(windows, length, channels) of the valid samples, evenly spread if there are many."""
    x = cleaned.valid_signal
    length = max(2, min(round(WINDOW_S * cleaned.sampling_rate), len(x) // 4))
    n = len(x) // length
    windows = x[: n * length].reshape(n, length, -1)
    return windows[:: 1 + n // MOST_WINDOWS]


def _only_noise(x, rest):
    """Whether `rest` stays as it is in windows where x becomes much stronger."""
    power, left = np.mean(x * x, axis=1), np.mean(rest * rest, axis=1)
    quiet, loud = np.percentile(power, (20, 80))
    low, high = power <= quiet, power >= loud
    moves = power[high].mean() > ACTIVE * (power[low].mean() + TINY)
    return bool(moves and left[high].mean() < STILL * left[low].mean())


def _least(name):
    row = BY_NAME[name]
    return min(v for v in (row.note, row.usable, row.poor) if v is not None)
