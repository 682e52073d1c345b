"""The features and settings of the SVM, chosen by cross-validation over the training people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emg_llm.data.datasets import DatasetError
from emg_llm.svm.features import RECORDING_BANDS, RECORDING_FEATURES

# What the SVM chooses from, simplest first: features of a recording, and penalty and width of the
# kernel, in units of 1 / columns.
FEATURE_SETS = (RECORDING_FEATURES[:1], RECORDING_FEATURES[:3], tuple(RECORDING_BANDS))
SETTINGS = (
    *((1.0, 1.0), (3.0, 1.0), (3.0, 0.3), (10.0, 0.3)),
    *((10.0, 1.0), (1.0, 3.0), (3.0, 3.0), (30.0, 0.1)),
)
MOST_FOLDS = 8  # over people, to choose among these


@dataclass(frozen=True)
class Settings:
    """used: the indices of the columns that the SVM reads; C, gamma: see sklearn's SVC."""

    used: tuple[int, ...]
    C: float = 1.0
    gamma: float | str = "scale"


def choose(
    levels: np.ndarray, columns: Sequence[str], targets: np.ndarray, groups: np.ndarray
) -> Settings:
    """The Settings with the best accuracy on people left out, or the first of FEATURE_SETS and
    SETTINGS within a standard error of it (Breiman et al., Classification and Regression Trees,
    1984); the first where there are too few people to choose.

    levels: float (n, columns), see LevelScale.
    """
    from sklearn.model_selection import GridSearchCV, GroupKFold

    candidates = [
        (used, C, width / len(used)) for used in _column_sets(columns) for C, width in SETTINGS
    ]
    n = min(MOST_FOLDS, len(np.unique(groups)))
    folds = list(GroupKFold(n).split(targets, targets, groups)) if n > 2 else []
    if not folds or any(len(np.unique(targets[train])) < 2 for train, _ in folds):
        return Settings(*candidates[0])
    by_set = []
    for used in _column_sets(columns):
        grid = [{"svc__C": [C], "svc__gamma": [w / len(used)]} for C, w in SETTINGS]
        search = GridSearchCV(machine(), grid, cv=folds, refit=False)
        found = search.fit(levels[:, used], targets).cv_results_
        by_set.append(np.stack([found[f"split{k}_test_score"] for k in range(n)], axis=1))
    scores = np.concatenate(by_set)  # (candidates, folds)
    lost = scores[scores.mean(axis=1).argmax()] - scores
    error = lost.std(axis=1, ddof=1) / n**0.5
    return Settings(*candidates[int((lost.mean(axis=1) <= error + 1e-9).argmax())])


def machine(C=1.0, gamma="scale"):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))


def _column_sets(columns):
    """The indices of each of FEATURE_SETS; of a feature table, all columns."""
    sets = [
        tuple(i for f in s for i, c in enumerate(columns) if str(c).startswith(f"{f} "))
        for s in FEATURE_SETS
    ]
    every = tuple(range(len(columns)))
    return sets if all(sets) and set().union(*sets) == set(every) else [every]


def folds_of(targets, groups):
    """Calibration folds over people, or over recordings if there are too few people."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels, counts = np.unique(targets, return_counts=True)
    for units in (groups, np.arange(len(targets))):
        n = min(5, len(np.unique(units)), counts.min(initial=5))
        if n < 2 or len(labels) < 2:
            continue
        folds = list(StratifiedGroupKFold(n).split(targets, targets, units))
        if all(len(np.unique(targets[train])) == len(labels) for train, _ in folds):
            return folds
    raise DatasetError("The SVM needs at least two labels, each with at least two recordings.")
