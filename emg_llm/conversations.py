"""Recordings -> what a language model reads and answers: prompts and ShareGPT conversations.

The first turn of every conversation is the recording and its emotion. The turns after it ask
about the recording or about EMG; their answers are computed from the numbers in the prompt.
"""

import re

import numpy as np

from emg_llm.preprocessing import clean
from emg_llm.recording import EMOTIONS, Recording

ANSWER = "Emotion: {label}"


def conversation(reading, label, rng, n_follow_ups=0):
    """Messages: the recording, its emotion, then questions with answers that hold."""
    messages = [
        {"role": "user", "content": reading.prompt()},
        {"role": "assistant", "content": ANSWER.format(label=label)},
    ]
    for ask, answer in _drawn(follow_ups(reading, label), n_follow_ups, rng):
        messages += [
            {"role": "user", "content": _typed(ask[rng.integers(len(ask))], rng)},
            {"role": "assistant", "content": answer(rng)},
        ]
    return messages


def _drawn(questions, n, rng):
    """`n` of the questions, more often about the recording than about EMG in general."""
    weight = np.array([1.0] * len(GENERAL) + [2.0] * (len(questions) - len(GENERAL)))
    order = rng.choice(len(questions), min(n, len(questions)), False, weight / weight.sum())
    return [questions[i] for i in order]


def _typed(question, rng):
    """A question as people type it: now and then in lower case, or without its mark."""
    if rng.random() < 0.2:
        question = question.lower()
    return question.rstrip("?") if rng.random() < 0.15 else question


def build_rows(dataset, split, bridge, variants=1, n_follow_ups=1, seed=0):
    """The rows of a conversation dataset: training, validation and test recordings.

    Training recordings come `variants` times, each a little varied (see Bridge); the others
    once, as they are. Yields dicts with conversations, messages, label, subject,
    recording_id and split.
    """
    rng = np.random.default_rng(seed)
    for part in ("train", "validation", "test"):
        for i in getattr(split, part):
            item = dataset.item(i)
            if isinstance(item, Recording):
                item = clean(item)  # once for all variants
            for variant in range(variants if part == "train" else 1):
                reading = bridge.read_item(item, rng if variant else None)
                messages = conversation(reading, dataset.labels[i], rng, n_follow_ups)
                yield {
                    "conversations": share_gpt(messages),
                    "messages": messages,
                    "label": dataset.labels[i],
                    "subject": dataset.subjects[i] or "",
                    "recording_id": dataset.ids[i],
                    "split": part,
                }


def correction(reading, reply):
    """What was measured, where a reply says otherwise; empty where what it says holds.

    Checked are every level that it gives a site, and which sites it calls strongest or weakest.
    """
    level = dict(zip(reading.sites, reading.levels, strict=True))
    ranked = [site for site, _ in reading.ranking]
    right = {"strongest": set(ranked[:2]), "weakest": set(ranked[-1:])}
    for text in re.split(r"(?<=[.,;])\s|\band (?=[^,.]*weakest)", reply.lower()):
        told = re.findall(r"([a-z][a-z ]*?)(?: the level is)? \(?([+-]\d+)", text)
        told = {s: int(value) for words, value in told for s in ranked if words.endswith(s)}
        misnamed = any(word in text and told.keys() - sites for word, sites in right.items())
        if misnamed or any(level[site] != value for site, value in told.items()):
            return f"Checked against the signal, that is not so. Measured: {reading.measured}"
    return ""


def share_gpt(messages):
    """Messages as ShareGPT turns (`human` / `gpt`)."""
    speaker = {"user": "human", "assistant": "gpt", "system": "system"}
    return [{"from": speaker[m["role"]], "value": m["content"]} for m in messages]


def from_share_gpt(turns):
    """ShareGPT turns as messages; `human`/`gpt` and `user`/`assistant` are both understood."""
    role = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
    return [
        {
            "role": role.get(t.get("from", t.get("role")), "system"),
            "content": t.get("value", t.get("content")),
        }
        for t in turns
    ]


def examples(messages):
    """One example for each assistant turn: {"prompt": messages before, "completion": it}."""
    return [
        {"prompt": messages[:i], "completion": [m]}
        for i, m in enumerate(messages)
        if m["role"] == "assistant"
    ]


def follow_ups(reading, label):
    """(ways to ask, answer(rng) -> text) for everything this reading can answer."""
    found = [(ask, _choice(*answers)) for ask, answers in GENERAL]
    found.append((WHICH, _choice(f"I read {label}.", f"This looks like {label}.")))
    if reading.levels:
        found += _about_levels(reading, label)
    if reading.snr is not None and reading.levels:
        found.append(_about_quality(reading.snr))
    return found


_AT = re.compile(r"\b(above|below|beside)\b")


