"""The quality of probabilities: calibration, sets of labels and abstention."""

import numpy as np

from emg_llm.evaluation.confidence import Confidence, log

MAX_FOLDS = 20


def expected_calibration_error(probabilities, targets, bins=15):
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al., ICML 2017)."""
    filled = reliability_bins(probabilities, targets, bins)
    return sum(b["n"] * abs(b["accuracy"] - b["confidence"]) for b in filled) / len(targets)


def reliability_bins(probabilities, targets, bins=15):
    """Mean confidence, accuracy and count of each non-empty confidence bin."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(confidence[place == b].mean()),
            "accuracy": float(correct[place == b].mean()),
            "n": int((place == b).sum()),
        }
        for b in np.unique(place)
    ]


def others_first(groups):
    """Folds (rows of other people, rows to score) that score each row once.

    Each fold leaves out one person, or a twentieth of the people if there are more than that.
    """
    from sklearn.model_selection import GroupKFold

    folds = min(len(np.unique(groups)), MAX_FOLDS)
    return list(GroupKFold(folds).split(groups, groups=groups)) if folds > 1 else []


def calibrations(targets, probabilities, groups, confidence=None):
    """[(Confidence, rows that it applies to, their calibrated probabilities)].

    confidence: the model's own, which its probabilities have in them already. Without one, each
    person's is fitted on the other people; a single person has none.
    """
    if confidence is not None and confidence.fitted_on:
        return [(confidence, np.arange(len(targets)), probabilities)]
    scores, folds = log(probabilities), []
    for others, rows in others_first(groups):
        theirs = scores[others], targets[others], groups[others]
        fitted = Confidence.fit(*theirs, "other test people")
        folds.append((fitted, rows, fitted.probabilities(scores[rows])))
    return folds


def calibration_figures(targets, probabilities, folds):
    """Reliability of a model's probabilities; folds: from `calibrations`.

    "temperature" is the folds' mean; above 1, the scores were overconfident. Where other people
    had to calibrate, "ece_scaled" and "bins_scaled" say what a calibration would give.
    """
    figures = {
        "ece": expected_calibration_error(probabilities, targets),
        "bins": reliability_bins(probabilities, targets),
    }
    if not folds:
        return figures
    if len(folds) > 1:
        scaled = np.empty_like(probabilities)
        for _, rows, theirs in folds:
            scaled[rows] = theirs
        figures |= {
            "ece_scaled": expected_calibration_error(scaled, targets),
            "bins_scaled": reliability_bins(scaled, targets),
        }
    return (
        figures | _fit(folds) | {"temperature": float(np.mean([f.temperature for f, *_ in folds]))}
    )


def conformal_figures(targets, folds):
    """(bool (n,): whether the set holds the true label, figures), or (None, None) without sets.

    folds: from `calibrations`. "one_label": the share of sets with a single label, the recordings
    that a model answers if it abstains from the others; "one_label_accuracy": of these.
    """
    level = min((f.level or 0.0 for f, *_ in folds), default=0.0)
    if not level:
        return None, None
    covered, size = np.zeros(len(targets), bool), np.zeros(len(targets))
    for fitted, rows, probabilities in folds:
        sets = fitted.sets(probabilities)
        covered[rows] = sets[np.arange(len(rows)), targets[rows]]
        size[rows] = sets.sum(axis=1)
    one = size == 1
    return covered, {
        "method": "APS",
        "level": level,
        "coverage": float(covered.mean()),
        "mean_size": float(size.mean()),
        "one_label": float(one.mean()),
        "one_label_accuracy": float(covered[one].mean()) if one.any() else None,
        **_fit(folds),
    }


def _fit(folds):
    """Whose recordings the folds' Confidences were fitted on, and how many people at least."""
    people = min(f.n_people for f, *_ in folds)
    return {"fitted_on": folds[0][0].fitted_on, "n_fitted_on": people}


def abstention_curve(targets, probabilities):
    """Accuracy on a model's most confident recordings, for shares from a twentieth to all.

    "area" is the mean accuracy over all shares: the higher, the better confidence separates right
    from wrong. Recordings with equal confidence count as their mean, so order has no effect.
    """
    confidence = -probabilities.max(axis=1).round(9)
    correct = probabilities.argmax(axis=1) == targets
    _, place = np.unique(confidence, return_inverse=True)
    expected = (np.bincount(place, weights=correct) / np.bincount(place))[place]
    n = len(targets)
    accuracy = np.cumsum(expected[np.argsort(place)]) / np.arange(1, n + 1)
    shares = np.arange(1, 21) / 20
    return {
        "share": [float(s) for s in shares],
        "accuracy": [float(accuracy[max(0, round(s * n) - 1)]) for s in shares],
        "area": float(accuracy.mean()),
    }
