"""What a sentence says of places in words: the strongest, stronger than, dead, of poor quality."""

import re
from collections.abc import Iterator

from emg_llm.report.lexicon import EQUAL, GOOD, LESS, MORE, ONLY, one_of
from emg_llm.report.sentence import FAULTS, Fact, Sentence, is_at, values
from emg_llm.report.statements import Statement
from emg_llm.report.text import Span, phrases

MEASURES = {"rms": "µV", "level": "dB"}  # of strength, and their units
EQUAL_RMS = 0.05  # share by which equally strong RMS values may differ
LOUD = "µV", "dB"  # numbers that a clause about faults may not hold
NEAR = 25  # characters from "quality" to its adjective


def directions(part: Sentence) -> Iterator[Fact]:
    """All that the sentence says in words."""
    compared = list(_comparison(part))
    yield from compared or _extremes(part)
    yield from _against_others(part)
    yield from _faults(part)
    yield from _quality(part)
    yield from _nowhere(part)


def _nowhere(part: Sentence) -> Iterator[Fact]:
    """Places that the recording doesn't have."""
    there = ", ".join(part.report.sites)
    if there and not part.denials and not part.general and not phrases(part.text, ONLY):
        for start, end, on in part.places:
            if not on:
                yield part.fact(Span(start, end), False, f"recorded: {there}", "sites")


def _order(part: Sentence, at: int) -> list[Statement]:
    """Statements by place, the highest first, by the measure that a direction is about.

    Of strength, that is the measure whose numbers stand beside it, or else the RMS.
    """
    here = {k.name for span, k in part.named if part.clause(span.start) == part.clause(at)}
    measures = [*MEASURES]
    if "snr" in here or "hum" in here:
        measures = ["site_snr" if "snr" in here else "mains"]
    else:
        beside = [q for q in part.numbers if part.clause(q.start) == part.clause(at)]
        for some in (part.numbers, beside):
            units = {q.dimension or "dB" * q.signed for q in some}
            measures.sort(key=lambda m: MEASURES[m] not in units)
    stated = next((found for m in measures if (found := part.report.of(m))), [])
    return sorted(stated, key=lambda s: -s.numbers[0])


def _extremes(part: Sentence) -> Iterator[Fact]:
    """The strongest site is the jaw."""
    for kind, step in (("strongest", 1), ("weakest", -1)):
        if not (said := part.spans(kind)):
            continue
        order = _order(part, said[0].start)[::step]
        governed = list(part.governed(said))
        n = 2 if phrases(part.text, ["second", "next"]) else len({on for _, on in governed})
        for span, on in governed:
            if not order or part.denied(span.start):
                continue
            # A number that follows the place shares its mark.
            end = next((q.end for q in part.numbers if 0 <= q.start - span.end <= 2), span.end)
            text = f"{kind} {values(order[:n])}"
            yield part.fact(Span(span.start, end), _among(part, on, order, n), text, kind)


def _comparison(part: Sentence) -> Iterator[Fact]:
    """It is stronger at the jaw than at the cheek."""
    signs = dict.fromkeys(MORE, 1) | dict.fromkeys(LESS, -1) | dict.fromkeys(EQUAL, 0)
    said = phrases(part.text, [*signs])
    placed = [(start, on) for start, _, on in part.places if on]
    if not said or len({on for _, on in placed}) < 2 or part.denials:
        return
    word = said[0]
    than = phrases(part.text, ["than", "als", "que"])
    if than:
        first = next((on for at, on in reversed(placed) if at < than[0].start), None)
        second = next((on for at, on in placed if at > than[0].start), None)
    else:
        first = next((on for at, on in placed if at > word.start), placed[0][1])
        second = next((on for _, on in placed if on != first), None)
    if not first or not second or first == second:
        return
    sign = signs[part.text[word.start : word.end]]
    order = _order(part, word.start)
    a, b = (_at(part, order, on) for on in (first, second))
    if a and b:
        yield part.fact(word, _ordered(a, b, sign), values([a, b]), "comparison")


def _against_others(part: Sentence) -> Iterator[Fact]:
    """The level at the jaw is above a typical recording; it is stronger on the whole."""
    usual = r"(?: than)?(?: an?| the)? (?:typical|usual|average|normal)(?: recording| face)?"
    neutral = part.report.get("neutral")
    for words, sign in ((["above", *MORE], 1), (["below", *LESS], -1), (["as in", "as strong"], 0)):
        for m in re.finditer(one_of(words) + f"({usual}| on the whole)", part.text):
            on, _ = part.on(m.start())
            levels = part.candidates(["level"], on)
            if m[1] == " on the whole":
                right = [neutral] if neutral else []
            else:
                right = levels
            if len(right) == 1 and not part.denied(m.start()):
                holds = sign == _sign(right[0].numbers[0])
                yield part.fact(Span(*m.span()), holds, values(right), "sign")


def _faults(part: Sentence) -> Iterator[Fact]:
    """There is no signal at the cheek; no channel is clipped."""
    busy = {part.clause(q.start) for q in part.numbers if q.dimension in LOUD}
    for name in FAULTS:
        stated = part.report.get(name)
        said = [span for span in part.spans(name) if part.clause(span.start) not in busy]
        if stated is None or not said or part.general:
            continue
        denied, text = part.denied(said[0].start), f"{name}: {', '.join(stated.names) or 'none'}"
        every = part.governed(said)
        governed = [(span, on) for span, on in every if part.clause(span.start) not in busy]
        for span, on in governed:
            yield part.fact(span, bool({*on} & {*stated.names}) != denied, text, name)
        if denied and not governed:
            yield part.fact(said[0], not stated.names, text, name)


def _quality(part: Sentence) -> Iterator[Fact]:
    """The signal quality is good."""
    stated, said = part.report.get("quality"), part.spans("quality")
    if stated is None or part.general:
        return
    for word, synonyms in GOOD.items():
        for span in phrases(part.text, synonyms):
            if any(_beside(part, span, quality) for quality in said):
                holds = (stated.value == word) != part.denied(span.start)
                yield part.fact(span, holds, f"quality {stated.value}", "quality")


def _beside(part: Sentence, a: Span, b: Span) -> bool:
    same = part.clause(a.start) == part.clause(b.start)
    return same and max(a.start - b.end, b.start - a.end) <= NEAR


def _at(part: Sentence, statements: list[Statement], on: tuple[str, ...]) -> Statement | None:
    """The first statement about one of some channels."""
    return next((s for s in statements if is_at(s, on, part.report)), None)


def _among(part: Sentence, on: tuple[str, ...], order: list[Statement], n: int) -> bool:
    """Whether one of some channels is among the first n of an order, ties included."""
    least = order[min(n, len(order)) - 1].numbers[0]
    first = order[:n] + [s for s in order[n:] if s.numbers[0] == least]
    return _at(part, first, on) is not None


def _ordered(a: Statement, b: Statement, sign: int) -> bool:
    """Whether the first is stronger (1), weaker (-1) or equally strong (0)."""
    x, y = a.numbers[0], b.numbers[0]
    if not sign:
        return abs(x - y) <= EQUAL_RMS * max(abs(x), abs(y)) * (a.kind == "rms")
    return sign * (x - y) > 0


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
