"""Text tables: the layout is found first (`layout`), then the names (`header`); pandas parses.

A table is the rows whose cells are alike; what is above it says what it holds (`preamble`), rows of
other kinds inside it, such as the header of a further block, are left out.
"""

import io
import re
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.dates import seconds_of
from emg_llm.signal.readers.header import column_names, header_rows
from emg_llm.signal.readers.layout import (
    COMMENTS,
    MISSING,
    commas_are_both_signs,
    find_layout,
    first_lines,
    plain_text,
)
from emg_llm.signal.readers.preamble import read_preamble
from emg_llm.signal.readers.raw import Raw
from emg_llm.signal.readers.units import bare
from emg_llm.signal.recording import RecordingError

MAX_COLUMNS = 200_000
TABLE_WORDS = {"label", "emotion", "class", "subject", "path", "file", "filename", "target"}
LABELS = {"label", "labels", "emotion", "class", "gesture", "condition"}
SAID = 0.1  # of a column's cells may hold words
MIN_TURNED, MOST_TURNED = 32, 64  # columns, rows


def read_text(path: Path) -> Raw:
    """A table of numbers in text, with what is said above it.

    Raises RecordingError for text that isn't numbers, and for feature tables and manifests.
    """
    return table_of(path.read_bytes(), path.name)


def table_of(data: bytes, name: str) -> Raw:
    """The Raw of a text's bytes, see `read_text`; name: of the file."""
    data = plain_text(data, name)
    lines = first_lines(data)
    comments = [text for _, text in lines if text.startswith(COMMENTS)]
    rows = [(at, text) for at, text in lines if text.strip() and not text.startswith(COMMENTS)]
    if not rows:
        raise RecordingError(f"{name} holds no samples; export the recording again.")
    layout = find_layout([text for _, text in rows])
    if commas_are_both_signs(layout, [text for _, text in rows]):
        raise RecordingError(
            f"{name} seems to have commas both in its numbers and between its columns; export it "
            "with decimal points, or with semicolons between the columns."
        )
    if layout.width > MAX_COLUMNS:
        raise RecordingError(f"{name} has too many columns; save it with one row for each sample.")
    turned = _turned(data, layout) if layout.width >= MIN_TURNED else None
    if turned is not None:
        return turned
    _refuse_other_tables(name, layout)
    header, above = header_rows(layout, [text for _, text in rows])
    said = read_preamble([*comments, *above])
    names = column_names(layout, header, said, comments)
    values, names, texts, notes = _parse(data, rows[layout.first][0], name, layout, names, comments)
    if said.unit:
        texts.setdefault("unit", said.unit)
    return Raw(_without_counts(values), names, said.rate, texts, notes=[*said.notes, *notes])


def _turned(data, layout):
    """The Raw of a table with a row for each channel, which its name begins; None for others."""
    lines = data.decode("utf-8", "replace").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith(COMMENTS)]
    if len(lines) > MOST_TURNED:
        return None
    table = [layout.cells(line) for line in lines]
    names = tuple(cells[0] for cells in table)
    if len({*map(len, table)}) != 1 or any(layout.is_number(name) for name in names):
        return None
    if not all(layout.is_number(cell) for cells in table for cell in cells[1:]):
        return None
    sign = layout.decimal
    values = [[_float(cell, sign) for cell in cells[1:]] for cells in table]
    note = f"Each row is a channel, {len(names)} by {len(values[0])}; they were transposed."
    return Raw(np.array(values).T, names, notes=[note])


def _float(cell, decimal):
    return np.nan if cell.lower() in MISSING else float(cell.replace(decimal, "."))


def _refuse_other_tables(name, layout):
    table = layout.table
    words = {cell.lower() for cell in table[0]}
    if {"path", "label"} <= words or {"path", "subject"} <= words:
        raise RecordingError(
            f"{name} is a manifest (a list of recordings with their labels), not a recording; "
            f"pass it to a training script with --data {name}."
        )
    if layout.first < len(table):
        return
    numeric = sum(layout.is_number(c) for cells in table[1:] for c in cells)
    if len(table) > 1 and len(table[0]) > 1 and (words & TABLE_WORDS or numeric):
        pairs = zip(table[0], table[1], strict=False)
        raise _of_text(name, next((h for h, c in pairs if not layout.is_number(c)), ""))
    raise RecordingError(
        f"{name} holds text but no numbers; export the signal with one row for each sample."
    )


