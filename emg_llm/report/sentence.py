"""A sentence of a reply, and where in it the places, numbers, words and denials stand."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from emg_llm.report import text as reading
from emg_llm.report.lexicon import CERTAINTY, GENERAL, NOT, Places
from emg_llm.report.statements import Kind, Report, Statement, kinds, shown
from emg_llm.report.text import Quantity, Span, phrases, within
from emg_llm.signal.montage import parse

FILLER = re.compile(
    r"[\W\d]|(?<![a-z])(?:at|the|with|of|on|is|also|db|µv|uv|and|to|a|in|channels?|sites?|"
    r"electrodes?|microvolts?|rms|median|both)(?![a-z])"
)
FAULTS = tuple(name for name, kind in kinds().items() if kind.list)
TIMES = "active", "peak", "onset"  # kinds that are about points in time
DIRECTED = ("strongest", "weakest", *FAULTS)  # kinds that are about the places beside them


@dataclass(frozen=True)
class Fact:
    """What reply[start:end] states about the recording, of one of the kinds of statements.

    holds: None where it could not be checked. measured: the correct value as text. marked: False
    for what no signal shows, such as an emotion. on: the channels that it is about. at: the times
    that it is about, in seconds.
    """

    start: int
    end: int
    holds: bool | None
    measured: str
    kind: str
    marked: bool = True
    on: tuple[str, ...] = ()
    at: tuple[float, ...] = ()


class Sentence:
    """One sentence of a reply; positions are within it, `offset` is where it begins.

    text: folded. places: (start, end, channels); numbers: Quantities; named: (Span, Kind) of each
    word that names a kind; denials: Spans of "no", "not", …; general: whether it speaks of
    recordings in general; certain: of how likely something is. before: the channels that the
    sentence before was about.
    """

    def __init__(
        self, text: str, offset: int, report: Report, places: Places, before: tuple[str, ...]
    ) -> None:
        self.text, self.offset, self.report, self.before = text, offset, report, before
        self.places = places.find(text)
        taken = [Span(a, b) for a, b, _ in self.places]
        self.numbers = [
            q
            for q in reading.quantities(text)
            if not any(p.start <= q.start < p.end for p in taken)
        ]
        self.clauses = reading.clauses(text, [*self.numbers, *taken])
        self.named = [
            (span, kind)
            for kind in kinds().values()
            if kind.words and kind.measured
            for span in phrases(text, kind.words)
        ]
        masked = text  # "no signal" denies nothing by its "no"
        for span, kind in self.named:
            if kind.list:
                masked = masked[: span.start] + "x" * (span.end - span.start) + masked[span.end :]
        self.denials = phrases(masked, NOT)
        self.general = bool(phrases(text, GENERAL))
        self.certain = bool(phrases(text, CERTAINTY))

    def spans(self, *names: str) -> list[Span]:
        """Where words name one of some kinds."""
        return [span for span, kind in self.named if kind.name in names]

    def clause(self, at: int) -> int:
        return within(self.clauses, at)

    def denied(self, at: int) -> bool:
        """Whether the clause at a position denies something."""
        return any(self.clause(d.start) == self.clause(at) for d in self.denials)

    def on(self, at: int) -> tuple[tuple[str, ...], bool]:
        """(the channels that a clause is about, whether it names them itself): or else those of
        the nearest clause before, or after it, of a direction, or of the sentence before."""
        mine = self.clause(at)
        for k in self._from(mine):
            here = [p for p in self.places if self.clause(p[0]) == k]
            if here:
                nearest = min(here, key=lambda p: abs(p[0] - at)) if k == mine else here[-1]
                return nearest[2], k == mine
        for kind in ("strongest", "weakest"):
            if self.spans(kind) and (stated := self.report.get(kind)):
                return stated.names, True
        return self.before, False

    def kinds_at(self, at: int) -> list[Kind]:
        """The kinds with numbers that a clause names, or else the nearest ones in the sentence."""
        for k in self._from(self.clause(at)):
            here = [kind for s, kind in self.named if self.clause(s.start) == k and kind.unit]
            if here:
                return here
        return []

    def _from(self, k: int) -> Iterator[int]:
        """Clauses in the order in which they say what clause k is about."""
        yield from range(k, -1, -1)
        yield from range(k + 1, len(self.clauses))

    def governed(self, spans: list[Span]) -> Iterator[tuple[Span, tuple[str, ...]]]:
        """(place, its channels) that words govern: those of their clause, and of clauses beside it
        that hold nothing but places and numbers, rather those after it."""
        own = {self.clause(s.start) for s in spans}
        others = {self.clause(s.start) for s in self.spans(*DIRECTED)} - own
        bare = {k for k in range(len(self.clauses)) if self._bare(k)} - others - own
        reached = set(own)
        for k in sorted(own):
            after = k + 1
            while after in bare:
                reached.add(after)
                after += 1
            before = k - 1
            while before in bare:
                before -= 1
            if before not in others:  # they belong to what stands before them
                reached.update(range(before + 1, k))
        for start, end, on in self.places:
            if self.clause(start) in reached and on:
                yield Span(start, end), on

    def _bare(self, k):
        span = self.clauses[k]
        rest = list(self.text[span.start : span.end])
        for start, end, _ in self.places:
            for i in range(max(start, span.start), min(end, span.end)):
                rest[i - span.start] = " "
        return not FILLER.sub("", "".join(rest))

    def candidates(self, names: Iterable[str], on: tuple[str, ...]) -> list[Statement]:
        """The statements of some kinds, of those about channels only these channels'."""
        every = self.report.of(*names)
        return every if not on else [s for s in every if not s.on or is_at(s, on, self.report)]

    def fact(self, span: Span | Quantity, holds: bool | None, measured: str, kind: str) -> Fact:
        on, own = self.on(span.start)
        row = kinds().get(kind)
        if row is None or not (own or row.per == "site"):
            on = ()
        in_seconds = isinstance(span, Quantity) and span.dimension == "s" and kind in TIMES
        at = span.values if isinstance(span, Quantity) and in_seconds else ()
        start, end = self.offset + span.start, self.offset + span.end
        return Fact(start, end, holds, measured, kind, on=on, at=at)


def place(site: str) -> str:
    """The place of a channel, whatever it is called."""
    return parse(site).place


def is_at(statement: Statement, on: Iterable[str], report: Report) -> bool:
    """Whether a statement is about one of a recording's channels; one that is about no channel,
    such as the level of a model's site, is about those at its place."""
    if statement.on in report.sites:
        return statement.on in on
    return place(statement.on) in map(place, on)


def values(statements: Iterable[Statement]) -> str:
    """The correct values in print, of at most three statements."""
    some = [s for s in statements if s.numbers][:3]
    return ", ".join(" ".join(filter(None, [s.on, shown(s.value, s.kind), s.unit])) for s in some)
