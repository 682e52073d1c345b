"""Reports of results: sentences, tables, results.md and an HTML page with figures."""

import math
from pathlib import Path

from emg_llm.data.tables import csv_bytes
from emg_llm.evaluation.results import headline, p_value, people

TABLES = {
    "per_class": "By label",
    "per_subject": "By person",
    "learning_curve": "By number of training people",
    "few_shot": "By labelled trials of each label from the new person",
    "channels": "One channel alone",
    "inputs": "What each input of the language model changes",
    "facts": "What replies state about a recording",
}
GROUPINGS = {
    "subject": "Nobody who is scored is in the training data.",
    "given": "The data's own split column decides who is scored; no person is on both sides.",
    "session": "The scored people are in the training data with other sessions: this is no score "
    "for new people.",
    "recording": "The recordings have no person, so the scored people may be in the training data.",
    "all": "Data from outside the model's training.",
}
CAPTIONS = {
    "Confusion matrix": "Counts of recordings by true and predicted label.",
    "Reliability": "Accuracy against confidence; on the dotted line they are equal.",
    "Abstention": "Accuracy when the model answers only its most confident recordings.",
    "By person": "Accuracy for each person.",
    "Training people": "Accuracy with fewer training people; 95 % intervals over the test people.",
    "Personal trials": "Accuracy with labelled trials from the new person, which are not scored.",
    "Channels": "Accuracy with one channel alone; the others carry no information.",
}

READERS = {
    "encoder": "The encoder",
    "probe": "A probe on the same embeddings",
    "lookup": "A table of the commonest label for each first code",
    "powers_alone": "Noise with each recording's own powers, which is what powers alone tell",
}

REPORT = tuple(f"{name}.csv" for name in TABLES)  # of an earlier run with more measurements