def _of_text(name, column):
    return RecordingError(
        f"{name} is a table with text in it (column '{column[:40]}'), not a recording; pass a "
        f"feature table to a training script with --data {name}."
    )


def _uneven(name, n, width):
    return RecordingError(
        f"{name} has a row with {n} columns where others have {width}; export it with the same "
        "columns in every row."
    )


def _parse(data, at, name, layout, names, comments):
    """(values float64 (rows, columns), names, texts, notes) from a position of the data on."""
    import pandas as pd

    comment = "%" if any(c.startswith("%") for c in comments) else "#"
    try:
        frame, left_out = _frame(data[at:], layout, comment), 0
        kinds = [frame[i].dtype.kind for i in range(layout.width)]
        broken = any(n and k not in "iuf" for n, k in zip(layout.numeric, kinds, strict=True))
    except pd.errors.ParserError:
        broken = True
    except Exception:  # as in `refusing`
        raise RecordingError(
            f"{name} can't be read as a table of numbers; export it again as CSV."
        ) from None
    if broken:
        rows, left_out = _rows(data, at, name, layout, comment)
        frame = _frame(rows, layout, comment)
    more = frame.pop(layout.width).dropna()
    if pd.to_numeric(more, errors="coerce").notna().any():
        raise _uneven(name, layout.width + 1, layout.width)
    names = names or ("",) * layout.width
    # A delimiter at the end of each line makes an empty, nameless column.
    while frame.shape[1] > 1 and frame.iloc[:, -1].isna().all():
        if any(names[frame.shape[1] - 1 :]):
            break
        frame = frame.iloc[:, :-1]
    columns, kept, texts, bad = [], [], {}, 0
    notes = []
    if left_out:
        notes.append(f"{left_out} rows of another kind were left out.")
    if len(more):
        notes.append(f"{len(more)} remarks behind the columns were left out.")
    for i in range(frame.shape[1]):
        column, called = frame[i], names[i] if i < len(names) else ""
        if any(names) and not called and column.isna().all():
            continue
        if column.dtype.kind not in "iuf":
            numbers = pd.to_numeric(column.astype(str), errors="coerce")
            lost = int((numbers.isna() & column.notna()).sum())
            if column.dtype.kind == "b" or lost > SAID * len(frame):
                said = column.dropna().astype(str).str.strip()
                seconds = seconds_of(column)
                if seconds is None:
                    _words(name, said, called or str(i + 1), texts, notes, names)
                    continue
                columns.append(seconds)
                kept.append(f"{called or 'time'} (s)")
                continue
            bad += lost
            column = numbers
        columns.append(column.to_numpy("float64"))
        kept.append(called)
    if bad:
        notes.append(f"{bad} cells held text instead of numbers and were marked as invalid.")
    if not columns:
        raise _of_text(name, names[0])
    return np.column_stack(columns), tuple(kept) if any(kept) else (), texts, notes


def _frame(data, layout, comment):
    import pandas as pd

    return pd.read_csv(
        io.BytesIO(data),
        sep=r"\s+" if layout.delimiter is None else layout.delimiter,
        decimal=layout.decimal,
        thousands=layout.thousands,
        header=None,
        names=range(layout.width + 1),  # a remark may follow a row
        index_col=False,
        comment=comment,
        skipinitialspace=True,
        low_memory=False,
    )


def _rows(data, at, name, layout, comment):
    """(the rows of the table, how many others there are after its start)."""
    kept, others, apart = [], 0, True
    for line in data[at:].decode("utf-8", "replace").splitlines():
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


def _words(name, said, called, texts, notes, names):
    """Take note of a column of words: a label that all rows share, or nothing of the signal."""
    key, distinct = bare(called).lower(), said.unique()
    if key in TABLE_WORDS and not _has_clock(names):
        raise _of_text(name, called)
    if key in LABELS and len(distinct) == 1:
        texts["label"] = str(distinct[0])[:80]
        notes.append(f"The label, {texts['label']}, is that of the column '{called[:40]}'.")
    elif len(distinct):
        notes.append(f"Column '{called[:40]}' holds words and was left out of the signal.")


def _has_clock(names):
    return any(
        re.match(r"(?:time|timestamp|t|zeit|sample|index|frame)\b", n.lower()) for n in names
    )


def _without_counts(values):
    """The values without a first row that holds the number of samples, as in AcqKnowledge."""
    if len(values) > 2:
        first = values[0][np.isfinite(values[0])]
        if len(first) and (first == len(values) - 1).all():
            return values[1:]
    return values
