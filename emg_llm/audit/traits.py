"""What a recording is like apart from its muscles: rate, length, hum, offset, clipping, names.

Nothing here may follow the strength of a muscle, or clean data would look suspicious: hum and noise
are measured in the quietest moment, an offset against the person's usual strength.
"""

import re

import numpy as np
from scipy import fft
from tqdm.auto import tqdm

from emg_llm.signal.features import SILENT
from emg_llm.signal.quality.values import clipped_share
from emg_llm.signal.simulation import is_simulated
from emg_llm.signal.spectrum import MAINS

QUIET = 0.5  # s, the window in which hum is measured
VISIBLE = 10.0  # times its neighbours' power, from which a line at mains counts as hum
ABOVE_MUSCLE = 600.0  # Hz
SHORT = 0.05  # s, the window of the noise floor
STEP = 0.25  # times the person's usual RMS: the step in which hum and offset are counted
GRID = 0.5  # share of distinct values below which a channel counts as quantised

# What is measured in each recording, and the words for it.
MEASURED = {
    "sampling rate": "the sampling rate",
    "length": "the length of a recording",
    "unit": "the unit and what the reader noted",
    "file format": "the format of the file",
    "resolution": "the step between values",
    "hum": "mains hum",
    "noise": "the noise above 600 Hz in quiet moments (the gain)",
    "offset": "the DC offset",
    "clipping": "the share of clipped samples",
    "dead channels": "which channels are dead",
    "invalid samples": "the share of invalid samples",
}
NAMED = {
    "number": "the numbers in the recording's name",
    "name": "the words in the recording's name",
    "person": "the person's name",
    "session": "the session's name",
    "order": "the place in the list of the person's recordings",
}


def recording_traits(dataset, progress=True):
    """{name from MEASURED: float (recordings, columns)} of a dataset of recordings."""
    bar = tqdm(dataset.recordings, desc="traits", unit="rec", disable=not progress)
    each = [_measure(recording) for recording in bar]
    rows = {name: np.array([one[name] for one in each], object) for name in each[0]}
    traits = {}
    for name in MEASURED:
        values = rows[name]
        if name in ("unit", "file format"):
            traits[name] = np.unique(values.astype(str), return_inverse=True)[1][:, None]
        elif name != "dead channels":
            traits[name] = np.array(values.tolist(), float).reshape(len(each), -1)
    dead = rows["dead channels"]
    traits["dead channels"] = np.array([d.tolist() for d in dead], float)
    rms = np.array(rows["rms"].tolist(), float)
    usual = np.array([np.median(rms[dataset.groups == g]) for g in dataset.groups])
    for name in ("hum", "offset"):
        traits[name] = np.rint(traits[name] / (STEP * np.maximum(usual, 1e-30))[:, None])
    for name in ("hum", "noise", "length"):
        traits[name] = np.hstack([traits[name], from_median(traits[name], dataset.groups)])
    return traits


def name_traits(dataset):
    """{name from NAMED: float (items, columns)}: the parts of names, and the place in the list.

    The simulator's own names and order say nothing, nor do the numbers of rows.
    """
    if is_simulated(dataset.name):
        return {}
    traits = {}
    if not all(re.fullmatch(r"row \d+", i) for i in dataset.ids):
        pairs = zip(dataset.ids, dataset.labels, strict=True)
        stems = [re.sub(re.escape(y), "", i.removeprefix(f"{y}/"), flags=re.I) for i, y in pairs]
        stems = [re.sub(r"\.\w+$", "", stem) for stem in stems]  # of the format
        traits["number"] = _parts([re.findall(r"\d+", stem) for stem in stems])
        traits["name"] = _parts([re.findall(r"[^\W\d_]+", i) for i in dataset.ids])
    for name, values in (("person", dataset.subjects), ("session", dataset.sessions or ())):
        if any(values):
            words = [re.findall(r"\d+|[^\W\d_]+", v or "") for v in values]
            traits[name] = _parts(words)
    place = np.zeros(len(dataset))
    for group in np.unique(dataset.groups):
        mine = np.flatnonzero(dataset.groups == group)
        place[mine] = np.arange(len(mine))
    return traits | {"order": place[:, None]}


