"""What was measured, for people: sentences, tables, results.md and one page with the figures."""

from pathlib import Path

from emg_llm.data.tables import csv_bytes
from emg_llm.evaluation.results import headline

TABLES = {
    "per_class": "By label",
    "per_subject": "By person",
    "learning_curve": "By number of training people",
    "few_shot": "By labelled trials of each label from the new person",
    "channels": "One channel alone",
}
GROUPINGS = {
    "subject": "Nobody who is scored was trained on.",
    "given": "The data's own split column says who is scored; nobody is on two sides of it.",
    "session": "The people who are scored were trained on in other sessions: this is no score for "
    "new people.",
    "recording": "Nobody knows whose recordings these are, so the people who are scored may have "
    "been trained on.",
    "all": "Other data than the model was trained on.",
}

TITLE = "Models side by side"
CONTROLS = (
    *("shuffled_emg", "noise_emg", "shuffled_labels"),
    *("no_emg", "untrained_adapter", "random_base"),
)


def save_report(folder, results):
    """Write results.md, report.html, and a CSV of each table that the results hold."""
    from emg_llm.plots.page import report_page

    folder, tables = Path(folder), result_tables(results)
    title = f"{results['model']} on {results['data']}"
    for name in TABLES:
        path = folder / f"{name}.csv"
        if name in tables:
            path.write_bytes(csv_bytes(tables[name]))
        else:  # left by an earlier run that measured more
            path.unlink(missing_ok=True)
    lines = [f"# {title}", "", *(f"- {sentence}" for sentence in summary(results))]
    for name, table in tables.items():
        lines += ["", f"## {TABLES[name]}", "", *markdown_table(table)]
    (folder / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    headed = {TABLES[name]: table for name, table in tables.items()}
    page = report_page(title, summary(results), result_figures(results), headed)
    (folder / "report.html").write_text(page, encoding="utf-8")


def summary(results):
    """What was found, a list of sentences; only of what the results hold."""
    protocol, controls = results["protocol"], results["controls"]
    folds = f", {protocol['folds']} folds" if "folds" in protocol else ""
    sentences = [
        f"{headline(results)}.",
        f"Protocol {protocol['name'].replace('_', ' ')}{folds}. "
        f"{GROUPINGS.get(protocol['grouping'], '')}".strip(),
    ]
    told = [
        f"{name.replace('_', ' ')} {c['accuracy'] if isinstance(c, dict) else c:.3f}"
        for name, c in controls.items()
    ]
    p, within = controls["shuffled_emg"]["p"], results["p_within_people"]
    sentences.append(
        f"Controls: {', '.join(told)}. Against shuffled EMG p = {p:.3g}, against labels shuffled "
        f"within each person p = {within:.3g}."
    )
    sentences += _beside(results)
    calibration, sets = results["calibration"], results.get("conformal")
    if "ece_scaled" in calibration:
        sentences.append(
            f"Calibration error {calibration['ece']:.3f}, after temperature scaling "
            f"{calibration['ece_scaled']:.3f} (temperature {calibration['temperature']:.2f}, "
            f"fitted on {calibration['fitted_on']})."
        )
    if sets:
        low, high = sets["coverage_ci95"]
        sentences.append(
            f"Sets that should hold the label {sets['level']:.0%} of the time hold it "
            f"{sets['coverage']:.1%} ({low:.1%} to {high:.1%}) and name {sets['mean_size']:.1f} "
            f"labels on average (conformal, {sets['method']}, fitted on {sets['fitted_on']})."
        )
    curve = results["abstention"]
    half = curve["accuracy"][curve["share"].index(0.5)]
    sentences.append(
        f"Answering only the surest half: accuracy {half:.3f}; area under the abstention curve "
        f"{curve['area']:.3f}."
    )
    if people := results["per_subject"]:
        worst, best = people[0], people[-1]
        sentences.append(
            f"From {worst['accuracy']:.3f} ({worst['subject']}) to {best['accuracy']:.3f} "
            f"({best['subject']}) by person."
        )
    for key, count, what in (
        ("learning_curve", "n_people", "training people"),
        ("few_shot", "trials", "labelled trials of each label from the new person"),
    ):
        if key in results:
            told = [f"{p[count]}: {p['accuracy']:.3f}" for p in results[key]]
            sentences.append(f"Accuracy by {what}: {', '.join(told)}.")
    if "channels" in results:
        best = max(results["channels"], key=lambda p: p["accuracy"])
        sentences.append(f"The best channel alone, {best['channel']}: {best['accuracy']:.3f}.")
    return sentences


def _beside(results):
    """What is told of a language model alone."""
    for name, what in (("encoder", "The encoder"), ("probe", "A probe on the same embeddings")):
        if name in results:
            low, high = results[name]["gain_ci95"]
            yield (
                f"{what}: {results[name]['accuracy']:.3f}; the language model reads "
                f"{100 * results[name]['gain']:+.1f} points more ({100 * low:+.1f} to "
                f"{100 * high:+.1f})."
            )
    if text := results.get("free_text"):
        yield (
            f"Of {text['n']} free answers {text['not_a_label']:.1%} are no label, and "
            f"{text['agrees']:.1%} name the label that scores highest."
        )
    if reasons := results.get("reasons"):
        yield (
            f"Of {reasons['n_facts']} checked statements in {reasons['n_replies']} replies "
            f"{reasons['true']:.1%} hold; {reasons['other_emotion']:.1%} of the replies read "
            "another emotion than the scored one."
        )


def result_tables(results):
    """{name: pandas table} of those of TABLES that the results hold; intervals as two columns."""
    import pandas as pd

    return {
        name: pd.DataFrame([flat(row) for row in results[name]])
        for name in TABLES
        if results.get(name)
    }


def result_figures(results):
    """{heading: (what it shows, figure)} of all that the results hold."""
    from emg_llm.plots import results as plots

    chance = results["chance"]
    found = {
        "Confusion matrix": (
            "Which label is read as which; counts of recordings.",
            plots.confusion_figure(results),
        ),
        "Reliability": (
            "How often the model is right where it is so sure; on the dotted line it is as often "
            "right as it is sure.",
            plots.reliability_figure([results]),
        ),
        "Abstention": (
            "Accuracy when only the recordings that the model is surest of are answered.",
            plots.abstention_figure([results]),
        ),
        "By person": ("Accuracy of each person.", plots.subject_figure([results])),
        "Training people": (
            "Accuracy when fewer people are trained on; 95 % intervals over the people tested.",
            plots.curve_figure(
                results.get("learning_curve"), "n_people", "training people", chance
            ),
        ),
        "Personal trials": (
            "Accuracy when the new person gives some labelled trials; these are never scored.",
            plots.curve_figure(
                results.get("few_shot"), "trials", "trials of each label given", chance
            ),
        ),
        "Channels": (
            "Accuracy when one channel is kept and the others tell nothing.",
            plots.channel_figure(results),
        ),
    }
    return {heading: shown for heading, shown in found.items() if shown[1] is not None}


def flat(row):
    """A row of figures with each interval, `ci95` or `..._ci95`, as two columns."""
    columns = {}
    for key, value in row.items():
        if key.endswith("ci95"):
            columns[f"{key}_low"], columns[f"{key}_high"] = value
        else:
            columns[key] = value
    return columns


def markdown_table(table):
    """Lines of a Markdown table."""
    text = table.map(lambda v: f"{v:.3f}" if isinstance(v, float) and v == v else _cell(v))
    yield f"| {' | '.join(table.columns)} |"
    yield f"|{'---|' * len(table.columns)}"
    yield from (f"| {' | '.join(row)} |" for row in text.itertuples(index=False))


def _cell(value):
    return "–" if value != value else str(value).replace("|", "\\|").replace("\n", " ")


def save_comparison(folder, found):
    """Write table.md, table.csv and table.html of {name: results}."""
    from emg_llm.plots.page import report_page
    from emg_llm.plots.results import comparison_figure

    folder = Path(folder)
    table = comparison_table(found)
    (folder / "table.csv").write_bytes(csv_bytes(table))
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
