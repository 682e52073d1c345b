"""The quality of probabilities: calibration, conformal sets and abstention.

Temperatures and thresholds are fitted on other people than those they apply to. Temperature
scaling follows Guo et al., ICML 2017.
"""

import numpy as np

CONFORMAL_LEVEL = 0.9
MAX_FOLDS = 20


def fit_temperature(logits, targets):
    """The temperature with the lowest loss, between 0.2 and 5.

    logits: float (n, labels), an array or a tensor on the CPU; targets: int (n,). Use people
    outside the model's training.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits, rows = np.asarray(logits, np.float64), np.arange(len(targets))
    targets = np.asarray(targets)
    result = minimize_scalar(
        lambda t: -log_softmax(logits / np.exp(t), axis=1)[rows, targets].mean(),
        bounds=(np.log(0.2), np.log(5)),
        method="bounded",
    )
    return float(np.exp(result.x))


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


def calibration_figures(targets, probabilities, groups, calibration=None):
    """Reliability before and after temperature scaling.

    calibration: (targets, probabilities) of validation people; without it, each person's
    temperature is fitted on the other test people. "temperature" is their mean; above 1, the model
    was overconfident. A single person has no scaled figures.
    """
    figures = {
        "ece": expected_calibration_error(probabilities, targets),
        "bins": reliability_bins(probabilities, targets),
    }
    scaled, temperatures = np.empty_like(probabilities), []
    for fitted_on, rows in _fitting(targets, probabilities, groups, calibration):
        temperature = fit_temperature(_logits(fitted_on[1]), fitted_on[0])
        scaled[rows] = scale(probabilities[rows], temperature)
        temperatures.append(temperature)
    if not temperatures:
        return figures
    return figures | {
        "ece_scaled": expected_calibration_error(scaled, targets),
        "bins_scaled": reliability_bins(scaled, targets),
        "temperature": float(np.mean(temperatures)),
        "fitted_on": _source(calibration),
    }


def conformal_figures(targets, probabilities, groups, calibration=None, level=CONFORMAL_LEVEL):
    """(bool (n,): whether the set holds the true label, figures), or (None, None) for one person.

    Split conformal prediction with the score 1 - p(label) (LAC; Sadinle et al., JASA 2019,
    114(525):223): the set holds every label whose score is within the calibration people's
    `level` quantile. People differ, so the coverage is measured here, not guaranteed.
    """
    sets = np.zeros(np.shape(probabilities), bool)
    folds = _fitting(targets, probabilities, groups, calibration)
    for (true, p), rows in folds:
        scores = np.sort(1 - p[np.arange(len(p)), true])
        rank = int(np.ceil((len(scores) + 1) * level))
        threshold = scores[rank - 1] if rank <= len(scores) else np.inf
        sets[rows] = 1 - probabilities[rows] <= threshold
    if not folds:
        return None, None
    covered = sets[np.arange(len(targets)), targets]
    return covered, {
        "method": "LAC",
        "level": level,
        "coverage": float(covered.mean()),
        "mean_size": float(sets.sum(axis=1).mean()),
        "fitted_on": _source(calibration),
    }


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


def scale(probabilities, temperature):
    """Probabilities at another temperature: float (n, labels)."""
    from scipy.special import softmax

    return softmax(_logits(probabilities) / temperature, axis=1)


def _logits(probabilities):
    return np.log(np.maximum(probabilities, 1e-12))


def _fitting(targets, probabilities, groups, calibration):
    """((targets, probabilities) to fit on, rows to apply the fit to) for each fold."""
    if calibration is not None:
        return [(calibration, np.arange(len(targets)))]
    return [((targets[o], probabilities[o]), rows) for o, rows in others_first(groups)]


def _source(calibration):
    return "other test people" if calibration is None else "validation people"
