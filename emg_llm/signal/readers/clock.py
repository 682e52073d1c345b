"""The sampling rate from a column of times, whoever wrote it.

A device's own clock rises in equal steps. A computer that receives packets writes times that are
close together within a packet and far apart between two; samples that are lost leave steps of
twice or more; small counters wrap, and clocks start again.
"""

import numpy as np

from emg_llm.signal.readers.units import DAY, TIME_UNITS

FASTEST, SLOWEST = 5e4, 50.0  # Hz, where EMG is sampled
BLOCK = 2**16  # values that are looked at together
WRAPS = 2.0**8, 2.0**10, 2.0**12, 2.0**16, 2.0**24, 2.0**31, 2.0**32, 1e6, 60e3, 1e3
# Days of the years 1954 to 2119, as Excel and as MATLAB count them.
DAYS = (20_000, 80_000), (714_000, 774_000)
LEAST_PACKETS = 4
LEAST_WHOLE = 2  # packets between others, to see that they are alike
WORDS = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def rate_of(time: np.ndarray, step: float | None, notes: list[str]) -> float | None:
    """Hz from a time column; without `step` (seconds per unit) its scale decides the unit.

    None where the times don't tell it, as whole seconds of a short recording.
    """
    time = np.asarray(time, np.float64)
    time = time[np.isfinite(time)]
    if len(time) < 2:
        return None
    time = _unwrapped(time, notes)
    steps = np.diff(time)
    if not steps.any():
        return None
    coarse = (steps == 0).mean() > 0.5
    rounded = not coarse and _is_rounded(steps)
    if rounded:
        mean = steps.mean()
    elif coarse or _is_packed(steps):
        mean = _mean_of_packets(time, steps, notes)
    else:
        mean = _mean_step(steps, notes)
    if not (np.isfinite(mean) and mean > 0):
        return None
    if step is None:
        step = _likely_step(mean, time, notes)
    rate = 1 / (mean * step)
    if not np.isfinite(rate):
        return None
    if coarse or rounded:  # known to a sample at each end
        return _roundest(rate, 2 * rate / len(time))
    return float(round(rate)) if abs(rate - round(rate)) < 2e-5 * rate else float(f"{rate:.6g}")


def _roundest(rate, margin):
    """The number of the fewest digits within `margin` of a rate."""
    rounded = (float(f"{rate:.{digits}g}") for digits in range(1, 7))
    return next((r for r in rounded if abs(r - rate) <= margin), float(f"{rate:.6g}"))


