"""The numbers of a sentence, each checked against the statements that it can be about."""

import re
from collections.abc import Callable, Iterator

from emg_llm.report.lexicon import WORDS, one_of
from emg_llm.report.sentence import Fact, Sentence, values
from emg_llm.report.statements import Kind, Statement
from emg_llm.report.text import Quantity, Span, phrases

DEFAULT = {  # what a number with this unit is about where no word says so
    "µV": ("rms",),
    "dB": ("level", "snr", "site_snr", "neutral"),
    "Hz": ("sampling_rate", "line"),
    "s": ("duration", "active", "active_for", "peak", "onset"),
}
TINY = 1e-9


def amounts(part: Sentence) -> Iterator[Fact]:
    """The SNR is 12 dB; the jaw has 14 µV; active from 0.4 to 2.1 s."""
    if part.spans("trial"):  # a distance to a known trial, which is no level
        return
    for q in part.numbers:
        if q.dimension == "models":  # how many agree is not measured
            continue
        found = _with_unit(part, q) if q.dimension else _without_unit(part, q)
        if found:
            yield found


def _with_unit(part: Sentence, q: Quantity) -> Fact | None:
    on, own = part.on(q.start)
    asked = part.kinds_at(q.start)
    if q.dimension in ("channels", "samples"):  # of more than what is measured
        asked = [kind for kind in asked if kind.unit == q.dimension]
    if q.dimension == "channels" and not _is_of_all(part):
        return None
    if q.dimension == "%" and part.certain:
        return None
    fits = [kind.name for kind in asked if _unit(part, kind) == q.dimension]
    if "peak" in fits and len(q.values) == 1 and not _edge(part, q):
        fits = ["peak"]  # "the activity peaks at" is about no start or end
    names = fits or DEFAULT.get(q.dimension, ())
    candidates = _nearest(part.candidates(names, on), on, own)
    if part.general or any(0 <= q.start - d.end <= 12 for d in part.denials):
        return part.fact(q, None, "", "")
    if bound := _bound(part, q):
        holds = any(bound(v) for s in candidates for v in s.numbers)
        return part.fact(q, holds or None, "", names[0] if names else "")
    best = next((s for s in candidates if _matches(part, q, s)), None)
    if best is None and asked and not fits:  # another unit than what the words are about
        named = part.candidates([kind.name for kind in asked], on)
        candidates = _nearest(named, on, own) or candidates
    if not candidates:
        return part.fact(q, None, "", "")
    kind = (best or candidates[0]).kind
    return part.fact(q, best is not None, values([best] if best else candidates), kind)


def _nearest(candidates: list[Statement], on: tuple[str, ...], own: bool) -> list[Statement]:
    """Of statements about channels and about the whole, the former where a clause names a channel,
    the latter where nothing does; both where a channel was named before."""
    if on and not own:
        return candidates
    return [s for s in candidates if bool(s.on) == own] or candidates


def _without_unit(part: Sentence, q: Quantity) -> Fact | None:
    """A number behind a word or a place, such as "SNR +12" or "jaw -3"."""
    on, _ = part.on(q.start)
    names, span = [], Span(q.start, q.end)
    for word, kind in part.named:
        gap = part.text[word.end : q.start] if word.end <= q.start else "-"
        if kind.unit and re.fullmatch(r"(?: (?:of|is|was|at))? ?", gap):
            names.append(kind.name)
    where = next((p for p in part.places if p[1] <= q.start <= p[1] + 3), None)
    if not names and where and q.signed:
        names, on, span = ["level"], where[2], Span(where[0], q.end)
    if not (candidates := part.candidates(names, on)):
        return None
    holds = any(_matches(part, q, s) for s in candidates)
    return part.fact(span, holds, values(candidates), candidates[0].kind)


def _is_of_all(part: Sentence) -> bool:
    """Whether a number of channels is that of all, not of those with a fault."""
    faults = any(kind.list for _, kind in part.named)
    return not faults and not part.denials and bool(phrases(part.text, WORDS["of_all"]))


def _unit(part: Sentence, kind: Kind) -> str:
    """The unit of a kind in this report, which may be arbitrary."""
    stated = part.report.of(kind.name)
    return stated[0].unit if stated else kind.unit


def _matches(part: Sentence, q: Quantity, s: Statement) -> bool:
    right, slack = s.numbers, max(s.tolerance, q.half) + TINY
    if len(q.values) == 2 and len(right) == 2:
        return all(abs(a - b) <= slack for a, b in zip(q.values, right, strict=True))
    if len(q.values) == 2:  # two numbers of two statements, such as "12 and 30 µV"
        return any(abs(a - b) <= slack for a in q.values for b in right)
    if len(right) == 2 and (edge := _edge(part, q)):
        right = right[:1] if edge == "start" else right[1:]
    return any(abs(q.values[0] - v) <= slack for v in right)


def _edge(part: Sentence, q: Quantity) -> str:
    """Whether a time is said to be the "start" or the "end" of something, or neither."""
    before = part.text[max(0, q.start - 30) : q.start]
    start, end = (
        max((s.end for s in phrases(before, words)), default=0)
        for words in (WORDS["start"], WORDS["end"])
    )
    return "" if start == end else "start" if start > end else "end"


def _bound(part: Sentence, q: Quantity) -> Callable[[float], bool] | None:
    """What "below 10 dB" asks of a value; None for a plain number."""
    before = part.text[max(0, q.start - 14) : q.start]
    if re.search(one_of(WORDS["below"]) + " $", before):
        return lambda v: v < q.values[0]
    if re.search(one_of(WORDS["above"]) + " $", before):
        return lambda v: v > q.values[0]
    return None
