"""What a reply states about a recording, and whether it holds: measured and scored.

What was measured is checked by `report.check`, and can be marked. Emotions, scores and certainties
are compared with the scored ones for the results alone: they never get a mark.
"""

import re
from collections.abc import Sequence

from emg_llm.chat.levels import of_reading
from emg_llm.chat.topics import FAIRLY_SURE, SURE
from emg_llm.chat.turns import Chat
from emg_llm.report import check as measuring
from emg_llm.report.sentence import Fact
from emg_llm.signal.recording import EMOTIONS

KINDS = {  # whether the prompt states it, in this or other words, or it must be computed
    **dict.fromkeys(("emotion", "score", "level", "strongest", "weakest", "snr"), "copied"),
    **dict.fromkeys(("quality", "neutral", "active", "peak", "trial"), "copied"),
    **dict.fromkeys(("comparison", "sign", "certainty"), "computed"),
}


def check(reply: str, chat: Chat, labels: Sequence[str] = EMOTIONS) -> tuple[Fact, ...]:
    """The facts in a reply to the last question of a chat, in text order."""
    reading, label, scores = chat.reading, chat.label, chat.scores
    question = chat.later[-1]["content"] if chat.later else ""
    facts = [
        *measuring.check(reply, of_reading(reading)),
        *_scores(reply, label, scores),
        *_known(reply, reading),
        *_emotions(reply, label, scores, question, labels, reading),
    ]
    return tuple(sorted(facts, key=lambda fact: (fact.end, fact.start)))


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


def _fact(kind, match, holds, right):
    return Fact(match.start(), match.end(), bool(holds), right, kind, marked=False)
