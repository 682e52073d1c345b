"""What the values of one channel say, sample by sample, without a spectrum."""

from dataclasses import dataclass, replace

import numpy as np

from emg_llm.signal.gaps import STUCK_S, runs
from emg_llm.signal.spectrum import TINY

WILD, FEW_WILD = 30.0, 1e-3  # times as far as nearly all samples; at most this share of them
MANY = 200_000  # samples, of which some suffice for quantiles
MOST_LEVELS = 20_000  # neighbouring samples in which the smallest step is sought
RIM, INSIDE = 0.005, 0.05  # shares of the range at which values pile up, and next to it
PILE = 1.0  # times as many values in the rim as in the nine times wider strip next to it
MIN_PILE = 0.002  # share of samples
FAR = 3.0  # times as far out as all other values
BLOCKS = 10
HUGE = 1e20
FEW_STEPS = 0.01  # share of samples that differ from the one before, in a trigger


@dataclass(frozen=True, eq=False)
class Values:
    """One channel's measures, in the units of the criteria with these names.

    step: the smallest difference of two values, in the recording's unit. rms: without the mean.
    """

    flat: bool
    step: float
    rms: float
    stuck: float = 0.0
    clipped: float = 0.0
    wild: int = 0
    sentinel: float = 0.0
    monotone: float = 0.0
    one_sided: float = np.nan


def look_at(x: np.ndarray, rate: float) -> Values:
    """The measures of one channel's valid samples, float32 (samples,)."""
    low, high = float(x.min()), float(x.max())
    if max(-low, high) > HUGE:  # what follows would leave the range of float32
        look = look_at(x / np.float32(HUGE), rate)
        return replace(look, step=HUGE * look.step, rms=HUGE * look.rms)
    step, rms = resolution(x), float(np.std(x, dtype=np.float64))
    if low == high or len(x) < 3:
        return Values(low == high, step, rms)
    held = stretches(x, max(2, round(STUCK_S * rate)))
    return Values(
        False,
        step,
        rms,
        stuck=float((held[:, 1] - held[:, 0] + 1).sum() / len(x)),
        clipped=clipped(x, low, high),
        wild=wild(x),
        sentinel=max(sentinel(x, low), sentinel(x, high)),
        monotone=monotone(x),
        one_sided=one_sided(x),
    )


def thinned(x: np.ndarray, most: int = MANY) -> np.ndarray:
    """At most about `most` of the samples, evenly spread."""
    return x[:: 1 + len(x) // most]


def resolution(x: np.ndarray) -> float:
    """The smallest step between two values in the middle of x, 0 if there is none."""
    middle = max(0, (len(x) - MOST_LEVELS) // 2)
    levels = np.unique(x[middle : middle + MOST_LEVELS]).astype(np.float64)
    steps = np.diff(levels)
    rounding = 4 * np.finfo(np.float32).eps * np.abs(levels).max(initial=0.0)
    return float(steps[steps > rounding].min(initial=np.inf)) if (steps > rounding).any() else 0.0


def stretches(x: np.ndarray, least: int) -> np.ndarray:
    """(first, last) of each stretch of at least `least` equal samples: int (stretches, 2)."""
    return runs(x[1:] == x[:-1], least - 1)


def monotone(x: np.ndarray) -> float:
    """Share of the steps from value to value that go one way; 0 where hardly any value steps."""
    up, down = int((x[1:] > x[:-1]).sum()), int((x[1:] < x[:-1]).sum())
    enough = up + down > max(20.0, FEW_STEPS * len(x))
    return max(up, down) / (up + down) if enough else 0.0


def clipped(x: np.ndarray, low: float, high: float) -> float:
    """Share of samples in a pile at an end of the range.

    Values pile up where a thin rim holds more of them than the strip next to it; those are counted
    that follow each other.
    """
    return sum((float(both.sum() / len(x)) for both in _piles(x, low, high)), 0.0)


def clipped_samples(x: np.ndarray) -> np.ndarray:
    """bool (samples,): which samples of a channel lie in a pile at an end of its range."""
    at = np.zeros(len(x), bool)
    for both in _piles(x, float(x.min()), float(x.max())):
        at[1:] |= both
        at[:-1] |= both
    return at


def _piles(x, low, high):
    """For each end with a pile, bool (samples - 1,): which neighbours lie in it."""
    span = high - low
    for upper in (True, False):
        rim = x >= high - RIM * span if upper else x <= low + RIM * span
        wide = x >= high - INSIDE * span if upper else x <= low + INSIDE * span
        n = int(rim.sum())
        if n < 2 or n <= PILE * (int(wide.sum()) - n):
            continue
        both = rim[1:] & rim[:-1]
        if n <= MIN_PILE * len(x):  # so few may lie there by chance, unless they are equal
            both &= x[1:] == x[:-1]
        yield both


def clipped_share(x: np.ndarray) -> np.ndarray:
    """Share of clipped samples (channels,) of x (samples, channels)."""
    ends = [(float(c.min()), float(c.max())) for c in x.T]
    return np.array(
        [clipped(c, *e) if e[0] < e[1] else 0.0 for c, e in zip(x.T, ends, strict=True)]
    )


def wild(x: np.ndarray) -> int:
    """How many single samples lie far outside nearly all others."""
    away = np.abs(x - np.median(thinned(x)))
    if away.max() <= WILD * max(float(np.percentile(thinned(away), 99.5)), TINY):
        return 0  # some of the samples say enough where none is wild
    count = int((away > WILD * max(float(np.percentile(away, 99.5)), TINY)).sum())
    return count if count <= max(1, FEW_WILD * len(x)) else 0


def sentinel(x: np.ndarray, end: float) -> float:
    """Share of samples at one end of the range, where that lies far from all others."""
    there = x == np.float32(end)
    n = int(there.sum())
    others = x[~there] if 2 <= n <= len(x) // 2 else x[:0]
    if not len(others):
        return 0.0
    low, high, center = float(others.min()), float(others.max()), float(np.median(thinned(others)))
    reach = max(high - center, center - low, TINY)
    return n / len(x) if abs(end - center) > FAR * reach else 0.0


def one_sided(x: np.ndarray) -> float:
    """The median's distance to the nearer end of the range over that to the other one, 0 to 1.

    NaN unless one end of the range stays where it is over ten blocks, as 0 does for a rectified
    signal; a drifting one is no envelope.
    """
    blocks = [np.percentile(thinned(b, 20_000), (0.5, 50, 99.5)) for b in np.array_split(x, BLOCKS)]
    low, middle, high = np.percentile(thinned(x), (0.5, 50, 99.5))
    below, above = middle - low, high - middle
    if not below > 0 or not above > 0:
        return np.nan
    ends = np.array(blocks)[:, 0 if below < above else 2]
    if np.ptp(ends) > 0.1 * (high - low):
        return np.nan
    return float(min(below / above, above / below))
