"""A reply as clauses with their quantities, places and phrases, all by their position."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from emg_llm.report.lexicon import COUNTS, UNITS, one_of

NUMBER = r"[-+]?\d+(?:[.,]\d+)*"
UNIT = one_of([u for u in UNITS if u != "%"]) + "|%"
_QUANTITY = re.compile(rf"(?<![\w.#])({NUMBER})(?:[ -]?({UNIT}))?(?![\w]|[.,]\d)")
_COUNT = re.compile(rf"({one_of([*COUNTS])}) ({UNIT})")
_JOINED = re.compile(r"(?: and| to| until| till| bis| a| und| y| et|-| -|–| –) ?$")
_SENTENCE = re.compile(r"[.!?](?=\s|$)|\n")
_CLAUSE = re.compile(
    r"[,;:()](?=\s|$|\D)|(?<!\w)(?:and|but|while|whereas|than|against|versus|vs|compared|und|aber|y|et"
    r"|pero|mais|als|que)(?!\w)"
)


@dataclass(frozen=True)
class Quantity:
    """A number, or the two of a range, at text[start:end]; dimension "" where no unit follows.

    half: half a step of its last digit. All are in the base unit of the dimension.
    """

    start: int
    end: int
    values: tuple[float, ...]
    dimension: str
    half: float
    signed: bool = False


@dataclass(frozen=True)
class Span:
    """A stretch of the text."""

    start: int
    end: int


def spans(text: str, pattern: re.Pattern, protected: Sequence[Quantity | Span] = ()) -> list[Span]:
    """The stretches between the matches of a pattern; none within a protected one."""
    found, start = [], 0
    for match in pattern.finditer(text):
        if not any(q.start < match.start() < q.end for q in protected):
            found.append(Span(start, match.start()))
            start = match.end()
    return [*found, Span(start, len(text))]


def sentences(text: str) -> list[Span]:
    return [s for s in spans(text, _SENTENCE) if text[s.start : s.end].strip()]


def clauses(text: str, protected: Sequence[Quantity | Span]) -> list[Span]:
    return spans(text, _CLAUSE, protected)


def within(spans: list[Span], at: int) -> int:
    """The index of the span that holds a position."""
    return max(0, bisect_right([s.start for s in spans], at) - 1)


def quantities(text: str) -> list[Quantity]:
    """The numbers of a folded text with their units; two joined by `to` or `and` are a range."""
    single = sorted([*_numbers(text), *_counts(text)], key=lambda q: q.start)
    kept: list[Quantity] = []
    for q in single:
        before = kept[-1] if kept else None
        if before and q.dimension and _are_range(text, before, q):
            factor = 1.0 if before.dimension else _factor(text[q.start : q.end])
            half = max(q.half, before.half * factor)
            pair = (before.values[0] * factor, q.values[0])
            kept[-1] = Quantity(before.start, q.end, pair, q.dimension, half)
        else:
            kept.append(q)
    return kept


def _are_range(text: str, first: Quantity, second: Quantity) -> bool:
    same = len(first.values) == 1 and first.dimension in ("", second.dimension)
    return same and bool(_JOINED.fullmatch(text[first.end : second.start]))


def _numbers(text: str) -> Iterator[Quantity]:
    for match in _QUANTITY.finditer(text):
        dimension, factor = UNITS.get(match[2] or "", ("", 1.0))
        value, half = _value(match[1])
        yield Quantity(
            *match.span(), (value * factor,), dimension, half * factor, match[1][0] in "+-"
        )


def _counts(text: str) -> Iterator[Quantity]:
    for match in _COUNT.finditer(text):
        yield Quantity(*match.span(), (float(COUNTS[match[1]]),), UNITS[match[2]][0], 0.0)


def _factor(text: str) -> float:
    match = _QUANTITY.match(text)
    return UNITS.get(match[2] or "", ("", 1.0))[1] if match else 1.0


def _value(number: str) -> tuple[float, float]:
    """(value, half a step of the last digit): 1,234.5 and 0,4 and 2.000 are read as meant."""
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", number):
        number = number.replace(",", "")
    number = number.replace(",", ".")
    if number.count(".") > 1:
        number = number.replace(".", "")
    digits = len(number.partition(".")[2])
    return float(number), 0.5 * 10.0**-digits


def phrases(text: str, words: Iterable[str]) -> list[Span]:
    """Where a folded text has one of some words or phrases."""
    return [Span(*m.span()) for m in _pattern(tuple(words)).finditer(text)]


@lru_cache(1000)
def _pattern(words: tuple[str, ...]) -> re.Pattern:
    return re.compile(one_of(words))
