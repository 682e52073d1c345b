"""What columns are called: the words for EMG, for clocks and counters, and for other sensors."""

import re

from emg_llm.signal.montage import parse
from emg_llm.signal.readers.units import LONGEST

TIME = re.compile(
    r"(?:x_?|relative_?|elapsed_?|unix_?|epoch_?|system_?|abs(?:olute)?_?)?"
    r"(?:(?:date_?)?time(?:_?stamps?)?(?:_?unix)?|timestamps?|t|seconds?|secs?|s|ms|us|clock|"
    r"zeit|tiempo|temps|tempo|"
    r"milli_?s(?:ec)?(?:onds?)?|micro_?s(?:ec)?(?:onds?)?|millis|micros)"
    r"(?:_(?:s|secs?|seconds?|ms|us|ns|min))?"
)
STAMP = re.compile(r"(?:^|_)time_?(?:stamp|series)(?:_|$)")
INDEX = re.compile(
    r"#|(?:sub_?)?(?:sample|frame|row|packet|package|pkt)s?(?:_?(?:index|number|no|nr|num|id))?|"
    r"index|idx|n|n_?seq|seq(?:uence)?(?:_?(?:number|no))?|counter"
)
EMG = re.compile(r"(?:^|[^a-z])(?:s?emg|exg|electromyo\w*)(?![a-z])|muscle")
# Kind of another sensor or mark -> what its columns are called.
_OTHERS = {
    "an envelope": r"env(?:elope)?|rect(?:ified)?|smooth(?:ed)?|mav|rms",
    "motion": r"(?:lin_?)?acc(?:el\w*)?[xyz]?|gyro?\w*|mag_?[xyz]|magnetometer\w*|imu|ori|"
    r"orientation|quat\w*|euler|roll|pitch|yaw",
    "the heart": r"ecg|ekg|hr|heart(?:_?rate)?|ppg|bvp|ibi|pulse|photosensor|plethysmo\w*",
    "the skin": r"eda|gsr|scr|scl|skin_conductance|electrodermal\w*",
    "breath": r"rsp|resp(?:iration|iratory)?|breath\w*|airflow",
    "the eyes or the brain": r"[hv]?eog|eeg|pupil\w*|gaze\w*|fixation|saccade|"
    r"(?:fp?|c|p|o|t)(?:z|\d)_[am][12]",
    "force or angle": r"force|fsr|torque|load_?cell|angle|gonio\w*|pressure|position",
    "temperature": r"temperature",
    "the device": r"batt(?:ery)?|bat|vbat|rssi|num_meas|status|lead_?off|sync|synchro\w*|crc|"
    r"checksum|mouse|button|video(?:_frame)?|fs|sampling_rate",
    "a face in a video": r"au\d\d?(?:_[rc])?|landmarks?|face_id",
    "a rating or a person": r"valence|arousal|dominance|ratings?|likert|age|gender|sex|handedness",
    "events or classes": r"labels?|class(?:es)?|emotions?|targets?|gestures?|markers?|triggers?|"
    r"events?|(?:re)?stim(?:ul(?:us|i))?|annotations?|ttl|(?:re)?repetitions?|activity|phase|task|"
    r"cond(?:ition)?|trial|block|subject|session|participant|person|onsets?|offsets?",
}
OTHERS = {
    kind: re.compile(rf"(?:^|_)(?:{words})(?:_?\d+)?(?:_|$)") for kind, words in _OTHERS.items()
}
# Inputs of a device that may hold anything: no EMG where other columns are named so.
INPUTS = re.compile(
    r"(?:^|_)(?:other|analog|digital|aux|not_used|unused|angular|magnetic|heart|"
    r"spo2|switch|ref|gnd|velocity|bite)(?:_|$)|^[io]\d$|^[agmf][xyz]$|^q[0-3wxyz]$|^temp$"
)
# What was done to a channel, in the order in which it is preferred: volts, then all frequencies.
TREATMENTS = (
    r"cal(?:ibrated)?",
    r"raw|unfiltered|uncal(?:ibrated)?",
    r"filt(?:ered)?|clean(?:ed)?",
)
TREATED = re.compile(rf"(?:^|_)(?:{'|'.join(TREATMENTS)})(?=_|$)")
CLASS = re.compile(r"labels?|class(?:es)?|emotions?|targets?|gestures?")


def is_emg(name: str) -> bool:
    """Whether a column's name says that it holds EMG, or a site on the face."""
    key = key_of(name)
    called = bool(EMG.search(key)) and not OTHERS["the device"].search(key)
    return called or bool(name and parse(name).is_site)


def is_clock_name(name: str) -> bool:
    """Whether a column's name says that it holds times, or numbers of samples."""
    key = key_of(name)
    return bool(TIME.fullmatch(key) or STAMP.search(key) or INDEX.fullmatch(key))


def other_kind(key: str) -> str:
    """The kind of another sensor that a key names, or ""."""
    return next((kind for kind, words in OTHERS.items() if words.search(key)), "")


def treatment(key: str) -> tuple[str, int]:
    """(the channel that a key names, how much what was done to it is preferred, 0 first)."""
    words = TREATED.findall(key)
    rank = next((r for r, w in enumerate(TREATMENTS) if words and re.search(w, words[0])), 1)
    return TREATED.sub("", key).strip("_"), rank


def stem(key: str) -> str:
    """A key without its number."""
    return re.sub(r"\d+", "", key)


def key_of(name: str) -> str:
    """A name as the patterns here expect it: lower case, words joined by "_", without its unit."""
    name = name[:LONGEST]
    name = re.sub(r"[(\[].*?[)\]]", " ", name) or name
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    key = re.sub(r"[\s_.,\-:]+", "_", name.strip().lower()).strip("_")
    return key.removesuffix("_channel") or key
