"""The text of an audit: the finding, the table, the page."""

import pandas as pd

from emg_llm.audit.leak import MODELS, SPLITS

SHOWN = 20  # duplicates listed on the page


def finding(results):
    """The result of `measure_leak` in plain words."""
    level = _levels(results)[0]
    loose, *_, strict = [row[level]["accuracy"] for row in results["splits"]]
    leak = results["leak"][level]
    low, high = leak["points_ci95"]
    kept = "people" if results["leak"]["to"] == "people" else "recordings"
    scores = (
        f"With {level}s split at random the model classifies {_percent(loose)} of them correctly; "
        f"on new {kept}, {_percent(strict)} (chance is {_percent(results['chance'])})."
    )
    points = f"{leak['points']:.1f} points (95 % interval {low:.1f} to {high:.1f})"
    if low <= 0:
        return f"{scores} The difference, {points}, is not distinguishable from zero in this data."
    if results["preset"] == "original":
        why = "noisy copies and neighbours of the tested segments are in the training set"
    else:
        why = f"the same {kept} are in training and test, and the model recognises them"
    return f"{scores} The difference, {points}, is leak: in a random split, {why}."


def duplicates_sentence(results):
    """How many pairs of duplicates there are, and how many of them leak."""
    pairs = results["duplicates"]
    if not pairs:
        return "The data has no duplicates."
    kinds = [p["across"] for p in pairs]
    words = {
        "people": "across people",
        "parts": "across parts of the split",
        "recordings": "of unknown people",
        None: "within a person",
    }
    counts = ", ".join(f"{kinds.count(k)} {word}" for k, word in words.items() if k in kinds)
    return f"{len(pairs)} pair{'s have' if len(pairs) > 1 else ' has'} the same data: {counts}."


def caution(results):
    """A limit of the figures, or an empty string."""
    lone = results["lone_labels"]
    if results["leak"]["to"] == "people":
        if not lone:
            return ""
        return (
            f"Only one person has {', '.join(lone)}, so no model can learn this from other people "
            "and it counts as leak here; choose other labels with --labels."
        )
    return (
        "People are unknown, or there is only one, so there is no score across people and the "
        "leak may be larger than shown; add a 'subject' column."
    )


def table(results):
    """A pandas table with one row per split: accuracies with intervals, and chance."""
    rows = []
    for split in results["splits"]:
        row = {"split": SPLITS[split["split"]]}
        for level in _levels(results):
            row[f"{level} accuracy"] = split[level]["accuracy"]
            row[f"{level} low"], row[f"{level} high"] = split[level]["accuracy_ci95"]
        rows.append(row | {"chance": results["chance"]})
    return pd.DataFrame(rows).round(4)


def markdown(results):
    """The page in Markdown: data, table, finding, duplicates."""
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
        f"Model: {MODELS[results['model']]}; the same for every split.",
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
