"""Do the reasons hold? A language model is asked about recordings, and its replies are checked."""

from collections import Counter

import numpy as np

from emg_llm.chat.conversations import draw_topics
from emg_llm.chat.facts import check
from emg_llm.chat.turns import ANSWER, Chat, likely
from emg_llm.llms.generation import generate

QUESTIONS = 3  # of a chat about one recording


def count_reasons(llm, readings, probabilities, n_replies=500, seed=0, progress=False):
    """Chat about recordings that were read, `n_replies` or a few more: counts for
    `reasons_figures`.

    readings: list of Reading, as the model is told them; probabilities: float (readings, labels),
    as it scores them. Each chat has QUESTIONS, and goes on from the model's own answers.
    """
    rng = np.random.default_rng(seed)
    drawn = [_draw(llm, readings, probabilities, rng) for _ in range(-(-n_replies // QUESTIONS))]
    chats, questions = zip(*drawn, strict=True)
    counts, wrong = Counter(n_replies=QUESTIONS * len(chats)), Counter()
    for turn in range(QUESTIONS):
        asked = [chat.asked(q[turn]) for chat, q in zip(chats, questions, strict=True)]
        replies = generate(llm, asked, progress=progress)
        chats = [chat.answered(reply) for chat, reply in zip(asked, replies, strict=True)]
        for chat, reply in zip(asked, replies, strict=True):
            facts = check(reply, chat, llm.labels)
            false = [fact for fact in facts if not fact.holds]
            counts["n_facts"] += len(facts)
            counts["n_true"] += len(facts) - len(false)
            counts["n_facts_later"] += len(facts) * bool(turn)
            counts["n_true_later"] += (len(facts) - len(false)) * bool(turn)
            counts["n_stating"] += bool(facts)
            counts["n_false"] += bool(false)
            counts["n_other_emotion"] += any(fact.measured == chat.label for fact in false)
            wrong[chat.later[-1]["content"]] += bool(false)
    return {**counts, "wrong": dict(+wrong)}


def _draw(llm, readings, probabilities, rng):
    """(a chat about one of some readings, QUESTIONS to ask in it), drawn at random."""
    k = int(rng.integers(len(readings)))
    label = llm.labels[int(probabilities[k].argmax())]
    scores = likely(llm.labels, probabilities[k])
    topics = draw_topics(readings[k], label, scores, llm.labels, QUESTIONS, rng)
    questions = [ways[rng.integers(len(ways))] for ways, _ in topics]
    return Chat(readings[k], label, scores), questions


def reasons_figures(counted):
    """What several counts (one for each fold) come to: a dict for results.json.

    `true` is the share of all stated facts that hold (see facts.check), `true_later` of those in
    answers to a second question or a later one, `replies_true` that of the replies which state
    any and nothing false, `other_emotion` that of the replies which read another emotion than the
    scored one.
    """
    total, wrong = Counter(), Counter()
    for counts in counted:
        total.update({k: n for k, n in counts.items() if k != "wrong"})
        wrong.update(counts["wrong"])
    return {
        "n_replies": total["n_replies"],
        "n_facts": total["n_facts"],
        "true": total["n_true"] / max(total["n_facts"], 1),
        "true_later": total["n_true_later"] / max(total["n_facts_later"], 1),
        "replies_true": 1 - total["n_false"] / max(total["n_stating"], 1),
        "other_emotion": total["n_other_emotion"] / max(total["n_replies"], 1),
        "wrong_most_often": [asked for asked, _ in wrong.most_common(5)],
    }


def free_text(labels, probabilities, answers):
    """Greedy answers to the bare prompts: how many are no label answer, how many agree.

    probabilities: float (answers, labels), as the labels are scored. An answer agrees that names
    the label which scores highest.
    """
    expected = np.array([ANSWER.format(label=label) for label in labels])
    said = np.array([answer.strip() for answer in answers])
    return {
        "n": len(said),
        "not_a_label": float(1 - np.isin(said, expected).mean()),
        "agrees": float((said == expected[probabilities.argmax(axis=1)]).mean()),
    }
