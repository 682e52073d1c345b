"""The cells of a text table -> numbers: pandas parses, words and times of day are told apart."""

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from emg_llm.signal.readers.dates import seconds_of
from emg_llm.signal.readers.layout import Layout
from emg_llm.signal.readers.units import bare
from emg_llm.signal.recording import RecordingError

if TYPE_CHECKING:
    import pandas as pd

TABLE_WORDS = {"label", "emotion", "class", "subject", "path", "file", "filename", "target"}
LABELS = {"label", "labels", "emotion", "class", "gesture", "condition"}
LARGE = 2**24  # bytes, from which on pandas parses in parts: all words at once take most memory
SAID = 0.1  # of a column's cells may hold words


class BrokenTable(Exception):
    """Rows that differ: of several tables, or broken ones."""


def read_frame(
    data: bytes, at: int, name: str, layout: Layout, comment: str, mend: bool
) -> tuple["pd.DataFrame", list[str]]:
    """(the rows from position `at` on, notes). Raises BrokenTable where rows differ, unless `mend`
    is set: then those of another kind are left out, or a RecordingError says which are in doubt.
    """
    import pandas as pd

    notes = []
    if mend:
        data, left_out = _rows(data[at:], name, layout, comment)
        at = 0
        if left_out:
            notes.append(f"{left_out} rows of another kind were left out.")
    try:
        frame = _parsed(data, at, layout, comment)
    except Exception as error:  # as in `refusing`
        if isinstance(error, pd.errors.ParserError) and not mend:
            raise BrokenTable from None
        raise RecordingError(
            f"{name} can't be read as a table of numbers; export it again as CSV."
        ) from None
    kinds = [frame[i].dtype.kind for i in range(layout.width)]
    broken = any(n and k not in "iuf" for n, k in zip(layout.numeric, kinds, strict=True))
    if broken and not mend:
        raise BrokenTable
    more = frame.pop(layout.width).dropna()
    if pd.to_numeric(more, errors="coerce").notna().any():
        raise _uneven(name, layout.width + 1, layout.width)
    if len(more):
        notes.append(f"{len(more)} remarks behind the columns were left out.")
    return frame, notes


def columns_of(
    frame: "pd.DataFrame", name: str, names: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...], dict[str, str], list[str]]:
    """(values float64 (rows, columns), their names, texts, notes) of the columns of numbers and of
    times. Raises RecordingError if there are none, or for a table of features.
    """
    # A delimiter at the end of each line makes an empty, nameless column.
    while frame.shape[1] > 1 and frame.iloc[:, -1].isna().all():
        if any(names[frame.shape[1] - 1 :]):
            break
        frame = frame.iloc[:, :-1]
    columns, kept, texts, notes, bad = [], [], {}, [], 0
    for i in range(frame.shape[1]):
        column, called = frame[i], names[i]
        if any(names) and not called and column.isna().all():
            continue
        numbers, lost = _numbers(column)
        if lost > SAID * len(frame):
            numbers = seconds_of(column)
            if numbers is None:
                _words(name, column, called or str(i + 1), texts, notes, names)
                continue
            called, lost = f"{called or 'time'} (s)", 0
        bad += lost
        columns.append(numbers)
        kept.append(called)
    if bad:
        notes.append(f"{bad} cells held text instead of numbers and were marked as invalid.")
    if not columns:
        raise of_text(name, names[0])
    values = np.empty((len(frame), len(columns)))
    for i in range(len(columns)):
        values[:, i], columns[i] = columns[i], None
    return values, tuple(kept) if any(kept) else (), texts, notes


def _numbers(column):
    """(float64 (rows,), how many cells are words)."""
    import pandas as pd

    if column.dtype.kind in "iuf":
        return column.to_numpy("float64"), 0
    if column.dtype.kind == "b":
        return None, len(column)
    numbers = pd.to_numeric(column.astype(str), errors="coerce")
    return numbers.to_numpy("float64"), int((numbers.isna() & column.notna()).sum())


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


def _parsed(data, at, layout, comment):
    import pandas as pd

    stream = io.BytesIO(data)  # shares the bytes
    stream.seek(at)
    return pd.read_csv(
        stream,
        sep=r"\s+" if layout.delimiter is None else layout.delimiter,
        decimal=layout.decimal,
        thousands=layout.thousands,
        header=None,
        names=range(layout.width + 1),  # a remark may follow a row
        index_col=False,
        comment=comment,
        skipinitialspace=True,
        low_memory=len(data) > LARGE,
    )


def _rows(data, name, layout, comment):
    """(the rows of the table, how many others there are after its start)."""
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
    return "\n".join(kept).encode(), others


def _words(name, column, called, texts, notes, names):
    """Take note of a column of words: a label that all rows share, or nothing of the signal."""
    key, distinct = bare(called).lower(), column.dropna().astype(str).str.strip().unique()
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
