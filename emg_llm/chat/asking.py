"""Conversations to learn answering from: what people ask of a report, and answers built from it.

An answer is the sentences of the statements that answer a kind of question, so it is as true and as
certain as the report.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emg_llm.chat.grounded import Grounded, nearest, short
from emg_llm.report import Report, Statement
from emg_llm.report.askings import EMOTIONAL, Asking, askings
from emg_llm.report.lexicon import WORDS
from emg_llm.report.retrieve import known, lines
from emg_llm.report.statements import kinds
from emg_llm.signal.montage import SYNONYMS, parse
from emg_llm.signal.recording import EMOTIONS

UNKNOWN = "I don't know that.", "That isn't in the recording.", "I can't tell that."
OTHERWISE = "What I know:"
OF_SITE = "rms_at", "level_at", "snr_at", "onset_at"  # a place may follow alone: "And the jaw?"
AGAIN = "And the {site}?", "What about the {site}?", "And at the {site}?", "the {site} too?"
TWICE, TYPING, FOLLOWED, SYNONYM, LACKING = 0.08, 0.12, 0.35, 0.25, 0.1  # shares
OTHERS = 3  # statements that are told instead, at most
PLACED = re.compile(r"(?:\b(?:at|on|of) )?\bthe (above|below|beside) ")  # "at the above the eye"
RARE = {"trial": 0.3, "samples": 0.5, "line": 0.5, "term_db": 0.5, "chance": 0.5}  # weights


def grounded_conversation(report: Report, rng: np.random.Generator, n: int) -> Grounded:
    """A chat of `n` questions about a report, answered from the statements that come with each."""
    chat, earlier = Grounded(_lacking(report, rng)), []
    names = [name for name, row in askings().items() if _can(row, report)]
    weights = np.array([RARE.get(name, 1.0) for name in names])
    last = ""
    for name in rng.choice(names, n, p=weights / weights.sum()):
        follows = last in OF_SITE and rng.random() < FOLLOWED
        row = askings()[last if follows else str(name)]
        question, on = asked(row, report, rng, AGAIN if follows else ())
        asks = [(row, on)]
        if not follows and rng.random() < TWICE:
            more = askings()[str(rng.choice(names))]
            if more.about and row.about and more.name != row.name:
                again, also = asked(more, report, rng)
                question = f"{question.rstrip('?.! ')} {_joint(rng)} {_lower(again)}"
                asks.append((more, also))
        question = typed(question, rng)
        told = nearest(chat.report, question, earlier)
        chat = chat.asked(question).answered(" ".join(answer(a, told, rng, o) for a, o in asks))
        earlier, last = [*earlier, question], row.name
    return chat


def asked(
    row: Asking, report: Report, rng: np.random.Generator, wordings: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """(a question of one kind, the channels that it names); wordings: others than its own."""
    wording = str(rng.choice(list(wordings) or row.wordings()))
    there = list(rng.permutation(report.sites))
    site, other = map(str, (there * 2)[:2])
    names = {
        "site": _called(site, rng),
        "other": _called(other, rng),
        "elsewhere": str(rng.choice(_elsewhere(report))),
        "emotion": str(rng.choice(EMOTIONS)),
    }
    on = [place for key, place in (("site", site), ("other", other)) if f"{{{key}}}" in wording]
    question = PLACED.sub(r"\1 ", wording.format(**names))
    return question, on if "{elsewhere}" not in wording else []


def answer(row: Asking, told: Report, rng: np.random.Generator, on: Sequence[str] = ()) -> str:
    """An answer to a kind of question from what is told; on: the channels that it names."""
    said = answering(row, told, on)
    if not said:
        rest = lines(short(known(told) or [*told][:OTHERS])).replace("\n", " ")
        return f"{rng.choice(UNKNOWN)} {OTHERWISE} {rest}"
    before = f"{rng.choice(row.say)} " if row.say else ""
    return before + lines(short(said)).replace("\n", " ")


def answering(row: Asking, report: Report, on: Sequence[str] = ()) -> list[Statement]:
    """The statements of a report that answer a kind of question; on: the channels it names."""
    said: list[Statement] = []
    of_site = bool(on)
    for kind in row.about:
        found = report.of(kind)
        if kinds()[kind].per == "site" and of_site:
            found = [s for place in on for s in found if s.on == place]
        elif of_site and len({s.on for s in said}) == len(on):  # nothing is left to say
            continue
        if len({s.kind for s in said}) < row.most:
            said += found
    if not said and EMOTIONAL & set(row.about):
        said = report.of("withheld")
    return said


def typed(question: str, rng: np.random.Generator) -> str:
    """A question as people type it: sometimes without capitals and punctuation, or with a slip."""
    if rng.random() < 0.3:
        question = question.lower()
    if rng.random() < 0.3:
        question = question.rstrip("?.! ")
    if rng.random() < TYPING and len(question) > 6:
        k = int(rng.integers(1, len(question) - 2))
        if question[k : k + 2].isalpha():
            swapped = question[k + 1] + question[k]
            slip = rng.choice([swapped, question[k], question[k] * 2 + question[k + 1]])
            question = question[:k] + str(slip) + question[k + 2 :]
    return question


def _lacking(report, rng):
    """A report without some kinds of statements, so that it leaves questions open."""
    gone = {kind for kind in kinds() if rng.random() < LACKING}
    return replace(report, statements=tuple(s for s in report if s.kind not in gone))


def _can(row, report):
    """Whether a kind of question fits a report."""
    needs = sum(f"{{{key}}}" in " ".join(row.ask) for key in ("site", "other"))
    return len(report.sites) >= needs


def _called(site: str, rng: np.random.Generator) -> str:
    """A channel as people call it."""
    others = SYNONYMS.get(parse(site).place)
    if others and rng.random() < SYNONYM:
        return str(rng.choice([name for name in others.split(", ") if len(name) > 3]))
    return site


def _elsewhere(report: Report) -> list[str]:
    """Places that a recording doesn't have."""
    here = {parse(site).place for site in report.sites}
    body = [word for word in WORDS["body"] if not any(word in site for site in report.sites)]
    return [*(site for site in SYNONYMS if site not in here), *body]


def _joint(rng: np.random.Generator) -> str:
    return str(rng.choice(["and", "and", "and also", ",", "?"]))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
