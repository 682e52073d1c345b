"""Dates and times of day in text -> seconds, however they are written.

The date is cut from the time of day: a recording has few dates, which dateutil parses one by one,
and many times of day, which pandas parses at once.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

DAY = 86_400.0  # s
MOST_DATES = 100
PIECE = 2**16  # cells
LONGEST = 60  # characters of a cell: patterns take long for more
SAID = 0.1  # of the cells may hold something else
ZONE = r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)?"
CLOCK = re.compile(
    r"(?P<date>.*?)[\s_T,]*"
    r"(?:(?P<hours>\d{1,2})[:hH-])?(?P<minutes>\d{1,2})[:mM-](?P<seconds>\d\d)"
    r"(?:[.,:](?P<part>\d+))?\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*" + ZONE
)


def seconds_of(cells: "pd.Series") -> np.ndarray | None:
    """float64 (rows,): seconds since the first day's midnight, NaN where a cell holds something
    else; None unless nearly all cells are times of day, with or without a date.
    """
    import pandas as pd

    ends = [str(cells.iloc[i]).strip()[:LONGEST] for i in (0, -1)] if len(cells) else [""]
    if not all(map(is_clock, ends)):
        return None
    seconds, dates = np.empty(len(cells)), []
    for rows in pieces_of(len(cells)):
        seconds[rows], date = _of_day(cells.iloc[rows])
        dates.append(date)
    if np.isnan(seconds).mean() > SAID:
        return None
    days = _days(pd.api.types.union_categoricals(dates))
    if days is not None:
        return seconds + DAY * days
    finite = np.flatnonzero(np.isfinite(seconds))
    back = np.zeros(len(seconds))
    back[finite[1:]] = np.diff(seconds[finite]) < -DAY / 2  # past midnight
    return seconds + DAY * np.cumsum(back)


def pieces_of(n: int) -> Iterator[slice]:
    """Slices of `n` cells: all words at once would take most memory."""
    return (slice(first, first + PIECE) for first in range(0, n, PIECE))


def _of_day(cells):
    """(seconds since midnight float64 (rows,), the dates as a Categorical)."""
    import pandas as pd

    cells = cells.astype(str).str.strip().str[:LONGEST]
    parts = cells.str.extract(f"^{CLOCK.pattern}$")
    digits = {
        name: pd.to_numeric(parts[name], errors="coerce")
        for name in ("hours", "minutes", "seconds")
    }
    part = pd.to_numeric("0." + parts["part"].fillna("0"), errors="coerce")
    half = parts["half"].str.lower().str[0]
    hours = digits["hours"].fillna(0)
    hours = hours.where(half.isna(), hours % 12) + 12 * (half == "p")
    seconds = 3600 * hours + 60 * digits["minutes"] + digits["seconds"] + part
    return seconds.to_numpy("float64"), pd.Categorical(parts["date"].fillna(""))


def is_clock(text: str) -> bool:
    """Whether a cell is a time of day, with or without a date."""
    match = CLOCK.fullmatch(text) if len(text) <= LONGEST else None
    if match is None or not (match["hours"] or match["part"]):
        return False
    if not re.search(r"\d[:hHmM]\d", text):  # 2020-01-02 looks like a time; one follows a date
        return bool(re.search(r"\d\D+\d", match["date"]))
    return bool(match["date"]) or bool(re.match(r"\d+[:hH]", text))


def _days(dates):
    """Days since the first of the dates, float64 (rows,); None without dates that can be read."""
    from dateutil import parser

    codes, names = dates.codes, list(dates.categories)
    if len(names) > MOST_DATES or not any(names):
        return None
    readings = []
    for day_first in (False, True):  # 03/02 is in March or in February
        try:
            found = [
                parser.parse(n, dayfirst=day_first).toordinal() if n else np.nan for n in names
            ]
        except (ValueError, OverflowError):
            continue
        readings.append(np.array(found, float))
    if not readings:
        return None
    days = min(readings, key=lambda each: np.nanmax(each) - np.nanmin(each))
    return (days - np.nanmin(days))[codes]
