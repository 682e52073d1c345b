"""Several tables in one text, one below the other, as motion capture and force plates export them.

Blocks of one recording that repeat their header are one table.
"""

import re

LEAST_ROWS = 8
DATA = re.compile(r"[\s,;|\"']*[-+]?\.?\d")


def find_blocks(data: bytes) -> list[bytes]:
    """The tables of a text, each with the lines above it; one if it holds no other."""
    lines = data.decode("utf-8", "replace").splitlines()
    comments = [line for line in lines[:50] if line.startswith(("#", "%"))]
    names, tables, before = set(), [], 0
    for start, first, last in _runs(lines):
        header = [line.strip() for line in lines[start:first] if line.strip()]
        width = _width(lines[first])
        own = {h for h in header if abs(_width(h) - width) <= 1 and re.search("[A-Za-z]", h)}
        remark = width == before and len(lines[start:first]) == 1
        if tables and (width == 1 or remark or not own or own & names):  # or the same names again
            tables[-1] += lines[start:last]
            continue
        tables.append([*(comments if tables else []), *lines[start:last]])
        names, before = own, width
    return ["\n".join(table).encode() for table in tables]


def _runs(lines):
    """(first line of the header, first row, line after the last row) of each run of rows."""
    start, first = 0, None
    for i, line in enumerate([*lines, ""]):
        if i < len(lines) and DATA.match(line):
            first = i if first is None else first
        elif first is not None:
            if i - first >= LEAST_ROWS:
                yield start, first, i
                start = i
            first = None


def _width(line):
    return len(re.split(r"[,;\t|]", line)) if re.search(r"[,;\t|]", line) else len(line.split())
