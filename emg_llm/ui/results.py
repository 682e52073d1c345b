"""The results tab: how well the models do, on what, and against which chance level."""

import gradio as gr
import pandas as pd

from emg_llm.ui.analysis import escape

ABOUT = """\
### How it works
A recording is opened, checked and cleaned (20–450 Hz, mains removed). Features and the
embeddings of a neural encoder are taken from its segments; a codebook turns the embeddings into
discrete codes, and a small language model reads those codes together with the features. Its
probabilities are the normalised likelihoods of the complete answers, not parsed text.

### How to read the numbers
Every score is counted by recording, on people that the models have never seen, with a
95 % interval from a bootstrap over people. A score means something only above its chance level
and above its controls, which read shuffled or empty signals.
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
    gr.Markdown(ABOUT)


def results_frame(results):
    """One row for each model: accuracy, its interval, chance and controls, in per cent."""
    rows = []
    for entry in results.get("models") or []:
        if not isinstance(entry, dict):
            continue
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
    return pd.DataFrame(rows).fillna("–")


def _percent(value):
    return f"{value:.0%}" if isinstance(value, (int, float)) else "–"


def _interval(value):
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return f"{_percent(value[0])} to {_percent(value[1])}"
    return "–"
