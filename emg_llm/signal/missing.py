"""Missing and dead electrodes, which are channels of zeros, and what stands in for them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from emg_llm.signal.features import is_dead
from emg_llm.signal.recording import Recording
from emg_llm.signal.spectrum import TINY

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


@dataclass(frozen=True, eq=False)
class StandIns:
    """What stands in for missing features: their expectation given the others.

    positive: bool (columns,), the columns that are logarithmic here; mean, covariance: of the
    training people's features.
    """

    positive: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray) -> Self | None:
        """From features float (n, columns); rows with NaN are left out. None with too few rows."""
        from sklearn.covariance import ledoit_wolf

        features = features[np.isfinite(features).all(axis=1)]
        if len(features) < 2:
            return None
        positive = np.asarray((features > 0).all(axis=0))
        x = _logarithmic(features, positive)
        scale = x.std(axis=0) + 1e-6  # columns of different units shrink alike
        related, _ = ledoit_wolf(x / scale)
        related += 1e-6 * np.eye(len(related))
        return cls(positive, x.mean(axis=0), related * scale * scale[:, None])

    def complete(self, features: np.ndarray) -> np.ndarray:
        """Features float (n, columns) with a value in place of each NaN."""
        missing = np.isnan(features)
        if not missing.any():
            return features
        x = expected(_logarithmic(features, self.positive), missing, self.mean, self.covariance)
        filled = np.where(self.positive, np.exp(np.minimum(x, 80)), x)
        return np.where(missing, filled, features)


def lacking(features: np.ndarray, sites: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Features float (rows, columns) with NaN for `n` sites, drawn for each row.

    sites: int (sites, features), the columns of each.
    """
    rng, features = np.random.default_rng((seed, n)), np.array(features, np.float64)
    for row in features:
        row[sites[rng.choice(len(sites), n, replace=False)]] = np.nan
    return features


def _logarithmic(features, positive):
    return np.where(positive, np.log(np.maximum(features, TINY)), features)
