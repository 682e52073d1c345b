"""Which statements of a report a reply makes, whether they hold, and the marks that say so.

A reply is read clause by clause: a number with its unit goes to the statements that the clause
names, by their words and their place; directions and faults go to the places that they govern.
Emotions and certainties are not measured, so nothing here is about them.
"""

import re
from collections.abc import Callable, Iterable

from emg_llm.report.amounts import amounts
from emg_llm.report.directions import directions
from emg_llm.report.lexicon import folded, places_of
from emg_llm.report.sentence import Fact, Sentence
from emg_llm.report.statements import Report
from emg_llm.report.text import sentences

Dress = Callable[[str, Fact], str]


def check(reply: str, report: Report) -> tuple[Fact, ...]:
    """What a reply states of what a report has measured, in text order."""
    plain, places, facts = folded(reply), places_of(report.sites), []
    before: tuple[str, ...] = ()
    for span in sentences(plain):
        part = Sentence(plain[span.start : span.end], span.start, report, places, before)
        before = tuple(dict.fromkeys(s for _, _, on in part.places for s in on)) or before
        facts += [*amounts(part), *directions(part)]
    return tuple(sorted(facts, key=lambda fact: (fact.end, fact.start)))


def marked(reply: str, facts: Iterable[Fact], dress: Dress | None = None) -> str:
    """The reply with ✓ after each correct statement, ✗ and the measured value after a wrong one,
    and "(not checked)" where nothing measured tells.

    dress: what is shown in place of the words of a statement that was checked.
    """
    ends: dict[int, list[Fact]] = {}
    for fact in facts:  # statements that end at the same place share a mark
        if fact.marked:
            ends.setdefault(fact.end, []).append(fact)
    for end in sorted(ends, reverse=True):
        wrong = [f.measured for f in ends[end] if f.holds is False]
        known = any(f.holds is not None for f in ends[end])
        mark = f" ✗ (measured: {'; '.join(dict.fromkeys(wrong))})" if wrong else " ✓"
        words, after = reply[:end], (mark if known else " (not checked)") + reply[end:]
        if dress and known:
            first = min(ends[end], key=lambda f: f.start)
            start = max([first.start, *(e for e in ends if e < end)])
            words = words[:start] + dress(words[start:], first)
        reply = words + after
    return reply


def unmarked(text: str) -> str:
    """A reply without the marks of `marked`."""
    return re.sub(r" (?:✓|✗ \(measured: [^)]*\)|\(not checked\))", "", text)
