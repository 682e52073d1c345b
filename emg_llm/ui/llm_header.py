"""The header of an LLM's answers as HTML: its name, scores and prompt."""

from html import escape

from emg_llm.chat.turns import likely
from emg_llm.registry import REPORT
from emg_llm.ui.busy import BUSY

UNREAD = '<p class="hint">Its scores and its prompt appear here.</p>'
WITHHELD = '<p class="hint">Not asked, because no emotion is named.</p>'
QUOTED = (
    '<p class="hint">Answers with the statements of the report that are nearest to the question. '
    "No language model writes them.</p>"
)
TALKS = (
    '<p class="hint">A small language model that answers from the statements nearest to the '
    "question. What it says can be wrong.</p>"
)
BUSY_HERE = '<p class="hint">Busy with other people\'s recordings.</p>'
REFUSED = '<p class="hint">It can\'t read this recording.</p>'


def unread_html(llm, talks=False):
    """The header before there is a recording; talks: whether the LLM reads no emotion."""
    return _named(llm, QUOTED if llm == REPORT else TALKS if talks else UNREAD)


def reading_html(llm, prediction, talks=False):
    """The likeliest labels with bars, and the prompt, folded away."""
    if llm == REPORT or talks:
        return unread_html(llm, talks)
    if prediction.withheld:
        return _named(llm, WITHHELD)
    probabilities = prediction.probabilities.get(llm)
    if probabilities is None:
        return _named(llm, BUSY_HERE if BUSY in prediction.warnings else REFUSED)
    rows = "".join(
        f'<li><span class="label">{escape(label)}</span>'
        f'<span class="bar" aria-hidden="true"><i style="width:{percent}%"></i></span>'
        f'<span class="share">{percent} %</span></li>'
        for label, percent in likely(probabilities, probabilities.values())
    )
    tokens = prediction.tokens.get(llm)
    codes = f'<p>Codes: <span class="codes">{escape(" ".join(tokens))}</span></p>' if tokens else ""
    return _named(
        llm,
        f'<ul class="scores" aria-label="Likeliest emotions">{rows}</ul>'
        f'<details class="folded"><summary>Prompt</summary>{codes}'
        f'<p class="codes">{escape(prediction.prompts.get(llm, ""))}</p></details>',
    )


def not_loaded_html(reasons):
    """The reasons why language models are missing, {name: sentence}, folded away."""
    rows = "".join(
        f"<li><b>{escape(name)}</b>: {escape(reason)}</li>" for name, reason in reasons.items()
    )
    names = escape(", ".join(reasons))
    return (
        f'<details class="folded"><summary>Not loaded: {names}</summary><ul>{rows}</ul></details>'
    )


def _named(llm, html):
    return f'<h3 class="llm">{escape(llm)}</h3>{html}'
