"""How a text table is laid out: its signs, and which lines are its rows."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from emg_llm.signal.recording import RecordingError

COMMENTS = ("#", "%", "//")
DELIMITERS = ("\t", ";", ",", "|", None)  # None: any run of spaces
NUMERALS = ((".", None), (",", None), (",", "."), (".", ","))  # decimal and thousands signs
MISSING = {"", "nan", "na", "n/a", "null", "none", "-nan", "<na>"}
GROUPED = {
    (",", "."): re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?|[+-]?\d+(?:,\d+)?"),
    (".", ","): re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d+(?:\.\d+)?"),
}
MINUS = "\u2212".encode()


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
        try:
            float(cell.replace(",", ".", 1) if self.decimal == "," else cell)
        except ValueError:
            return cell.lower() in MISSING
        return True

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
            found.append((score, layout, width))
    _, layout, layout.width = max(found, key=lambda each: each[0])  # the first of equal ones
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
    if len(cells) == 2 and all(len(c) < 2 for c in following):  # may well be small numbers
        return False
    return len(cells) > 1 and cells in counts and [*cells] != [*following]
