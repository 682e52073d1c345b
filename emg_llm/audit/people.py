"""People who may be one person under two names: as alike as two halves of one person."""

from itertools import combinations

import numpy as np

FEWEST = 4  # recordings of a person who is compared
AS_HALVES = 1.5  # times the 90th percentile of the distance between halves of one person
APART = 0.4  # of the distance to the next person, at most
DISTINCT = 5.0  # times the halves' distance: what a typical pair needs for the test to mean much


def may_be_one(dataset, features):
    """Pairs of people who may be one person: dicts with "people", "distance", "halves", "others".

    features: float (recordings, columns), powers in dB and frequencies. A person's profile is the
    mean after each label's own mean is taken away, in units of what varies within people (a
    Mahalanobis distance). Empty where people can't be told apart by their profiles, and where
    there are fewer than three.
    """
    from sklearn.covariance import ledoit_wolf

    counts = {p: dataset.subjects.count(p) for p in sorted(set(dataset.subjects) - {None})}
    names = [p for p, n in counts.items() if n >= FEWEST]
    if len(names) < 3:
        return []
    rows = np.flatnonzero(np.isin(np.array(dataset.subjects, object), names))
    labels = dataset.targets[rows]
    people = np.array([names.index(dataset.subjects[i]) for i in rows])
    x = _without_labels(features[rows], labels, people)
    within = x - np.stack([x[people == p].mean(axis=0) for p in range(len(names))])[people]
    if not within.any():
        return []
    x = x @ np.linalg.cholesky(np.linalg.pinv(ledoit_wolf(within)[0], hermitian=True))
    center = np.stack([x[people == p].mean(axis=0) for p in range(len(names))])
    n = np.bincount(people)
    distance = np.square(center[:, None] - center[None]).sum(axis=2)
    distance = distance / (1 / n[:, None] + 1 / n[None])  # about the same for any n, of one person
    halves = {mode: _halves(x, labels, people, mode) for mode in ("trials", "labels")}
    has = [set(labels[people == p].tolist()) for p in range(len(names))]
    limit, pairs = {}, list(combinations(range(len(names)), 2))
    for a, b in pairs:
        shared = len(has[a] & has[b]) >= 0.5 * min(len(has[a]), len(has[b]))
        among = halves["trials" if shared else "labels"]
        limit[a, b] = np.nanpercentile(among, 90) if np.isfinite(among).any() else 0.0
    alike = [(a, b) for a, b in pairs if distance[a, b] <= AS_HALVES * limit[a, b]]
    others = [pair for pair in pairs if pair not in alike]
    found = []
    for a, b in alike:
        near = [distance[pair] for pair in others if {a, b} & set(pair)]
        typical = np.median([distance[pair] for pair in others]) if others else 0
        if near and distance[a, b] < APART * min(near) and typical > DISTINCT * limit[a, b]:
            found.append(
                {
                    "people": [names[a], names[b]],
                    "distance": float(distance[a, b]),
                    "halves": float(limit[a, b]),
                    "others": float(min(near)),
                }
            )
    return found


def _without_labels(x, labels, people):
    """x (n, columns) without the mean of each label, in which every person counts the same."""
    x = x.astype(float)
    for label in np.unique(labels):
        mine = labels == label
        means = [x[mine & (people == p)].mean(axis=0) for p in np.unique(people[mine])]
        x[mine] -= np.mean(means, axis=0)
    return x


def _halves(x, labels, people, mode):
    """float (people,): the distance between halves of each, NaN where there are none.

    mode: "trials", half of each label's recordings, or "labels", all recordings of half the labels.
    """
    rng = np.random.default_rng(0)
    distances = []
    for person in range(people.max() + 1):
        mine = np.flatnonzero(people == person)
        kinds = rng.permutation(np.unique(labels[mine]))
        if mode == "labels":
            half = np.isin(labels[mine], kinds[: len(kinds) // 2])
        else:
            shuffled = rng.permutation(len(mine))
            order = shuffled[np.argsort(labels[mine][shuffled], kind="stable")]
            half = np.isin(np.arange(len(mine)), order[::2])
        halves = x[mine[half]], x[mine[~half]]
        apart = np.subtract(*(h.mean(axis=0) for h in halves)) if all(map(len, halves)) else np.nan
        distances.append(np.square(apart).sum() / sum(1 / max(1, len(h)) for h in halves))
    return np.array(distances)
