"""Accuracy by recording, label and person, with intervals and controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emg_llm.evaluation.calibration import (
    abstention_curve,
    calibration_figures,
    calibrations,
    conformal_figures,
    expected_calibration_error,
)
from emg_llm.evaluation.confidence import Confidence
from emg_llm.evaluation.statistics import above_chance, share_interval, units_name

ALPHA = 0.05
LEAST_P = 1e-6


def results_of(
    model: str, data: str, protocol: Mapping[str, Any], *figures: Any, **more: Any
) -> dict[str, Any]:
    """A results.json: model, data, protocol (see Split.protocol) and the result of `evaluate`."""
    about = {"model": model, "data": data, "protocol": dict(protocol)}
    return about | evaluate(*figures, **more)


def evaluate(
    labels: Sequence[str],
    targets: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray,
    confidence: Confidence | None = None,
) -> dict[str, Any]:
    """The figures of every results file.

    labels: names; targets: int (n,); probabilities: float (n, labels), a row for each recording;
    groups: (n,), the person of each recording; intervals are over people. confidence: the model's
    own, which its probabilities have in them already. Without one, each person's is fitted on the
    other people, and a single person gets neither temperature nor sets.
    """
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

    targets, groups = np.asarray(targets), np.asarray(groups)
    probabilities = np.asarray(probabilities, np.float64)
    predicted = probabilities.argmax(axis=1)
    correct = predicted == targets
    present = sorted(set(targets.tolist()))
    folds = calibrations(targets, probabilities, groups, confidence)
    covered, conformal = conformal_figures(targets, folds)
    results = {
        "labels": list(labels),
        "n_recordings": len(targets),
        "n_subjects": len(set(groups.tolist())),
        "accuracy": float(correct.mean()),
        "accuracy_ci95": share_interval(correct, groups),
        "interval_over": units_name(groups),
        "balanced_accuracy": float(balanced_accuracy_score(targets, predicted)),
        "macro_f1": float(
            f1_score(targets, predicted, labels=present, average="macro", zero_division=0)
        ),
        "log_loss": log_loss(targets, probabilities),
        "ece": expected_calibration_error(probabilities, targets),
        "chance": 1 / len(labels),
        "confusion_matrix": confusion_matrix(
            targets, predicted, labels=range(len(labels))
        ).tolist(),
        "controls": {
            "majority": float(np.bincount(targets).max() / len(targets)),
            "shuffled_emg": shuffled_control(predicted, targets, len(labels)),
        },
        "p_above_chance": above_chance(predicted, targets, groups, len(labels)),
        "per_class": per_class(labels, targets, predicted),
        "per_subject": per_subject(correct, groups),
        "calibration": calibration_figures(targets, probabilities, folds),
        "abstention": abstention_curve(targets, probabilities),
    }
    if conformal:
        interval = share_interval(covered, groups)
        results["conformal"] = conformal | {"coverage_ci95": interval}
    return results


def log_loss(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log p(true label), in nats; below LEAST_P, which predictions.csv rounds to 0, every
    probability counts as LEAST_P."""
    p = np.asarray(probabilities)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(p, LEAST_P)).mean())


def per_class(labels, targets, predicted):
    """Precision, recall, F1 and support of each label: a list of dicts in the labels' order."""
    from sklearn.metrics import precision_recall_fscore_support

    figures = precision_recall_fscore_support(
        targets, predicted, labels=range(len(labels)), zero_division=0
    )
    return [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": n}
        for label, p, r, f, n in zip(labels, *figures[:3], figures[3].tolist(), strict=True)
    ]


def per_subject(correct, groups):
    """Accuracy of each person, lowest first; empty if nobody has two recordings."""
    names, member = np.unique(groups, return_inverse=True)
    if len(names) == len(groups):
        return []
    n = np.bincount(member)
    accuracy = np.bincount(member, weights=correct) / n
    return [
        {"subject": str(names[i]), "n": int(n[i]), "accuracy": float(accuracy[i])}
        for i in np.argsort(accuracy, kind="stable")
    ]


def shuffled_control(predicted, targets, n_labels):
    """{"accuracy": the expected accuracy with the signals shuffled among the recordings}.

    It follows from how often each label is shown and given, whatever the model reads, and so is no
    test of it.
    """
    shown, given = (np.bincount(x, minlength=n_labels) / len(targets) for x in (targets, predicted))
    return {"accuracy": float(shown @ given)}


def accuracy_of(targets, probabilities, groups):
    """The accuracy, its interval over people, and the log loss."""
    correct = probabilities.argmax(axis=1) == np.asarray(targets)
    figures = {"accuracy": float(correct.mean()), "accuracy_ci95": share_interval(correct, groups)}
    return figures | {"log_loss": log_loss(targets, probabilities)}


def control(targets, probabilities, groups):
    """accuracy_of a control, and p and at_chance: whether it reads nothing, not even one label.

    groups: the units that differ in what a control leaves to luck: people, or the draws of random
    weights, which may know a label by luck, and then for all people. Unlike in `evaluate`,
    recognising people counts as reading: see `above_chance`.
    """
    predicted, n_labels = probabilities.argmax(axis=1), probabilities.shape[1]
    p = above_chance(predicted, targets, groups, n_labels, by_person=False)
    return accuracy_of(targets, probabilities, groups) | {"p": p, "at_chance": p >= ALPHA}
