"""The role of each column: EMG, time, counter, event marks, or another sensor.

Names decide first, then units and rates, then values; what nobody says is EMG stays a channel.
"""

import re
from collections import Counter

import numpy as np

from emg_llm.signal.montage import parse
from emg_llm.signal.readers.clock import evenly_rises, rises
from emg_llm.signal.readers.units import TIME_UNITS, TIME_WORDS, bare, column_rate, microvolts
from emg_llm.signal.recording import RecordingError

MIN_SAMPLES = 32
TABLE_ROWS = 3000  # a longer feature table is recognised only if it names its class column
MOST_CLASSES = 50
TIME = re.compile(
    r"(?:x_?|relative_?|elapsed_?|unix_?|epoch_?|system_?|abs(?:olute)?_?)?"
    r"(?:(?:date_?)?time(?:_?stamps?)?(?:_?unix)?|timestamps?|t|seconds?|secs?|s|ms|us|clock|"
    r"zeit|tiempo|temps|tempo|"
    r"milli_?s(?:ec)?(?:onds?)?|micro_?s(?:ec)?(?:onds?)?|millis|micros)"
    r"(?:_(?:s|secs?|seconds?|ms|us|ns|min))?"
)
STAMP = re.compile(r"(?:^|_)time_?stamp(?:_|$)")
INDEX = re.compile(
    r"#|(?:sub_?)?(?:sample|frame|row|packet|package|pkt)s?(?:_?(?:index|number|no|nr|num|id))?|"
    r"index|idx|n|n_?seq|seq(?:uence)?(?:_?(?:number|no))?|counter"
)
EMG = re.compile(r"(?:^|[^a-z])(?:s?emg|exg|electromyo\w*)(?![a-z])|muscle")
# Kind of another sensor or mark -> what its columns are called.
_OTHERS = {
    "an envelope": r"envelope|rectified|smoothed|\bmav\b",
    "motion": r"(?:lin_?)?acc(?:el\w*)?[xyz]?|gyro?\w*|mag_?[xyz]|magnetometer\w*|imu|ori|"
    r"orientation|quat\w*|euler|roll|pitch|yaw",
    "the heart": r"ecg|ekg|hr|ppg|bvp|pulse|photosensor|plethysmo\w*",
    "the skin": r"eda|gsr|skin_conductance",
    "breath": r"rsp|resp(?:iration|iratory)?|breath\w*|airflow",
    "the eyes or the brain": r"eog|eeg",
    "force or angle": r"force|fsr|torque|load_?cell|angle|gonio\w*|pressure|position",
    "temperature": r"temperature",
    "the device": r"battery|bat|vbat|rssi|status|lead_?off|sync|synchro\w*",
    "events or classes": r"labels?|class(?:es)?|emotions?|targets?|gestures?|markers?|triggers?|"
    r"events?|(?:re)?stim(?:ul(?:us|i))?|annotations?|ttl|(?:re)?repetitions?|activity|phase|task|"
    r"cond(?:ition)?|trial|block|subject|session",
}
OTHERS = {
    kind: re.compile(rf"(?:^|_)(?:{words})(?:_?\d+)?(?:_|$)") for kind, words in _OTHERS.items()
}
# Inputs of a device that may hold anything: no EMG where other columns are named so.
INPUTS = re.compile(
    r"(?:^|_)(?:other|analog|digital|aux|not_used|unused|angular|magnetic|heart|"
    r"spo2|switch|ref|gnd|velocity|bite)(?:_|$)|^[io]\d$|^[agmf][xyz]$"
)
CLASS = re.compile(r"labels?|class(?:es)?|emotions?|targets?|gestures?")
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


def _around_a_bias(values):
    """Whether all columns swing little around a value far from zero, as a converter's counts do."""
    low, middle, high = np.nanpercentile(values, (25, 50, 75), axis=0)
    return bool((np.abs(middle) > 5 * np.maximum(high - low, 1e-12)).all())


