"""The results tab: how well the models do, on what, and against which chance level."""

import logging

import gradio as gr
import pandas as pd

from emg_llm.plots import results as result_plots
from emg_llm.ui.analysis import escape

log = logging.getLogger(__name__)

ABOUT = """\
### How it works
A recording is opened, checked and cleaned (20–450 Hz, mains removed). Features and the
embeddings of neural encoders are taken from its segments; a codebook turns one encoder's
embedding into discrete codes, and each language model reads those codes together with the level
of each electrode, the signal's quality and its timing. Its probabilities are the normalised
likelihoods of the complete answers, not parsed text. The prediction is the emotion with the
highest mean probability over the language models.

In the chat every language model starts from its own scores. When an answer is complete, the
levels, rankings, times and scores that it states are recomputed from the recording: ✓ marks what
agrees, ✗ what doesn't, followed by what was measured.

### How to read the numbers
Every score is counted by recording, on people that the models have never seen, with a
95 % interval from a bootstrap over people. A score means something only above its chance level
and above its controls, which read shuffled or empty signals. Calibration error is the mean gap
between how sure a model is and how often it is right. A 90 % set names as many labels as it takes
to hold the right one 90 % of the time; its coverage was measured on people that it was not
fitted on.
"""


def results_tab(pipeline):
    """What was measured, as `pipeline.results` has it."""
    results = pipeline.results if isinstance(pipeline.results, dict) else {}
    gr.Markdown(f"### Results\n{escape(pipeline.trained_on)}", elem_classes="heading")
    table = results_frame(results)
    if table.empty:
        gr.Markdown("This bundle comes without results.", elem_classes="hint")
    else:
        gr.Dataframe(table, interactive=False, show_label=False)
    facts = []
    if results.get("data"):
        facts.append(f"Data: {escape(results['data'])}")
    if results.get("command"):
        command = str(results["command"]).replace("`", "'")
        facts.append(f"Measured with `{command}`")
    if facts:
        gr.Markdown("  \n".join(facts), elem_classes="hint")
    _figures(_models(results))
    gr.Markdown(ABOUT)


def _figures(models):
    """What the results hold enough for, two beside each other."""
    shown = [
        ("How sure, and how often right", result_plots.reliability_figure, models),
        ("When only the surest are answered", result_plots.abstention_figure, models),
        ("By person", result_plots.subject_figure, models),
        *((f"What {m.get('model', '?')} reads", result_plots.confusion_figure, m) for m in models),
    ]
    drawn = [(title, figure) for title, make, held in shown if (figure := _drawn(make, held))]
    for pair in (drawn[i : i + 2] for i in range(0, len(drawn), 2)):
        with gr.Row():
            for title, figure in pair:
                with gr.Column(min_width=320):
                    gr.Markdown(f"### {escape(title)}", elem_classes="heading")
                    gr.Plot(figure, show_label=False, container=False)
            if len(pair) == 1:
                gr.Column(min_width=320)  # the last figure is no wider than the others


def _drawn(make, held):
    """The figure, or None where the results are of another shape than ours."""
    try:
        return make(held)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):
        log.exception("A figure of the results could not be drawn")
        return None


def _models(results):
    return [entry for entry in results.get("models") or [] if isinstance(entry, dict)]


def results_frame(results):
    """One row for each model: accuracy, interval, chance, controls, calibration, 90 % sets."""
    rows, worth = [], []
    for entry in _models(results):
        row = {
            "model": str(entry.get("model", "?")),
            "accuracy": _percent(entry.get("accuracy")),
            "95 % interval": _interval(entry.get("accuracy_ci95")),
            "chance": _percent(entry.get("chance")),
        }
        controls = entry.get("controls")
        for name, value in (controls if isinstance(controls, dict) else {}).items():
            if isinstance(value, dict):
                value = value.get("accuracy")
            row[str(name).replace("_", " ")] = _percent(value)
        rows.append(row)
        worth.append(_worth(entry))
    # Models have different controls; calibration stands after all of them.
    return pd.concat([pd.DataFrame(rows), pd.DataFrame(worth)], axis=1).fillna("–")


def _worth(entry):
    """The columns that say what the model's probabilities are worth."""
    row, calibration, sets = {}, _held(entry, "calibration"), _held(entry, "conformal")
    if "ece" in entry:
        row["calibration error"] = _percent(entry["ece"])
    if "ece_scaled" in calibration:
        row["after scaling"] = _percent(calibration["ece_scaled"])
    if sets:
        size = sets.get("mean_size")
        row[f"{_percent(sets.get('level'))} sets hold"] = _percent(sets.get("coverage"))
        row["labels in a set"] = f"{size:.1f}" if isinstance(size, (int, float)) else "–"
    return row


def _held(entry, key):
    return entry[key] if isinstance(entry.get(key), dict) else {}


def _percent(value):
    return f"{value:.0%}" if isinstance(value, (int, float)) else "–"


def _interval(value):
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return f"{_percent(value[0])} to {_percent(value[1])}"
    return "–"
