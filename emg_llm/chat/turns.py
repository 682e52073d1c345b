"""The turns of a conversation: the answer's form, what is told with a question, ShareGPT."""

ANSWER = "Emotion: {label}"
LIKELY = 3  # labels whose scores are told


def notes(reading, scores=()):
    """What is told with the first question: scores, and which sites are strongest and weakest.

    Not sooner: a ranking jumps where levels change a little, and would sway the scores by it.
    """
    told = ", ".join(f"{label} {percent} %" for label, percent in scores)
    return " ".join(filter(None, [f"Scored: {told}." if told else "", reading.extremes]))


def with_notes(question, told):
    """A question with `notes` before it."""
    return f"{told} {question}" if told else question


def likely(labels, probabilities, first=None):
    """(label, percent) of the LIKELY likeliest labels.

    first: a label that is to lead; it changes places with the one that does.
    """
    p = dict(zip(labels, map(float, probabilities), strict=True))
    if first is not None:
        best = max(p, key=p.get)
        p[first], p[best] = p[best], p[first]
    ranked = sorted(p, key=p.get, reverse=True)[:LIKELY]
    return tuple((label, round(100 * p[label])) for label in ranked)


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
