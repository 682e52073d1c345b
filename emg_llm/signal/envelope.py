"""The minima and maxima of a recording in bins of time: what a figure shows at any zoom.

Plain extremes by bin, not a selection of samples: a band from one to the other is true of every
sample, where a line through chosen samples draws slopes that the signal does not have.
"""

import math
from dataclasses import dataclass

import numpy as np

from emg_llm.signal.recording import Recording

BINS = 800
BLOCK = 64  # samples, whose extremes are computed once for long stretches
FEW = 2  # times as many samples as bins are shown themselves
TOGETHER = 1024 * BLOCK  # samples at a time, which bounds the memory
MEDIAN_OF = 200_000  # samples
WIDE_SPREAD = 4.0


@dataclass(frozen=True, eq=False)
class Envelope:
    """The extremes of a stretch of a recording, in its unit.

    low, high: float32 (bins, channels), NaN where a channel has no sample. start, step: seconds in
    the file's time of the first bin's begin and from bin to bin. size: samples in a bin; with 1
    both arrays are the samples themselves.
    """

    low: np.ndarray
    high: np.ndarray
    start: float
    step: float
    size: int


def envelope(
    recording: Recording,
    start: float | None = None,
    end: float | None = None,
    bins: int = BINS,
) -> Envelope:
    """The extremes from `start` to `end`, seconds in the file's time, by default of everything.

    At most about `bins` bins; up to twice as many samples stand for themselves. Bins begin at
    multiples of their size, so that a shifted view shows the same ones. Exact at any size; quick
    in a `Prepared` recording, however long.
    """
    rate, n = recording.sampling_rate, recording.n_samples
    first = 0 if start is None else math.floor((start - recording.start) * rate)
    last = n if end is None else math.ceil((end - recording.start) * rate) + 1
    first = min(max(first, 0), n - 1)
    last = min(max(last, first + 1), n)
    size = 1 if last - first <= FEW * bins else math.ceil((last - first) / bins)
    if size >= 2 * BLOCK:
        size = math.ceil(size / BLOCK) * BLOCK
    first, last = first - first % size, min(last + -last % size, n)  # whole bins
    if size == 1:
        low = high = _samples(recording, first, last)
    elif size >= 2 * BLOCK:
        rows = slice(first // BLOCK, math.ceil(last / BLOCK))
        low, high = recording.once("extremes", lambda: _blocks(recording))
        low, high = _extremes(low[rows], high[rows], size // BLOCK)
    else:
        x = _samples(recording, first, last)
        low, high = _extremes(x, x, size)
    return Envelope(low, high, recording.start + first / rate, size / rate, size)


def scale(recording: Recording) -> tuple[np.ndarray, float]:
    """(the middle of each channel's row, float (channels,); half the height of every row).

    All rows have one height, and one outlying channel does not flatten the others.
    """
    return recording.once("scale", lambda: _scale(recording))


def _scale(recording):
    rows = np.flatnonzero(recording.valid)
    if not len(rows):
        return np.zeros(recording.n_channels), 1.0
    center = np.median(recording.signal[rows[:: 1 + len(rows) // MEDIAN_OF]], axis=0)
    found = envelope(recording)
    reach = np.fmax(found.high - center, center - found.low)
    spread = np.nan_to_num(np.fmax.reduce(reach, axis=0, initial=0.0))
    typical = np.median(spread[spread > 0]) if (spread > 0).any() else 1.0
    half = min(spread.max(initial=0.0) or 1.0, WIDE_SPREAD * typical)
    return center, 1.08 * float(half)


def _samples(recording, first, last):
    """(samples, channels), NaN where a channel has none."""
    x, valid = recording.signal[first:last], recording.valid[first:last]
    absent = None if valid.all() else ~valid[:, None]
    if recording.gaps is not None and (gaps := recording.gaps[first:last]).any():
        absent = gaps if absent is None else absent | gaps
    return x if absent is None else np.where(absent, np.float32(np.nan), x)


def _blocks(recording):
    """The extremes of each block: two float32 (blocks, channels)."""
    n = recording.n_samples
    parts = []
    for at in range(0, n, TOGETHER):
        x = _samples(recording, at, min(at + TOGETHER, n))
        parts.append(_extremes(x, x, BLOCK))
    low, high = zip(*parts, strict=True)
    return np.concatenate(low), np.concatenate(high)


def _extremes(low, high, size):
    """The extremes of every `size` rows; the last ones may be fewer."""
    whole = len(low) // size * size
    out = []
    for x, reduce in ((low, np.fmin.reduce), (high, np.fmax.reduce)):
        y = reduce(x[:whole].reshape(-1, size, x.shape[1]), axis=1)
        if whole < len(x):
            y = np.concatenate([y, reduce(x[whole:], axis=0)[None]])
        out.append(y)
    return tuple(out)
