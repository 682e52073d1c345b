"""What each model says: a table of probabilities, labels by models, as HTML."""

from collections.abc import Sequence
from html import escape

from emg_llm.evaluation.prediction import Prediction, mean_of
from emg_llm.registry import MEAN
from emg_llm.signal.montage import listed

LEAST = 0.01  # probability of a label that gets a row
TITLE = "What each model says"


def votes_html(prediction: Prediction, llms: Sequence[str]) -> str:
    """The table, folded away; labels below 1 % with every model share a line below it."""
    by_model = prediction.probabilities
    if not by_model:
        return ""
    mean = mean_of(by_model, prediction.voters or llms)
    labels = sorted(mean, key=mean.__getitem__, reverse=True)
    shown = [k for k in labels if max(p.get(k, 0.0) for p in by_model.values()) >= LEAST]
    voters = [name for name in by_model if name in llms]
    columns = dict(by_model)
    if len(voters) != 1:
        whose = "mean of LLMs" if voters and not prediction.known else "mean"
        columns = {whose: mean} | columns
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    tops = {name: max(p, key=p.__getitem__) for name, p in columns.items()}
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(_cell(p.get(label, 0.0), tops[name] == label) for name, p in columns.items())
        + "</tr>"
        for label in shown
    )
    rest = [label for label in labels if label not in shown]
    notes = [f"Below 1 % with every model: {listed(rest)}."] if rest else []
    if unsure := prediction.sets.get(MEAN):
        notes.append(f"The language models together can’t rule out {listed(unsure)}.")
    return (
        f'<details class="votes"><summary>{TITLE}</summary>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{TITLE}"><table>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"<p>{escape(' '.join(notes))}</p></details>"
    )


def _cell(share, is_top):
    """A probability with a bar; the model's first choice in bold."""
    text = f"{100 * share:.0f} %" if share >= LEAST else "<1 %"
    text = f"<b>{text}</b>" if is_top else escape(text)
    return f'<td style="--share: {100 * share:.0f}%">{text}</td>'
