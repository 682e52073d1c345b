"""Spreadsheets (Excel, ODS), read by calamine: the sheet that is EMG, as text."""

import re
import zipfile
from pathlib import Path

from emg_llm.signal.readers.choice import SURE, likeness
from emg_llm.signal.readers.raw import MAX_VALUES, MIN_SAMPLES, Raw, bomb, unpacked_limit
from emg_llm.signal.readers.text import table_of
from emg_llm.signal.recording import RecordingError

NUMBER = re.compile(r"[+\-\u2212]?\d[\d.,' ]*(?:[eE][+-]?\d+)?")
LONGEST = 40  # characters of a number


def read_sheets(path: Path) -> Raw:
    """The table of numbers in a spreadsheet. Raises RecordingError."""
    import python_calamine

    name = path.name
    with zipfile.ZipFile(path) as archive:
        if sum(m.file_size for m in archive.infolist()) > unpacked_limit(path.stat().st_size):
            raise bomb(name)
    with python_calamine.load_workbook(str(path)) as book:
        tables = {sheet: book.get_sheet_by_name(sheet).to_python() for sheet in book.sheet_names}
    numbers = {
        sheet: sum(_is_number(cell) for row in rows for cell in row)
        for sheet, rows in tables.items()
    }
    if not any(numbers.values()):
        raise RecordingError(f"{name} holds no numbers; export the signal to it again.")
    if sum(numbers.values()) > MAX_VALUES // 8:
        raise RecordingError(f"{name} is too large for a spreadsheet; save it as CSV.")
    chosen = max(numbers, key=lambda sheet: (_is_emg(sheet, numbers[sheet]), numbers[sheet]))
    lines = ["\t".join(map(_text, row)) for row in tables[chosen]]
    raw = table_of("\n".join(lines).encode(), name)
    others = [sheet for sheet in tables if sheet != chosen]
    if others:
        why = "is called EMG" if _is_emg(chosen, numbers[chosen]) else "has the most numbers"
        called = ", ".join(f"'{sheet[:30]}'" for sheet in others[:4])
        raw.notes.append(f"The sheet '{chosen[:40]}' was read, which {why}, and not {called}.")
    return raw


def _is_emg(sheet, numbers):
    return numbers >= MIN_SAMPLES and likeness(sheet, several=True) == SURE


def _is_number(cell):
    """Whether a cell holds a number, or a text that may be one in any country."""
    if isinstance(cell, str):
        return bool(NUMBER.fullmatch(cell.strip()[:LONGEST]))
    return isinstance(cell, int | float)


def _text(cell):
    if isinstance(cell, bool):
        return str(int(cell))
    if hasattr(cell, "isoformat"):
        return cell.isoformat()
    return str(cell).replace("\t", " ").replace("\n", " ")
