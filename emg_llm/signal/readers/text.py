"""Text tables: the layout (delimiter, header, comments) is detected here, pandas parses."""

import io
import re
from collections import Counter
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.raw import Raw
from emg_llm.signal.recording import RecordingError

COMMENTS = ("#", "%", "//")
DELIMITERS = ("\t", ";", ",", None)  # None: any run of spaces
MAX_COLUMNS = 200_000
MISSING = {"", "nan", "na", "n/a", "null", "none", "-nan", "<na>"}
TABLE_WORDS = {"label", "emotion", "class", "subject", "path", "file", "filename", "target"}
RATE_COMMENT = re.compile(
    r"\b(?:sampling[ _]?(?:rate|frequency)|sample[ _]?rate|fs|sfreq)\b\W{0,4}"
    r"(\d+(?:\.\d+)?)\s*(k?)",
    re.IGNORECASE,
)


def read_text(path: Path) -> Raw:
    """A table of numbers in text, with `names` from its header and `rate` from its comments.

    Raises RecordingError for text that isn't numbers, and for feature tables and manifests.
    """
    name = path.name
    data = path.read_bytes()
    encoding = _encoding(data[:65536], name)
    if encoding != "utf-16":
        data = data.rstrip(b"\r\n\t ,;")  # a last row of delimiters alone is not a sample
    stream = io.TextIOWrapper(io.BytesIO(data), encoding, errors="replace")
    lines = _first_lines(stream)
    comments = [text for _, text in lines if text.startswith(COMMENTS)]
    rows = [(at, text) for at, text in lines if text and not text.startswith(COMMENTS)]
    if not rows:
        raise RecordingError(f"{name} holds no samples; export the recording again.")
    delimiter, decimal = _delimiter([text for _, text in rows])
    table = [_cells(text, delimiter) for _, text in rows]
    if max(map(len, table)) > MAX_COLUMNS:
        raise RecordingError(f"{name} has too many columns; save it with one row for each sample.")
    numeric = [_numbers(cells, decimal) for cells in table]
    first = numeric.index(True) if any(numeric) else len(rows)
    if sum(numeric[first:]) < 0.8 * len(numeric[first:]):
        first = len(rows)  # prose with a number somewhere
    _refuse_other_tables(name, table, first, decimal)
    width = len(table[first])
    if first + 1 < len(rows) and _counts_columns(table[first], table[first + 1]):
        first += 1  # pandas and numpy number unnamed columns in the header
        header = []
    else:
        header = [cells for cells in table[:first] if len(cells) == width]
    if not header and comments:  # np.savetxt puts the header into a comment
        cells = _cells(comments[-1].lstrip("#%/ "), delimiter)
        header = [cells] if len(cells) == width and not _numbers(cells, decimal) else []
    names = tuple(" ".join(filter(None, column)) for column in zip(*header, strict=True))
    stream.seek(rows[first][0])
    values, names, notes = _parse(stream, name, delimiter, decimal, comments, names)
    match = next(filter(None, map(RATE_COMMENT.search, comments)), None)
    rate = float(match[1]) * (1000 if match[2] else 1) if match else None
    return Raw(values, names, rate, notes=notes)


def _encoding(head, name):
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        raise RecordingError(
            f"{name} isn't text, although its name ends in {name[name.rfind('.') :]}; export it as "
            "text, or give it the extension of its real format."
        )
    try:
        head[: max(head.rfind(b"\n"), 0)].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"  # a Windows export that writes µV
    return "utf-8-sig"


def _first_lines(stream, count=200, characters=65536):
    """[(position, stripped text)] of the first lines, enough to detect the layout."""
    lines, seen, plain = [], 0, 0
    while plain < 40 and len(lines) < count and (seen < characters or plain < 3):
        at = stream.tell()
        line = stream.readline()
        if not line:
            break
        seen += len(line)
        # Tabs stay: an empty first cell before a tab is a cell.
        text = line.strip(" \r\n")
        plain += bool(text) and not text.startswith(COMMENTS)
        lines.append((at, text))
    return lines


def _cells(text, delimiter):
    return [cell.strip().strip('"').strip() for cell in text.split(delimiter)]


def _is_number(cell, decimal):
    try:
        float(cell.replace(",", ".", 1) if decimal == "," else cell)
    except ValueError:
        return cell.lower() in MISSING
    return True


