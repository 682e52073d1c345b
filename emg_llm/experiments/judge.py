"""Whether a reply answers a question: a rule, held against the report of the recording.

A rule is a dict of: states (ids or kinds of statements, each of which the reply must state), any
(one of them), site (statements whose channels it must name), says (words, each of which must be in
it, with "/" between alternatives), never (words that may not), and the flags emotion (names the one
that is read), no_emotion, refuse (says that it can't or doesn't know), hello and thanks. Whatever
the rule, a reply is short, repeats nothing over and over, states nothing about the signal that is
false, and reads no other emotion than the scored one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from emg_llm.report import Report, Statement
from emg_llm.report.check import check, unmarked
from emg_llm.report.lexicon import GOOD, NOT, folded, one_of, places_of
from emg_llm.report.sentence import place
from emg_llm.report.text import quantities

MOST_WORDS = 130
LOOP = 6, 3  # words in a row, and how often they may not come
ROUND = 0.02  # share by which people round a number
FLAGS = "emotion", "no_emotion", "refuse", "hello", "thanks"
LISTS = "states", "any", "site", "says", "never"

EMOTION_WORDS = {  # beside the labels themselves
    "anger": "angry furious wut wutend arger enfado enojo ira colere",
    "anxiety": "anxious angst angstlich ansiedad anxiete",
    "contempt": "contemptuous verachtung desprecio mepris",
    "delight": "delighted entzucken deleite ravissement",
    "disgust": "disgusted ekel asco degout",
    "fear": "afraid scared furcht miedo peur",
    "happiness": "happy freude glucklich felicidad alegria feliz joie heureux bonheur",
    "perplexity": "perplexed ratlosigkeit perplejidad perplexite",
    "pride": "proud stolz orgullo fierte",
    "sadness": "sad traurig traurigkeit trauer tristeza triste tristesse",
    "surprise": "surprised uberraschung sorpresa surpris",
    "neutral": "",
}
REFUSALS = """can't, cannot, can not, couldn't, unable, not able, don't know, do not know, no way
to, doesn't tell, does not tell, nothing is known, nothing in the recording, no
emotion is named, no emotion, not named, withheld, medical device, not a doctor,
clinician, was not recorded, wasn't recorded, not recorded, isn't recorded, no
channel, doesn't have, does not have, doesn't say, does not say, only know, only
these channels, isn't in the, is not in the, not part of, doesn't answer, not
measured, isn't measured, kann nicht, kann ich nicht, weiss nicht, weiß nicht, keine
emotion, kein medizin, nicht aufgenommen, no puedo, no se puede, no lo se, ninguna
emocion, no es un, no grab, ne peux pas, ne sais pas, aucune emotion, pas un, n'est
pas, impossible"""
HELLO = """hello, hi, hey, welcome, hallo, guten tag, hola, buenos, bonjour, salut, good morning,
ask, morning, help"""
THANKS = (
    "welcome, glad, happy to, pleasure, no problem, anytime, gern, de nada, de rien, ask, bitte"
)
READS = (  # what stands before an emotion that is read
    r"(?:i read|looks like(?: an?)?|(?<!likeliest )emotion(?: here| that the models read)? is|"
    r"emotion:)"
)


@dataclass(frozen=True)
class Verdict:
    """failed: why a reply is no answer, empty if it is one; and its checkable statements."""

    failed: tuple[str, ...]
    n_checked: int = 0
    n_false: int = 0


def judge(reply: str, rule: dict, report: Report, asked: Sequence[str] = ()) -> Verdict:
    """Whether a reply follows a rule. asked: the questions, whose emotions it may take up.

    Raises ValueError for an unknown part of a rule, or where the report has no such statement.
    """
    for part in rule:
        if part not in (*FLAGS, *LISTS):
            raise ValueError(f"A rule has no part {part!r}; its parts are {', '.join(LISTS)} …")
    reply = unmarked(reply)
    facts = [f for f in check(reply, report) if f.holds is not None]
    false = [f for f in facts if not f.holds]
    text = folded(reply)
    failed = [*_form(text), *(["false"] if false else []), *_emotions(text, rule, report, asked)]
    for part, needed in rule.items():
        ok = True
        if part in ("states", "any"):
            stated = [any(states(text, s) for s in _statements(report, id)) for id in needed]
            ok = all(stated) if part == "states" else any(stated)
        elif part == "site":
            ok = all(_names(text, s, report) for id in needed for s in _statements(report, id))
        elif part == "says":
            ok = all(any(w in text for w in folded(words).split("/")) for words in needed)
        elif part == "never":
            ok = not any(folded(word) in text for word in needed)
        elif part in ("refuse", "hello", "thanks") and needed:
            words = {"refuse": REFUSALS, "hello": HELLO, "thanks": THANKS}[part]
            ok = _has(text, words)
        if not ok:
            failed.append(part)
    return Verdict(tuple(failed), len(facts), len(false))


def states(text: str, statement: Statement) -> bool:
    """Whether a folded text states a statement's value: its number, its words, or that none is."""
    if statement.numbers:
        slack = max(statement.tolerance, *(ROUND * abs(v) for v in statement.numbers))
        found = [(v, q) for q in quantities(text) for v in q.values]
        return all(
            any(
                abs(v - right) <= max(slack, q.half) + 1e-9 and q.dimension in ("", statement.unit)
                for v, q in found
            )
            for right in statement.numbers
        )
    if statement.value == ():
        return bool(
            re.search(one_of([*NOT, "all", "every", "fine", "both", "alle", "todos"]), text)
        )
    if statement.kind == "quality":
        return any(re.search(one_of(GOOD[word]), text) for word in statement.names)
    if statement.kind in ("emotion", "second"):
        return any(_of_emotion(name, text) for name in statement.names)
    names = [folded(n) for n in statement.names]
    if statement.kind == "reasons":  # a sentence that nobody repeats word for word
        return sum(w in text for w in set(re.findall(r"[a-z]{4,}", names[0]))) >= 3
    return bool(names) and all(name in text for name in names)


