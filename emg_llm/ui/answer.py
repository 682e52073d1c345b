"""The answer: the emotion, its confidence, who agrees and what that is worth; or why there is none.

Texts and HTML. `page.js` hides the answer to a sample until it has been guessed.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from emg_llm.evaluation.prediction import Prediction, mean_of
from emg_llm.evaluation.results import leading
from emg_llm.registry import MEAN
from emg_llm.signal.montage import listed
from emg_llm.signal.recording import EMOTIONS
from emg_llm.signal.simulation.config import is_simulated

SPELLED = {"svm": "the SVM", "cnn": "the CNN", "tcn": "the TCN"}
CHOICES = 4  # to guess from
FEWEST = 10  # test answers that tell how often such answers are right


def answer_html(
    prediction: Prediction,
    llms: Sequence[str],
    results: Any = None,
    truth: str | None = None,
    advice: str = "",
) -> str:
    """The answer to a recording.

    results: the bundle's, to tell what the answer is worth. truth: the emotion that a sample was
    made with, to be guessed before the answer is shown. advice: see `withheld_html`.
    """
    notes = "".join(f'<p class="warning">{escape(text)}</p>' for text in prediction.warnings)
    if prediction.withheld:
        return withheld_html(prediction.withheld, advice) + notes
    voters = prediction.voters or llms
    label, mean = str(prediction.label), mean_of(prediction.probabilities, voters)
    share = mean[label]
    worth = worth_text(prediction, llms, results, share)
    html = (
        f'<h2 class="emotion">{escape(label)}</h2>'
        + _bar(share, len(mean), _whose(prediction, voters))
        + f'<p class="agree">{escape(agreement(prediction, llms))}</p>'
        + (f'<p class="worth">{escape(worth)}</p>' if worth else "")
        + notes
    )
    if truth is None:
        return html
    return (
        f'<emg-guess data-truth="{escape(truth)}">{_question(truth, mean)}'
        f'<div class="revealed" hidden tabindex="-1">{html}</div></emg-guess>'
    )


def withheld_html(reason: str, advice: str = "") -> str:
    """Why no emotion is named, and what to do.

    reason: a sentence, "what is wrong; what to do". advice: what to do instead, if that is easier
    in the app.
    """
    why, _, instead = reason.rpartition("; ") if "; " in reason else (reason, "", "")
    advice = advice or f"{instead[:1].upper()}{instead[1:]}"
    return (
        f'<h2 class="emotion none">No emotion named</h2><p class="why">{escape(_ended(why))}</p>'
        + (f'<p class="instead"><b>What to do.</b> {escape(_ended(advice))}</p>' if advice else "")
    )


def problem_html(text: str) -> str:
    """Why there is no prediction at all."""
    return f'<h2 class="emotion none">No prediction</h2><p class="why">{escape(text)}</p>'


def waiting_html(models: int) -> str:
    """While the models read."""
    return (
        f'<h2 class="emotion none">Reading…</h2><p class="why">{models} models read the '
        'recording.</p><div class="confidence waiting" aria-hidden="true"><i></i></div>'
    )


def agreement(prediction: Prediction, llms: Sequence[str]) -> str:
    """Which models say the same, in one sentence."""
    tops = {name: max(p, key=p.__getitem__) for name, p in prediction.probabilities.items()}
    voters = [name for name in tops if name in llms]
    others = [name for name in tops if name not in llms]
    label = prediction.label
    agree = sum(tops[name] == label for name in voters)
    parts = [SPELLED.get(name, name) for name in others if tops[name] == label]
    if agree and len(voters) == 1:
        parts.insert(0, "the language model")
    elif agree:
        whole = "all" if agree == len(voters) else f"{agree} of"
        parts.insert(0, f"{whole} {len(voters)} language models")
    if not parts:
        return "No model alone says so, but their mean does."
    one = len(parts) == 1 and (len(voters) == 1 or not agree)
    text = f"{listed(parts)} {'says' if one else 'say'} so"
    against = [SPELLED.get(name, name) for name in others if tops[name] != label]
    if against:
        named = {tops[name] for name in others} - {label}
        says = f"say{'s' * (len(against) == 1)} {named.pop()}" if len(named) == 1 else "don’t"
        text += f"; {listed(against)} {says}"
    return f"{text[:1].upper()}{text[1:]}."


def worth_text(prediction: Prediction, llms: Sequence[str], results: Any, share: float) -> str:
    """How often answers as sure as this one were right on people whom no model had seen.

    Empty where nobody measured the models that answer, or with a profile.
    """
    if prediction.known:
        return ""
    led = leading(results) if isinstance(results, dict) else {}
    measured = [m for m in led.get("models") or [] if isinstance(m, dict) and "model" in m]
    rows = {m["model"]: m for m in measured if not m.get("talks")}
    voters = [name for name in prediction.probabilities if name in llms]
    alone = {*prediction.probabilities} - {*voters}
    # Another set of language models has another mean.
    if not voters or {*voters} != {*rows} - alone - {MEAN}:
        return ""
    row = rows.get(MEAN if len(voters) > 1 else voters[0], {})
    chance, people = row.get("chance"), row.get("n_subjects")
    if "accuracy" not in row or not chance or not people:
        return ""
    kind = "simulated people" if is_simulated(row.get("data", "")) else "people"
    near = _nearest_bin(row, share)
    if near is None:
        text = f"On {people} {kind} new to the models, {_percent(row['accuracy'])} of such answers"
    else:
        text = (
            f"On {people} {kind} new to the models, {_percent(near['accuracy'])} of "
            f"{near['n']} answers about this sure"
        )
    return f"{text} were right; guessing gets {_percent(chance)}."


def _nearest_bin(row: Mapping[str, Any], share: float) -> Mapping[str, Any] | None:
    bins = row.get("calibration", {}).get("bins") or []
    bins = [b for b in bins if b["n"] >= FEWEST]
    return min(bins, key=lambda b: abs(b["confidence"] - share), default=None)


def _whose(prediction, llms):
    """Whose mean the shown probability is."""
    voters = [name for name in prediction.probabilities if name in llms]
    if prediction.known and not prediction.prompts.keys() & {*voters}:
        return "mean of the encoders, which learned the person"
    if len(voters) > 1:
        return f"mean of {len(voters)} language models"
    return "by the language model" if voters else "mean of all models"


def _bar(share, n_labels, whose):
    return (
        f'<div class="sure"><b>{_percent(share)}</b> <span>confidence, {whose}</span></div>'
        f'<div class="confidence" role="meter" aria-label="Confidence" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{100 * share:.0f}">'
        f'<i style="width: {100 * share:.1f}%"></i>'
        f'<u style="left: {100 / n_labels:.1f}%" title="Guessing: {_percent(1 / n_labels)}"></u>'
        "</div>"
    )


def _question(truth, mean):
    """Buttons for the truth and the likeliest other emotions, in the order of EMOTIONS."""
    others = sorted((k for k in mean if k != truth), key=mean.__getitem__, reverse=True)
    offered = {truth, *others[: CHOICES - 1]}
    buttons = "".join(
        f'<button type="button" value="{escape(e)}">{escape(e)}</button>'
        for e in (*EMOTIONS, *(k for k in mean if k not in EMOTIONS))
        if e in offered
    )
    return (
        '<div class="question"><h2 class="emotion none">Which emotion is it?</h2>'
        '<p class="why">Look at the face and the signal, and guess.</p>'
        f'<div class="choices">{buttons}</div>'
        '<button type="button" class="skip" value="">Show the answer</button></div>'
        '<p class="guessed" role="status" hidden></p>'
    )


def _ended(text):
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _percent(share):
    return f"{100 * share:.0f} %"
