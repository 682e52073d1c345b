"""Which of a file's named arrays is the signal, and what those beside it say."""

import math
from collections.abc import Callable

import numpy as np

from emg_llm.signal.readers.choice import likeness
from emg_llm.signal.readers.raw import MAX_CHANNELS, MIN_SAMPLES, Raw, check_size
from emg_llm.signal.readers.single import Single
from emg_llm.signal.recording import RecordingError

SIGNAL_KEYS = ("signal", "emg", "data", "x")
# As `plain` spells them.
RATE_KEYS = (
    *("samplingrate", "fs", "rate", "sfreq", "srate", "samplingfrequency", "samplerate"),
    *("samplefrequency", "fsamp", "freq", "frequency", "sr", "hz"),
)
TIME_KEYS = ("time", "t", "timestamps")


def plain(key: str) -> str:
    """A variable's name without case, underscores, and hertz at its end."""
    key = key.lower().replace("_", "")
    return key.removesuffix("hz") or key


def from_variables(
    name: str,
    shapes: dict[str, tuple[int, ...]],
    load: Callable[[str], np.ndarray],
    load_table: Callable[[str], Raw] | None = None,
) -> Raw:
    """A Raw from named arrays; loads only the ones it needs.

    shapes: {key: shape} of the numeric arrays. load: key -> array. load_table: key -> the Raw of
    one that is the signal. The signal is the array that is
    called so, else the one that its name says is EMG, else the only one that may be; vectors of one
    length are its channels. Raises RecordingError, which lists the arrays, if several may be.
    """
    keys = {key.lower(): key for key in reversed(shapes)}
    plainly = {plain(key): key for key in reversed(shapes)}
    key = next((keys[k] for k in SIGNAL_KEYS if k in keys and math.prod(shapes[keys[k]]) > 1), None)
    tables = [k for k, s in shapes.items() if sum(n > 1 for n in s) > 1]
    chosen = [key] if key else _likeliest(name, shapes, tables)
    if len(chosen) == 1:
        raw = load_table(chosen[0]) if load_table else Raw(load(chosen[0]))
    else:
        n = math.prod(shapes[chosen[0]])
        check_size(name, (n, len(chosen)))
        single = Single(n, len(chosen))
        for i, each in enumerate(chosen):
            single.put(0, i, np.asarray(load(each)).reshape(-1))
        raw = Raw(single.values, tuple(chosen), exact=single.exact)
    others = [k for k in tables if k not in chosen and max(shapes[k]) >= MIN_SAMPLES]
    if others:
        called = ", ".join(f"'{k[:30]}'" for k in others[:4])
        raw.notes.append(f"The array '{chosen[0][:40]}' was read, and not {called}.")
    for rate_key in RATE_KEYS:
        if rate_key in plainly and 0 < math.prod(shapes[plainly[rate_key]]) <= MAX_CHANNELS:
            rates = np.unique(load(plainly[rate_key]))  # one, or the same of each channel
            if len(rates) == 1:
                raw.rate = float(rates[0])
                break
    for time_key in TIME_KEYS:
        place = keys.get(time_key)
        if place and place not in chosen and math.prod(shapes[place]) > 1:
            raw.time = np.asarray(load(place), float).reshape(-1)
            break
    return raw


def _likeliest(name, shapes, tables):
    """The keys of the arrays that are the signal: one table, or vectors of one length."""
    vectors = [k for k, s in shapes.items() if sum(n > 1 for n in s) == 1]
    beside = {*RATE_KEYS, *map(plain, TIME_KEYS)}
    candidates = tables or [k for k in vectors if plain(k.rpartition("/")[2]) not in beside]
    if len(candidates) > 1:
        candidates = [k for k in candidates if max(shapes[k]) >= MIN_SAMPLES] or candidates
        alike = {k: likeness(k.replace("/", " "), several=bool(tables)) for k in candidates}
        best = max(alike.values())
        candidates = [k for k in candidates if alike[k] == best]
    lengths = {math.prod(shapes[k]) for k in candidates}
    if len(candidates) == 1 or (not tables and len(lengths) == 1):
        return candidates
    listed = ", ".join(f"{k[:40]} ({' × '.join(map(str, shapes[k]))[:30]})" for k in candidates[:5])
    several = f"several arrays that may be the signal ({listed})"
    raise RecordingError(
        f"{name} holds {several if candidates else 'no array of numbers'}; save the samples by "
        "channels as one array named 'signal'."
    )
