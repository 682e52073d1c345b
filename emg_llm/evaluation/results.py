"""Results as files, results.json and predictions.csv, and as a line for the terminal."""

import json

from emg_llm.data.tables import csv_bytes
from emg_llm.data.whole import whole


def save_results(folder, results, ids=None, subjects=None, targets=None, probabilities=None):
    """Write results.json and, with probabilities, predictions.csv."""
    import pandas as pd

    with whole(folder) as beside:
        (beside / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        if probabilities is None:
            return
        table = _predictions(results["labels"], ids, subjects, targets, probabilities)
        (beside / "predictions.csv").write_bytes(csv_bytes(pd.DataFrame(table)))


def _predictions(names, ids, subjects, targets, probabilities):
    table = {
        "recording_id": ids,
        "subject": subjects,
        "label": [names[t] for t in targets],
        "predicted": [names[p] for p in probabilities.argmax(axis=1)],
    }
    return table | {f"p_{name}": probabilities[:, i].round(6) for i, name in enumerate(names)}


def named(results):
    """The model, and of an encoder the path that its answers are from: "cnn (power readout)"."""
    model, lead = results["model"], results.get("lead")
    return f"{model} ({lead})" if lead else model


def leading(results):
    """Those of a bundle's results to lead with: of the people whom nothing was chosen on, where
    they were measured."""
    new = results.get("new_people")
    return new if isinstance(new, dict) else results


def headline(results):
    """One line: accuracy, interval, chance, and the numbers of recordings and people."""
    low, high = results["accuracy_ci95"]
    # Recordings of a single person, or of nobody known, are the units themselves.
    over = " over recordings" if results.get("interval_over") == "recordings" else ""
    return (
        f"{named(results)}: accuracy {results['accuracy']:.3f} (95 % interval{over} {low:.3f} "
        f"to {high:.3f}), chance {results['chance']:.3f}, {results['n_recordings']} recordings of "
        f"{people(results['n_subjects'])}"
    )


def people(n):
    """'1 person' or 'n people'."""
    return f"{n} {'person' if n == 1 else 'people'}"


def p_value(p):
    """'p = 0.012' or 'p < 0.0001'."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
