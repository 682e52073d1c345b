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
    lines += not_muscle(results) if "not_muscle" in results else []
    lines += ["", "## Duplicates", "", duplicates_sentence(results), ""]
    if results["refused"]:
        lines += [f"**Leak:** {results['refused']}", ""]
    pairs = sorted(results["duplicates"], key=lambda p: p["across"] is None)  # leaks first
    lines += [f"- {p['sentence']}" for p in pairs[:SHOWN]]
    if len(pairs) > SHOWN:
        lines.append(f"- … and {len(pairs) - SHOWN} more, all in results.json.")
    return "\n".join(lines).rstrip() + "\n"


def not_muscle(results):
    """Lines of the page: the table of what isn't muscle, its warnings and notes."""
    traps = results["not_muscle"]
    rows = sorted(traps["rows"], key=lambda r: (r["level"] == "", -r["accuracy"]))
    rows = [r for r in rows if not r.get("same") or r["level"]]
    same = [r["feature"] for r in traps["rows"] if r.get("same") and not r["level"]]
    chance = f"{traps['chance']:.3f}"
    form = "| {} | {:.3f} ({:.3f}–{:.3f}) | {} | {} |"
    lines = [
        *("", "## What isn't muscle", ""),
        "Each alone, read by a tree that is tested on new people. Not all of them are errors, but "
        "a score may owe them as much as this.",
        "",
        *("| feature | accuracy alone (95 %) | chance | of the model's |", "|---|---|---|---|"),
    ]
    for r in rows[:SHOWN]:
        share = "–" if r["explains"] is None else f"{100 * r['explains']:.0f} %"
        mark = f"**{r['feature']}**" if r["level"] == "warning" else r["feature"]
        lines.append(form.format(mark, r["accuracy"], *r["accuracy_ci95"], chance, share))
    if len(rows) > SHOWN:
        lines += ["", f"… and {len(rows) - SHOWN} more, all in not_muscle.csv."]
    if same:
        lines += ["", f"The same in all: {', '.join(same)}."]
    lines += [""] + [f"- **Warning:** {text}" for text in results["warnings"]]
    lines += [f"- Note: {r['sentence']}" for r in rows if r["level"] == "note"]
    return lines if results["warnings"] else [*lines, "- Nothing here tells the label to a model."]


def traps_table(results):
    """A pandas table with one row for each thing that isn't muscle."""
    rows = []
    for r in results["not_muscle"]["rows"]:
        low, high = r["accuracy_ci95"]
        row = {"feature": r["feature"], "accuracy": r["accuracy"], "low": low, "high": high}
        row |= {"chance": results["not_muscle"]["chance"], "explains": r["explains"]}
        rows.append(row | {"level": r["level"], "sentence": r["sentence"]})
    return pd.DataFrame(rows).round(4)


def _levels(results):
    return [level for level in ("segment", "recording") if level in results["leak"]]


def _percent(share):
    return f"{100 * share:.1f} %"
