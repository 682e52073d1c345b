"""The role of each column (signal, time, counter or event marks), and the units in headers."""

import re

import numpy as np

from emg_llm.signal.recording import RecordingError

MIN_SAMPLES = 32
TABLE_ROWS = 3000  # a longer feature table is recognised only if it names its class column
UNITS = {"v": 1e6, "mv": 1e3, "uv": 1.0, "nv": 1e-3}  # in microvolts
UNIT_WORDS = {"volt": "v", "millivolt": "mv", "microvolt": "uv", "nanovolt": "nv"}
TIME_STEPS = {"s": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}  # in seconds
IN_BRACKETS = re.compile(r"\s*[(\[]\s*([^)\]]*?)\s*[)\]]\s*$")
AT_THE_END = re.compile(r"(?:[\s_/]+(?=[mnuµμ])|\s+)([mnuµμ]?V)$")
TIME = re.compile(
    r"(?:x_?|relative_?|elapsed_?)?(?:time(?:_?stamps?)?|t|seconds?|secs?|s|ms|us|"
    r"milli_?s(?:ec)?(?:onds?)?|micro_?s(?:ec)?(?:onds?)?)(?:_(?:s|secs?|seconds?|ms|us|ns))?"
)
INDEX = re.compile(r"#|(?:sample|frame|row)s?(?:_?(?:index|number|no|nr|num|id))?|index|idx|n|nseq")
CLASS = re.compile(r"labels?|class(?:es)?|emotions?|targets?|gestures?")
EVENT = re.compile(r"markers?|triggers?|events?|stimul(?:us|i)|annotations?")


def refuse_feature_table(name: str, values: np.ndarray, names: tuple[str, ...]) -> None:
    """Raise RecordingError for powers with a class number: unlike a signal, none is negative."""
    if values.shape[1] < 3 or len(values) < 2:
        return
    negative = (values < 0).any(axis=0)
    for column, place in ((0, "first"), (values.shape[1] - 1, "last")):
        if np.delete(negative, column).any():
            continue
        labels, rest = values[:, column], np.delete(values, column, axis=1)
        kinds = len(np.unique(labels))
        runs = np.count_nonzero(np.diff(labels))
        named = bool(names) and CLASS.fullmatch(_key(names[column]))
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


def auxiliary_columns(
    values: np.ndarray, names: tuple[str, ...], units: list[str], notes: list[str]
) -> tuple[list[int], np.ndarray | None, float | None]:
    """(indices of signal columns, the time column or None, seconds per unit of it or None)."""
    keep, time, step = list(range(values.shape[1])), None, None
    for i in range(values.shape[1]):
        column = values[:, i].astype(np.float64)
        key = _key(names[i]) if names else ""
        whole = ((column == np.round(column)) | np.isnan(column)).all()
        leading = keep[0] == i
        is_time = TIME.fullmatch(key)
        counts = leading and len(column) >= MIN_SAMPLES and (np.diff(column) == 1).all()
        if (INDEX.fullmatch(key) and whole) or (counts and not is_time):
            notes.append(f"Column {i + 1} counts the samples and was left out of the signal.")
        elif is_time or (leading and _evenly_rises(column)):
            notes.append(f"Column {i + 1} is time and was left out of the signal.")
            if time is None and _rises(column):
                time, step = column, _time_step(key, units[i] if units else "")
        elif (CLASS.fullmatch(key) or EVENT.fullmatch(key)) and whole:
            notes.append(f"Column '{names[i]}' marks events or classes and was left out.")
        else:
            continue
        keep.remove(i)
        if not keep:
            break
    if any(units[i] in UNITS for i in keep if units):
        other = [i for i in keep if units[i] and units[i] not in UNITS]
        if other:
            left_out = ", ".join(names[i] for i in other[:5])
            notes.append(f"Columns that aren't voltages were left out: {left_out}.")
            keep = [i for i in keep if i not in other]
    return keep, time, step


def _rises(column):
    steps = np.diff(column[np.isfinite(column)])
    return len(steps) > 0 and (steps >= 0).all() and steps.any()


def _evenly_rises(column):
    """Whether a column rises in nearly equal steps, as a clock does and a signal doesn't."""
    if len(column) < MIN_SAMPLES or not np.isfinite(column).all():
        return False
    steps = np.diff(column)
    return steps.min() > 0 and steps.max() < 2 * np.median(steps) + 1e-12


def _time_step(key, unit):
    """Seconds per unit of a time column, by its unit or its name ("ms", "time_s"), or None."""
    unit = unit or key.removeprefix("time").removeprefix("stamp").strip("_")
    if unit in ("s", "sec", "secs", "second", "seconds"):
        return 1.0
    match = re.fullmatch(r"(m|u|n|milli|micro)_?s(?:ec)?(?:onds?)?", unit)
    return TIME_STEPS[{"milli": "m", "micro": "u"}.get(match[1], match[1])] if match else None


def rate_of(time: np.ndarray, step: float | None, notes: list[str]) -> float | None:
    """Hz from a time column; without `step` (seconds per unit) its scale decides the unit."""
    time = time[np.isfinite(time)]
    steps = np.diff(time)
    if not len(steps) or not steps.any():
        return None
    typical = np.median(steps)
    gaps = steps > 3 * typical if typical > 0 else np.zeros(len(steps), bool)
    if gaps.any():
        notes.append(f"The time column jumps {gaps.sum()} times; samples may be missing there.")
    mean = steps[~gaps].mean()
    if not (np.isfinite(mean) and mean > 0):
        return None
    if step is None:  # EMG is sampled at between 50 Hz and 50 kHz
        unit = "s" if mean <= 0.02 else "m" if mean <= 20 else "u" if mean <= 2e4 else "n"
        step = TIME_STEPS[unit]
        if unit != "s":
            word = {"m": "milliseconds", "u": "microseconds", "n": "nanoseconds"}[unit]
            notes.append(f"The time column was assumed to be in {word}.")
    rate = 1 / (mean * step)
    if not np.isfinite(rate):
        return None
    return float(round(rate)) if abs(rate - round(rate)) < 2e-5 * rate else float(f"{rate:.6g}")


def unit_key(text: str) -> str:
    """A unit as spelled in `UNITS`, with either of the two micro signs."""
    key = str(text).strip().lower().replace("\u00b5", "u").replace("\u03bc", "u")
    return UNIT_WORDS.get(key.removesuffix("s"), key)


def column_unit(header: str) -> str:
    """The unit in a column's header ("EMG1 (mV)", "zyg [uV]", "cor_mV"), or ""."""
    match = IN_BRACKETS.search(header) or AT_THE_END.search(header)
    return unit_key(match[1]) if match else ""


def bare(header: str) -> str:
    """A header without its unit; other brackets stay."""
    unit = column_unit(header)
    if unit not in UNITS and unit not in TIME_STEPS and unit not in ("ms", "us", "ns", "sec"):
        return header.strip()
    return AT_THE_END.sub("", IN_BRACKETS.sub("", header)).strip()


def _key(name):
    return re.sub(r"[\s_.-]+", "_", name.strip().lower()).strip("_")
