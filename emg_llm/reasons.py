"""Do the reasons hold? A language model is asked about recordings, and its replies are checked."""

from collections import Counter

import numpy as np

from emg_llm.about_emg import general_topics
from emg_llm.answers import topics
from emg_llm.conversations import ANSWER, likely, notes, with_notes
from emg_llm.facts import check
from emg_llm.llms.answers import generate

GENERAL_SHARE = 0.15  # of the questions, which no recording is needed for


def count_reasons(llm, readings, probabilities, n_replies=500, seed=0, progress=False):
    """Ask `n_replies` questions about recordings that were read: counts for `reasons_figures`.

    readings: list of Reading, as the model is told them; probabilities: float (readings, labels),
    as it scores them.
    """
    rng = np.random.default_rng(seed)
    cases = [_case(llm, readings, probabilities, rng) for _ in range(n_replies)]
    replies = generate(llm, [case["messages"] for case in cases], progress=progress)
    counts, wrong = Counter(n_replies=n_replies), Counter()
    for case, reply in zip(cases, replies, strict=True):
        facts = check(
            reply, case["reading"], case["label"], case["scores"], case["asked"], llm.labels
        )
        false = [fact for fact in facts if not fact.holds]
        counts["n_facts"] += len(facts)
        counts["n_true"] += len(facts) - len(false)
        counts["n_stating"] += bool(facts)
        counts["n_false"] += bool(false)
        counts["n_other_emotion"] += any(fact.measured == case["label"] for fact in false)
        wrong[case["asked"]] += bool(false)
    return {**counts, "wrong": dict(+wrong)}


def reasons_figures(counted):
    """What several counts (one for each fold) come to: a dict for results.json.

    `true` is the share of all stated facts that hold (see facts.check), `replies_true` that of
    the replies which state any and nothing false, `other_emotion` that of the replies which read
    another emotion than the scored one.
    """
    total, wrong = Counter(), Counter()
    for counts in counted:
        total.update({k: n for k, n in counts.items() if k != "wrong"})
        wrong.update(counts["wrong"])
    return {
        "n_replies": total["n_replies"],
        "n_facts": total["n_facts"],
        "true": total["n_true"] / max(total["n_facts"], 1),
        "replies_true": 1 - total["n_false"] / max(total["n_stating"], 1),
        "other_emotion": total["n_other_emotion"] / max(total["n_replies"], 1),
        "wrong_most_often": [asked for asked, _ in wrong.most_common(5)],
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
        {"role": "user", "content": with_notes(asked, notes(reading, scores))},
    ]
    return {
        "messages": messages,
        "reading": reading,
        "label": label,
        "scores": scores,
        "asked": asked,
    }