def _parts(split):
    """float (names, parts): numbers as they are, words by their place in the alphabet."""
    columns = np.full((len(split), max(1, *map(len, split))), -1.0)
    words = {w: i for i, w in enumerate(sorted({w for parts in split for w in parts}))}
    for row, parts in zip(columns, split, strict=True):
        row[: len(parts)] = [float(p[:15]) if p.isdecimal() else words[p] for p in parts]
    return columns


def _measure(recording):
    x = recording.signal[recording.valid].astype(np.float64)
    middle = x.mean(axis=0)  # that of EMG is 0, while its median follows the strength
    x -= middle
    rms = np.sqrt(np.mean(x * x, axis=0))
    seen = re.sub(r"[\d.]+", "#", " ".join((recording.unit, *recording.notes)))
    hum = _hum(x, recording.sampling_rate)
    clipped = np.where(np.ptp(x, axis=0) > 0, clipped_share(x), 0)
    return {
        "sampling rate": recording.sampling_rate,
        "length": recording.duration,
        "unit": seen,
        "file format": recording.format,
        "resolution": _resolution(x),
        "hum": [np.median(hum), hum.max()],
        "noise": _noise(x, recording.sampling_rate),
        "offset": [np.median(middle), middle[np.abs(middle).argmax()]],
        "clipping": [np.median(clipped), clipped.max()],
        "dead channels": np.square(rms) <= SILENT * np.mean(np.square(rms)),
        "invalid samples": 1 - recording.valid.mean(),
        "rms": np.median(rms),
    }


def _hum(x, rate):
    """The amplitude of the line at 50 or 60 Hz in the quietest QUIET seconds: float (channels,).

    0 where it doesn't stand out from its neighbours.
    """
    length = min(len(x), round(QUIET * rate))
    starts = np.arange(0, len(x) - length + 1, max(1, length // 4))
    power = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x * x, axis=0)])
    quiet = starts[(power[starts + length] - power[starts]).argmin(axis=0)]  # (channels,)
    window = np.hanning(length)
    part = np.stack([x[s : s + length, c] for c, s in enumerate(quiet)], axis=1)
    part = (part - part.mean(axis=0)) * window[:, None]
    width = 4 / QUIET  # Hz, beyond the window's own width
    around = np.array([-3, -2.5, -2, 2, 2.5, 3]) * width / 2
    best = np.zeros(x.shape[1])
    for mains in MAINS:
        if mains > 0.4 * rate:
            continue
        f = np.concatenate([[mains], mains + around])
        wave = np.exp(-2j * np.pi * f[:, None] * np.arange(length) / rate)
        p = np.square(np.abs(wave @ part) * 2 / window.sum())  # (frequencies, channels)
        beside = p[1:].mean(axis=0)
        best = np.maximum(best, np.where(p[0] > VISIBLE * beside, p[0] - beside, 0))
    return np.sqrt(best)


def _noise(x, rate):
    """Power density above the muscles' band in the quietest moments and channels, in dB."""
    high = 0.45 * rate
    if high < 1.2 * ABOVE_MUSCLE:
        return 0.0
    # The cosine transform mirrors the ends, so that no step leaks into the band.
    spectrum, f = fft.dct(x, axis=0), np.arange(len(x)) * rate / (2 * len(x))
    spectrum[(f < ABOVE_MUSCLE) | (f > high)] = 0
    x = fft.idct(spectrum, axis=0)
    length = max(2, min(len(x), round(SHORT * rate)))
    n = len(x) // length
    power = np.square(x[: n * length]).reshape(n, length, -1).mean(axis=1)
    floor = np.percentile(power, 10, axis=0) / (high - ABOVE_MUSCLE)
    return 10 * np.log10(np.percentile(floor, 25) + 1e-30)


def _resolution(x):
    """log2 of the step between the values of the first channel's quantised signal, or 0."""
    values = np.unique(x[:, 0])
    if len(values) > GRID * len(x) or len(values) < 3:
        return 0.0
    return float(np.log2(np.diff(values).min()).round(1))


def from_median(x, groups):
    """x (n, columns) relative to the median of each person."""
    out = np.empty_like(x)
    for group in np.unique(groups):
        mine = groups == group
        out[mine] = x[mine] - np.median(x[mine], axis=0)
    return out
