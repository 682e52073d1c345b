"""The cells of a text table -> numbers: pandas parses, words and times of day are told apart."""

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from emg_llm.signal.readers.dates import pieces_of, seconds_of
from emg_llm.signal.readers.layout import Layout, PlainText
from emg_llm.signal.readers.raw import check_size
from emg_llm.signal.readers.single import Single
from emg_llm.signal.readers.units import bare
from emg_llm.signal.recording import RecordingError

if TYPE_CHECKING:
    import pandas as pd

TABLE_WORDS = {"label", "emotion", "class", "subject", "path", "file", "filename", "target"}
LABELS = {"label", "labels", "emotion", "class", "gesture", "condition"}
PIECE = 2**16  # cells that are parsed at a time
SAID = 0.1  # of a column's cells may hold words


class BrokenTable(Exception):
    """Rows that differ: of several tables, or broken ones."""


class Columns:
    """The columns of a table that is read in pieces.

    rows: at least about as many as the table has, to be kept in single precision; 0 for a small
    table, which is kept in double. Columns of words are kept as they are.
    """

    def __init__(self, name: str, layout: Layout, rows: int, mend: bool) -> None:
        self.name, self.layout, self.mend = name, layout, mend
        self.single = Single(rows, layout.width) if rows else None
        self.rows, self.remarks = 0, 0
        self._pieces: list[list] = [[] for _ in range(layout.width)]

    def add(self, frame: "pd.DataFrame") -> None:
        """Raises BrokenTable where a column of numbers holds words, unless that is to be mended."""
        import pandas as pd

        width = self.layout.width
        more = frame.pop(width).dropna()
        if pd.to_numeric(more, errors="coerce").notna().any():
            raise _uneven(self.name, width + 1, width)
        for i, numeric in enumerate(self.layout.numeric):
            column: Any = frame[i]
            if column.dtype.kind in "iuf":
                column = column.to_numpy("float64")
            elif numeric and not self.mend:
                raise BrokenTable
            if numeric and self.single:
                self.single.put(self.rows, i, column)
            else:
                self._pieces[i].append(column)
        self.rows += len(frame)
        self.remarks += len(more)
        check_size(self.name, (self.rows, width))

    def column(self, i: int) -> "np.ndarray | pd.Series":
        """A whole column: an array of numbers, or a Series of words."""
        import pandas as pd

        pieces = self._pieces[i]
        if not pieces and self.single:
            return self.single.values[: self.rows, i]
        if all(isinstance(piece, np.ndarray) for piece in pieces):
            return np.concatenate(pieces)
        return pd.concat([pd.Series(piece) for piece in pieces], ignore_index=True)

    def table(self, kept: dict[int, np.ndarray]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """(values (rows, len(kept)), exact) of some columns, index -> numbers."""
        if self.single is None:
            return np.stack([*kept.values()], axis=1), {}
        for i, numbers in kept.items():
            if self._pieces[i]:
                self.single.put(0, i, numbers)
        exact = {k: self.single.exact[i] for k, i in enumerate(kept) if i in self.single.exact}
        values = self.single.values[: self.rows]
        if len(kept) < values.shape[1]:
            values = values[:, [*kept]]
        return values, {k: column[: self.rows] for k, column in exact.items()}

    @property
    def notes(self) -> list[str]:
        if not self.remarks:
            return []
        return [f"{self.remarks} remarks behind the columns were left out."]


def read_columns(
    source: bytes | PlainText,
    name: str,
    layout: Layout,
    comment: str,
    rows: int = 0,
    mend: bool = False,
) -> Columns:
    """The columns of a table's rows; rows: see `Columns`. Raises BrokenTable where rows differ,
    unless `mend` is set: then a RecordingError says which are in doubt."""
    import pandas as pd

    columns = Columns(name, layout, rows, mend)
    try:
        with pd.read_csv(
            source if isinstance(source, PlainText) else io.BytesIO(source),
            sep=r"\s+" if layout.delimiter is None else layout.delimiter,
            decimal=layout.decimal,
            thousands=layout.thousands,
            header=None,
            names=range(layout.width + 1),  # a remark may follow a row
            index_col=False,
            comment=comment,
            skipinitialspace=True,
            low_memory=False,
            chunksize=max(1000, PIECE // layout.width),
        ) as frames:
            for frame in frames:
                columns.add(frame)
    except (BrokenTable, RecordingError):
        raise
    except Exception as error:  # as in `refusing`
        if isinstance(error, pd.errors.ParserError) and not mend:
            raise BrokenTable from None
        raise RecordingError(
            f"{name} can't be read as a table of numbers; export it again as CSV."
        ) from None
    return columns


def values_of(
    columns: Columns, name: str, names: tuple[str, ...]
) -> tuple[np.ndarray, dict[int, np.ndarray], tuple[str, ...], dict[str, str], list[str]]:
    """(values (rows, columns), exact, their names, texts, notes) of the columns of numbers and of
    times, see `Raw`. Raises RecordingError if there are none, or for a table of features.
    """
    import pandas as pd

    kept, called, texts, notes, bad = {}, [], {}, columns.notes, 0
    width = columns.layout.width
    # A delimiter at the end of each line makes an empty, nameless column.
    while width > 1 and pd.isna(columns.column(width - 1)).all() and not any(names[width - 1 :]):
        width -= 1
    for i in range(width):
        column, own = columns.column(i), names[i]
        if any(names) and not own and pd.isna(column).all():
            continue
        numbers, lost = _numbers(column)
        if lost > SAID * columns.rows:
            numbers = seconds_of(column)
            if numbers is None:
                _words(name, column, own or str(i + 1), texts, notes, names)
                continue
            own, lost = f"{own or 'time'} (s)", 0
        bad += lost
        kept[i] = numbers
        called.append(own)
    if bad:
        notes.append(f"{bad} cells held text instead of numbers and were marked as invalid.")
    if not kept:
        raise of_text(name, names[0])
    values, exact = columns.table(kept)
    return values, exact, tuple(called) if any(called) else (), texts, notes


def _numbers(column):
    """(numbers (rows,), how many cells are words)."""
    import pandas as pd

    if isinstance(column, np.ndarray):
        return column, 0
    if column.dtype.kind == "b":
        return None, len(column)
    numbers, lost = np.empty(len(column)), 0
    for rows in pieces_of(len(column)):
        cells = column.iloc[rows]
        numbers[rows] = found = pd.to_numeric(cells.astype(str), errors="coerce").to_numpy(
            "float64"
        )
        lost += int((np.isnan(found) & cells.notna().to_numpy()).sum())
    return numbers, lost


def of_text(name: str, column: str) -> RecordingError:
    return RecordingError(
        f"{name} is a table with text in it (column '{column[:40]}'), not a recording; pass a "
        f"feature table to a training script with --data {name}."
    )


def _uneven(name, n, width):
    return RecordingError(
        f"{name} has a row with {n} columns where others have {width}; export it with the same "
        "columns in every row."
    )


def only_rows(data: bytes, name: str, layout: Layout, comment: str) -> tuple[bytes, list[str]]:
    """(the rows of the table, notes on others after its start)."""
    kept, others, apart = [], 0, True
    for line in data.decode("utf-8", "replace").splitlines():
        text = line.strip(" \r\n")
        if not text.strip() or text.startswith(comment):
            apart = True  # another block may follow
            continue
        cells = layout.cells(text)
        if layout.belongs(cells):
            kept.append(text)
            apart = False
            continue
        if len(cells) != layout.width and all(map(layout.is_number, cells)) and not apart:
            raise _uneven(name, len(cells), layout.width)
        apart = True
        others += 1
    notes = [f"{others} rows of another kind were left out."] if others else []
    return "\n".join(kept).encode(), notes


def _words(name, column, called, texts, notes, names):
    """Take note of a column of words: a label that all rows share, or nothing of the signal."""
    key, distinct = bare(called).lower(), column.drop_duplicates().dropna().astype(str)
    distinct = distinct.str.strip().unique()
    if key in TABLE_WORDS and not _has_clock(names):
        raise of_text(name, called)
    if key in LABELS and len(distinct) == 1:
        texts["label"] = str(distinct[0])[:80]
        notes.append(f"The label, {texts['label']}, is that of the column '{called[:40]}'.")
    elif len(distinct):
        notes.append(f"Column '{called[:40]}' holds words and was left out of the signal.")


def _has_clock(names):
    return any(
        re.match(r"(?:time|timestamp|t|zeit|sample|index|frame)\b", n.lower()) for n in names
    )
