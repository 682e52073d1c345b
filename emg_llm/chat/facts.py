"""Checks what a reply states about a recording against the recording's Reading.

Covers levels of sites, the strongest and weakest sites, comparisons of two sites, SNR and quality,
timing, the distance from neutral, the scores of labels and the emotion. Statements about EMG in
general are not checked.

What a statement is about is its kind, see KINDS. Most can be copied from the prompt; a comparison
must be computed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emg_llm.chat.topics import FAIRLY_SURE, SURE
from emg_llm.chat.turns import Chat
from emg_llm.signal.recording import EMOTIONS

KINDS = {  # whether the prompt states it, in this or other words, or it must be computed
    **dict.fromkeys(("emotion", "score", "level", "rank", "SNR", "quality"), "copied"),
    **dict.fromkeys(("neutral", "time", "trial"), "copied"),
    **dict.fromkeys(("comparison", "sign", "certainty"), "computed"),
}


@dataclass(frozen=True)
class Fact:
    """A statement about the recording, at reply[start:end], of one of KINDS.

    measured: the correct value as text.
    """

    start: int
    end: int
    holds: bool
    measured: str
    kind: str


def check(reply: str, chat: Chat, labels: Sequence[str] = EMOTIONS) -> tuple[Fact, ...]:
    """The facts in a reply to the last question of a chat, in text order."""
    reading, label, scores = chat.reading, chat.label, chat.scores
    question = chat.later[-1]["content"] if chat.later else ""
    facts = [
        *_levels(reply, reading),
        *_places(reply, reading),
        *_extremes(reply, reading),
        *_comparisons(reply, reading),
        *_whole(reply, reading),
        *_timing(reply, reading),
        *_scores(reply, label, scores),
        *_known(reply, reading),
        *_emotions(reply, label, scores, question, labels, reading),
    ]
    return tuple(sorted(facts, key=lambda fact: (fact.end, fact.start)))


def marked(reply: str, facts: Iterable[Fact]) -> str:
    """The reply with ✓ after each correct statement, and ✗ with the measured value after others."""
    ends = {}
    for fact in facts:  # statements that end at the same place share a mark
        ends.setdefault(fact.end, []).append(fact)
    for end in sorted(ends, reverse=True):
        wrong = [f.measured for f in ends[end] if not f.holds]
        mark = f" ✗ (measured: {'; '.join(dict.fromkeys(wrong))})" if wrong else " ✓"
        reply = reply[:end] + mark + reply[end:]
    return reply


def unmarked(text: str) -> str:
    """A reply without the marks of `marked`."""
    return re.sub(r" (?:✓|✗ \(measured: [^)]*\))", "", text)


def _levels(reply, reading):
    """The strongest site is jaw +8 dB."""
    level = dict(zip(reading.sites, reading.levels, strict=True))
    for site, match in _named(reply, reading.sites, r":?,? \(?(?P<value>[+-]\d+)(?: dB)?"):
        text = _level(site, level[site], reading)
        yield _fact("level", match, int(match["value"]) == level[site], text)


def _places(reply, reading):
    """The level at the cheek +3 dB is above a typical recording."""
    level = dict(zip(reading.sites, reading.levels, strict=True))
    rest = r"(?: [+-]?\d+)?(?: dB)? is (?P<word>above|below|as in) a typical recording"
    for site, match in _named(reply, reading.sites, rest):
        value = level[site]
        word = "above" if value > 0 else "below" if value < 0 else "as in"
        yield _fact("sign", match, match["word"] == word, _level(site, value, reading))


def _extremes(reply, reading):
    ranked = [value for _, value in reading.ranking]
    if len(ranked) < 2:
        return
    level = dict(zip(reading.sites, reading.levels, strict=True))
    for start, clause in _clauses(reply):
        for word in ("strongest", "weakest"):
            if word not in clause:
                continue
            named = [site for site, _ in _named(clause, reading.sites, "")]
            least = ranked[min(len(named), 2) - 1]  # the strongest one, or the strongest two
            for site, match in _named(clause, reading.sites, r"(?: [+-]\d+)?(?: dB)?"):
                good = level[site] >= least if word == "strongest" else level[site] == ranked[-1]
                right = reading.ranking[:2] if word == "strongest" else reading.ranking[-1:]
                text = f"{word} " + " and ".join(_level(s, v, reading) for s, v in right)
                yield Fact(start + match.start(), start + match.end(), good, text, "rank")


def _comparisons(reply, reading):
    """With jaw +8 dB against above the eye +3 dB it is stronger at the jaw."""
    level = {site.lower(): v for site, v in zip(reading.sites, reading.levels, strict=True)}
    one, number = _any(reading.sites), r"(?: [+-]\d+)?(?: dB)?"
    if not one:
        return
    pattern = (
        rf"with (?P<a>{one}){number} against (?P<b>{one}){number} it is (?:(?P<same>equally strong)"
        rf"|(?P<word>stronger|weaker) (?:at )?(?:the )?(?P<c>{one}))"
    )
    for match in re.finditer(pattern, reply, re.IGNORECASE):
        a, b = (match[k].lower() for k in "ab")
        text = f"{_level(a, level[a], reading)}, {_level(b, level[b], reading)}"
        if match["same"]:
            holds = level[a] == level[b]
        else:
            c = match["c"].lower()
            other = {a: b, b: a}.get(c)
            more = 0 if other is None else level[c] - level[other]
            holds = more > 0 if match["word"].lower() == "stronger" else more < 0
        yield _fact("comparison", match, holds, text)


def _whole(reply, reading):
    if reading.snr is not None:
        for match in re.finditer(r"SNR ([+-]?\d+)(?: dB)?", reply):
            yield _fact("SNR", match, int(match[1]) == reading.snr, f"SNR {reading.snr:+d} dB")
    if reading.quality is not None:
        for match in re.finditer(r"quality (good|usable|poor)", reply):
            holds = match[1] == reading.quality
            yield _fact("quality", match, holds, f"quality {reading.quality}")
    if reading.neutral is not None:
        text = f"against neutral {reading.neutral:+d}"
        for match in re.finditer(r"against neutral ([+-]\d+)(?: dB)?", reply):
            yield _fact("neutral", match, int(match[1]) == reading.neutral, text)
        for match in re.finditer("(stronger|weaker|as strong) on the whole", reply):
            sign = {"stronger": 1, "weaker": -1, "as strong": 0}[match[1]]
            holds = sign == (reading.neutral > 0) - (reading.neutral < 0)
            yield _fact("sign", match, holds, text)


def _timing(reply, reading):
    time = r"(\d+(?:\.\d+)?)"
    text = f"active {_span(reading)}, peak {reading.peak:.1f} s" if reading.active else "no burst"
    for match in re.finditer(rf"active {time} to {time} s", reply):
        yield _fact("time", match, f"{match[1]} to {match[2]} s" == _span(reading), text)
    for match in re.finditer(rf"peak {time} s", reply):
        holds = reading.peak is not None and match[1] == f"{reading.peak:.1f}"
        yield _fact("time", match, holds, text)


def _span(reading):
    return "{:.1f} to {:.1f} s".format(*reading.active) if reading.active else ""


def _scores(reply, label, scores):
    percent = dict(scores)
    one = "|".join(map(re.escape, sorted(percent, key=len, reverse=True)))
    if not one:
        return
    for match in re.finditer(rf"\b({one}) (\d+) %", reply):
        right = percent[match[1]]
        yield _fact("score", match, int(match[2]) == right, f"{match[1]} {right} %")
    sure = percent.get(label)
    for match in re.finditer(r"I am (not sure|fairly sure|sure)\b", reply):
        word = "sure" if sure >= SURE else "fairly sure" if sure >= FAIRLY_SURE else "not sure"
        yield _fact("certainty", match, match[1] == word, f"{label} {sure} %")


def _known(reply, reading):
    for match in re.finditer(r"nearest known trial is (\w+) (\d+)(?: dB)? off", reply):
        holds = bool(reading.known) and (match[1], int(match[2])) == reading.known[0]
        text = "{} {}".format(*reading.known[0]) if reading.known else "no known trial"
        yield _fact("trial", match, holds, text)


def _emotions(reply, label, scores, question, labels, reading):
    """The emotion must be the scored label; others may appear as scores or if asked about."""
    one = "|".join(map(re.escape, sorted(labels, key=len, reverse=True)))
    if all(re.search(rf"\b{name}\b", reply) for name in labels):
        return  # the list of all labels
    names = rf"(?:I read|looks like(?: an?)?|Emotion:) ({one})\b"
    for match in re.finditer(names, reply):
        yield _fact("emotion", match, match[1] == label, label)
    allowed = {label, *dict(scores), *(name for name, _ in reading.known), "neutral"}
    allowed |= set(re.findall(rf"\b({one})\b", question.lower()))
    for match in re.finditer(rf"\b({one})\b", reply):
        if match[1] not in allowed:
            yield _fact("emotion", match, False, label)


def _named(text, sites, rest):
    """(site, match) for each mention of a site followed by `rest`, a regular expression."""
    one = _any(sites)
    if not one:
        return
    place = {site.lower(): site for site in sites}
    for match in re.finditer(rf"(?P<site>{one}){rest}", text, re.IGNORECASE):
        yield place[match["site"].lower()], match


def _any(sites):
    """A regular expression for any of the sites, the longest first."""
    names = "|".join(map(re.escape, sorted(sites, key=len, reverse=True)))
    return rf"\b(?:{names})\b" if names else ""


def _clauses(reply):
    """(start, clause) between punctuation; `and … weakest` is a separate clause."""
    start = 0
    for match in [*re.finditer(r"[.,;:](?=\s|$)|\band\b(?=[^,.;]*weakest)", reply), None]:
        end = len(reply) if match is None else match.start()
        yield start, reply[start:end]
        start = end + (0 if match is None else len(match[0]))


def _level(site, level, reading):
    return f"{site} {level:+d}" + (f" {reading.unit}" if reading.unit else "")


def _fact(kind, match, holds, measured):
    return Fact(match.start(), match.end(), bool(holds), measured, kind)
