"""The results tab: the models' scores, their data and their chance levels."""

import logging
from functools import partial
from pathlib import Path
from string import Template

import gradio as gr
import pandas as pd

from emg_llm.evaluation.results import leading
from emg_llm.plots import results as result_plots
from emg_llm.signal.recording import MONTAGE
from emg_llm.ui.analysis import escape

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
ABOUT, STEPS = HERE / "about.md", HERE / "steps.html"


def results_tab(pipeline):
    """A table and figures of `pipeline.results`."""
    results = pipeline.results if isinstance(pipeline.results, dict) else {}
    gr.Markdown(f"## Results\n{escape(pipeline.trained_on)}", elem_classes="heading")
    table, models = results_frame(results), _models(results)
    if figure := _drawn(_accuracies, models):
        gr.Plot(figure, show_label=False, container=False)
    if table.empty:
        gr.Markdown("This bundle has no results.", elem_classes="hint")
    else:
        gr.Dataframe(table, interactive=False, show_label=False, wrap=True)
    if not (real := real_frame(results)).empty:
        gr.Markdown(
            "## Real people\nAccuracy on recordings made from the powers of real faces, of which "
            "no model has learned, by what is known of the person; and the calibration error.",
            elem_classes="heading",
        )
        gr.Dataframe(real, interactive=False, show_label=False)
    facts, led = [], leading(results)
    if led.get("data"):
        facts.append(f"Data: {escape(led['data'])}")
    if results.get("command"):
        command = str(results["command"]).replace("`", "'")
        facts.append(f"Measured with `{command}`")
    if facts:
        gr.Markdown("  \n".join(facts), elem_classes="hint")
    _figures(models)
    gr.Markdown("## How it works", elem_classes="heading")
    gr.HTML(steps_html(pipeline.codebook.config), elem_id="steps", padding=False)
    gr.Markdown(ABOUT.read_text(encoding="utf-8"), elem_classes="heading")


def steps_html(config):
    """How it works in four pictures; config: a CodebookConfig, whose numbers they state."""
    pitch = 80 / config.depths
    chips = (
        f'<rect x="98" y="{7 + k * pitch:g}" width="52" height="{pitch - 4:g}" rx="4"/>'
        for k in range(config.depths)
    )
    return Template(STEPS.read_text(encoding="utf-8")).substitute(
        electrodes=len(MONTAGE),
        numbers=config.embedding_dim,
        depths=config.depths,
        codes=config.codes,
        chips="".join(chips),
    )


def real_frame(results):
    """pandas: a row for each model, a column for each privilege; empty if nobody was measured."""
    known = {"training": "nothing", "neutral": "a neutral recording", "several": "ten recordings"}
    try:
        rows = {
            model["model"]: {
                name: f"{_percent(by[k]['accuracy'])}, {_percent(by[k]['ece'])}"
                for privilege, name in known.items()
                for by in [results["real_people"][privilege]]
            }
            for k, model in enumerate(results["real_people"]["training"])
        }
    except (KeyError, TypeError, IndexError):
        return pd.DataFrame()
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model").reset_index()


def _figures(models):
    """The figures that the results suffice for, two per row."""
    shown = [
        ("Confidence and accuracy", result_plots.reliability_figure),
        ("Accuracy of the most confident answers", result_plots.abstention_figure),
        ("By person", result_plots.subject_figure),
    ]
    drawn = [(title, figure) for title, make in shown if (figure := _drawn(make, models))]
    parts = [partial(_figure, *each) for each in drawn]
    matrices = {str(m.get("model", "?")): _drawn(result_plots.confusion_figure, m) for m in models}
    if matrices := {name: figure for name, figure in matrices.items() if figure}:
        parts.append(partial(_confusions, matrices))
    for pair in (parts[i : i + 2] for i in range(0, len(parts), 2)):
        with gr.Row():
            for part in pair:
                with gr.Column(min_width=320):
                    part()
            if len(pair) == 1:
                gr.Column(min_width=320)  # keeps the last figure as narrow as the others


def _figure(title, figure):
    gr.Markdown(f"## {escape(title)}", elem_classes="heading")
    gr.Plot(figure, show_label=False, container=False)


def _confusions(matrices):
    """The confusion matrix of one model, the last by default, since it is the mean."""
    last = [*matrices][-1]
    gr.Markdown("## Confusion matrix", elem_classes="heading")
    choice = gr.Dropdown([*matrices], value=last, label="Of")
    shown = gr.Plot(matrices[last], show_label=False, container=False)
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    choice.input(matrices.get, choice, shown, **quiet)


def _accuracies(models):
    """A dot for each model that was measured, or None."""
    found = {str(m["model"]): m for m in models if m.get("accuracy_ci95")}
    return result_plots.comparison_figure(found) if found else None


def _drawn(make, held):
    """The figure, or None if the results have an unexpected form."""
    try:
        return make(held)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):
        log.exception("A figure of the results could not be drawn")
        return None


def _models(results):
    return [entry for entry in leading(results).get("models") or [] if isinstance(entry, dict)]


def results_frame(results):
    """One row per model: accuracy, interval, chance, controls, calibration, 90 % sets."""
    rows, calibration = [], []
    for entry in _models(results):
        row = {
            "model": str(entry.get("model", "?")),
            "accuracy": _percent(entry.get("accuracy")),
            "95 % interval": _interval(entry.get("accuracy_ci95")),
            "people": str(entry.get("n_subjects", "–")),
            "chance": _percent(entry.get("chance")),
        }
        controls = entry.get("controls")
        for name, value in (controls if isinstance(controls, dict) else {}).items():
            if isinstance(value, dict):
                value = value.get("accuracy")
            row[str(name).replace("_", " ")] = _percent(value)
        rows.append(row)
        calibration.append(_calibration(entry))
    # Models have different controls; the calibration follows all of them.
    return pd.concat([pd.DataFrame(rows), pd.DataFrame(calibration)], axis=1).fillna("–")


def _calibration(entry):
    """The columns about the model's probabilities."""
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
