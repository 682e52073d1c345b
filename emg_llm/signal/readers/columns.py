"""The role of each column: EMG, time, counter, event marks, or another sensor.

Names decide first, then units and rates, then values; what nobody says is EMG stays a channel.
"""

import re

import numpy as np

from emg_llm.signal.readers.chosen import that_are_emg
from emg_llm.signal.readers.clock import BLOCK, evenly_rises, rises
from emg_llm.signal.readers.names import (
    CLASS,
    EMG,
    INDEX,
    OTHERS,
    STAMP,
    TIME,
    key_of,
    other_kind,
)
from emg_llm.signal.readers.raw import MIN_SAMPLES
from emg_llm.signal.readers.units import (
    TIME_UNITS,
    TIME_WORDS,
)
from emg_llm.signal.recording import RecordingError

TABLE_ROWS = 3000  # a longer feature table is recognised only if it names its class column
MOST_CLASSES = 50
BRAINFLOW = {24: 8, 32: 16, 15: 4}  # columns -> channels of EMG, after the packet number


def refuse_feature_table(name: str, values: np.ndarray, names: tuple[str, ...]) -> None:
    """Raise RecordingError for powers with a class number: unlike a signal, none is negative."""
    if values.shape[1] < 3 or len(values) < 2:
        return
    negative = (values < 0).any(axis=0)
    for column, place in ((0, "first"), (values.shape[1] - 1, "last")):
        if np.delete(negative, column).any():
            continue
        labels, rest = values[:, column], np.delete(values, column, axis=1)
        if _around_a_bias(rest):
            continue
        kinds = len(np.unique(labels))
        runs = np.count_nonzero(np.diff(labels))
        named = bool(names) and CLASS.fullmatch(key_of(names[column]))
        classes = (
            np.isfinite(labels).all()
            and (labels == np.round(labels)).all()
            and labels.min() >= 0
            and labels.max() <= 100
            and 1 < kinds <= len(labels) / 3
            and (named or (runs <= len(labels) / 3 and len(labels) <= TABLE_ROWS))
        )
        if classes and (rest % 1 > 0).any():
            raise RecordingError(
                f"{name} looks like a table of features, not a signal: no value is negative and "
                f"the {place} column repeats {kinds} whole numbers, like class labels "
                f"({len(values)} rows in total); save it as a feature table with a 'label' column "
                "and pass it to a training script with --data features.csv."
            )


def _around_a_bias(values):
    """Whether all columns swing little around a value far from zero, as a converter's counts do."""
    low, middle, high = np.nanpercentile(values, (25, 50, 75), axis=0)
    return bool((np.abs(middle) > 5 * np.maximum(high - low, 1e-12)).all())


def signal_columns(
    name: str,
    values: np.ndarray,
    names: tuple[str, ...],
    units: list[str],
    notes: list[str],
    chosen: list[int] | None = None,
    exact: dict[int, np.ndarray] | None = None,
) -> tuple[list[int], np.ndarray | None, float | None]:
    """(indices of signal columns, the time column or None, seconds per unit of it or None).

    name: of the file; names: of the columns, with their rates, () if unknown; units: of these;
    chosen: the indices that the caller wants; exact: see `Raw`. Raises ChannelsUnclear.
    """
    exact = exact or {}
    keys = [key_of(name) for name in names] or [""] * values.shape[1]
    units = units or [""] * values.shape[1]
    if chosen is not None:
        notes = []
    if layout := _brainflow(values, names):
        notes.append("The columns are those of BrainFlow: packet number, channels, other sensors.")
        clock = exact.get(values.shape[1] - 2, values[:, -2])
        return chosen or list(range(1, 1 + layout)), clock.astype(np.float64), 1.0
    keep, times = _without_clocks_and_marks(values, exact, names, keys, units, notes)
    if chosen is not None:
        keep, times = chosen, [i for i in times if i not in chosen]
    elif keep:
        keep = that_are_emg(name, values, keep, names, keys, units, notes)
    if not times:
        return keep, None, None
    i = _clock_of(times, keep, keys, units)
    if chosen is None and len(times) > 1:
        clocks = {k: exact.get(k, values[:, k]) for k in times}
        keep = _of_one_clock(clocks, keep, i, keys, notes)
    clock = exact.get(i, values[:, i]).astype(np.float64)
    return keep, clock, _time_step(keys[i], units[i])


