"""The names of a text table's columns, from the rows above it and from what is said there."""

import re
from collections.abc import Sequence
from itertools import pairwise

from emg_llm.signal.readers.layout import Layout
from emg_llm.signal.readers.names import is_clock_name
from emg_llm.signal.readers.preamble import NAMES, Preamble, states
from emg_llm.signal.readers.units import is_unit

UNIT_KEYS = {"unit", "units", "channel_units", "channel units", "unitname"}
ROW_KEYS = UNIT_KEYS | {"name", "names", "channel", "channels", "label", "labels"}
RATE_NUMBER = re.compile(r"[1-9]\d{1,4}(?:\.\d+)?")  # without a unit
RATE_CELL = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*(k?)Hz", re.IGNORECASE)


def header_rows(layout: Layout, texts: Sequence[str]) -> tuple[list[list[str]], Sequence[str]]:
    """(rows of names, units or rates right above the table, the other texts above it)."""
    header, at = [], layout.first
    while at:
        cells = layout.table[at - 1]
        if layout.delimiter is None and len(cells) != layout.width:
            cells = [cell.strip() for cell in re.split(r"\s{2,}|\t", texts[at - 1].strip())]
        if len(cells) > layout.width and layout.delimiter == ",":  # "EDA, filtered" is one name
            joined = [cell.strip() for cell in re.split(r",(?! )", texts[at - 1])]
            cells = joined if len(joined) == layout.width else cells
        key = cells[0].lower().strip(":")
        if len(cells) == layout.width + 1 and key in ROW_KEYS:
            # What the row holds stands before it.
            cells = [f"({cell})" for cell in cells[1:]] if key in UNIT_KEYS else cells[1:]
        fewest = 2 if layout.width == 2 and at < layout.first else layout.width - 1
        wide = fewest <= len(cells) <= layout.width + 1
        if layout.width == 1:  # one line above a single column may name it
            wide = len(cells) == 1 and at == layout.first
        if not wide:
            break
        if _is_said(texts[at - 1], cells, layout):
            break
        unnamed = [""] if at == layout.first and _begins_unnamed(layout, cells) else []
        header.insert(0, [*unnamed, *cells, ""][: layout.width])
        at -= 1
    return header, texts[:at]


def _begins_unnamed(layout, cells):
    """Whether a name too few is that of the first column: a number of the row, as R writes it, or a
    clock. Else the last column holds what isn't always there."""
    rows = [row for row in layout.table[layout.first :] if len(row) == layout.width]
    if len(cells) != layout.width - 1 or not all(
        row[-1] and all(map(layout.is_number, row)) for row in rows
    ):
        return False
    first, second = ([layout.number(row[i]) for row in rows] for i in (0, min(1, layout.width - 1)))
    numbered = first == [*range(1, len(first) + 1)]
    if is_clock_name(cells[0]):
        return numbered and sorted(second) == second
    return len(first) > 2 and all(a < b for a, b in pairwise(first))


def misfit(layout: Layout, above: Sequence[str]) -> list[str]:
    """A note on names right above a table without names, of which there are too many or too few."""
    cells = [cell for cell in layout.cells(above[-1]) if cell] if above else []
    if len(cells) < 3 or any(map(layout.is_number, cells)) or states(above[-1]):
        return []
    return [
        f"The line above the table holds {len(cells)} names for {layout.width} columns, so they "
        "weren't used; check which columns are EMG."
    ]


def _is_said(text, cells, layout):
    """Whether a line is a key with its value, as in "FREQUENCY 2000" or "Range= 2 mV"."""
    if states(text) and cells[0].lower() not in ROW_KEYS:
        return True
    numbers = [layout.is_number(cell) for cell in cells if cell]
    key = re.match(r"\s*[\w .]+(?:=|:=|:,|:\t)", text) or NAMES.match(text.strip())
    if key and not text.startswith('"'):
        return True
    return 3 * sum(numbers) >= len(numbers) and any(numbers) and not all(numbers)


def column_names(
    layout: Layout, header: list[list[str]], said: Preamble, comments: Sequence[str]
) -> tuple[str, ...]:
    """The names of the columns, with their units and rates in brackets; () if there are none."""
    units, rates, names, groups = None, None, None, []
    for cells in reversed(header):
        filled = [cell for cell in cells if cell]
        if not filled:
            continue
        if all(map(RATE_CELL.fullmatch, filled)):
            rates = cells
        elif len(header) > 1 and all(map(layout.is_number, filled)):
            hertz = all(RATE_NUMBER.fullmatch(cell) for cell in filled)
            rates = [cell and f"{cell} Hz" for cell in cells] if hertz else rates
        elif units is None and _holds_units(filled, len(header) > 1 or bool(said.names)):
            units = [cell.strip("()[]") if is_unit(cell) else "" for cell in cells]
        elif names is None:
            names = cells
        elif len(filled) < len([n for n in names if n]) and len({*filled}) > 1:
            groups = groups or _spread(cells)  # of sensors, whose channels have equal names
        elif len(filled) == len(cells) and len({*names}) < len(names):
            names = [f"{above} {below}".strip() for above, below in zip(cells, names, strict=True)]
    if names is None and comments and not said.names:  # np.savetxt puts the header into a comment
        last = comments[-1].lstrip("#%/ ")
        cells = layout.cells(last)
        if len(cells) == layout.width and not _is_said(last, cells, layout):
            names = cells if not any(map(layout.is_number, filter(None, cells))) else None
    row = layout.table[layout.first]
    n = layout.width - (1 < layout.width == len(row) and row[-1] == "")
    spare = n - len(said.names)
    if said.names and 0 <= spare <= 1 and (names is None or said.units):
        names = [*(names or [""])[:spare], *said.names, *[""] * (layout.width - n)]
        units = [*[""] * spare, *said.units, *[""] * (layout.width - n)] if said.units else units
    first = said.first if said.first >= 0 else n - 1 + said.first
    if names is None and 0 < first < n:
        names = ["sample", *(f"EXG {i + 1}" for i in range(first))]
        names += ["other"] * (layout.width - len(names))
    if names is None:
        return ()
    if units is None and 0 <= n - len(said.units) <= 2:  # after the number and the time
        units = [*[""] * (n - len(said.units)), *said.units, *[""] * (layout.width - n)]
    if groups:
        names = [
            f"{g} {n}" if names.count(n) > 1 and _of_its_kind(g, n) else n
            for g, n in zip(groups, names, strict=True)
        ]
    for more in (units, rates):
        if more:
            names = [f"{n} ({m})" if m else n for n, m in zip(names, more, strict=True)]
    return tuple(names)


def _holds_units(filled, more):
    """Whether a row is that of units; a lone row is if its cells stand in brackets."""
    bracketed = all(cell.startswith(("(", "[")) for cell in filled)
    return 2 * sum(map(is_unit, filled)) >= len(filled) and (more or bracketed)


def _of_its_kind(group, name):
    """Whether a sensor's name says nothing of its channel that isn't so: "EMG 1" may also move."""
    return "emg" in name.lower() or "emg" not in group.lower()


def _spread(cells):
    """The cells with empty ones as the one before them."""
    out = []
    for cell in cells:
        out.append(cell or (out[-1] if out else ""))
    return out
