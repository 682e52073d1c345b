"""Prediction and results -> statements about what the models read, and how far to trust them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emg_llm.evaluation.prediction import Prediction, mean_of
from emg_llm.evaluation.results import leading
from emg_llm.registry import MEAN
from emg_llm.report.statements import Report, Statement, state
from emg_llm.signal.simulation.config import is_simulated

# Of every recording: what none can tell, what words mean, and what can be asked.
LIMITS = "medical", "mind", "elsewhere", "unrecorded"
TERMS = "term_emg", "term_rms", "term_snr", "term_db", "help"
LIKE = "The recording looks like those that the models learned from."
UNLIKE = "The recording is unlike those that the models learned from, or its sites are unknown."


def report(
    signal: Report,
    prediction: Prediction,
    voters: Sequence[str],
    results: Mapping[str, Any],
    trained_on: str,
    model: str | None = None,
) -> Report:
    """The report on a recording and on what models say of it.

    signal: the report on its signal; model: whose emotion it is, by default the mean of `voters`.
    """
    voters = [model] if model in prediction.probabilities else voters
    said = *of_prediction(prediction, voters), *of_results(results, trained_on, model)
    return signal.adding(said)


def of_prediction(prediction: Prediction, voters: Sequence[str]) -> Iterator[Statement]:
    """The emotion with its probability by model, or why none is named.

    voters: the models whose mean decides, all where none of them answered.
    """
    if prediction.withheld:
        yield state("withheld", prediction.withheld)
        yield state("familiar", "no", word=UNLIKE)
        return
    by_model = prediction.probabilities
    mean = mean_of(by_model, voters)
    first, *others = sorted(mean, key=mean.__getitem__, reverse=True)
    yield state("emotion", first)
    yield state("probability", round(100 * mean[first]))
    if others:
        yield state("second", others[0], more=f"Its probability is {100 * mean[others[0]]:.0f} %.")
    tops = {model: max(p, key=p.__getitem__) for model, p in by_model.items()}
    for model, label in tops.items():
        yield state("model", round(100 * by_model[model][label]), model, label)
    agree = sum(label == first for label in tops.values())
    against = ", ".join(f"{m}: {label}" for m, label in tops.items() if label != first)
    yield state("agreement", agree, word=str(len(tops)), more=against and f"Others: {against}.")
    yield state("familiar", "yes", word=LIKE)


def of_results(
    results: Mapping[str, Any], trained_on: str, model: str | None = None
) -> Iterator[Statement]:
    """What the models learned from, and how often `model` is right, by default the mean of the
    language models, or else the first; then the limits of any such reading."""
    if trained_on:
        yield state("trained_on", trained_on)
    rows = {row["model"]: row for row in leading(results).get("models", ()) if "accuracy" in row}
    row = rows.get(model or MEAN) or rows.get(MEAN) or next(iter(rows.values()), None)
    if row:
        yield state("accuracy", round(100 * row["accuracy"]), word=row["model"], more=_with(row))
        if "chance" in row:
            yield state("chance", round(100 * row["chance"]))
    for kind in (*LIMITS, *TERMS):
        yield state(kind, None)


def _with(row):
    """What a figure was measured with, in a sentence."""
    parts = ["simulated people"] if is_simulated(row.get("data", "")) else []
    if "accuracy_ci95" in row:
        low, high = row["accuracy_ci95"]
        parts.append(f"95 % interval {100 * low:.0f} to {100 * high:.0f} %")
    if "n_recordings" in row:
        parts.append(f"{row['n_recordings']} recordings of {row['n_subjects']} people")
    return f"({'; '.join(parts)})" if parts else ""
