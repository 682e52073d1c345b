"""Accuracy by recording, label and person, with intervals and controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emg_llm.evaluation.confidence import (
    abstention_curve,
    calibration_figures,
    conformal_figures,
    expected_calibration_error,
)

N_BOOTSTRAP = 2000
N_PERMUTATIONS = 1000
N_WITHIN = 10_000  # permutations within people
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
    seed: int = 0,
    calibration: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """The figures of every results file.

    labels: names; targets: int (n,); probabilities: float (n, labels), a row for each recording;
    groups: (n,), the person of each recording; intervals bootstrap over people. calibration:
    (targets, probabilities) of validation people, to fit the temperature and the conformal
    threshold. Without it, the other test people are used, and a single person gets neither.
    """
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

    targets, groups = np.asarray(targets), np.asarray(groups)
    probabilities = np.asarray(probabilities, np.float64)
    predicted = probabilities.argmax(axis=1)
    correct = predicted == targets
    present = sorted(set(targets.tolist()))
    rng = np.random.default_rng(seed)
    covered, conformal = conformal_figures(targets, probabilities, groups, calibration)
    results = {
        "labels": list(labels),
        "n_recordings": len(targets),
        "n_subjects": len(set(groups.tolist())),
        "accuracy": float(correct.mean()),
        "accuracy_ci95": bootstrap_interval(correct, groups, rng),
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
            "shuffled_emg": shuffled_control(predicted, targets, rng),
        },
        "p_within_people": within_people_p(predicted, targets, groups, rng),
        "per_class": per_class(labels, targets, predicted),
        "per_subject": per_subject(correct, groups),
        "calibration": calibration_figures(targets, probabilities, groups, calibration),
        "abstention": abstention_curve(targets, probabilities),
    }
    if conformal:
        interval = bootstrap_interval(covered, groups, rng)
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


def bootstrap_interval(correct, groups, rng, n=N_BOOTSTRAP):
    """95 % bootstrap interval of the accuracy over people, not recordings: [low, high].

    A single person's recordings are resampled instead: one person would give a width of zero.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        names = member = np.arange(len(correct))
    hits = np.bincount(member, weights=correct)
    sizes = np.bincount(member)
    drawn = rng.integers(len(names), size=(n, len(names)))
    accuracy = hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return [float(q) for q in np.percentile(accuracy, (2.5, 97.5))]


def shuffled_control(predicted, targets, rng, n=N_PERMUTATIONS):
    """Accuracy with the signals shuffled among the recordings, over `n` shuffles.

    A prediction depends only on the signal, so shuffling the predictions is equivalent. p is the
    share of shuffles that score as well as the true pairing.
    """
    scores = np.array([np.mean(rng.permutation(predicted) == targets) for _ in range(n)])
    true = np.mean(predicted == targets)
    return {
        "accuracy": float(scores.mean()),
        "accuracy_ci95": [float(q) for q in np.percentile(scores, (2.5, 97.5))],
        "p": float((1 + (scores >= true).sum()) / (1 + n)),
    }


def within_people_p(predicted, targets, groups, rng, n=N_WITHIN):
    """p of the accuracy with labels permuted within each person: (1 + as good) / (1 + n).

    Recognising a person and the frequency of their labels doesn't lower it.
    """
    true = int(np.sum(predicted == targets))
    hits = _hits_within_people(predicted, targets, groups, rng, n)
    return float((1 + (hits >= true).sum()) / (1 + n))


def _hits_within_people(predicted, targets, groups, rng, n=N_WITHIN):
    """int (n,): correct predictions with labels permuted within each person."""
    hits = np.zeros(n, int)
    for group in np.unique(groups):
        mine = groups == group
        labels = np.broadcast_to(targets[mine], (n, mine.sum()))
        hits += (rng.permuted(labels, axis=1) == predicted[mine]).sum(axis=1)
    return hits


def _hits_by_name(predicted, targets, n_labels, rng, n=N_WITHIN):
    """int (n,): correct predictions with the names of the labels permuted."""
    counts = np.zeros((n_labels, n_labels), int)
    np.add.at(counts, (targets, predicted), 1)
    names = rng.permuted(np.broadcast_to(np.arange(n_labels), (n, n_labels)), axis=1)
    return counts[np.arange(n_labels), names].sum(axis=1)


def accuracy_of(targets, probabilities, groups, seed=0):
    """The accuracy, its interval over people, and the log loss."""
    correct = probabilities.argmax(axis=1) == np.asarray(targets)
    interval = bootstrap_interval(correct, np.asarray(groups), np.random.default_rng(seed))
    figures = {"accuracy": float(correct.mean()), "accuracy_ci95": interval}
    return figures | {"log_loss": log_loss(targets, probabilities)}


def control(targets, probabilities, groups, seed=0):
    """Accuracy and interval of a model with replaced input (noise or nothing).

    at_chance: whether the accuracy lies within the central 95 % of the accuracies with labels
    permuted within each person, or with the names of the labels permuted: random weights give
    similar inputs similar answers, but not the right name. The interval over people is no test:
    a few people with almost the same answers make it far too narrow.
    """
    targets, groups, rng = np.asarray(targets), np.asarray(groups), np.random.default_rng(seed)
    predicted = probabilities.argmax(axis=1)
    hits = np.sum(predicted == targets)
    chances = (
        _hits_within_people(predicted, targets, groups, rng),
        _hits_by_name(predicted, targets, probabilities.shape[1], rng),
    )
    ranges = [np.percentile(chance, (2.5, 97.5)) for chance in chances]
    return accuracy_of(targets, probabilities, groups, seed) | {
        "at_chance": any(bool(low <= hits <= high) for low, high in ranges)
    }
