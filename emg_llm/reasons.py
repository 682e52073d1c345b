"""Do the reasons hold? A language model is asked about recordings, and its replies are checked."""

from collections import Counter

import numpy as np

from emg_llm.answers import general_topics, topics
from emg_llm.conversations import ANSWER, likely, with_scores
from emg_llm.facts import check
from emg_llm.llms.answers import generate

GENERAL_SHARE = 0.15  # of the questions, which no recording is needed for


def measure_reasons(llm, readings, probabilities, n_replies=500, seed=0, progress=False):
    """Ask `n_replies` questions about recordings that were read: a dict of counts and shares.

    readings: list of Reading, as the model is told them; probabilities: float (readings, labels),
    as it scores them. `true` is the share of all stated facts that hold (see facts.check), and
    `replies_true` that of the replies that state any and nothing false; `other_emotion` that of
    the replies that read another emotion than the scored one.
    """
    rng = np.random.default_rng(seed)
    cases = [_case(llm, readings, probabilities, rng) for _ in range(n_replies)]
    replies = generate(llm, [case["messages"] for case in cases], progress=progress)
    stated = true = silent = false_replies = other = 0
    wrong = Counter()
    for case, reply in zip(cases, replies, strict=True):
        facts = check(
            reply, case["reading"], case["label"], case["scores"], case["asked"], llm.labels
        )
        false = [fact for fact in facts if not fact.holds]
        stated, true = stated + len(facts), true + len(facts) - len(false)
        silent, false_replies = silent + (not facts), false_replies + bool(false)
        other += any(fact.measured == case["label"] for fact in false)
        wrong[case["asked"]] += bool(false)
    return {
        "n_replies": n_replies,
        "n_facts": stated,
        "true": true / max(stated, 1),
        "replies_true": 1 - false_replies / max(n_replies - silent, 1),
        "other_emotion": other / n_replies,
        "wrong_most_often": [ask for ask, n in wrong.most_common(5) if n],
    }


def _case(llm, readings, probabilities, rng):
    k = int(rng.integers(len(readings)))
    reading, label = readings[k], llm.labels[int(probabilities[k].argmax())]
    scores = likely(llm.labels, probabilities[k])
    found = list(topics(reading, label, scores, llm.labels))
    if rng.random() < GENERAL_SHARE:
        found = list(general_topics(llm.labels))
    ways = found[rng.integers(len(found))][0]
    asked = ways[rng.integers(len(ways))]
    messages = [
        {"role": "user", "content": reading.prompt()},
        {"role": "assistant", "content": ANSWER.format(label=label)},
        {"role": "user", "content": with_scores(asked, scores)},
    ]
    return {
        "messages": messages,
        "reading": reading,
        "label": label,
        "scores": scores,
        "asked": asked,
    }
