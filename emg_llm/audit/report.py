"""An audit in words: the finding, the table, the page."""

import pandas as pd

from emg_llm.audit.leak import MODELS, SPLITS

SHOWN = 20  # duplicates that the page lists


def finding(results):
    """What the splits of a `measure_leak` say together, in words that need no background."""
    level = _levels(results)[0]
    loose, *_, strict = [row[level]["accuracy"] for row in results["splits"]]
    leak = results["leak"][level]
    low, high = leak["points_ci95"]
    whom = "people" if results["leak"]["to"] == "people" else "recordings"
    said = (
        f"With {level}s split at random the model is right on {_percent(loose)} of them; when it "
        f"is tested on {whom} that it has not met, on {_percent(strict)} (chance is "
        f"{_percent(results['chance'])})."
    )
    points = f"{leak['points']:.1f} points (95 % interval {low:.1f} to {high:.1f})"
    if low <= 0:
        return f"{said} The difference, {points}, can't be told from none at all in this data."
    if results["preset"] == "original":
        why = "noisy copies and neighbours of the tested segments are in training"
    else:
        why = f"the same {whom} are in training and test, and the model recognises them"
    return f"{said} The difference, {points}, is leak: at random, {why}."


def duplicates_sentence(results):
    """How many pairs hold one signal twice, and how many of them leak."""
    pairs = results["duplicates"]
    if not pairs:
        return "Nothing is in the data twice."
    kinds = [p["across"] for p in pairs]
    words = {
        "people": "across people",
        "parts": "across parts of the split",
        "recordings": "of people who are unknown",
        None: "within a person",
    }
    counts = ", ".join(f"{kinds.count(k)} {word}" for k, word in words.items() if k in kinds)
    return f"{len(pairs)} pair{'s hold' if len(pairs) > 1 else ' holds'} the same data: {counts}."


def caution(results):
    """What the figures don't tell, or nothing."""
    lone = results["lone_labels"]
    if results["leak"]["to"] == "people":
        if not lone:
            return ""
        return (
            f"Only one person has {', '.join(lone)}, which nobody can learn from other people and "
            "which counts as leak here; choose other labels with --labels."
        )
    return (
        "People are unknown, or there is only one, so there is no score across people and the "
        "leak may be larger than it seems; add a 'subject' column."
    )


def table(results):
    """A pandas table, one row for each split: accuracies with intervals, and chance."""
    rows = []
    for split in results["splits"]:
        row = {"split": SPLITS[split["split"]]}
        for level in _levels(results):
            row[f"{level} accuracy"] = split[level]["accuracy"]
            row[f"{level} low"], row[f"{level} high"] = split[level]["accuracy_ci95"]
        rows.append(row | {"chance": results["chance"]})
    return pd.DataFrame(rows).round(4)


def markdown(results):
    """The page: what was measured, the table, the finding, the duplicates."""
    levels = _levels(results)
    people = f"{results['n_subjects']} people" if results["n_subjects"] else "unknown people"
    chance = f" {results['chance']:.3f} "

    def row(name, figures, key, form, chance=" "):
        cells = [form.format(figures[x][key], *figures[x][f"{key}_ci95"]) for x in levels]
        return f"| {name} | {' | '.join(cells)} |{chance}|"

    lines = [
        f"# Leakage audit of {results['data']}",
        "",
        f"{results['n_recordings']} recordings of {people}, {len(results['labels'])} labels. "
        + results["units"],
        "",
        f"Model: {MODELS[results['model']]}; the same under every split.",
        "",
        "| split | " + " | ".join(f"{level} accuracy (95 %)" for level in levels) + " | chance |",
        "|---|" + "---|" * (len(levels) + 1),
        *(
            row(SPLITS[x["split"]], x, "accuracy", "{:.3f} ({:.3f}–{:.3f})", chance)
            for x in results["splits"]
        ),
        row("**leak**", results["leak"], "points", "{:+.1f} points ({:.1f} to {:.1f})"),
        "",
        finding(results),
    ]
    lines += ["", caution(results)] if caution(results) else []
    lines += ["", "## Duplicates", "", duplicates_sentence(results), ""]
    if results["refused"]:
        lines += [f"**Leak:** {results['refused']}", ""]
    pairs = sorted(results["duplicates"], key=lambda p: p["across"] is None)  # leaks first
    lines += [f"- {p['sentence']}" for p in pairs[:SHOWN]]
    if len(pairs) > SHOWN:
        lines.append(f"- … and {len(pairs) - SHOWN} more, all in results.json.")
    return "\n".join(lines).rstrip() + "\n"


def _levels(results):
    return [level for level in ("segment", "recording") if level in results["leak"]]


def _percent(share):
    return f"{100 * share:.1f} %"
