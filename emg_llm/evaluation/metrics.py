"""How often a model is right: by recording, by label, by person, with interval and controls."""

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
N_WITHIN = 10_000  # permutations within each person


def results_of(
    model: str, data: str, protocol: Mapping[str, Any], *figures: Any, **more: Any
) -> dict[str, Any]:
    """A results.json: what was measured of which model, on which data, split how.

    protocol: see Split.protocol. figures, more: the arguments of `evaluate`.
    """
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
    """The figures that every results file holds.

    labels: names; targets: int (n,); probabilities: float (n, labels), one row for each
    recording; groups: (n,) the person of each recording, over whom the intervals are
    bootstrapped. calibration: (targets, probabilities) of validation people, on whom the
    temperature and the conformal threshold are fitted; without it they are fitted on the other
    test people in turn, and left out where there is a single person.
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
    """Accuracy of each person, the worst read first; empty where nobody has two recordings."""
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
    """95 % interval of the accuracy when people, not recordings, are drawn anew: [low, high].

    Of a single person the recordings are drawn: drawing people would claim certainty.
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
    """Accuracy when each recording gets the signal of another one, over `n` shuffles.

    A prediction depends on the signal alone, so shuffling the signals is shuffling the
    predictions. p is the share of shuffles that score as well as the true pairing.
    """
    scores = np.array([np.mean(rng.permutation(predicted) == targets) for _ in range(n)])
    true = np.mean(predicted == targets)
    return {
        "accuracy": float(scores.mean()),
        "accuracy_ci95": [float(q) for q in np.percentile(scores, (2.5, 97.5))],
        "p": float((1 + (scores >= true).sum()) / (1 + n)),
    }


def within_people_p(predicted, targets, groups, rng, n=N_WITHIN):
    """p of the accuracy when each person's labels are permuted: (1 + as good) / (1 + n).

    Knowing a person, and how often they show what, doesn't help against this.
    """
    true = int(np.sum(predicted == targets))
    hits = _hits_by_luck(predicted, targets, groups, rng, n)
    return float((1 + (hits >= true).sum()) / (1 + n))


def _hits_by_luck(predicted, targets, groups, rng, n=N_WITHIN):
    """int (n,): how many labels are met when each person's are permuted."""
    hits = np.zeros(n, int)
    for group in np.unique(groups):
        mine = groups == group
        labels = np.broadcast_to(targets[mine], (n, mine.sum()))
        hits += (rng.permuted(labels, axis=1) == predicted[mine]).sum(axis=1)
    return hits


def _hits_by_name(predicted, targets, n_labels, rng, n=N_WITHIN):
    """int (n,): how many labels are met when the names of the labels are permuted."""
    met = np.zeros((n_labels, n_labels), int)
    np.add.at(met, (targets, predicted), 1)
    names = rng.permuted(np.broadcast_to(np.arange(n_labels), (n, n_labels)), axis=1)
    return met[np.arange(n_labels), names].sum(axis=1)


def accuracy_of(targets, probabilities, groups, seed=0):
    """Accuracy and its interval over people."""
    correct = probabilities.argmax(axis=1) == np.asarray(targets)
    interval = bootstrap_interval(correct, np.asarray(groups), np.random.default_rng(seed))
    return {"accuracy": float(correct.mean()), "accuracy_ci95": interval}


def control(targets, probabilities, groups, seed=0):
    """Accuracy and interval of a model whose input was replaced (noise, nothing at all).

    at_chance: whether it lies within the central 95 % of what it gets when each person's labels
    are permuted, or when the names of the labels are: random weights still answer alike to what
    is alike, without knowing its name. The interval over people can't tell: few people who all
    get almost the same answer make it far too narrow.
    """
    targets, groups, rng = np.asarray(targets), np.asarray(groups), np.random.default_rng(seed)
    predicted = probabilities.argmax(axis=1)
    hits = np.sum(predicted == targets)
    chances = (
        _hits_by_luck(predicted, targets, groups, rng),
        _hits_by_name(predicted, targets, probabilities.shape[1], rng),
    )
    ranges = [np.percentile(found, (2.5, 97.5)) for found in chances]
    return accuracy_of(targets, probabilities, groups, seed) | {
        "at_chance": any(bool(low <= hits <= high) for low, high in ranges)
    }
