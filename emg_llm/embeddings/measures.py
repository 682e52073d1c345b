"""Measures of embeddings as arrays: sparsity, dimensionality, and how much they encode the label
or the person.

A sample is a segment or a recording; embeddings are float (samples, d).
"""

import numpy as np
from scipy.stats import entropy
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import pairwise_distances, silhouette_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emg_llm.evaluation.statistics import share_interval

ZERO = 1e-6  # as in the original project
PROBE_FOLDS = 5
N_SHUFFLES = 100
MAPS = ("pca", "tsne")


def sparsity(x, threshold=ZERO):
    """Share of each sample's values with |x| < threshold: (samples, d) -> float (samples,)."""
    return (np.abs(x) < threshold).mean(axis=1)


def dead_units(x, threshold=ZERO):
    """Units of (samples, d) that never exceed `threshold` in size or are constant: bool (d,)."""
    return (np.abs(x) <= threshold).all(axis=0) | (np.ptp(x, axis=0) == 0)


def singular_values(x):
    """Of the centred samples: (samples, d) -> float64 (min(samples, d),), descending."""
    x = np.asarray(x, np.float64)
    return np.linalg.svd(x - x.mean(axis=0), compute_uv=False)


def effective_rank(values):
    """exp of the entropy of the singular values' shares (Roy & Vetterli, EUSIPCO 2007).

    k equal singular values give k; none above zero gives 0.
    """
    return float(np.exp(entropy(values))) if np.any(values > 0) else 0.0


def participation_ratio(values):
    """Number of dimensions by variance, (Σλ)² / Σλ² with λ the squared singular values
    (Gao et al., bioRxiv 214262, 2017). k equal ones give k; none above zero gives 0."""
    variance = np.square(values)
    return float(variance.sum() ** 2 / np.square(variance).sum()) if np.any(values > 0) else 0.0


def structure(x):
    """Sparsity, dead units and dimensions of (samples, d)."""
    share, values = sparsity(x), singular_values(x)
    return {
        "samples": len(x),
        "units": x.shape[1],
        "sparsity": float(share.mean()),  # the overall share, as all samples have d values
        "sparsity_by_sample": distribution(share),
        "dead_units": int(dead_units(x).sum()),
        "effective_rank": effective_rank(values),
        "participation_ratio": participation_ratio(values),
    }


def explained_variance(x, names):
    """Share of the total variance that lies between groups, eta squared over all dimensions.

    x: (samples, d); names: (samples,). Chance is the average for random names, (groups - 1) /
    (samples - 1) (Anderson, Austral Ecology 2001, 26:32).
    """
    x = np.asarray(x, np.float64)
    x = x - x.mean(axis=0)
    _, member, size = np.unique(names, return_inverse=True, return_counts=True)
    sums = np.zeros((len(size), x.shape[1]))
    np.add.at(sums, member, x)
    total = np.square(x).sum()
    between = (np.square(sums) / size[:, None]).sum()
    return {
        "value": float(between / total) if total else 0.0,
        "chance": (len(size) - 1) / max(1, len(x) - 1),
    }


def silhouette(x, names, rng, n=N_SHUFFLES):
    """Mean silhouette of the named groups (Rousseeuw, J. Comput. Appl. Math. 1987, 20:53).

    Distances are Euclidean; chance is the mean over `n` shuffles of the names. None if it is
    undefined: for a single name, or a different one for each sample.
    """
    if not 1 < len(set(names)) < len(names):
        return None
    distance = pairwise_distances(np.asarray(x, np.float64))
    np.fill_diagonal(distance, 0)  # scikit-learn rejects the rounding errors

    def score(names):
        return silhouette_score(distance, names, metric="precomputed")

    shuffled = [score(rng.permutation(names)) for _ in range(n)]
    return {"value": float(score(names)), "chance": float(np.mean(shuffled))}


def probe(x, names, folds, people):
    """Accuracy of a linear probe (logistic regression on scaled units) on held-out samples.

    folds: pairs of training and test rows; people: (samples,) for the interval. Chance is the
    share of the commonest name. None without folds, or if one has a single name in training.
    """
    folds = list(folds)
    if not folds or any(len(set(names[train])) < 2 for train, _ in folds):
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    correct = cross_val_predict(model, x, names, cv=folds) == names
    _, counts = np.unique(names, return_counts=True)
    return {
        "value": float(correct.mean()),
        "ci95": share_interval(correct, people),
        "chance": float(counts.max() / len(names)),
    }


def separability(x, dataset, seed=0):
    """How well recording embeddings (recordings, d) of a Dataset separate labels and people.

    "label": the probe is tested on held-out people. "person": `probe` is tested on held-out
    recordings and `probe_new_label` on held-out labels, so that it can't rely on a person's way of
    one expression; None unless two named people have two recordings each. Each measure is a
    dictionary of value, chance and, for probes, ci95 (95 % interval over people), or None if there
    is too little data.
    """
    rng = np.random.default_rng(seed)
    labels, groups = np.array(dataset.labels), dataset.groups
    measures = {
        "label": {
            "probe": probe(x, labels, _folds(groups, seed), groups),
            "silhouette": silhouette(x, labels, rng),
            "explained_variance": explained_variance(x, labels),
        },
        "person": None,
    }
    # An unknown person is a group of one recording, so this drops it as well.
    names, counts = np.unique(groups, return_counts=True)
    rows = np.isin(groups, names[counts >= 2])
    x, labels, people = x[rows], labels[rows], groups[rows]
    if len(set(people)) >= 2:
        n = min(PROBE_FOLDS, counts[counts >= 2].min())
        folds = StratifiedKFold(n, shuffle=True, random_state=seed).split(x, people)
        measures["person"] = {
            "probe": probe(x, people, folds, people),
            "probe_new_label": probe(x, people, _folds(labels, seed), people),
            "silhouette": silhouette(x, people, rng),
            "explained_variance": explained_variance(x, people),
        }
    return measures


def _folds(apart, seed):
    """Folds that hold out whole values of `apart`; none if there is a single value."""
    n = min(PROBE_FOLDS, len(set(apart)))
    if n < 2:
        return ()
    return GroupKFold(n, shuffle=True, random_state=seed).split(apart, groups=apart)


def project(x, method="pca", seed=0):
    """A 2D map of (samples, d): float (samples, 2), and the axes' shares of the variance.

    method: "pca", or "tsne", where the shares are None and distances between clusters mean little.
    """
    if method == "tsne":
        perplexity = min(30.0, (len(x) - 1) / 3)
        return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(x), None
    pca = PCA(2, svd_solver="full")
    return pca.fit_transform(x), [float(s) for s in np.nan_to_num(pca.explained_variance_ratio_)]


def distribution(values):
    """Mean, min, max and population sd of float (n,)."""
    measures = {"mean": np.mean, "min": np.min, "max": np.max, "sd": np.std}
    return {name: float(measure(values)) for name, measure in measures.items()}
