"""Double precision -> single, piece by piece: a signal needs no more, and only half the memory."""

import math
from collections.abc import Callable

import numpy as np

from emg_llm.signal.readers.clock import rises
from emg_llm.signal.readers.raw import is_turned

LARGE = 2**19  # values, from which on memory matters
PIECE = 2**17  # values at a time


class Single:
    """A table that is filled in order: values float32 (rows, columns), and in `exact` in double
    precision the columns of which the first piece may be that of a clock: it rises or stays.

    It grows where it was made with too few rows; what isn't filled takes no memory.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.values = np.empty((rows, columns), np.float32)
        self.exact: dict[int, np.ndarray] = {}

    def put(self, start: int, i: int, piece: np.ndarray) -> None:
        """Set the rows from `start` on of column `i`."""
        rows = slice(start, start + len(piece))
        if rows.stop > len(self.values):
            more = rows.stop + rows.stop // 8
            self.values = _longer(self.values, more)
            self.exact = {k: _longer(column, more) for k, column in self.exact.items()}
        if not start and _may_be_clock(piece):
            self.exact[i] = np.empty(len(self.values))
        if i in self.exact:
            self.exact[i][rows] = piece
        self.values[rows, i] = piece


def _longer(values, rows):
    longer = np.empty((rows, *values.shape[1:]), values.dtype)
    longer[: len(values)] = values
    return longer


def _may_be_clock(piece):
    """Whether the beginning of a column rises, or holds one number or none."""
    finite = piece[np.isfinite(piece)]
    return bool(rises(piece) or not len(finite) or np.ptp(finite) == 0)


def needs_single(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether a table is so large, and stored so precisely, that it is read as a Single."""
    return len(shape) == 2 and dtype.itemsize > 4 and math.prod(shape) >= LARGE


def read_single(
    shape: tuple[int, ...], fortran: bool, read: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """(values float32 of `shape`, exact by channel) of a table that is read in order.

    fortran: whether columns are stored one after the other. read: n -> the next n values.
    """
    turned = is_turned(shape)
    n, width = shape[::-1] if turned else shape
    single = Single(n, width)
    if fortran != turned:  # channel after channel
        for i in range(width):
            for start in range(0, n, PIECE):
                single.put(start, i, read(min(PIECE, n - start)))
    else:
        step = max(1, PIECE // width)
        for start in range(0, n, step):
            block = read(min(step, n - start) * width).reshape(-1, width)
            for i in range(width):
                single.put(start, i, block[:, i])
    return single.values.T if turned else single.values, single.exact
