"""How much of a score a single thing explains: a classifier on that alone, tested on new people."""

import numpy as np

from emg_llm.evaluation.statistics import share_interval

FOLDS = 5
LEAF = 2  # items in a leaf of the tree, at least


def folds_by_person(dataset):
    """[(train, test)]: each person is in one test; each recording where people are unknown."""
    from sklearn.model_selection import StratifiedGroupKFold

    n = min(FOLDS, len(set(dataset.groups)))
    if n < 2:
        return []
    folds = StratifiedGroupKFold(n, shuffle=True, random_state=0)
    y = dataset.targets
    return list(folds.split(y, y, dataset.groups))


def predict_alone(x, targets, folds):
    """int (n,): the labels that x (n, columns) predicts of people it was not fitted on."""
    from sklearn.tree import DecisionTreeClassifier

    predicted = np.full(len(targets), np.bincount(targets).argmax())
    for train, test in folds:
        tree = DecisionTreeClassifier(min_samples_leaf=LEAF, random_state=0)
        predicted[test] = tree.fit(x[train], targets[train]).predict(x[test])
    return predicted


def figures(predicted, dataset):
    """Accuracy, interval over people, z, and the label that is told most clearly.

    z: how many standard deviations the hits lie above those of labels permuted within people
    (over all where everybody has one label). best["p"]: of at least as many hits of this label by
    chance (Fisher's exact test).
    """
    from scipy.stats import hypergeom

    targets, names = dataset.targets, dataset.label_names
    correct = (predicted == targets).astype(float)
    hits = np.bincount(targets[predicted == targets], minlength=len(names))
    n_true, n_said = (np.bincount(v, minlength=len(names)) for v in (targets, predicted))
    p = hypergeom.sf(hits - 1, len(targets), n_true, n_said)
    best = int(p.argmin())
    return {
        "accuracy": float(correct.mean()),
        "accuracy_ci95": share_interval(correct, dataset.groups),
        "z": float(above_permuted(predicted, targets, dataset.groups)),
        "best": {
            "label": names[best],
            "p": float(p[best]),
            "recall": float(hits[best] / n_true[best]),
            "precision": float(hits[best] / max(1, n_said[best])),
        },
    }


def above_permuted(predicted, targets, groups):
    """(hits - mean) / sd of the hits with labels permuted within groups, in closed form.

    Hoeffding, Ann. Math. Statist. 1951, 22(4):558, for the indicator of a hit.
    """
    _, member = np.unique(groups, return_inverse=True)
    one_label = [len(set(targets[member == g])) == 1 for g in range(member.max() + 1)]
    if all(one_label):
        member = np.zeros(len(targets), int)
    k = max(predicted.max(), targets.max()) + 1
    mean = variance = 0.0
    for group in range(member.max() + 1):
        mine = member == group
        n = mine.sum()
        p, t = (np.bincount(v[mine], minlength=k) for v in (predicted, targets))
        mean += (p * t).sum() / n
        if n > 1:
            d = np.eye(k) - (t / n)[:, None] - (p / n)[None, :] + (p * t).sum() / n**2
            variance += (p[:, None] * t[None, :] * d**2).sum() / (n - 1)
    hits = np.sum(predicted == targets)
    return (hits - mean) / np.sqrt(variance) if variance > 0 else 0.0
