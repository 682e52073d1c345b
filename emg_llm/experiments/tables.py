"""The results of a bundle as Markdown tables, as in the README and the documentation."""

from emg_llm.evaluation.results import leading
from emg_llm.experiments.replies import ALL_PAIRS


def table(results):
    """The bundle's results as a Markdown table, as in the README: of the people whom nothing was
    chosen on, if they were measured."""
    models = leading(results)["models"]
    rows = [_row(model) for model in models]
    if looked_up := next((m["lookup"] for m in models if "lookup" in m), None):
        first = next(i for i, m in enumerate(models) if "lookup" in m)
        chance = {"chance": models[first]["chance"]}
        rows.insert(first, _row({"model": "first code looked up"} | looked_up | chance))
    columns = [name for name in rows[0] if any(row[name] != "–" for row in rows)]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join(lines + [f"| {' | '.join(row[c] for c in columns)} |" for row in rows])


def real_table(results):
    """The accuracies on real people as a Markdown table, and the calibration errors; None where
    they were not measured."""
    if "real_people" not in results:
        return None
    by_model = {}
    for models in results["real_people"].values():
        for model in models:
            low, high = model["accuracy_ci95"]
            figure = f"{model['accuracy']:.3f} ({low:.2f}–{high:.2f}), {model['ece']:.2f}"
            by_model.setdefault(model["model"], []).append(figure)
    lines = [
        "| model | nothing known | a neutral recording | ten recordings |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {n} | {' | '.join(row)} |" for n, row in by_model.items())])


def _row(model):
    """A model's row: {column: text}, "–" for what was not measured."""
    low, high = model["accuracy_ci95"]
    controls = model.get("controls", {})
    replies, facts = model.get("replies"), model.get("facts", ())
    pairs = next((f["true"] for f in facts if f["kind"] == ALL_PAIRS), None)
    return {
        "model": model["model"],
        "accuracy (95 %)": f"{model['accuracy']:.3f} ({low:.3f}–{high:.3f})",
        "log loss": _figure(model.get("log_loss")),
        "people": str(model["n_subjects"]),
        "chance": _figure(model["chance"]),
        "noise EMG": _figure(controls.get("noise_emg", {}).get("accuracy")),
        "the encoder's label": _share(model.get("encoder", {}).get("agreement")),
        "facts that hold": f"{_share(replies['true'])} of {replies['n_facts']}" if replies else "–",
        "comparisons": _share(pairs),
        "questions answered": _share(model.get("questions", {}).get("answered")),
    }


def _figure(value):
    return "–" if value is None else f"{value:.3f}"


def _share(value):
    return "–" if value is None else f"{100 * value:.1f} %"
