"""Text tables: the layout is found first (`layout`), then the names (`header`); pandas parses.

A table is the rows whose cells are alike; what is above it says what it holds (`preamble`), rows of
other kinds inside it, such as the header of a further block, are left out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.blocks import find_blocks
from emg_llm.signal.readers.cells import (
    TABLE_WORDS,
    BrokenTable,
    of_text,
    only_rows,
    read_columns,
    values_of,
)
from emg_llm.signal.readers.header import column_names, header_rows, misfit
from emg_llm.signal.readers.layout import (
    COMMENTS,
    PlainText,
    commas_are_both_signs,
    encoding_of,
    find_layout,
    first_lines,
    plain_text,
)
from emg_llm.signal.readers.logs import table_of_log
from emg_llm.signal.readers.names import is_emg
from emg_llm.signal.readers.preamble import read_preamble
from emg_llm.signal.readers.raw import Raw, TooLarge, check_bytes, check_size
from emg_llm.signal.readers.units import column_unit, microvolts
from emg_llm.signal.recording import RecordingError

MAX_COLUMNS = 200_000
LARGE = 2**22  # bytes, from which on a table is read in pieces
HEAD = 2**18  # bytes that tell the layout of a large one
LEAST_LINES = 40  # in them, of a table that has more rows than columns
MIN_TURNED, MOST_TURNED = 32, 64  # columns, rows


def read_text(path: Path) -> Raw:
    """A table of numbers in text, with what is said above it.

    Raises RecordingError for text that isn't numbers, and for feature tables and manifests.
    """
    size, name = path.stat().st_size, path.name
    if size > LARGE:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
        encoding = encoding_of(head, name)
        if encoding != "utf-16" and (raw := _large(path, head, encoding)):
            return raw
        check_bytes(name, size)
    return table_of(path.read_bytes(), name)


def _large(path, head, encoding):
    """The Raw of a plain table, read in pieces; None for other text, which is read as a whole."""
    name, size = path.name, path.stat().st_size
    read = head.rfind(b"\n") + 1
    head = plain_text(head[:read], name)
    lines = [text for _, text in first_lines(head) if text.strip()]
    if len(lines) < LEAST_LINES or table_of_log(head, lines):
        return None
    try:
        return _table(head, name, source=_Source(path, encoding, size / read))
    except (BrokenTable, RecordingError) as error:
        if isinstance(error, TooLarge):
            raise
        return None


@dataclass(frozen=True)
class _Source:
    """The file of a text's first lines. times: how much longer it is than these."""

    path: Path
    encoding: str
    times: float


def table_of(data: bytes, name: str) -> Raw:
    """The Raw of a text's bytes, see `read_text`; name: of the file."""
    data = plain_text(data, name)
    data = table_of_log(data, [text for _, text in first_lines(data) if text.strip()]) or data
    try:
        return _table(data, name)
    except (BrokenTable, RecordingError) as error:
        tables = find_blocks(data)
        if len(tables) > 1:
            return _likeliest(tables, name)
        if isinstance(error, RecordingError):
            raise
        return _table(data, name, mend=True)


def _likeliest(tables, name):
    """The Raw of the table that is called EMG, else that has voltages, else that is largest."""
    found, problem = [], None
    for table in tables:
        try:
            found.append(_table(table, name, mend=True))
        except RecordingError as error:
            problem = error
    if not found:
        raise problem
    raw = max(found, key=lambda r: (any(map(is_emg, r.names)), _voltages(r), r.values.size))
    called = ", ".join(filter(None, raw.names[:4]))[:80] or "most values"
    raw.notes.append(f"The file holds {len(tables)} tables; that with {called} was read.")
    return raw


def _voltages(raw):
    return sum(microvolts(column_unit(n)) is not None for n in raw.names) or "unit" in raw.texts


def _table(data, name, mend=False, source=None):
    """The Raw of a single table. Raises BrokenTable where rows differ, unless they are to be
    mended. source: where the rest of the table is, if `data` is only its beginning."""
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
    turned = _turned(data, layout) if layout.width >= MIN_TURNED and not source else None
    if turned is not None:
        return turned
    _refuse_other_tables(name, layout)
    header, above = header_rows(layout, [text for _, text in rows])
    said = read_preamble([*comments, *above])
    names = column_names(layout, header, said, comments)
    comment = "%" if any(c.startswith("%") for c in comments) else "#"
    at, notes = rows[layout.first][0], [] if names else misfit(layout, above)
    if source:
        about = round(data.count(b"\n", at) * source.times)
        check_size(name, (about, layout.width))
        with PlainText(source.path, source.encoding, data.count(b"\n", 0, at)) as rest:
            columns = read_columns(rest, name, layout, comment, about)
    else:
        data = data[at:]
        if mend:
            data, more = only_rows(data, name, layout, comment)
            notes += more
        columns = read_columns(data, name, layout, comment, mend=mend)
    values, exact, names, texts, more = values_of(columns, name, names or ("",) * layout.width)
    if said.unit:
        texts.setdefault("unit", said.unit)
    values, exact = _without_counts(values, exact)
    notes = [*said.notes, *notes, *more]
    return Raw(values, names, said.rate, texts, notes=notes, exact=exact)


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
    values = [[layout.number(cell) for cell in cells[1:]] for cells in table]
    note = f"Each row is a channel, {len(names)} by {len(values[0])}; they were transposed."
    return Raw(np.array(values).T, names, notes=[note])


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
        raise of_text(name, next((h for h, c in pairs if not layout.is_number(c)), ""))
    raise RecordingError(
        f"{name} holds text but no numbers; export the signal with one row for each sample."
    )


def _without_counts(values, exact):
    """The values, and the exact ones, without a first row that holds the number of samples, as in
    AcqKnowledge."""
    if len(values) > 2:
        first = values[0][np.isfinite(values[0])]
        if len(first) and (first == len(values) - 1).all():
            return values[1:], {i: column[1:] for i, column in exact.items()}
    return values, exact
