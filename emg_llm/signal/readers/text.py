"""Text tables: the layout (delimiter, header, comments) is detected here, pandas parses.

A table is the rows whose cells are alike; what is above it says what it holds (`preamble`), rows of
other kinds inside it, such as the header of a further block, are left out.
"""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.preamble import NAMES, read_preamble
from emg_llm.signal.readers.raw import Raw
from emg_llm.signal.readers.units import bare, is_unit
from emg_llm.signal.recording import RecordingError

COMMENTS = ("#", "%", "//")
DELIMITERS = ("\t", ";", ",", "|", None)  # None: any run of spaces
NUMERALS = ((".", None), (",", None), (",", "."), (".", ","))  # decimal and thousands signs
MAX_COLUMNS = 200_000
MISSING = {"", "nan", "na", "n/a", "null", "none", "-nan", "<na>"}
TABLE_WORDS = {"label", "emotion", "class", "subject", "path", "file", "filename", "target"}
LABELS = {"label", "labels", "emotion", "class", "gesture", "condition"}
RATE_CELL = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*(k?)Hz", re.IGNORECASE)
CLOCK = re.compile(r"\d{1,2}:\d\d:\d\d(?:[.,]\d+)?")
GROUPED = {
    (",", "."): re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?|[+-]?\d+(?:,\d+)?"),
    (".", ","): re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d+(?:\.\d+)?"),
}
SAID = 0.1  # of a column's cells may hold words
MINUS = "\u2212".encode()
MIN_TURNED, MOST_TURNED = 32, 64  # columns, rows


@dataclass
class Layout:
    """delimiter, decimal, thousands: signs. width: of the table's rows. numeric: bool (width,),
    columns that hold numbers. first: index of the first row of the table among `rows`."""

    delimiter: str | None
    decimal: str
    thousands: str | None
    width: int = 0
    numeric: tuple[bool, ...] = ()
    first: int = 0
    table: list[list[str]] = field(default_factory=list)

    def is_number(self, cell):
        if self.thousands:
            return cell.lower() in MISSING or bool(
                GROUPED[self.decimal, self.thousands].fullmatch(cell)
            )
        try:
            float(cell.replace(",", ".", 1) if self.decimal == "," else cell)
        except ValueError:
            return cell.lower() in MISSING
        return True

    def cells(self, text):
        if self.delimiter is None:
            return [cell.strip().strip('"').strip() for cell in text.split()]
        if '"' in text:
            [cells] = csv.reader([text], delimiter=self.delimiter, skipinitialspace=True)
            return [cell.strip() for cell in cells]
        return [cell.strip() for cell in text.split(self.delimiter)]

    def fits(self, cells):
        """Whether a row of cells belongs to the table; some numbers may be missing."""
        if not self.width <= len(cells) <= self.width + 1 or not any(cells[: self.width]):
            return False
        pairs = zip(self.numeric, cells, strict=False)
        of_numbers = [self.is_number(cell) for numeric, cell in pairs if numeric]
        return bool(of_numbers) and all(of_numbers)

    def belongs(self, cells):
        """Whether a row is one of the table's, also with words in some of its numbers."""
        if not self.width <= len(cells) <= self.width + 1 or not any(cells[: self.width]):
            return False
        pairs = zip(self.numeric, cells, strict=False)
        of_numbers = [self.is_number(cell) for numeric, cell in pairs if numeric]
        return 2 * sum(of_numbers) >= len(of_numbers) > 0


def read_text(path: Path) -> Raw:
    """A table of numbers in text, with what is said above it.

    Raises RecordingError for text that isn't numbers, and for feature tables and manifests.
    """
    name = path.name
    data = _utf8(path.read_bytes(), name)
    lines = _first_lines(data)
    comments = [text for _, text in lines if text.startswith(COMMENTS)]
    rows = [(at, text) for at, text in lines if text.strip() and not text.startswith(COMMENTS)]
    if not rows:
        raise RecordingError(f"{name} holds no samples; export the recording again.")
    layout = _layout([text for _, text in rows])
    if layout.width > MAX_COLUMNS:
        raise RecordingError(f"{name} has too many columns; save it with one row for each sample.")
    turned = _turned(data, layout) if layout.width >= MIN_TURNED else None
    if turned is not None:
        return turned
    _refuse_other_tables(name, layout)
    header, above = _header(layout, [text for _, text in rows])
    said = read_preamble([*comments, *above])
    names = _names(layout, header, said, comments)
    values, names, texts, notes = _parse(data, rows[layout.first][0], name, layout, names, comments)
    if said.unit:
        texts.setdefault("unit", said.unit)
    return Raw(_without_counts(values), names, said.rate, texts, notes=[*said.notes, *notes])


