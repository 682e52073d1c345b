"""Several models measured in one run, side by side: one table and one picture."""

from pathlib import Path

from emg_llm.evaluation.report import markdown_table

TITLE = "Models side by side"
CONTROLS = (
    *("shuffled_emg", "noise_emg", "shuffled_labels"),
    *("no_emg", "untrained_adapter", "random_base"),
)


def save_comparison(folder, found):
    """Write table.md, table.csv and table.html of {name: results}."""
    from emg_llm.pages import report_page
    from emg_llm.result_plots import comparison_figure

    folder = Path(folder)
    table = comparison_table(found)
    table.to_csv(folder / "table.csv", index=False)
    lines = [f"# {TITLE}", "", *markdown_table(table), "", *(f"- {note}" for note in NOTES)]
    (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shown = "Accuracy with 95 % intervals over people; open circles: the encoder whose codes are "
    shown += "read; dotted: chance."
    figures = {"Accuracy": (shown, comparison_figure(found))}
    page = report_page(TITLE, NOTES, figures, {"All figures": table})
    (folder / "table.html").write_text(page, encoding="utf-8")


NOTES = (
    "accuracy: of recordings, with the 95 % interval over people; p: how often labels in any other "
    "order within each person are met as well.",
    "encoder: what the encoder of the codes says itself; probe: a logistic regression on the same "
    "embeddings.",
    "Controls know nothing and belong to chance; * marks one outside of the central 95 % of what "
    "permuted labels, or permuted names of labels, get.",
    "no label: share of greedy answers to the bare prompt that are no label answer; true: share of "
    "checked statements in replies that hold.",
)


def comparison_table(found):
    """pandas table of {name: results}, one row for each; columns that nobody has are left out."""
    import pandas as pd

    return pd.DataFrame([_row(name, r) for name, r in found.items()]).dropna(axis=1, how="all")


def _row(name, results):
    low, high = results["accuracy_ci95"]
    row = {
        "model": name,
        "accuracy": results["accuracy"],
        "interval": f"{low:.3f}–{high:.3f}",
        "p": f"{results['p_within_people']:.2g}",
    }
    for other in ("encoder", "probe"):
        row[other] = results.get(other, {}).get("accuracy")
    for control in CONTROLS:
        figures = results["controls"].get(control)
        row[control.replace("_", " ")] = figures and _control(figures)
    row["chance"] = results["chance"]
    row["no label"] = results.get("free_text", {}).get("not_a_label")
    row["true"] = results.get("reasons", {}).get("true")
    for point in results.get("few_shot", ())[1:]:
        row[f"{point['trials']} trials"] = point["accuracy"]
    return row


def _control(figures):
    return f"{figures['accuracy']:.3f}" + ("" if figures.get("at_chance", True) else " *")
