"""How to show each emotion, for a visitor who records them one by one."""

SHOW = {
    "anger": "Draw your brows down and together, and press your lips.",
    "anxiety": "Tense your brows and your jaw, as if you waited for bad news.",
    "contempt": "Tighten and raise one corner of your mouth.",
    "delight": "Smile broadly and raise your brows.",
    "disgust": "Wrinkle your nose and raise your upper lip.",
    "fear": "Raise your brows and draw them together; open your eyes wide.",
    "happiness": "Smile, with your eyes too.",
    "neutral": "Relax your whole face; look ahead.",
    "perplexity": "Frown with one brow up, as at a riddle.",
    "pride": "Hold your head high, with a small smile.",
    "sadness": "Raise the inner ends of your brows and let the corners of your mouth fall.",
    "surprise": "Raise your brows, and open your eyes and your mouth.",
}
FIRST = "neutral", "happiness", "anger", "surprise", "sadness", "disgust", "fear"


def order(labels):
    """The labels in the order in which to ask for them: those of most use first."""
    return [*(e for e in FIRST if e in labels), *(e for e in labels if e not in FIRST)]


def next_label(counts, labels):
    """The label with the fewest recordings, the first in order."""
    return min(order(labels), key=lambda label: counts.get(label, 0))


def prompt(label, counts):
    """What to do now, in Markdown."""
    n = counts.get(label, 0)
    so_far = f" You have {n} so far." if n else ""
    how = SHOW.get(label, "")
    return (
        f"**{label.capitalize()}.** {how} Record about three seconds, then upload the file "
        f"below.{so_far}"
    )
