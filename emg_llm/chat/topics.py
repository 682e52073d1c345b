"""Questions about a recording, and answers computed from its Reading and scores.

A topic is (phrasings of a question, answer(rng) -> text). `facts.check` understands every
statement in these answers; change both together.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from emg_llm.bridge.reading import Reading
from emg_llm.chat.turns import Scores
from emg_llm.report.askings import likelihoods
from emg_llm.report.statements import Report
from emg_llm.signal.montage import at_site
from emg_llm.signal.recording import EMOTIONS

# The kinds of questions (`report/questions.yaml`) that these topics and `about_emg` answer.
LEARNED = {
    *("emotion", "is_it", "why", "probability", "second", "summary", "accuracy", "familiar"),
    *("strongest", "weakest", "extremes", "level", "level_at", "compare", "neutral", "trial"),
    *("active", "active_for", "peak", "quality", "snr", "medical", "mind", "other"),
    *("hello", "thanks", "help", "term_emg", "term_rms", "term_snr", "term_db"),
    *("rms_at", "noisy", "reasons"),  # much like those of the level, the SNR and why
}
LIKELY_ENOUGH = 0.3  # for a question to be one of these
SURE, FAIRLY_SURE = 80, 50  # percent

Answer = Callable[[np.random.Generator], str]
Topic = tuple[tuple[str, ...], Answer]


def has_learned(report: Report, question: str) -> bool:
    """Whether a question about a report is of a kind that these topics answer."""
    likely = likelihoods(report, question)
    return sum(likely[name] for name in LEARNED) >= LIKELY_ENOUGH


def topics(
    reading: Reading, label: str, scores: Scores = (), labels: Sequence[str] = EMOTIONS
) -> Iterator[Topic]:
    """All topics about a recording with the emotion `label`.

    scores: of the likeliest labels, `label` first, or none. labels: all that the model knows.
    """
    yield (
        (
            *("Which emotion is this?", "What emotion is it?", "What do you read?"),
            *("Which emotion do you read?", "What is the emotion?", "How does this person feel?"),
            *("What is the prediction?", "What do you see?", "Classify this recording."),
        ),
        choice(f"I read {label}.", f"This looks like {label}."),
    )
    yield _why(reading, label)
    yield _is_it(label, label, scores)
    for other in labels:
        if other != label:
            yield _is_it(other, label, scores)
    if scores:
        yield from _about_scores(scores)
    if reading.levels:
        yield from _about_levels(reading)
    if reading.neutral is not None:
        yield _against_neutral(reading)
    if reading.active:
        yield from _about_timing(reading)
    if reading.levels and reading.quality is not None:
        yield _about_quality(reading)
    if reading.known:
        yield _about_known(reading)
    if len(reading.levels) > 2:
        yield _summary(reading, label)


def _why(reading, label):
    """What was measured: a model has no access to its own reasons, and gives the same answer for
    a label that was planted."""
    ask = (
        *("Why?", "Why do you think so?", f"Why {label}?", f"Why do you read {label}?"),
        *("Explain your answer.", "What is the reason?", "How do you know?", "What speaks for it?"),
        *("Which muscles tell you that?", "Why is that?", "Give me reasons."),
    )
    if len(reading.levels) < 3:
        what = "the codes of an encoder" if reading.codes else "the level of the signal"
        return ask, choice(f"I read {label} from {what}.")
    first, second, *_, last = _ranked(reading)
    when = f" {_times(reading)}" if reading.active else ""
    return ask, choice(
        f"Measured: the strongest sites are {first} and {second}, the weakest is {last}.{when}",
        f"I read {label}. Measured: {first} and {second} are the strongest, and {last} is the "
        f"weakest.{when}",
    )


def _is_it(other, label, scores):
    ask = (f"Is it {other}?", f"Is this {other}?", f"Could it be {other}?")
    percent = dict(scores).get(other)
    if other == label:
        share = f": {label} {percent} %" if percent is not None else ""
        return ask, choice(f"Yes, I read {label}{share}.")
    share = f": {other} {percent} %" if percent is not None else ""
    return ask, choice(f"No, I read {label}{share}.")


def _about_scores(scores):
    (label, percent), *others = scores
    sure = "sure" if percent >= SURE else "fairly sure" if percent >= FAIRLY_SURE else "not sure"
    then = f", then {others[0][0]} {others[0][1]} %" if others else ""
    yield (
        (
            *("How sure are you?", "Are you certain?", "How confident are you?", "Are you sure?"),
            *("How likely is that?", "What is the probability?", "How certain is it?"),
        ),
        choice(f"I am {sure}: {label} {percent} %{then}."),
    )
    if others:
        rest = " and ".join(f"{name} {value} %" for name, value in others)
        yield (
            (
                *("What else could it be?", "What is the second choice?"),
                *("Could it be something else?", "What are the alternatives?"),
                *("Which other emotions are likely?", "What comes next?"),
            ),
            choice(f"After {label} {percent} % come {rest}."),
        )


def _about_levels(reading):
    ranked = _ranked(reading)
    if len(ranked) > 2:
        yield (
            (
                *("Which sites are strongest?", "Which muscle is the strongest?"),
                *("Which muscles are most active?", "Where is it strongest?"),
                *("Where is the most activity?", "What are the strongest muscles?"),
            ),
            choice(f"The strongest sites are {ranked[0]} and {ranked[1]}."),
        )
        yield (
            ("Which site is weakest?", "Which muscle is the weakest?", "Where is it weakest?"),
            choice(f"The weakest site is {ranked[-1]}."),
        )
    unit = f" {reading.unit}" if reading.unit else ""
    pairs = [(at_site(s), v) for s, v in zip(reading.sites, reading.levels, strict=True)]
    for i, (place, level) in enumerate(pairs):
        site = reading.sites[i]
        word = "above" if level > 0 else "below" if level < 0 else "as in"
        yield (
            (
                *(f"How strong is it {place}?", f"What about {site}?", f"And {place}?"),
                *(f"Is the muscle {place} active?", f"How strong is {site}?"),
            ),
            choice(f"The level {place} {level:+d}{unit} is {word} a typical recording."),
        )
        for j in range(len(pairs)):
            if i != j:  # people name a pair in either order
                yield comparison(reading, i, j)


def comparison(reading: Reading, i: int, j: int) -> Topic:
    """The topic that compares sites number `i` and `j`."""
    unit = f" {reading.unit}" if reading.unit else ""
    (a, x), (b, y) = ((reading.sites[k], reading.levels[k]) for k in (i, j))
    ask = (
        f"Is it stronger {at_site(a)} than {at_site(b)}?",
        f"Compare {a} and {b}.",
        f"Where is it stronger, {at_site(a)} or {at_site(b)}?",
    )
    where = f"stronger {at_site(a if x > y else b)}" if x != y else "equally strong"
    return ask, choice(f"With {a} {x:+d}{unit} against {b} {y:+d}{unit} it is {where}.")


def _against_neutral(reading):
    ask = (
        *("How does it compare with neutral?", "Is it stronger than neutral?"),
        *("What is different from a neutral face?", "Compare it with neutral."),
        *("How strong is it against neutral?", "How expressive is it?"),
    )
    return ask, choice(f"Measured {_neutral(reading)}.")


def _neutral(reading):
    unit = f" {reading.unit}" if reading.unit else ""
    how = "stronger" if reading.neutral > 0 else "weaker" if reading.neutral < 0 else "as strong"
    return f"against neutral {reading.neutral:+d}{unit} it is {how} on the whole"


def _times(reading):
    start, end = reading.active
    return f"The muscles are active {start:.1f} to {end:.1f} s, peak {reading.peak:.1f} s."


def _about_timing(reading):
    yield (
        (
            *("When does it happen?", "When are the muscles active?", "What about the timing?"),
            *("How long does it last?", "When does it start?", "When is the peak?"),
            *("When does it end?", "How long is the burst?", "When is it strongest?"),
        ),
        choice(_times(reading)),
    )


def _about_quality(reading):
    advice = {
        "good": "it can be trusted",
        "usable": "read it with care",
        "poor": "better record it again",
    }[reading.quality]
    return (
        (
            *("How good is the signal?", "What is the signal quality?", "Is the signal good?"),
            *("Can I trust this recording?", "Is it noisy?", "What about the noise?"),
            *("What is the SNR of this recording?", "Is the recording usable?"),
        ),
        choice(f"{_signal(reading)}: {advice}."),
    )


def _signal(reading):
    return f"The signal is of quality {reading.quality}, with SNR {reading.snr:+d} dB"


def _about_known(reading):
    label, distance = reading.known[0]
    unit = f" {reading.unit}" if reading.unit else ""
    return (
        ("Which of my trials is nearest?", "Which known trial is it most like?"),
        choice(f"The nearest known trial is {label} {distance}{unit} off."),
    )


def _summary(reading, label):
    first, *_, last = _ranked(reading)
    more = ""
    if reading.neutral is not None:
        more += f" Measured {_neutral(reading)}."
    if reading.active:
        more += f" {_times(reading)}"
    if reading.quality is not None:
        more += f" {_signal(reading)}."
    return (
        (
            *("Describe this recording.", "Tell me about this recording.", "Sum it up."),
            *("Give me a summary.", "What can you say about it?", "What does it show?"),
            "What was measured?",
        ),
        choice(f"I read {label}. The strongest site is {first}, the weakest is {last}.{more}"),
    )


def _ranked(reading):
    unit = f" {reading.unit}" if reading.unit else ""
    return [f"{site} {level:+d}{unit}" for site, level in reading.ranking]


def choice(*answers: str) -> Answer:
    """An answer with random wording."""
    return lambda rng: answers[rng.integers(len(answers))]
