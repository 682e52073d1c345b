"""How a text table is laid out: its signs, and which lines are its rows."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emg_llm.signal.readers.dates import is_clock
from emg_llm.signal.recording import RecordingError

COMMENTS = ("#", "%", "//")
DELIMITERS = ("\t", ";", ",", "|", None)  # None: any run of spaces
# Decimal and thousands signs; the first of several that fit is taken.
NUMERALS = ((".", None), (",", None), (",", "."), (".", ","), (",", " "), (".", " "), (".", "'"))
SOME, SOME_COLUMNS = 2000, 64  # cells and columns tell the signs of numbers
FEW = 6  # rows, which with a line of names below them are none of the table
MISSING = {"", "nan", "na", "n/a", "null", "none", "-nan", "<na>"}
GROUPED = {
    (decimal, thousands): re.compile(
        rf"[+-]?\d{{1,3}}(?:[{thousands}]\d{{3}})+(?:[{decimal}]\d+)?|[+-]?\d+(?:[{decimal}]\d+)?"
    )
    for decimal, thousands in NUMERALS
    if thousands
}
THOUSANDS = {sign: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:[{sign}]\d{{3}})+") for sign in ".,"}
# A minus and dashes that stand for one, blanks in numbers.
TYPESET = dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", b"-")
TYPESET |= dict.fromkeys("\u00a0\u2009\u202f", b" ")


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

    def is_number(self, cell: str) -> bool:
        """Whether a cell is a number or a missing one."""
        if self.thousands:
            return cell.lower() in MISSING or bool(
                GROUPED[self.decimal, self.thousands].fullmatch(cell)
            )
        if self.decimal == ",":
            if "." in cell:
                return False
            cell = cell.replace(",", ".", 1)
        try:
            float(cell)
        except ValueError:
            return cell.lower() in MISSING
        return True

    def number(self, cell: str) -> float:
        """The number in a cell, NaN for a missing one."""
        if cell.lower() in MISSING:
            return float("nan")
        return float(cell.replace(self.thousands or "", "").replace(self.decimal, "."))

    def cells(self, text: str) -> list[str]:
        """The cells of a row."""
        if self.delimiter is None:
            return [cell.strip().strip('"').strip() for cell in text.split()]
        if '"' in text:
            [cells] = csv.reader([text], delimiter=self.delimiter, skipinitialspace=True)
            return [cell.strip() for cell in cells]
        return [cell.strip() for cell in text.split(self.delimiter)]

    def fits(self, cells: list[str]) -> bool:
        """Whether a row of cells belongs to the table; some numbers may be missing."""
        if not self.width <= len(cells) <= self.width + 1 or not any(cells[: self.width]):
            return False
        pairs = zip(self.numeric, cells, strict=False)
        of_numbers = [self.is_number(cell) for numeric, cell in pairs if numeric]
        return bool(of_numbers) and all(of_numbers)

    def belongs(self, cells: list[str]) -> bool:
        """Whether a row is one of the table's, also with words in some of its numbers."""
        if not self.width <= len(cells) <= self.width + 1 or not any(cells[: self.width]):
            return False
        pairs = zip(self.numeric, cells, strict=False)
        of_numbers = [self.is_number(cell) for numeric, cell in pairs if numeric]
        # Words in the first column begin the row of a mean or of a remark.
        return 2 * sum(of_numbers) >= len(of_numbers) > 0 and of_numbers[0]