def _utf8(data, name):
    """The text in UTF-8, with plain signs and line ends, without a last row of delimiters."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", "replace").encode()
    elif b"\0" in data[:65536]:
        raise RecordingError(
            f"{name} isn't text, although its name ends in {name[name.rfind('.') :]}; export it as "
            "text, or give it the extension of its real format."
        )
    else:
        head = data[:65536]
        try:
            head[: max(head.rfind(b"\n"), 0)].decode("utf-8")
        except UnicodeDecodeError:  # a Windows export that writes µV
            data = data.decode("cp1252", "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n\t ,;")
    if MINUS in data:
        data = data.replace(MINUS, b"-")
    if b"\r" in data and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data


def _first_lines(data, count=200, characters=65536):
    """[(position, text)] of the first lines, enough to detect the layout."""
    lines, at, plain = [], 0, 0
    while at < len(data) and plain < 40 and len(lines) < count and (at < characters or plain < 3):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        # Tabs stay: an empty first cell before a tab is a cell.
        text = data[at:end].decode("utf-8", "replace").strip(" \r\n")
        plain += bool(text.strip()) and not text.startswith(COMMENTS)
        lines.append((at, text))
        at = end + 1
    return lines


def _layout(texts):
    """The signs that give the most numeric cells, then the most columns; and where rows begin."""
    best, last = None, [text[:100_000] for text in texts[-20:]]  # past the header
    for delimiter in DELIMITERS:
        for decimal, thousands in NUMERALS:
            if delimiter == "," and (decimal == "," or thousands == ","):
                continue
            layout = Layout(delimiter, decimal, thousands)
            table = [layout.cells(text) for text in last]
            width, rows = Counter(map(len, table)).most_common(1)[0]
            cells = [cell for cells in table for cell in cells]
            share = sum(map(layout.is_number, cells)) / len(cells)
            score = (round(share, 2), width if 2 * rows > len(table) else 0)
            if best is None or score > best[0]:
                best = score, layout, width
    _, layout, layout.width = best
    layout.table = [layout.cells(text) for text in texts]
    alike = [cells for cells in layout.table[-20:] if len(cells) == layout.width]
    columns = list(zip(*alike, strict=True))
    layout.numeric = tuple(
        any(c.lower() not in MISSING for c in column)
        and sum(map(layout.is_number, column)) > len(column) / 2
        for column in columns
    )
    if not any(layout.numeric):  # all may be missing at first
        layout.numeric = tuple(all(map(layout.is_number, column)) for column in columns)
    fits = [layout.fits(cells) for cells in layout.table]
    first = fits.index(True) if any(fits) else len(texts)
    if sum(fits[first:]) < 0.8 * len(fits[first:]):
        first = len(texts)  # prose with a number somewhere
    if first + 1 < len(texts) and _counts_columns(layout.table[first], layout.table[first + 1]):
        first += 1  # pandas and numpy number unnamed columns in the header
    layout.first = first
    return layout


def _counts_columns(cells, following):
    cells = cells[1:] if cells[0] == "" else cells
    counts = [[str(i + start) for i in range(len(cells))] for start in (0, 1)]
    return len(cells) > 2 and cells in counts and [*cells] != [*following]


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


def _header(layout, texts):
    """(rows of names, units or rates right above the table, the other texts above it)."""
    header, at = [], layout.first
    while at:
        cells = layout.table[at - 1]
        if layout.delimiter is None and len(cells) != layout.width:
            cells = [cell.strip() for cell in re.split(r"\s{2,}|\t", texts[at - 1].strip())]
        if not layout.width - 1 <= len(cells) <= layout.width + 1 or layout.width == 1 < at:
            if not (layout.width == 1 and len(cells) == 1 and at == layout.first):
                break
        if _is_said(texts[at - 1], cells, layout):
            break
        header.insert(0, [*cells, ""][: layout.width])
        at -= 1
    return header, texts[:at]


def _is_said(text, cells, layout):
    """Whether a line is a key with its value, as in "FREQUENCY 2000" or "Range= 2 mV"."""
    numbers = [layout.is_number(cell) for cell in cells if cell]
    key = re.match(r"\s*[\w .]+(?:=|:=|:,|:\t)", text) or NAMES.match(text.strip())
    return bool(key) and not text.startswith('"') or (any(numbers) and not all(numbers))


def _names(layout, header, said, comments):
    """The names of the columns, with their units and rates in brackets; () if there are none."""
    units, rates, names, groups = None, None, None, []
    for cells in reversed(header):
        filled = [cell for cell in cells if cell]
        if not filled:
            continue
        if all(map(RATE_CELL.fullmatch, filled)):
            rates = cells
        elif all(map(is_unit, filled)) and len(header) > 1 and names is None:
            units = cells
        elif names is None:
            names = cells
        elif len(filled) < len([n for n in names if n]) and len({*filled}) > 1:
            groups = groups or _spread(cells)  # of sensors, whose channels have equal names
        elif len(filled) == len(cells) and len({*names}) < len(names):
            names = [f"{above} {below}".strip() for above, below in zip(cells, names, strict=True)]
    if names is None and comments:  # np.savetxt puts the header into a comment
        cells = layout.cells(comments[-1].lstrip("#%/ "))
        names = cells if len(cells) == layout.width and not layout.fits(cells) else None
    n = layout.width - (layout.table[layout.first][-1] == "" and layout.width > 1)
    spare = n - len(said.names)
    if said.names and 0 <= spare <= 1 and (names is None or said.units):
        names = [*(names or [""])[:spare], *said.names, *[""] * (layout.width - n)]
        units = [*[""] * spare, *said.units, *[""] * (layout.width - n)] if said.units else units
    if names is None:
        return ()
    if groups:
        names = [
            f"{g} {n}" if names.count(n) > 1 and _of_its_kind(g, n) else n
            for g, n in zip(groups, names, strict=True)
        ]
    for more in (units, rates):
        if more:
            names = [f"{n} ({m})" if m else n for n, m in zip(names, more, strict=True)]
    return tuple(names)


def _of_its_kind(group, name):
    """Whether a sensor's name says nothing of its channel that isn't so: "EMG 1" may also move."""
    return "emg" in name.lower() or "emg" not in group.lower()


def _spread(cells):
    """The cells with empty ones as the one before them."""
    out = []
    for cell in cells:
        out.append(cell or (out[-1] if out else ""))
    return out


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
    if frame[layout.width].isna().all() or not left_out:
        frame = frame.drop(columns=layout.width)
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
    for i in range(frame.shape[1]):
        column, called = frame[i], names[i] if i < len(names) else ""
        if column.dtype.kind not in "iuf":
            numbers = pd.to_numeric(column.astype(str), errors="coerce")
            lost = int((numbers.isna() & column.notna()).sum())
            if column.dtype.kind == "b" or lost > SAID * len(frame):
                said = column.dropna().astype(str).str.strip()
                seconds = _seconds(said, column)
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
            raise RecordingError(
                f"{name} has a row with {len(cells)} columns where others have {layout.width}; "
                "export it with the same columns in every row."
            )
        apart = True
        others += 1
    return "\n".join(kept).encode(), others


def _seconds(said, column):
    """The seconds of a column of clock times or dates, float64 (rows,), or None."""
    import pandas as pd

    if said.empty or not (CLOCK.search(said.iloc[0]) and CLOCK.search(said.iloc[-1])):
        return None
    texts = column.astype(str).str.strip().str.replace(",", ".")
    if re.fullmatch(r"[\d:.]+", said.iloc[0]):
        spans = pd.to_timedelta(texts, errors="coerce")
        seconds = spans.dt.total_seconds().to_numpy()
        back = np.diff(seconds) < -43_200  # past midnight
        return seconds + 86_400.0 * np.concatenate([[0], np.cumsum(back)])
    dates = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
    if dates.isna().mean() > SAID:
        dates = pd.to_datetime(texts, errors="coerce", utc=True)
    if dates.isna().mean() > SAID:
        return None
    return (dates - dates.dropna().iloc[0]).dt.total_seconds().to_numpy()


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
    return any(re.match(r"(?:time|timestamp|t|zeit|sample|index|frame)\b", n.lower()) for n in names)


def _without_counts(values):
    """The values without a first row that holds the number of samples, as AcqKnowledge writes it."""
    if len(values) > 2:
        first = values[0][np.isfinite(values[0])]
        if len(first) and (first == len(values) - 1).all():
            return values[1:]
    return values
