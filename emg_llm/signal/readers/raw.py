"""What every parser returns, and the limits that all parsers share."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from emg_llm.signal.recording import RecordingError

MAX_BYTES = 512 * 2**20  # of a file, packed or unpacked: 8 channels, 15 kHz, 9 minutes
MAX_VALUES = 2**27  # samples by channels: half a gigabyte in single precision
MAX_RATIO = 500  # signals compress two- to tenfold; far more is a bomb
MAX_VARIABLES = 1000
SIGNAL_KEYS = ("signal", "emg", "data", "x")
# As `plain` spells them.
RATE_KEYS = (
    *("samplingrate", "fs", "rate", "sfreq", "srate", "samplingfrequency", "samplerate"),
    *("samplefrequency", "fsamp", "fshz", "freq", "frequency", "sr", "hz"),
)
SHORTER = "The file holds fewer samples than its header states; it may have been cut short."
TEXT_KEYS = ("unit", "label", "subject", "session")
TIME_KEYS = ("time", "t", "timestamps")


@dataclass
class Raw:
    """A file's contents before any assumption about them.

    values: numeric array as stored, any shape. names: of columns, as written, or ().
    rate: Hz, or None. texts: `unit`, `label`, `subject`, `session` if the file states them.
    time: 1-D array stored beside the signal, or None. notes: repairs so far.
    """

    values: np.ndarray
    names: tuple[str, ...] = ()
    rate: float | None = None
    texts: dict[str, str] = field(default_factory=dict)
    time: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


@contextmanager
def refusing(sentence: str) -> Iterator[None]:
    """Turn any exception of a third-party parser on damaged bytes into one sentence."""
    try:
        yield
    except RecordingError:
        raise
    except Exception:  # on hostile bytes parsers raise nearly any class
        raise RecordingError(sentence) from None


def unpacked_limit(packed: int) -> int:
    """The number of bytes that `packed` bytes may unpack to."""
    return min(MAX_BYTES, max(64 * 2**20, MAX_RATIO * packed))


def check_size(name: str, shape: tuple[int, ...]) -> None:
    """Raise RecordingError for an array that would take too much memory."""
    if math.prod(shape) > MAX_VALUES:
        raise RecordingError(
            f"{name} holds {math.prod(shape) / 1e6:.0f} million values and a recording may hold "
            f"{MAX_VALUES / 1e6:.0f}; cut it into trials."
        )


def bomb(name: str) -> RecordingError:
    return RecordingError(
        f"{name} unpacks to more than a recording may hold (at most {MAX_BYTES >> 20} MB and "
        f"{MAX_RATIO} times its own size); save it uncompressed, or in shorter trials."
    )


def check_kind(name: str, dtype: np.dtype) -> None:
    """Raise RecordingError unless `dtype` holds integers or real numbers."""
    if dtype.kind in "iuf":
        return
    kinds = {
        "b": "true/false values",
        "c": "complex numbers",
        "U": "text",
        "S": "text",
        "V": "structured rows",
        "O": "Python objects, which are never unpickled",
        "M": "dates",
        "m": "time differences",
    }
    raise RecordingError(
        f"{name} holds {kinds.get(dtype.kind, 'values')} where a signal needs numbers; "
        "save the samples as a float array of samples by channels."
    )


def plain(key: str) -> str:
    """A variable's name without case and underscores."""
    return key.lower().replace("_", "")


def from_variables(
    name: str, shapes: dict[str, tuple[int, ...]], load: Callable[[str], np.ndarray]
) -> Raw:
    """A Raw from named arrays; loads only the ones it needs.

    shapes: {key: shape} of the numeric arrays. load: key -> array. Raises RecordingError unless
    exactly one array can be the signal.
    """
    keys = {key.lower(): key for key in reversed(shapes)}
    plainly = {plain(key): key for key in reversed(shapes)}
    key = next((keys[k] for k in SIGNAL_KEYS if k in keys and math.prod(shapes[keys[k]]) > 1), None)
    if key is None:
        tables = [k for k, s in shapes.items() if sum(n > 1 for n in s) > 1]
        vectors = [k for k, s in shapes.items() if sum(n > 1 for n in s) == 1]
        candidates = tables or [
            k for k in vectors if plain(k) not in RATE_KEYS and k.lower() not in TIME_KEYS
        ]
        if len(candidates) != 1:
            several = f"several arrays ({', '.join(candidates[:5])})"
            raise RecordingError(
                f"{name} holds {several if candidates else 'no array of numbers'}; save the "
                "samples by channels as one array named 'signal'."
            )
        key = candidates[0]
    raw = Raw(load(key))
    for rate_key in RATE_KEYS:
        if rate_key in plainly and math.prod(shapes[plainly[rate_key]]) == 1:
            raw.rate = float(np.asarray(load(plainly[rate_key])).reshape(-1)[0])
            break
    for time_key in TIME_KEYS:
        if time_key in keys and keys[time_key] != key and math.prod(shapes[keys[time_key]]) > 1:
            raw.time = np.asarray(load(keys[time_key]), float).reshape(-1)
            break
    return raw