def _numbers(cells, decimal):
    """Whether the cells of a row are numbers, some of which may be missing."""
    return any(cells) and all(_is_number(c, decimal) for c in cells)


def _delimiter(texts):
    """The (delimiter, decimal sign) that give the most numeric cells, then the most columns."""
    texts = texts[-20:]  # past the header
    best = None
    for delimiter in DELIMITERS:
        table = [_cells(text[:100_000], delimiter) for text in texts]
        width, rows = Counter(map(len, table)).most_common(1)[0]
        cells = [cell for cells in table for cell in cells]
        comma = (
            delimiter != "," and any("," in c for c in cells) and not any("." in c for c in cells)
        )
        decimal = "," if comma else "."
        share = sum(_is_number(cell, decimal) for cell in cells) / len(cells)
        score = (round(share, 2), width if 2 * rows > len(table) else 0)
        if best is None or score > best[0]:
            best = score, delimiter, decimal
    return best[1:]


def _counts_columns(cells, following):
    cells = cells[1:] if cells[0] == "" else cells
    counts = [[str(i + start) for i in range(len(cells))] for start in (0, 1)]
    return len(cells) > 2 and cells in counts and any("." in c or "-" in c for c in following)


def _refuse_other_tables(name, table, first, decimal):
    words = {cell.lower() for cell in table[0]}
    if {"path", "label"} <= words or {"path", "subject"} <= words:
        raise RecordingError(
            f"{name} is a manifest (a list of recordings with their labels), not a recording; "
            f"pass it to a training script with --data {name}."
        )
    if first < len(table):
        return
    numeric = sum(_is_number(c, decimal) for cells in table[1:] for c in cells)
    if len(table) > 1 and len(table[0]) > 1 and (words & TABLE_WORDS or numeric):
        column = next(
            (h for h, c in zip(table[0], table[1], strict=False) if not _is_number(c, decimal)), ""
        )
        raise RecordingError(
            f"{name} is a table with text in it (column '{column[:40]}'), not a recording; pass a "
            f"feature table to a training script with --data {name}."
        )
    raise RecordingError(
        f"{name} holds text but no numbers; export the signal with one row for each sample."
    )


def _parse(stream, name, delimiter, decimal, comments, names):
    """(values float64 (rows, columns), names, notes) from the stream's position on."""
    import pandas as pd

    comment = "%" if any(c.startswith("%") for c in comments) else "#"
    try:
        frame = pd.read_csv(
            stream,
            sep=r"\s+" if delimiter is None else delimiter,
            decimal=decimal,
            header=None,
            comment=comment,
            skipinitialspace=True,
            low_memory=False,
        )
    except pd.errors.ParserError as error:
        counts = re.search(r"Expected (\d+) fields in line \d+, saw (\d+)", str(error))
        what = f"{counts[2]} columns where others have {counts[1]}" if counts else "another layout"
        raise RecordingError(
            f"{name} has a row with {what}; export it with the same columns in every row."
        ) from None
    except Exception:  # as in `refusing`
        raise RecordingError(
            f"{name} can't be read as a table of numbers; export it again as CSV."
        ) from None
    names = names if len(names) == frame.shape[1] else ()
    # A delimiter at the end of each line makes an empty, nameless column.
    if frame.shape[1] > 1 and frame.iloc[:, -1].isna().all() and not (names and names[-1]):
        frame, names = frame.iloc[:, :-1], names[:-1]
    columns, bad = [], 0
    for i, dtype in enumerate(frame.dtypes):
        column = frame.iloc[:, i]
        if dtype.kind not in "iuf":
            numbers = pd.to_numeric(column.astype(str), errors="coerce")
            lost = int((numbers.isna() & column.notna()).sum())
            if dtype.kind == "b" or lost > 0.1 * len(frame):
                which = f"'{names[i][:40]}'" if names else str(i + 1)
                raise RecordingError(
                    f"{name} has a column that isn't numeric ({which}); remove it, or, if this is "
                    f"a feature table, pass it to a training script with --data {name}."
                )
            bad += lost
            column = numbers
        columns.append(column.to_numpy("float64"))
    notes = [f"{bad} cells held text instead of numbers and were marked as invalid."] if bad else []
    return np.column_stack(columns), names, notes