def _without_clocks_and_marks(values, exact, names, keys, units, notes):
    """(the columns that may be signals, those of times)."""
    keep, times, marks = list(range(values.shape[1])), [], []
    for i, key in enumerate(keys):
        column = exact.get(i, values[:, i]).astype(np.float64)
        leading = keep[0] == i
        whole = _is_whole(column)
        timed = _called_time(key, units[i]) and (rises(column) or not _changes(column))
        counts = whole and _counts(column)
        if (INDEX.fullmatch(key) and whole and (counts or rises(column))) or (
            counts and not timed and (leading or not names)
        ):
            notes.append(f"Column {i + 1} counts the samples and was left out of the signal.")
        elif timed or (
            (_may_be_time(key, leading) or (times and key == keys[times[0]]))
            and evenly_rises(column, MIN_SAMPLES)
        ):
            times.append(i)
        elif _marks(key, column, whole) or (not names and _is_class(values, i)):
            marks.append(f"'{names[i]}'" if names else str(i + 1))
        else:
            continue
        keep.remove(i)
        if not keep:
            break
    if times:
        which = f"Column {times[0] + 1} is" if len(times) == 1 else f"{len(times)} columns are"
        notes.append(
            f"{which} time and {'was' if len(times) == 1 else 'were'} left out of the signal."
        )
    for mark in marks:
        notes.append(f"Column {mark} marks events or classes and was left out.")
    return keep, times


def _clock_of(times, keep, keys, units):
    """The column of times that goes with the first channel: the last one before it. Of several
    there, one whose unit is known."""
    before = [i for i in times if keep and i < keep[0]] or times[:1]
    known = [i for i in before if _time_step(keys[i], units[i])]
    return (known or before)[-1]


def _of_one_clock(clocks, keep, clock, keys, notes):
    """The columns without those behind a clock of other steps, as of sensors at other rates."""
    steps = {i: np.nanmedian(np.diff(times)) for i, times in clocks.items()}
    other = []
    for i in keep:
        own = max((t for t in clocks if t < i and keys[t] == keys[clock]), default=clock)
        if abs(steps[own] - steps[clock]) > 0.01 * abs(steps[clock]):
            other.append(i)
    if other:
        which = ", ".join(str(i + 1) for i in other[:5])
        notes.append(f"Columns whose clock has other steps were left out: {which}.")
    return [i for i in keep if i not in other]


def _changes(column):
    """Whether a column holds two numbers."""
    column = column[np.isfinite(column)]
    return bool(len(column)) and column.min() < column.max()


def _called_time(key, unit):
    """Whether a column's name or unit says that it is time; µS may be siemens of the skin."""
    named = TIME.fullmatch(key) or STAMP.search(key)
    return bool(named) or (unit in TIME_UNITS and not EMG.search(key) and not other_kind(key))


def _may_be_time(key, leading):
    """Whether a column that rises evenly may be a clock; a slow sensor rises, too."""
    return (leading or not key) and not EMG.search(key) and not other_kind(key)


def _is_whole(column):
    """Whether all values are whole numbers or missing."""
    pieces = (column[k : k + BLOCK] for k in range(0, len(column), BLOCK))
    return all(((p == np.round(p)) | np.isnan(p)).all() for p in pieces)


def _marks(key, column, whole):
    if re.fullmatch(r"[io]\d|di\d?|digital\w*", key) and np.isin(column, (0, 1)).all():
        return True
    if not OTHERS["events or classes"].search(key) or EMG.search(key):
        return False
    few = len(np.unique(column[np.isfinite(column)])) <= MOST_CLASSES
    return whole or few or "trigger" in key or "ttl" in key


def _is_class(values, i):
    """Whether a nameless column at the edge holds class numbers: few, whole, in long runs."""
    if i not in (0, values.shape[1] - 1) or values.shape[1] < 3:
        return False
    column = values[:, i]
    if not (np.isfinite(column).all() and (column == np.round(column)).all() and min(column) >= 0):
        return False
    kinds, changes = len(np.unique(column)), np.count_nonzero(np.diff(column))
    rest = values[:, 1:] if i == 0 else values[:, :-1]
    lively = np.count_nonzero(np.diff(rest, axis=0), axis=0) > len(values) / 4
    return 1 < kinds <= MOST_CLASSES and changes < len(column) / 10 and bool(lively.all())


def _counts(column):
    """Whether a column counts by ones, and begins again where a small counter overflows."""
    steps = np.diff(column)
    if len(column) < MIN_SAMPLES or not np.isfinite(steps).all():
        return False
    ones = steps == np.clip(np.median(steps), 1, 4)  # some boards send every second number
    return bool(ones.mean() > 0.85 and (ones | (steps < 0)).all())


def _brainflow(values, names):
    """How many channels a table of BrainFlow has, which is told by its width and its clock; 0 for
    others."""
    n = BRAINFLOW.get(values.shape[1], 0)
    if names or not n or len(values) < MIN_SAMPLES:
        return 0
    packet, clock = values[:, 0], values[:, -2]
    counted = np.isfinite(packet).all() and packet.min() >= 0 and packet.max() <= 255
    return n if counted and _counts(packet) and 1e9 < np.nanmedian(clock) < 1e10 else 0


def _time_step(key: str, unit: str) -> float | None:
    """Seconds per unit of a time column, by its unit or its name ("ms", "time_s"), or None."""
    unit = unit or TIME_WORDS.get(key) or TIME_WORDS.get(key.rpartition("_")[2], "")
    return TIME_UNITS.get(unit)