def plain_text(data: bytes, name: str) -> bytes:
    """The text in UTF-8, with plain signs and line ends, without a last row of delimiters."""
    encoding = encoding_of(data, name)
    if encoding != "utf-8-sig":
        data = data.decode(encoding, "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    end = len(data.rstrip(b"\r\n\t ,;"))
    end = re.compile(rb"[\t ,;]*").match(data, end).end()  # empty cells of the last row
    data = data[:end]
    for sign, plain in TYPESET.items():
        data = data.replace(sign.encode(), plain)
    if b"\r" in data and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data


def encoding_of(data: bytes, name: str) -> str:
    """The encoding of a text by its first bytes. Raises RecordingError for what is no text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = data[:65536]
    if b"\0" in head:
        raise RecordingError(
            f"{name} isn't text, although its name ends in {name[name.rfind('.') :]}; export it as "
            "text, or give it the extension of its real format."
        )
    try:
        head[: max(head.rfind(b"\n"), 0)].decode("utf-8")
    except UnicodeDecodeError:  # a Windows export that writes µV
        return "cp1252"
    return "utf-8-sig"


class PlainText(io.TextIOWrapper):
    """A text file with plain signs and line ends, from some line on, for a parser to read."""

    def __init__(self, path: Path, encoding: str, skip: int) -> None:
        super().__init__(path.open("rb"), encoding, "replace", newline=None)
        for _ in range(skip):
            self.readline()

    def read(self, size: int | None = -1) -> str:
        text = super().read(size)
        if not text.isascii():
            for sign, plain in TYPESET.items():
                text = text.replace(sign, plain.decode())
        return text


def first_lines(data: bytes, count: int = 200, characters: int = 65536) -> list[tuple[int, str]]:
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


def find_layout(texts: Sequence[str]) -> Layout:
    """The signs that give the most numeric cells, then the most columns; and where rows begin."""
    found, last = [], [text[:100_000] for text in texts[-20:]]  # past the header
    quoted = any('"' in text for text in last)
    for delimiter in DELIMITERS:
        for decimal, thousands in NUMERALS:
            if delimiter == "," and "," in (decimal, thousands) and not quoted:
                continue
            layout = Layout(delimiter, decimal, thousands)
            table = [layout.cells(text) for text in last]
            width, rows = Counter(map(len, table)).most_common(1)[0]
            cells = [cell for cells in table for cell in cells]
            cells = cells[:: 1 + len(cells) // SOME]
            share = sum(layout.is_number(c) or is_clock(c) for c in cells) / len(cells)
            score = (round(share, 2), width if 2 * rows > len(table) else 0)
            found.append((score, layout, width))
    _, layout, layout.width = max(found, key=lambda each: each[0])  # the first of equal ones
    _mend_signs(layout, texts)
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
    layout.first = _behind_names(layout, fits, first)
    return layout


def _behind_names(layout, fits, first):
    """The first row behind the last line of names, if only some rows are above it: those hold the
    channels' gains or rates."""
    for i in range(first + 1, min(first + FEW, len(fits))):
        cells = layout.table[i]
        words = [cell for cell in cells if cell and not layout.is_number(cell)]
        wide = layout.width - 1 <= len(cells) <= layout.width + 1
        if wide and len(words) == sum(map(bool, cells)) > 1 and True in fits[i:]:
            first = fits.index(True, i)
    return first


def _mend_signs(layout, texts):
    """Mend what fits two readings: 1.975 beside 312 is no fraction, nor is 5,007 two numbers."""
    if layout.thousands is None and layout.decimal in THOUSANDS:
        other = "," if layout.decimal == "." else "."
        grouped = Layout(layout.delimiter, other, layout.decimal, layout.width)
        table = [layout.cells(text) for text in texts]
        table = [cells[:SOME_COLUMNS] for cells in table if len(cells) == layout.width]
        table = [cells for cells in table if any(map(layout.is_number, cells))]
        numbers = [
            [c for c in column if layout.is_number(c)] for column in zip(*table, strict=True)
        ]
        fits = all(grouped.is_number(c) for column in numbers for c in column)
        if fits and any(_has_thousands(column, layout.decimal) for column in numbers):
            layout.decimal, layout.thousands = grouped.decimal, grouped.thousands
    named = "," in texts[0] and not layout.is_number(texts[0].partition(",")[0])
    if layout.width == 2 and not named and commas_are_both_signs(layout, texts):
        layout.delimiter, layout.decimal, layout.width = "\t", ",", 1


def _has_thousands(cells, sign):
    """Whether a column holds 1.975 beside 312, as numbers with a sign between thousands are:
    printed with three digits behind the point, 312 would have them, too."""
    grouped = sum(bool(THOUSANDS[sign].fullmatch(cell)) for cell in cells)
    plain = sum(bool(re.fullmatch(r"[+-]?[1-9]\d{1,2}", cell)) for cell in cells)
    short = sum(bool(re.fullmatch(r"[+-]?\d", cell)) for cell in cells)
    return grouped > 1 and plain > 1 and grouped + plain + short == len(cells)


def commas_are_both_signs(layout: Layout, texts: Sequence[str]) -> bool:
    """Whether rows between whose columns are commas hold 5,007 for 5.007: every second column is of
    digits alone, and some begin with a zero, as no whole number does."""
    if layout.delimiter != "," or layout.width % 2:
        return False
    table = [cells for cells in map(layout.cells, texts) if len(cells) == layout.width]
    table = [cells for cells in table if all(re.fullmatch(r"[+-]?\d+", cell) for cell in cells)]
    if len(table) < max(2, len(texts) // 2):
        return False
    columns = list(zip(*table, strict=True))
    padded = [any(re.match(r"[+-]?0\d", cell) for cell in column) for column in columns]
    digits = all(cell.isdigit() for column in columns[1::2] for cell in column)
    return digits and all(padded[1::2]) and not any(padded[::2])


def _counts_columns(cells, following):
    cells = cells[1:] if cells[0] == "" else cells
    counts = [[str(i + start) for i in range(len(cells))] for start in (0, 1)]
    if len(cells) == 2 and all(len(c) < 2 for c in following):  # may well be small numbers
        return False
    return len(cells) > 1 and cells in counts and [*cells] != [*following]
