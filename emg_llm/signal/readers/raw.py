"""What every parser returns, and the limits that all parsers share."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from emg_llm.signal.recording import RecordingError

MAX_BYTES = 512 * 2**20  # of a file, packed or unpacked: 8 channels, 15 kHz, 9 minutes
MAX_VALUES = 2**27  # samples by channels: half a gigabyte in single precision
MAX_RATIO = 500  # signals compress two- to tenfold; far more is a bomb
MAX_VARIABLES = 1000
SHORTER = "The file holds fewer samples than its header states; it may have been cut short."
MAX_CHANNELS = 64
LEAST_LONGER = 4  # times as many samples as channels: channels may be rows
MIN_SAMPLES = 32
TEXT_KEYS = ("unit", "label", "subject", "session")


@dataclass
class Raw:
    """A file's contents before any assumption about them.

    values: numeric array as stored, any shape. names: of columns, as written, or ().
    rate: Hz, or None. texts: `unit`, `label`, `subject`, `session` if the file states them.
    time: 1-D array stored beside the signal, or None. notes: repairs so far. exact: float64 (rows,)
    of columns, by index, that `values` holds in single precision and that may be clocks.
    """

    values: np.ndarray
    names: tuple[str, ...] = ()
    rate: float | None = None
    texts: dict[str, str] = field(default_factory=dict)
    time: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    exact: dict[int, np.ndarray] = field(default_factory=dict)


def is_turned(shape: tuple[int, ...]) -> bool:
    """Whether the rows of a table are channels."""
    rows, columns = shape
    return rows * LEAST_LONGER <= columns and rows <= MAX_CHANNELS and columns >= MIN_SAMPLES


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


class TooLarge(RecordingError):
    """A recording that would take too much memory."""


def check_bytes(name: str, size: int) -> None:
    """Raise TooLarge for a file of too many bytes."""
    if size > MAX_BYTES:
        raise TooLarge(
            f"{name} is {size >> 20} MB and the limit is {MAX_BYTES >> 20} MB; cut it into trials."
        )


def check_size(name: str, shape: tuple[int, ...]) -> None:
    """Raise TooLarge for an array of too many values."""
    if math.prod(shape) > MAX_VALUES:
        raise TooLarge(
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
