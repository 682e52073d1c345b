"""Several models side by side: one table, with paired differences to one of them."""

from pathlib import Path

import numpy as np

from emg_llm.data.tables import csv_bytes
from emg_llm.evaluation.report import READERS, markdown_table
from emg_llm.evaluation.results import p_value
from emg_llm.evaluation.statistics import difference

TITLE = "Models side by side"
CONTROLS = (
    *("noise_emg", "same_person", "other_person", "shuffled_labels"),
    *("no_emg", "untrained_adapter", "random_base"),
)
SHOTS = {
    "accuracy_blocked": "first in time",
    "nearest_trial": "the nearest alone",
    "nearest_trial_blocked": "the nearest, first in time",
}
COMPARISON = (
    "95 % intervals over people; open circles: the encoder behind the codes; dotted: chance."
)
NOTES = (
    "accuracy: of recordings, with the 95 % interval over people; people: how many were tested; p: "
    "that a model which knows only how often a person shows and is given each label reads as well.",
    "points over …: paired difference in accuracy on the same recordings, with its 95 % interval "
    "over people and the p of a paired t test.",
    "leads: which part of an encoder answers; each part's own accuracy is in the rows below it.",
    "encoder: the encoder's own accuracy; probe: a logistic regression on the same embeddings; "
    "lookup: the commonest training label for each first code; agreement: share of recordings with "
    "the encoder's label; powers alone: the model, given noise with each recording's own powers.",
    "Controls should be at chance; * marks one that reads more than that (p < 0.05, over people, "
    "or over the draws of random weights and labels).",
    "no label: share of greedy answers to the bare prompt that are not a label; true: share of "
    "factual claims in replies that match the recording.",
)


def save_comparison(folder, results, scored=None):
    """Write table.md, table.csv and table.html of {name: results}; scored: see `differences`."""
    from emg_llm.plots.page import report_page
    from emg_llm.plots.results import comparison_figure

    folder = Path(folder)
    table = comparison_table(results, scored)
    (folder / "table.csv").write_bytes(csv_bytes(table))
    lines = [f"# {TITLE}", "", *markdown_table(table), "", *(f"- {note}" for note in NOTES)]
    (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figures = {"Accuracy": (COMPARISON, comparison_figure(results))}
    page = report_page(TITLE, NOTES, figures, {"All figures": table})
    (folder / "table.html").write_text(page, encoding="utf-8")


def baseline(results):
    """The name that the others are compared with: the best SVM, or the first model."""
    svms = [name for name, r in results.items() if r["model"] == "svm"]
    return max(svms, key=lambda name: results[name]["accuracy"]) if svms else next(iter(results))


def differences(scored, base):
    """{name: `difference` to the model `base` on the recordings that both were scored on}.

    scored: {name: (rows int (n,), whether each is read correctly, people of the rows)}. A model
    that shares no recording with `base` is left out.
    """
    theirs, before, _ = scored[base]
    gains = {}
    for name, (rows, after, groups) in scored.items():
        _, mine, same = np.intersect1d(rows, theirs, return_indices=True)
        if name != base and len(mine):
            gains[name] = difference(after[mine], before[same], groups[mine])
    return gains


def comparison_table(results, scored=None):
    """A pandas table with a row for each of {name: results}, without empty columns."""
    import pandas as pd

    base = baseline(results)
    gains = differences(scored, base) if scored else {}
    rows = []
    for name, r in results.items():
        rows.append(_row(name, r, base, gains.get(name)) | {"leads": r.get("lead")})
        rows += [
            _path(f"{name}: {path}", r, figures) for path, figures in r.get("paths", {}).items()
        ]
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _row(name, results, base, gain):
    low, high = results["accuracy_ci95"]
    row = {
        "model": name,
        "accuracy": results["accuracy"],
        "interval": f"{low:.3f}–{high:.3f}",
        "people": results["n_subjects"],
        f"points over {base}": gain and points(gain),
        "log loss": results.get("log_loss"),
        "p": p_value(results["p_above_chance"]).removeprefix("p = ").removeprefix("p "),
    }
    for other in READERS:
        row[other.replace("_", " ")] = results.get(other, {}).get("accuracy")
    row["agreement"] = results.get("encoder", {}).get("agreement")
    for control in CONTROLS:
        figures = results["controls"].get(control)
        row[control.replace("_", " ")] = figures and _control(figures)
    row["chance"] = results["chance"]
    row["no label"] = results.get("free_text", {}).get("not_a_label")
    row["true"] = results.get("replies", {}).get("true")
    for point in results.get("few_shot", ())[1:]:
        row[f"{point['trials']} trials"] = point["accuracy"]
        for key, words in SHOTS.items():
            row[f"{point['trials']} trials, {words}"] = point.get(key)
    return row


def _path(name, results, figures):
    low, high = figures["accuracy_ci95"]
    row = {"model": name, "accuracy": figures["accuracy"], "interval": f"{low:.3f}–{high:.3f}"}
    return row | {"people": results["n_subjects"], "chance": results["chance"]}


def points(gain):
    """A `difference` in percentage points: "+3.1 (+0.4 to +5.8, p = 0.03)"."""
    low, high = (100 * x for x in gain["gain_ci95"])
    return f"{100 * gain['gain']:+.1f} ({low:+.1f} to {high:+.1f}, {p_value(gain['gain_p'])})"


def _control(figures):
    return f"{figures['accuracy']:.3f}" + ("" if figures.get("at_chance", True) else " *")