def _about_levels(reading, label):
    unit = f" {reading.unit}" if reading.unit else ""
    told = [f"{site} {level:+d}{unit}" for site, level in reading.ranking]
    if len(told) > 1:  # of a single site nothing is strongest
        article = "an" if label[0] in "aeiou" else "a"
        why = _choice(
            f"I read {label} from the whole pattern. The strongest sites are {told[0]} and "
            f"{told[1]}, the weakest is {told[-1]}, against a typical recording.",
            f"The pattern looks like {article} {label} pattern: {told[0]} and {told[1]} are the "
            f"strongest, and {told[-1]} is the weakest.",
        )
        yield ("Why?", "Why do you think so?", f"Why {label}?", f"Why do you read {label}?"), why
        yield (
            (
                "Which sites are strongest?",
                "Which muscle is the strongest?",
                "Which muscles are most active?",
                "Where is it strongest?",
            ),
            _choice(f"The strongest sites are {told[0]} and {told[1]}."),
        )
        yield (
            ("Which site is weakest?", "Which muscle is the weakest?", "Where is it weakest?"),
            _choice(f"The weakest site is {told[-1]}."),
        )
    for i, site in enumerate(reading.sites):
        level = reading.levels[i]
        word = "above" if level > 0 else "below" if level < 0 else "at"
        place = _AT.sub(r"\1 the", site)  # as people say it: above the eye
        yield (
            (
                f"How strong is the {site}?",
                f"What about the {site}?",
                f"Is the {site} active?",
                f"How strong is it at {site}?",
                f"How strong is the muscle {place}?" if place != site else f"And the {site}?",
            ),
            _choice(f"At {site} the level is {level:+d}{unit}, {word} a typical recording."),
        )


def _about_quality(snr):
    word, advice = (
        ("good", "it can be trusted")
        if snr >= 10
        else ("usable", "read it with care")
        if snr >= 3
        else ("poor", "better record it again")
    )
    return (
        ("How good is the signal?", "What is the signal quality?", "Can I trust this recording?"),
        _choice(f"The signal is {word}: the median SNR is {snr:+d} dB, so {advice}."),
    )


def _choice(*answers):
    return lambda rng: answers[rng.integers(len(answers))]


# Questions about EMG in general: ways to ask, ways to answer.
GENERAL = (
    (
        ("What is EMG?", "What does EMG mean?"),
        (
            "Electromyography, EMG, measures the small voltages that muscles make when they "
            "contract. Surface EMG picks them up with electrodes on the skin.",
        ),
    ),
    (
        ("What does RMS mean?", "What is RMS?", "Explain RMS."),
        (
            "RMS is the root mean square of the signal: the usual measure of how strongly a "
            "muscle is active, in microvolts.",
        ),
    ),
    (
        ("What is mean frequency?", "What does the mean frequency tell?"),
        (
            "The mean frequency is the centre of the power spectrum in hertz. It falls when a "
            "muscle tires.",
        ),
    ),
    (
        ("What is variance?", "What does variance mean?"),
        ("Variance is the mean squared distance from the mean: the power of the signal.",),
    ),
    (
        ("What does SNR mean?", "What is SNR?", "Explain the signal-to-noise ratio."),
        (
            "SNR is the signal-to-noise ratio in decibels: the power of the activity over the "
            "noise floor. Above 10 dB is good.",
        ),
    ),
    (
        ("What does dB mean?", "What is a decibel?"),
        ("A decibel tells a ratio of powers: +10 dB is ten times the power, -10 dB a tenth.",),
    ),
    (
        ("How sure are you?", "Are you certain?", "How confident are you?"),
        (
            "I can be wrong. The probabilities beside this chat tell how sure each model is; "
            "people differ a lot in how they move their faces.",
        ),
    ),
    (
        ("Which emotions do you know?", "What can you recognise?"),
        (f"I choose among {', '.join(EMOTIONS[:-1])} and {EMOTIONS[-1]}.",),
    ),
    (
        ("Can you diagnose depression?", "Is this person ill?", "Is this a medical diagnosis?"),
        (
            "No. This is no medical device and I can't diagnose anything; please ask a clinician.",
            "No, I can't tell that. EMG shows muscle activity only, and this is no medical device.",
        ),
    ),
    (
        ("Is this person lying?", "What is this person thinking?", "Does this person like me?"),
        (
            "EMG can't tell that. It shows which facial muscles were active, "
            "not what someone thinks.",
        ),
    ),
    (
        ("Hello", "Hi", "Hello there"),
        ("Hello. Ask me which emotion I read, why, or how good the signal is.",),
    ),
    (
        ("Thanks", "Thank you", "Thanks a lot"),
        ("You are welcome.",),
    ),
    (
        ("What can you do?", "Help", "Who are you?", "What are you?"),
        (
            "I read emotion from facial muscle signals. Ask which emotion I read, why, how strong "
            "a site is, or how good the signal is.",
        ),
    ),
    (
        ("Where are the electrodes?", "Which sites are recorded?"),
        (
            "Eight electrodes: above, below and beside the eye, forehead, beside the mouth, above "
            "the mouth beside the nose, cheek and jaw.",
        ),
    ),
    (
        ("What is mains hum?", "What is 50 Hz noise?"),
        ("Mains hum is interference at 50 or 60 Hz from the power line; it is filtered out.",),
    ),
)

WHICH = (
    "Which emotion is this?",
    "What emotion is it?",
    "What do you read?",
    "Which emotion do you read?",
    "What is the emotion?",
    "How does this person feel?",
)