def rises(column: np.ndarray) -> bool:
    """Whether a column never falls, except where a clock wraps or starts again."""
    steps = np.diff(column[np.isfinite(column)])
    return len(steps) > 0 and bool(steps.any()) and (steps < 0).sum() <= max(1, len(steps) // 200)


def falls(column: np.ndarray) -> int:
    """How often a value is less than the one before it."""
    pieces = (column[k : k + BLOCK + 1] for k in range(0, len(column), BLOCK))
    return sum(int(np.count_nonzero(piece[1:] < piece[:-1])) for piece in pieces)


def evenly_rises(column: np.ndarray, least: int) -> bool:
    """Whether a column rises in nearly equal steps, as a clock does and a signal doesn't."""
    if falls(column) > len(column) // 200:  # nearly every signal, found without a copy of it
        return False
    column = column[np.isfinite(column)]  # another sensor's clock may end early
    if len(column) < least:
        return False
    steps = np.diff(column)
    on = steps[steps >= 0]  # it may start again
    if len(steps) - len(on) > len(steps) // 200 or not len(on):
        return False
    return bool(on.min() > 0 and on.max() < 2 * np.median(on) + 1e-12)


def _unwrapped(time, notes):
    """The times without the jumps back of a counter that wraps, or of a clock that starts again."""
    steps = np.diff(time)
    back = np.flatnonzero(steps < 0)
    if not len(back) or len(back) > max(1, len(steps) // 200):
        return time
    typical = np.median(steps[steps > 0]) if (steps > 0).any() else 0.0
    time = time.copy()
    for at in back:
        jump = time[at] - time[at + 1]
        wrap = next((w for w in WRAPS if abs(jump - w) <= 3 * typical), None)
        time[at + 1 :] += wrap if wrap else jump + typical
        if not wrap:
            notes.append("The clock starts again within the file; the parts were joined.")
    return time


def _is_rounded(steps):
    """Whether every step is one tick of a clock or none, as those of 1500 Hz in milliseconds."""
    ticks = steps[steps > 0]
    ones = np.ptp(ticks) < 0.1 * ticks[0] if len(ticks) else False
    return bool(ones and len(ticks) < len(steps))


def _is_packed(steps):
    """Whether samples come in packets: long steps at regular places, short ones between."""
    long = np.flatnonzero(steps > max(steps.mean(), 3 * np.median(steps)))
    if len(long) < LEAST_PACKETS:
        long = np.flatnonzero(steps > 1.5 * steps.mean())
    if len(long) < LEAST_PACKETS:
        return False
    apart = np.diff(long)
    size = float(np.median(apart))
    regular = apart.std() < 0.35 * apart.mean()
    short = np.delete(steps, long)
    # Two steps of almost the same length are the rounding of a clock, or jitter.
    differ = steps[long].mean() > 1.8 * short.mean() if len(short) else False
    return round(size) >= 2 and regular and differ


def _mean_of_packets(time, steps, notes):
    """Units per sample from packets, or from the samples between two ticks of a coarse clock; NaN
    where these are too few to agree. Lost samples and lost packets are left out."""
    starts = np.flatnonzero(steps > max(steps.mean(), 1.5 * np.median(steps))) + 1
    sizes, spans = np.diff(starts), np.diff(time[starts])  # without the first and the last
    if len(sizes) < LEAST_WHOLE:
        return np.nan
    size = np.median(sizes)
    notes.append(
        f"The times come in packets of about {size:.0f} samples; the rate is that of all of them."
    )
    typical = np.median(spans)
    times = spans / typical
    steady = np.abs(times - np.round(times)) < 0.25
    whole = (np.abs(sizes - size) <= max(1, 0.02 * size)) & (times < 1.5)
    n = round((size * np.round(times) - sizes)[~whole].clip(0).sum())
    if steady.all() and whole.mean() > 0.5 and n:
        notes.append(f"In some packets samples are missing, about {n} in all.")
        return spans[whole].sum() / sizes[whole].sum()
    if len(sizes) < LEAST_PACKETS and sizes.std() > 0.05 * sizes.mean():
        return np.nan
    return spans.sum() / sizes.sum()


def _mean_step(steps, notes):
    typical = np.median(steps)
    if not typical > 0:
        return steps.mean()
    low = np.percentile(steps, 5)
    base = np.median(steps[steps < 1.5 * low]) if low > 0 else typical
    times = steps / base
    whole = np.round(times)
    lost = whole > 1.5
    multiples = np.abs(times - whole) < 0.1
    commonest = (whole == 1).sum() >= (whole == 2).sum()  # else it is a clock with jitter
    if lost.any() and multiples.all() and commonest and not _keeps_pace(steps, base, lost):
        n = int((whole - 1)[lost].sum())
        notes.append(
            f"The time column jumps {_times(int(lost.sum()))}: {n} samples are missing "
            f"({100 * n / (n + len(steps) + 1):.0f} %)."
        )
        return steps[~lost].mean()
    gaps = steps > np.maximum(3 * typical, 6 * steps.mean())  # not the jitter of a computer
    if gaps.any():
        notes.append(
            f"The time column jumps {_times(int(gaps.sum()))}; samples may be missing there."
        )
    return steps[~gaps].mean()


def _keeps_pace(steps, base, lost):
    """Whether the longer steps are a clock's rounding: it stays near a straight line, while lost
    samples lead away from it."""
    if lost.sum() <= 4:
        return False
    away = np.cumsum(steps - steps.mean())
    return bool(away.max() - away.min() < 3 * base)


def _times(n):
    return f"{n} time{'s' * (n != 1)}"


def _likely_step(mean, time, notes):
    """Seconds per unit, so that the rate is one at which EMG is sampled."""
    in_days = any(first < time[0] < last for first, last in DAYS)
    if in_days and SLOWEST <= 1 / (mean * DAY) <= FASTEST:
        notes.append("The time column was assumed to be in days, as spreadsheets and MATLAB count.")
        return DAY
    unit = "s" if mean < 0.05 else "ms" if mean <= 20 else "us" if mean <= 2e4 else "ns"
    if unit != "s":
        notes.append(f"The time column was assumed to be in {WORDS[unit]}.")
    return TIME_UNITS[unit]
