"""Missing and dead electrodes, which are channels of zeros, and what stands in for them."""

import numpy as np

from emg_llm.signal.features import is_dead
from emg_llm.signal.recording import Recording

MOST_MISSING = 4  # sites that models learn to do without, and at most half of theirs


def dead_channels(recording: Recording) -> np.ndarray:
    """bool (channels,): the channels of a cleaned recording that carry no signal."""
    x = recording.signal[recording.valid]
    return is_dead(np.mean(np.square(x, dtype=np.float64), axis=0))


def without_dead(recording: Recording) -> Recording:
    """A cleaned recording with exact zeros on its dead channels."""
    dead = dead_channels(recording)
    if not dead.any() or not recording.signal[:, dead].any():
        return recording
    return recording.replace(signal=np.where(dead, 0, recording.signal))


def expected(
    x: np.ndarray, missing: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """x, float (n, columns), with the conditional expectation of the columns that are `missing`
    given the others, under a Gaussian with `mean` and `covariance`.

    missing: bool (n, columns); what x holds there is ignored.
    """
    x = np.array(x, np.float64)
    for pattern in np.unique(missing, axis=0):
        rows, there = (missing == pattern).all(axis=1), ~pattern
        weight = np.linalg.solve(covariance[np.ix_(there, there)], covariance[there][:, pattern])
        x[np.ix_(rows, pattern)] = mean[pattern] + (x[rows][:, there] - mean[there]) @ weight
    return x
