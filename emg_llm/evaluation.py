"""What a score means: recording-level metrics, intervals over people, chance and controls."""

import json
from pathlib import Path

import numpy as np

N_BOOTSTRAP = 2000
N_PERMUTATIONS = 1000


def evaluate(labels, targets, probabilities, groups, seed=0):
    """The figures that every results file holds.

    labels: names; targets: int (n,); probabilities: float (n, labels); groups: (n,) the
    person of each recording, over whom the interval is bootstrapped.
    """
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

    targets, groups = np.asarray(targets), np.asarray(groups)
    predicted = probabilities.argmax(axis=1)
    correct = predicted == targets
    present = sorted(set(targets.tolist()))
    rng = np.random.default_rng(seed)
    return {
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
    }


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


def control(targets, probabilities, groups, seed=0):
    """Accuracy and interval of a model whose input was replaced (noise, nothing at all)."""
    correct = probabilities.argmax(axis=1) == np.asarray(targets)
    return {
        "accuracy": float(correct.mean()),
        "accuracy_ci95": bootstrap_interval(
            correct, np.asarray(groups), np.random.default_rng(seed)
        ),
    }


def expected_calibration_error(probabilities, targets, bins=15):
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al., ICML 2017)."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(targets))


def save_results(folder, results, ids=None, subjects=None, targets=None, probabilities=None):
    """Write results.json and, where predictions are given, predictions.csv."""
    import pandas as pd

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    if probabilities is None:
        return
    names = results["labels"]
    table = {
        "recording_id": ids,
        "subject": subjects,
        "label": [names[t] for t in targets],
        "predicted": [names[p] for p in probabilities.argmax(axis=1)],
    }
    table |= {f"p_{name}": probabilities[:, i].round(6) for i, name in enumerate(names)}
    pd.DataFrame(table).to_csv(folder / "predictions.csv", index=False)


def headline(results):
    """One line for a terminal: accuracy, interval, chance, people."""
    low, high = results["accuracy_ci95"]
    return (
        f"{results['model']}: accuracy {results['accuracy']:.3f} (95 % interval {low:.3f} to "
        f"{high:.3f}), chance {results['chance']:.3f}, {results['n_recordings']} recordings of "
        f"{results['n_subjects']} {'people' if results['n_subjects'] != 1 else 'person'}"
    )