def save_report(folder, results):
    """Write results.md, report.html and a CSV for each table in the results."""
    from emg_llm.plots.page import report_page

    folder, tables = Path(folder), result_tables(results)
    title = f"{results['model']} on {results['data']}"
    for name in TABLES:
        if name in tables:
            (folder / f"{name}.csv").write_bytes(csv_bytes(tables[name]))
    lines = [f"# {title}", "", *(f"- {sentence}" for sentence in summary(results))]
    for name, table in tables.items():
        lines += ["", f"## {TABLES[name]}", "", *markdown_table(table)]
    (folder / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    headed = {TABLES[name]: table for name, table in tables.items()}
    page = report_page(title, summary(results), result_figures(results), headed)
    (folder / "report.html").write_text(page, encoding="utf-8")


def summary(results):
    """The findings in the results, a list of sentences."""
    protocol, controls = results["protocol"], results["controls"]
    folds = f", {protocol['folds']} folds" if "folds" in protocol else ""
    sentences = [
        f"{headline(results)}.",
        f"Protocol {protocol['name'].replace('_', ' ')}{folds}. "
        f"{GROUPINGS.get(protocol['grouping'], '')}".strip(),
        f"Log loss {results['log_loss']:.3f}; equal probabilities have "
        f"{-math.log(results['chance']):.3f}.",
    ]
    scores = [
        f"{name.replace('_', ' ')} {c['accuracy'] if isinstance(c, dict) else c:.3f}"
        for name, c in controls.items()
    ]
    sentences.append(
        f"Above what each person's labels and answers would give by chance: "
        f"{p_value(results['p_above_chance'])} over {_units(results)}. Controls: "
        f"{', '.join(scores)}."
    )
    sentences += _beside(results)
    calibration, sets = results["calibration"], results.get("conformal")
    if "ece_scaled" in calibration:
        sentences.append(
            f"Calibration error {calibration['ece']:.3f}, after temperature scaling "
            f"{calibration['ece_scaled']:.3f} (temperature {calibration['temperature']:.2f}, "
            f"fitted on {calibration['fitted_on']})."
        )
    elif "fitted_on" in calibration:
        sentences.append(
            f"Calibration error {calibration['ece']:.3f}, with the temperature "
            f"{calibration['temperature']:.2f} from {calibration['n_fitted_on']} "
            f"{calibration['fitted_on']}."
        )
    if sets:
        low, high = sets["coverage_ci95"]
        sentences.append(
            f"Sets of labels that promise {sets['level']:.0%}, from {sets['n_fitted_on']} "
            f"{sets['fitted_on']}, hold the true one in {sets['coverage']:.1%} of cases "
            f"({low:.1%} to {high:.1%}, {_units(results)}), with {sets['mean_size']:.1f} labels on "
            f"average. {sets['one_label']:.0%} of them have a single label"
            + (
                f", which is right in {sets['one_label_accuracy']:.1%}."
                if sets["one_label"]
                else "."
            )
        )
    curve = results["abstention"]
    half = curve["accuracy"][curve["share"].index(0.5)]
    sentences.append(
        f"Accuracy on the most confident half: {half:.3f}; area under the abstention curve: "
        f"{curve['area']:.3f}."
    )
    if persons := results["per_subject"]:
        worst, best = persons[0], persons[-1]
        sentences.append(
            f"Accuracy by person: from {worst['accuracy']:.3f} ({worst['subject']}) to "
            f"{best['accuracy']:.3f} ({best['subject']})."
        )
    for key, count, what in (
        ("learning_curve", "n_people", "training people"),
        ("few_shot", "trials", "labelled trials of each label from the new person"),
    ):
        if key in results:
            points = [f"{p[count]}: {p['accuracy']:.3f}" for p in results[key]]
            sentences.append(f"Accuracy by {what}: {', '.join(points)}.")
    for shots in results.get("few_shot", ())[1:]:
        if "nearest_trial" in shots:
            sentences.append(
                f"After {shots['trials']} trials of each label, the first in time: "
                f"{shots['accuracy_blocked']:.3f}. The nearest trial alone, without a model: "
                f"{shots['nearest_trial']:.3f}, and {shots['nearest_trial_blocked']:.3f} in time; "
                f"the model adds {100 * shots['over_nearest_trial']:+.1f} and "
                f"{100 * shots['over_nearest_trial_blocked']:+.1f} points."
            )
    if "channels" in results:
        best = max(results["channels"], key=lambda p: p["accuracy"])
        sentences.append(f"The best channel alone, {best['channel']}: {best['accuracy']:.3f}.")
    return sentences


def _units(results):
    over_people = results["interval_over"] == "people"
    return people(results["n_subjects"]) if over_people else f"{results['n_recordings']} recordings"


def _beside(results):
    """Sentences on what else reads the recordings, and for language models only."""
    for name, what in READERS.items():
        if name in results:
            low, high = (100 * gain for gain in results[name]["gain_ci95"])
            yield (
                f"{what}: {results[name]['accuracy']:.3f}; the model differs by "
                f"{100 * results[name]['gain']:+.1f} points ({low:+.1f} to {high:+.1f}, "
                f"{p_value(results[name]['gain_p'])}, {_units(results)}) and gives the same label "
                f"in {results[name]['agreement']:.1%}."
            )
    if inputs := results.get("inputs"):
        changes = [f"{row['input']} {row['changed']:.1%}" for row in inputs[1:]]
        yield (
            f"Share of {inputs[0]['n_recordings']} labels that change with the input: "
            f"{', '.join(changes)}."
        )
    if text := results.get("free_text"):
        yield (
            f"Of {text['n']} free answers, {text['not_a_label']:.1%} are not a label and "
            f"{text['agrees']:.1%} are the label with the highest score."
        )
    if replies := results.get("replies"):
        yield (
            f"Of {replies['n_facts']} factual claims in {replies['n_replies']} replies, "
            f"{replies['true']:.1%} match the recording; {1 - replies['replies_true']:.1%} of the "
            f"replies that make any make a false one; {replies['other_emotion']:.1%} name another "
            "emotion than the one with the highest score. Most claims can be copied from the "
            "prompt; comparisons must be computed."
        )
    if asked := results.get("questions"):
        yield (
            f"{asked['answered']:.1%} of {asked['n']} questions as people type them are answered "
            f"in the chat, {asked['quoted']:.1%} by the nearest statements without a model; "
            f"{asked['false']:.1%} of {asked['n_checked']} checkable statements are false."
        )
    if planted := results.get("planted"):
        yield (
            f"With a wrong emotion planted, {planted['same_words']:.1%} of {planted['n']} answers "
            'to "Why?" are word for word the same, but for the emotion.'
        )


def result_tables(results):
    """{name: pandas table} for the TABLES in the results; an interval is two columns."""
    import pandas as pd

    return {
        name: pd.DataFrame([flat(row) for row in results[name]])
        for name in TABLES
        if results.get(name)
    }


def result_figures(results):
    """{heading: (caption, figure)} for the CAPTIONS in the results."""
    from emg_llm.plots import results as plots

    chance, curve, shots = (results.get(k) for k in ("chance", "learning_curve", "few_shot"))
    figures = {
        "Confusion matrix": plots.confusion_figure(results),
        "Reliability": plots.reliability_figure([results]),
        "Abstention": plots.abstention_figure([results]),
        "By person": plots.subject_figure([results]),
        "Training people": plots.curve_figure(curve, "n_people", "training people", chance),
        "Personal trials": plots.curve_figure(
            shots, "trials", "trials of each label given", chance
        ),
        "Channels": plots.channel_figure(results),
    }
    return {name: (CAPTIONS[name], f) for name, f in figures.items() if f is not None}


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
    """The lines of a Markdown table."""
    text = table.map(lambda v: f"{v:.3f}" if isinstance(v, float) and v == v else _cell(v))
    yield f"| {' | '.join(table.columns)} |"
    yield f"|{'---|' * len(table.columns)}"
    yield from (f"| {' | '.join(row)} |" for row in text.itertuples(index=False))


def _cell(value):
    return "–" if value != value else str(value).replace("|", "\\|").replace("\n", " ")
