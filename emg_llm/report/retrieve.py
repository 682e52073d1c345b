"""Which statements of a report matter for a question, and their text.

Two looks at a question are added up: at each word, compared by its letters, so that typing errors
and endings cost little, and weighted by how few kinds of statements it points at; and at all of
them together, as the nearest of the questions that people ask.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from emg_llm.report.askings import meant
from emg_llm.report.lexicon import WORDS, folded, places_of
from emg_llm.report.sentence import is_at
from emg_llm.report.statements import Report, Statement, kinds, shown
from emg_llm.signal.recording import EMOTIONS

MOST = 3  # statements for one question, those of one kind at several channels counted as one
GRAM = 3  # letters that are compared at once
ALIKE = 0.5  # share of grams from which on two words may be the same
MISSPELT = 0.6  # the same for a place
LEAST = 0.35  # of the best score: what is worth telling
EARLIER = 0.4  # weight of the question before, where this one hardly says anything
FEW_WORDS = 3  # that say something, up to which the question before counts
MEANT = 1.0  # weight of what a question means as a whole
ENOUGH = 2.0  # of the words' score, which counts as one
WORTH = 1.2  # weight of the words that also name a kind in replies
NOTHING = 0.35  # a best score below this is of a question about something else
KNOWN = ("quality", "strongest", "emotion", "withheld", "snr")  # what can be told instead
STOP = frozenset(map(str, WORDS["stop"]))


def retrieve(
    report: Report, question: str, earlier: Sequence[str] = (), most: int = MOST
) -> list[Statement]:
    """The statements that matter for a question, the best first.

    earlier: the questions before it; most: kinds of statements. Of statements about single
    channels, those of the channels that the question names, or else all. Nothing is found for a
    question about something else.
    """
    on, words = _asked(report, question)
    scores = _scores(words)
    if earlier and len(words) <= FEW_WORDS:
        before, others = _asked(report, earlier[-1])
        share = EARLIER if words else 1.0
        on, scores = before if on is None else on, scores + share * _scores(others)
    elif not words and on is None:  # nothing in particular
        return known(report)
    if on is not None:
        for k, kind in enumerate(kinds().values()):
            scores[k] += 0.5 * (kind.per == "site") + (kind.name in ("rms", "level"))
    if on == ():  # a place that the recording doesn't have
        scores[list(kinds()).index("elsewhere")] += 2
    whole = meant(report, question)
    there = {s.kind for s in report}
    scored = {
        kind: min(s, ENOUGH) / ENOUGH + MEANT * whole.get(kind, 0.0)
        for kind, s in zip(kinds(), scores, strict=True)
        if kind in there
    }
    best = max(scored.values(), default=0.0)
    if best < NOTHING + MEANT * whole.get("", 0.0):
        return []
    order = sorted(scored, key=lambda kind: -scored[kind])
    kept = [kind for kind in order if scored[kind] >= LEAST * best][:most]
    return [s for kind in kept for s in _of(report, kind, on)]


def quoted(report: Report, question: str, earlier: Sequence[str] = ()) -> str:
    """The statements nearest to a question themselves, where no language model answers.

    Of a question about something else, three things that are known of the recording.
    """
    if found := retrieve(report, question, earlier):
        return lines(found).replace("\n", " ")
    told = lines(known(report)).replace("\n", " ")
    return f"Nothing in the recording answers this. Known: {told}"


def lines(statements: Iterable[Statement]) -> str:
    """Statements as compact text: their sentences, one line for a kind at several channels."""
    by_kind: dict[str, list[Statement]] = {}
    for s in statements:
        by_kind.setdefault(s.kind, []).append(s)
    return "\n".join(
        some[0].sentence if len(some) == 1 or not kinds()[kind].per else _joined(some)
        for kind, some in by_kind.items()
    )


def known(report: Report) -> list[Statement]:
    """Three things that can be told of any recording."""
    return [s for kind in KNOWN for s in report.of(kind)][:3]


def _joined(statements):
    """Statements of one kind at several channels in a line."""
    each = ", ".join(f"{s.on} {shown(s.value, s.kind)} {s.unit}" for s in statements)
    return f"{kinds()[statements[0].kind].head}: {each}."


def _of(report, kind, on):
    statements = report.of(kind)
    if kinds()[kind].per == "site" and on:
        return [s for s in statements if is_at(s, on, report)] or statements
    return statements


def _asked(report, question):
    """(channels that a question names, None where it names no place, its words)."""
    text = folded(question)
    finder = places_of(report.sites)
    places = finder.find(text) or _misspelt(finder, text)
    on = tuple(dict.fromkeys(s for _, _, sites in places for s in sites)) if places else None
    for start, end, _ in places:
        text = text[:start] + " " * (end - start) + text[end:]
    words = [w for w in re.findall(r"[^\W_]+", text) if w not in STOP]
    return on, words


def _misspelt(finder, text):
    """Places that are nearly written: "chek" is the cheek. Words of the table are none."""
    vocabulary, _, _ = _index()
    names = [name for name in finder.named if name.isalpha()]
    grams = [_grams(name) for name in names]
    found = []
    for match in re.finditer(r"[^\W\d_]{4,}", text):
        if match[0] in vocabulary or match[0] in STOP:
            continue
        likeness = _likeness(match[0], names, grams)
        if likeness.max(initial=0) >= MISSPELT:
            meant = finder.named[names[int(likeness.argmax())]]
            found.append((*match.span(), meant))
    return found


def _scores(words):
    """How far each kind's words are those of a question: float (kinds,)."""
    vocabulary, weights, grams = _index()
    scores = np.zeros(len(kinds()))
    for word in words:
        likeness = _likeness(word, vocabulary, grams)
        scores += (likeness[:, None] * weights).max(axis=0)  # (words,), (words, kinds) -> (kinds,)
    return scores


def _likeness(word, vocabulary, grams):
    """How alike a word is to each of the vocabulary: float (words,), 1 for the same."""
    mine = _grams(word)
    shared = np.array([len(mine & other) for other in grams], float)
    sizes = np.array([len(mine) + len(other) for other in grams], float)
    dice = 2 * shared / sizes
    return np.where(dice >= ALIKE, dice, 0.0)


@cache
def _index():
    """(all words of the table, float (words, kinds) of their weights, their grams)."""
    rows = []
    for kind in kinds().values():
        named = {w: WORTH for phrase in kind.words for w in _split(phrase)}
        more = EMOTIONS if kind.name in ("emotion", "withheld") else ()
        asked = {w: 1.0 for phrase in (*kind.ask, *more) for w in _split(phrase)}
        rows.append(asked | named)
    vocabulary = sorted(set().union(*rows))
    weights = np.array([[row.get(word, 0.0) for row in rows] for word in vocabulary])
    # A word that points at few kinds says more.
    weights *= np.log(1 + len(rows) / (weights > 0).sum(axis=1))[:, None] / np.log(1 + len(rows))
    return vocabulary, weights, [_grams(word) for word in vocabulary]


def _split(phrase):
    return [w for w in re.findall(r"[^\W_]+", folded(phrase)) if w not in STOP]


def _grams(word):
    padded = f"<{word}>"
    return frozenset(padded[i : i + GRAM] for i in range(max(1, len(padded) - GRAM + 1)))
