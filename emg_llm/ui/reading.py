"""What one LLM read of a recording, and how it scores the labels, as HTML."""

from html import escape

from emg_llm.conversations import likely

UNREAD = '<div class="scores unread">Its scores and what it read appear here.</div>'


def reading_html(llm, prediction):
    """The likeliest labels with a bar each, and, folded away, what it read."""
    probabilities = prediction.probabilities.get(llm)
    if probabilities is None:
        return '<div class="scores unread">It can\'t read this recording.</div>'
    rows = "".join(
        f'<li><span class="label">{escape(label)}</span>'
        f'<span class="bar" aria-hidden="true"><i style="width:{percent}%"></i></span>'
        f'<span class="share">{percent} %</span></li>'
        for label, percent in likely(probabilities, probabilities.values())
    )
    tokens = prediction.tokens.get(llm)
    codes = f'<p>Codes: <span class="codes">{escape(" ".join(tokens))}</span></p>' if tokens else ""
    return (
        f'<ul class="scores" aria-label="{escape(llm)}: likeliest emotions">{rows}</ul>'
        f'<details class="read"><summary>What {escape(llm)} read</summary>{codes}'
        f'<p class="codes">{escape(prediction.prompts.get(llm, ""))}</p></details>'
    )