def _statements(report, id):
    """The statement with an id, or all of a kind. Raises ValueError if there are none."""
    if found := [s for s in report if id in (s.id, s.kind)]:
        return found
    raise ValueError(f"The report has no statement {id!r}.")


def _names(text, statement, report):
    """Whether the text names all channels of a statement, in whatever words."""
    meant = {place(s) for _, _, on in places_of(report.sites).find(text) for s in on}
    return bool(statement.names) and {place(n) for n in statement.names} <= meant


def _form(text):
    words = text.split()
    if not words:
        yield "empty"
    if len(words) > MOST_WORDS:
        yield "long"
    n, most = LOOP
    rows = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if any(count >= most for count in rows.values()):
        yield "loop"


def _emotions(text, rule, report, asked):
    """Failures of what the reply says of emotions."""
    label = report.value("emotion")
    said = [name for name in EMOTION_WORDS if _of_emotion(name, text)]
    taken_up = {n for n in EMOTION_WORDS if _of_emotion(n, folded(" ".join(asked)))}
    read = [
        name for name in EMOTION_WORDS if re.search(rf"{READS} (?:\w+ )?{_pattern(name)}", text)
    ]
    wrong = any(name != label for name in read)
    if wrong or ((rule.get("no_emotion") or label is None) and set(said) - taken_up - {"neutral"}):
        yield "another emotion"
    elif rule.get("emotion") and label not in said:
        yield "emotion"


def _of_emotion(name, text):
    return bool(re.search(_pattern(name), text))


def _pattern(name):
    return one_of([name, *EMOTION_WORDS[name].split()])


def _has(text, phrases):
    return bool(re.search(one_of([p.strip() for p in phrases.split(",")]), text))


__all__ = ["Verdict", "judge", "states"]
