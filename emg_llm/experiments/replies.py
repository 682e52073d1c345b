"""Chat with a language model about recordings and check the facts in its replies."""

from collections import Counter

import numpy as np

from emg_llm.chat.conversations import draw_topics
from emg_llm.chat.facts import check
from emg_llm.chat.turns import ANSWER, Chat, likely
from emg_llm.llms.generation import generate

QUESTIONS = 3  # in each chat


def count_reasons(llm, readings, probabilities, n_replies=500, seed=0, progress=False):
    """Counts of right and wrong facts in `n_replies` replies, or a few more: see
    `reasons_figures`.

    readings: list of Reading, the model's input; probabilities: float (readings, labels), its
    scores. Each chat has QUESTIONS and continues from the model's own answers.
    """
    rng = np.random.default_rng(seed)
    drawn = [_draw(llm, readings, probabilities, rng) for _ in range(-(-n_replies // QUESTIONS))]
    chats, questions = zip(*drawn, strict=True)
    counts, wrong = Counter(n_replies=QUESTIONS * len(chats)), Counter()
    for turn in range(QUESTIONS):
        prompts = [chat.asked(q[turn]) for chat, q in zip(chats, questions, strict=True)]
        replies = generate(llm, prompts, progress=progress)
        chats = [chat.answered(reply) for chat, reply in zip(prompts, replies, strict=True)]
        for chat, reply in zip(prompts, replies, strict=True):
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
    """(a chat about a random reading, its QUESTIONS)."""
    k = int(rng.integers(len(readings)))
    label = llm.labels[int(probabilities[k].argmax())]
    scores = likely(llm.labels, probabilities[k])
    topics = draw_topics(readings[k], label, scores, llm.labels, QUESTIONS, rng)
    questions = [ways[rng.integers(len(ways))] for ways, _ in topics]
    return Chat(readings[k], label, scores), questions


def reasons_figures(counts_by_fold):
    """The totals over all folds as a dict for results.json.

    `true`: the share of stated facts that hold (see facts.check); `true_later`: the same from
    the second question on; `replies_true`: among replies that state facts, the share without a
    false one; `other_emotion`: the share of replies that name an emotion other than the scored
    one.
    """
    total, wrong = Counter(), Counter()
    for counts in counts_by_fold:
        total.update({k: n for k, n in counts.items() if k != "wrong"})
        wrong.update(counts["wrong"])
    return {
        "n_replies": total["n_replies"],
        "n_facts": total["n_facts"],
        "true": total["n_true"] / max(total["n_facts"], 1),
        "true_later": total["n_true_later"] / max(total["n_facts_later"], 1),
        "replies_true": 1 - total["n_false"] / max(total["n_stating"], 1),
        "other_emotion": total["n_other_emotion"] / max(total["n_replies"], 1),
        "wrong_most_often": [question for question, _ in wrong.most_common(5)],
    }


def free_text(labels, probabilities, answers):
    """Shares of greedy answers that are no label answer, and that name the top-scoring label.

    probabilities: float (answers, labels), the label scores.
    """
    expected = np.array([ANSWER.format(label=label) for label in labels])
    texts = np.array([answer.strip() for answer in answers])
    return {
        "n": len(texts),
        "not_a_label": float(1 - np.isin(texts, expected).mean()),
        "agrees": float((texts == expected[probabilities.argmax(axis=1)]).mean()),
    }