def auxiliary_columns(
    values: np.ndarray, names: tuple[str, ...], units: list[str], notes: list[str]
) -> tuple[list[int], np.ndarray | None, float | None]:
    """(indices of signal columns, the time column or None, seconds per unit of it or None).

    names: with their rates, () if unknown; units: of the columns.
    """
    n = values.shape[1]
    keys = [_key(name) for name in names] or [""] * n
    keep, time, step, times, marks = list(range(n)), None, None, [], []
    if layout := _brainflow(values, names):
        notes.append("The columns are those of BrainFlow: packet number, channels, other sensors.")
        return list(range(1, 1 + layout)), values[:, -2].astype(np.float64), 1.0
    for i in range(n):
        column, key = values[:, i].astype(np.float64), keys[i]
        leading = keep[0] == i
        whole = bool(((column == np.round(column)) | np.isnan(column)).all())
        timed = bool(TIME.fullmatch(key) or STAMP.search(key)) and (
            rises(column) or not np.isfinite(column).any()
        )
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
            if time is None:
                time, step = column, _time_step(key, units[i] if units else "")
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
    volts = [i for i in keep if units and microvolts(units[i])]
    keep = _without_other_sensors(keep, names, keys, volts, notes)
    if any(microvolts(units[i]) for i in keep if units):
        other = [i for i in keep if units[i] and not microvolts(units[i])]
        if other:
            left_out = ", ".join(names[i] for i in other[:5])
            notes.append(f"Columns that aren't voltages were left out: {left_out}.")
            keep = [i for i in keep if i not in other]
    return _of_one_rate(keep, names, notes), time, step


def _may_be_time(key, leading):
    """Whether a column that rises evenly may be a clock; a slow sensor rises, too."""
    return (leading or not key) and not EMG.search(key) and not _other(key)


def _without_other_sensors(keep, names, keys, volts, notes):
    """The columns that are called EMG, or all without those that are called something else."""
    if not names:
        return keep
    emg = [i for i in keep if is_emg(names[i])]
    other = {i: kind for i in keep if i not in emg and (kind := _other(keys[i]))}
    other |= {i: "an envelope" for i in emg if OTHERS["an envelope"].search(keys[i])}
    if emg or volts:
        sure = emg or volts
        other |= {i: "other inputs" for i in keep if i not in sure and INPUTS.search(keys[i])}
    left = [i for i in keep if i not in other]
    if not left:  # nothing else: better a doubtful signal that is named so than none
        if other:
            notes.append("By their names, none of the columns is EMG; check them.")
        return keep
    for kind in dict.fromkeys(other.values()):
        called = [bare(names[i]) for i, k in other.items() if k == kind]
        more = f" and {len(called) - 4} more" if len(called) > 4 else ""
        notes.append(f"Not EMG but {kind}, and left out: {', '.join(called[:4])}{more}.")
    return left


def _other(key):
    return next((kind for kind, words in OTHERS.items() if words.search(key)), "")


def _of_one_rate(keep, names, notes):
    """The columns of the commonest rate that their names state, the highest of equally common."""
    rates = {i: rate for i in keep if names and (rate := column_rate(names[i]))}
    if len(set(rates.values())) < 2:
        return keep
    count = Counter(rates.values())
    chosen = max(count, key=lambda rate: (count[rate], rate))
    other = [i for i in keep if rates.get(i, chosen) != chosen]
    notes.append(
        f"Channels at other rates than {chosen:g} Hz were left out: "
        f"{', '.join(names[i] for i in other[:5])}."
    )
    return [i for i in keep if i not in other]


def _marks(key, column, whole):
    if re.fullmatch(r"[io]\d|digital\w*", key) and np.isin(column, (0, 1)).all():
        return True
    if not OTHERS["events or classes"].search(key) or EMG.search(key):
        return False
    few = len(np.unique(column[np.isfinite(column)])) <= MOST_CLASSES
    return whole or few or "trigger" in key or "ttl" in key


def _is_class(values, i):
    """Whether a nameless column at the edge holds class numbers: few, whole, in long runs."""
    if i not in (0, values.shape[1] - 1) or values.shape[1] < 3:
        return False
    column, rest = values[:, i], np.delete(values, i, axis=1)
    if not (np.isfinite(column).all() and (column == np.round(column)).all() and min(column) >= 0):
        return False
    kinds, changes = len(np.unique(column)), np.count_nonzero(np.diff(column))
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


def is_emg(name: str) -> bool:
    """Whether a column's name says that it holds EMG, or a site on the face."""
    key = _key(name)
    called = bool(EMG.search(key)) and not OTHERS["the device"].search(key)
    return called or bool(name and parse(name).is_site)


def _key(name: str) -> str:
    name = re.sub(r"[(\[].*?[)\]]", " ", name) or name
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    key = re.sub(r"[\s_.,\-:]+", "_", name.strip().lower()).strip("_")
    return key.removesuffix("_channel") or key
