"""Gaps of single channels: stretches that one channel lacks and others have."""

import numpy as np

STUCK_S = 0.5  # a value that stays so long is no signal
SHORT_S = 0.002  # a straight line bridges so much: EMG's power lies below 450 Hz
MOSTLY = 0.5  # of a channel: one that lacks more is taken for an electrode without signal


def bridge(
    signal: np.ndarray, absent: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Fill in place what channels lack: (valid bool (samples,), gaps, silent bool (channels,)).

    signal: float (samples, channels). absent: bool, the same shape, where it holds no sample.
    valid: where any channel has a sample; elsewhere the signal becomes 0. gaps: bool (samples,
    channels), where a channel alone lacks more than a short stretch, or None if none does. silent:
    channels that lack most; they become 0 and have no gaps.

    Short gaps become straight lines. In longer ones a channel's own samples on both sides are
    mirrored, so that neither its power nor its spectrum changes and no filter meets a step.
    """
    silent = np.asarray(absent.all(axis=0))
    valid = np.asarray(~absent[:, ~silent].all(axis=1))
    gaps, short = np.zeros_like(absent), max(1, round(SHORT_S * rate))
    for i in np.flatnonzero(absent.any(axis=0) & ~silent):
        gaps[:, i] = _fill(signal[:, i], absent[:, i], short) & valid
    mostly = silent | (gaps.sum(axis=0) > MOSTLY * valid.sum())
    if not mostly.all():
        silent, valid = mostly, np.asarray(~absent[:, ~mostly].all(axis=1))
    signal[:, silent], gaps[:, silent] = 0, False
    signal[~valid], gaps[~valid] = 0, False
    return valid, gaps if gaps.any() else None, silent


def either(gaps: np.ndarray | None, more: np.ndarray | None) -> np.ndarray | None:
    """The gaps of both masks."""
    return more if gaps is None else gaps if more is None else gaps | more


def stuck(signal: np.ndarray, rate: float) -> np.ndarray | None:
    """bool (samples, channels), where a channel alone stays at one value for half a second, as one
    does that lost its electrode or its packets; None without such stretches.

    A channel that stays there all the time is dead, and stays as it is.
    """
    out, least = None, max(2, round(STUCK_S * rate)) - 1
    for i, x in enumerate(signal.T):
        found = runs(x[1:] == x[:-1], least)
        if len(found) and found[0, 1] - found[0, 0] < len(x) - 1:
            out = np.zeros(signal.shape, bool) if out is None else out
            for first, last in found:
                out[first : last + 1, i] = True
    if out is not None:
        out &= ~out.all(axis=1, keepdims=True)
    return out if out is not None and out.any() else None


def runs(mask: np.ndarray, least: int) -> np.ndarray:
    """(first, last + 1) of each run of at least `least` True: int (runs, 2).

    For a mask of equal neighbours these are the first and last sample of a stretch.
    """
    at = np.flatnonzero(mask)
    if len(at) < least:
        return np.zeros((0, 2), int)
    breaks = np.flatnonzero(np.diff(at) > 1)
    first = at[np.concatenate([[0], breaks + 1])]
    last = at[np.concatenate([breaks, [len(at) - 1]])] + 1
    long = last - first >= least
    return np.stack([first[long], last[long]], axis=1)


def _fill(x, absent, short):
    """Fill a channel in place, x (samples,); bool (samples,), where more than `short` follow each
    other."""
    there, at = np.flatnonzero(~absent), np.flatnonzero(absent)
    own = x[there]
    edges = np.flatnonzero(np.diff(absent.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    lengths = edges[:, 1] - edges[:, 0]
    length = np.repeat(lengths, lengths)
    x[at] = np.interp(at, there, own)
    long = length > short
    offset = at - np.repeat(edges[:, 0], lengths)
    after = np.searchsorted(there, at)  # index in `own` of the first sample after the gap
    source = np.where(offset < length // 2, after - 1 - offset, after + length - 1 - offset)[long]
    source = source % (2 * len(own))  # mirrored at the ends of what there is
    x[at[long]] = own[np.minimum(source, 2 * len(own) - 1 - source)]
    gap = np.zeros(len(x), bool)
    gap[at[long]] = True
    return gap
