"""Chat with a language model about recordings, and check what it states.

Three kinds of chats: random questions; comparisons of all pairs of sites, which are the only thing
to compute; and "Why?" with a wrong emotion planted.
"""

import re
from collections import Counter
from itertools import permutations

import numpy as np

from emg_llm.chat.conversations import draw_topics
from emg_llm.chat.facts import KINDS, check
from emg_llm.chat.topics import comparison
from emg_llm.chat.turns import ANSWER, Chat, likely
from emg_llm.llms.generation import generate

QUESTIONS = 3  # in each chat
PAIRS_SHARE, PLANTED_SHARE = 3, 5  # replies for each comparison asked, and for each planted label
ALL_PAIRS = "comparison, all pairs of sites"


def count_replies(llm, readings, probabilities, n_replies=500, seed=0, progress=False):
    """Counts of right and wrong facts in `n_replies` replies, or a few more, and in those about
    pairs of sites and planted labels: see `replies_figures`.

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
            facts = [f for f in check(reply, chat, llm.labels) if f.holds is not None]
            false = [fact for fact in facts if not fact.holds]
            counts["n_facts"] += len(facts)
            counts["n_true"] += len(facts) - len(false)
            counts["n_facts_later"] += len(facts) * bool(turn)
            counts["n_true_later"] += (len(facts) - len(false)) * bool(turn)
            counts["n_stating"] += bool(facts)
            counts["n_false"] += bool(false)
            counts["n_other_emotion"] += any(fact.measured == chat.label for fact in false)
            wrong[chat.later[-1]["content"]] += bool(false)
            for fact in facts:
                counts[f"n_{fact.kind}"] += 1
                counts[f"true_{fact.kind}"] += fact.holds
    counts.update(_pairs(llm, readings, probabilities, n_replies, rng, progress))
    counts.update(_planted(llm, readings, probabilities, n_replies // PLANTED_SHARE, rng, progress))
    return {**counts, "wrong": dict(+wrong)}


def _draw(llm, readings, probabilities, rng):
    """(a chat about a random reading, its QUESTIONS)."""
    k = int(rng.integers(len(readings)))
    chat = _chat(llm, readings[k], probabilities[k])
    topics = draw_topics(readings[k], chat.label, chat.scores, llm.labels, QUESTIONS, rng)
    return chat, [ways[rng.integers(len(ways))] for ways, _ in topics]


def _chat(llm, reading, p, label=None):
    """A chat about the likeliest label, or with another `label` in its place."""
    label = llm.labels[int(p.argmax())] if label is None else label
    return Chat(reading, label, likely(llm.labels, p, label))


def _pairs(llm, readings, probabilities, n_replies, rng, progress):
    """Counts of comparisons of two sites, each ordered pair as often as any other.

    A reply is right if it compares the two sites that it was asked about and all that it states
    holds. With more pairs than `n_replies`, so many of them are drawn.
    """
    pairs = list(permutations(range(len(readings[0].sites)), 2))
    if len(pairs) > n_replies:
        pairs = [pairs[k] for k in rng.permutation(len(pairs))[:n_replies]]
    rounds = max(1, round(n_replies / PAIRS_SHARE / max(len(pairs), 1)))
    asked, places = [], []
    for i, j in pairs * rounds:
        k = int(rng.integers(len(readings)))
        if max(i, j) < len(readings[k].sites):
            ways, _ = comparison(readings[k], i, j)
            chat = _chat(llm, readings[k], probabilities[k])
            asked.append(chat.asked(ways[rng.integers(len(ways))]))
            places.append([readings[k].sites[i].lower(), readings[k].sites[j].lower()])
    counts = Counter(n_pairs=len(asked), true_pairs=0)
    for chat, both, reply in zip(
        asked, places, generate(llm, asked, progress=progress) if asked else (), strict=True
    ):
        facts = check(reply, chat, llm.labels)
        compares = any(fact.kind == "comparison" for fact in facts)
        named = all(site in reply.lower() for site in both)
        counts["true_pairs"] += compares and named and all(f.holds is not False for f in facts)
    return counts


def _planted(llm, readings, probabilities, n, rng, progress):
    """Counts of answers to "Why?" that are word for word the same with a wrong label planted,
    but for the label."""
    some = rng.permutation(len(readings))[:n]
    pairs = []
    for k in some if len(llm.labels) > 1 else ():
        own = _chat(llm, readings[k], probabilities[k])
        other = str(rng.choice([label for label in llm.labels if label != own.label]))
        pairs.append((own, _chat(llm, readings[k], probabilities[k], other)))
    chats = [chat.asked("Why?") for pair in pairs for chat in pair]
    replies = generate(llm, chats, progress=progress) if chats else []
    names = "|".join(map(re.escape, sorted(llm.labels, key=len, reverse=True)))
    bare = [re.sub(rf"\b(?:an? )?(?:{names})\b", "…", reply) for reply in replies]
    return Counter(
        n_planted=len(pairs),
        n_same_words=sum(a == b for a, b in zip(bare[::2], bare[1::2], strict=True)),
    )


def replies_figures(counts_by_fold):
    """{"replies", "facts", "planted"}: the totals over all folds for results.json.

    replies: `true` is the share of stated facts that hold (see facts.check); `true_later` the same
    from the second question on; `replies_true`: among replies that state facts, the share without
    a false one; `other_emotion`: the share of replies that name an emotion other than the scored
    one. facts: a list of the number of facts and the share that holds for each of KINDS, and for
    replies about ALL_PAIRS. planted: the share of answers to "Why?" that a planted label leaves
    word for word the same.
    """
    total, wrong = Counter(), Counter()
    for counts in counts_by_fold:
        total.update({k: n for k, n in counts.items() if k != "wrong"})
        wrong.update(counts["wrong"])
    figures = {
        "replies": {
            "n_replies": total["n_replies"],
            "n_facts": total["n_facts"],
            "true": total["n_true"] / max(total["n_facts"], 1),
            "true_later": total["n_true_later"] / max(total["n_facts_later"], 1),
            "replies_true": 1 - total["n_false"] / max(total["n_stating"], 1),
            "other_emotion": total["n_other_emotion"] / max(total["n_replies"], 1),
            "wrong_most_often": [question for question, _ in wrong.most_common(5)],
        },
        "facts": [
            {"kind": kind, "source": source, "n": n, "true": total[f"true_{kind}"] / n}
            for kind, source in KINDS.items()
            if (n := total[f"n_{kind}"])
        ],
    }
    if n := total["n_pairs"]:
        row = {"kind": ALL_PAIRS, "source": "computed", "n": n, "true": total["true_pairs"] / n}
        figures["facts"].append(row)
    if n := total["n_planted"]:
        figures["planted"] = {"n": n, "same_words": total["n_same_words"] / n}
    return figures


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
