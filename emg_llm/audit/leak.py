"""How much of a score is leak: one model under increasingly strict splits.

A random split of segments puts neighbours from one recording on both sides; a random split of
recordings puts one person on both sides; only a split of people measures performance on a new
person. All splits score the same segments, so that only the split differs.
"""

from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from emg_llm.audit.columns import decibel, measured_columns
from emg_llm.audit.original import original_split, original_tensor
from emg_llm.data.datasets import DatasetError
from emg_llm.evaluation.statistics import mean_interval, share_interval
from emg_llm.signal.features import above_silence, segment_features
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import SEGMENT_LENGTH, clean, resample, segment
from emg_llm.svm import SAMPLING_RATE

MODELS = {
    "knn": "5 nearest neighbours, weighted by distance",
    "trees": "100 extremely randomised trees",
}
SPLITS = {"segments": "at random", "recordings": "by recording", "people": "by person"}
COMPONENTS = 64  # principal components for the model, if there are more columns
MAX_SEGMENTS = 40_000


@dataclass(frozen=True, eq=False)
class Units:
    """The items to classify: segments of recordings, or rows of a feature table."""

    features: np.ndarray  # float32 (n, columns)
    owner: np.ndarray  # int (n,), each one's recording as an index into the dataset
    targets: np.ndarray  # int (n,)
    people: np.ndarray  # (n,), names as in `Dataset.groups`
    what: str  # a sentence that describes them

    @classmethod
    def cut(cls, dataset, features, owner, what):
        """Units cut from the recordings with the indices `owner`."""
        return cls(features, owner, dataset.targets[owner], dataset.groups[owner], what)

    def __len__(self):
        return len(self.owner)


def segment_units(dataset, max_segments=MAX_SEGMENTS):
    """Units of a dataset: segments of its cleaned recordings, or the rows of a feature table.

    A segment has 128 samples at 1 kHz and two features of each channel: power (dB) and mean
    frequency (Hz). Above `max_segments`, every second (third, …) segment is kept.
    Positive columns of a table are treated as powers and converted to dB. Raises RecordingError.
    """
    return dataset.once(("segments", max_segments), lambda: _segment_units(dataset, max_segments))


def _segment_units(dataset, max_segments):
    if dataset.recordings is None:
        return _table_units(dataset)
    features, sites = [], dataset.recordings[0].channel_names
    for recording in tqdm(dataset.recordings, desc="segments", unit="rec"):
        prepared = resample(arrange(clean(recording), sites), SAMPLING_RATE)
        values = segment_features(segment(prepared, min(SEGMENT_LENGTH, prepared.n_samples)))
        power = 10 * np.log10(above_silence(np.square(values["rms"], dtype=np.float64)))
        features.append(np.concatenate([power, values["mean_frequency"]], axis=1))
    every = -(-sum(map(len, features)) // max_segments)
    features = [x[::every] for x in features]
    owner = np.repeat(np.arange(len(features)), [len(x) for x in features])
    what = (
        f"{len(owner):,} segments of {SEGMENT_LENGTH} samples at {SAMPLING_RATE:g} Hz"
        + (f" (one in {every})" if every > 1 else "")
        + ": power and mean frequency of each channel."
    )
    return Units.cut(dataset, np.concatenate(features), owner, what)


def recording_features(dataset):
    """float64 (recordings, columns): the mean features of each one's segments; of rows, the rows.

    Columns of a table that can't be a measurement are left out.
    """
    units = segment_units(dataset)
    if dataset.recordings is None:
        return units.features[:, measured_columns(dataset)].astype(float)
    sums = np.zeros((len(dataset), units.features.shape[1]))
    np.add.at(sums, units.owner, units.features)
    return sums / np.bincount(units.owner, minlength=len(dataset))[:, None]


def original_units(dataset, seed=0):
    """Units of the original's protocol, each with its flattened (128, 12) as features."""
    tensor, owner = original_tensor(dataset, seed)
    n, length, columns = tensor.shape
    train, validation, rest = (len(rows) for rows in original_split(n, seed))
    what = (
        f"The original's protocol: {n // 2:,} segments of {length} samples, z-scored, then mean, "
        "variance, RMS and mean frequency, then a noisy copy of each segment: "
        f"({n}, {length}, {columns}). One scaler for everything and a random split: {train:,} for "
        f"training, {validation:,} for validation, {rest:,} unused. Every split is scored on the "
        f"same {validation:,}."
    )
    return Units.cut(dataset, tensor.reshape(n, -1), owner, what)


def _table_units(dataset):
    # Ids may repeat across people and labels.
    about = zip(dataset.ids, map(str, dataset.subjects), dataset.labels, strict=True)
    first = {}
    owner = np.array([first.setdefault(key, i) for i, key in enumerate(about)])
    x, is_power = decibel(dataset.table), (dataset.table > 0).all(axis=0)
    what = f"{len(x):,} rows of {x.shape[1]} features{', powers in dB' if is_power.any() else ''}."
    return Units(x.astype(np.float32), owner, dataset.targets, dataset.groups, what)


def measure_leak(dataset, preset=None, model="knn", folds=5, max_segments=MAX_SEGMENTS, seed=0):
    """One model's scores under every split and the leak of the loosest: a dict for results.json.

    preset: None, or "original": the original project's tensor and its random split.
    model: one of MODELS. folds: the maximum; fewer if there are fewer people.
    Raises DatasetError if a label has a single recording, and RecordingError.
    """
    original = preset == "original"
    units = original_units(dataset, seed) if original else segment_units(dataset, max_segments)
    splits = _splits(dataset, units, folds, seed)
    scored = np.arange(len(units))
    if original:
        train, scored, _ = original_split(len(units), seed)
        splits["segments"] = [(train, scored)]
    # The units of the intervals: people, or recordings of a single person (never segments).
    people = units.people if len(set(units.people)) > 1 else units.owner
    _, first = np.unique(units.owner[scored], return_index=True)
    groups = {"segment": people[scored], "recording": people[scored][first]}
    if len(first) == len(scored):
        del groups["segment"]
    correct = {
        name: _correct(dataset, units, name, pairs, scored, model, seed)
        for name, pairs in splits.items()
    }
    loosest, *_, strictest = correct

    def accuracy(hits):
        interval = share_interval
        return {
            x: {"accuracy": float(hits[x].mean()), "accuracy_ci95": interval(hits[x], groups[x])}
            for x in groups
        }

    def leak(level):
        points = 100 * (correct[loosest][level] - correct[strictest][level])
        interval = mean_interval(points, groups[level], bound=100)
        return {"points": float(points.mean()), "points_ci95": interval}

    return {
        "model": model,
        "data": dataset.name,
        "preset": preset,
        "protocol": {"name": "audit", "folds": len(splits[strictest]), "seed": seed},
        "labels": list(dataset.label_names),
        "n_recordings": len(np.unique(units.owner)),
        "n_subjects": len(set(dataset.subjects) - {None}),
        "n_units": len(units),
        "n_scored": len(scored),
        "units": units.what,
        "chance": 1 / len(dataset.label_names),
        "lone_labels": _lone_labels(dataset),
        "majority": float(np.bincount(units.targets).max() / len(units)),
        "splits": [{"split": name} | accuracy(hits) for name, hits in correct.items()],
        "leak": {"from": loosest, "to": strictest} | {x: leak(x) for x in groups},
    }


def _lone_labels(dataset):
    """Labels of one named person only: no model can learn them from other people."""
    people = {}
    for label, subject in zip(dataset.labels, dataset.subjects, strict=True):
        people.setdefault(label, set()).add(subject)
    return [x for x in dataset.label_names if len(people[x]) == 1 and None not in people[x]]


def _splits(dataset, units, folds, seed):
    """{name from SPLITS: [(train, test)]}, from the loosest split to the strictest."""
    from sklearn.model_selection import KFold, StratifiedGroupKFold

    owners, first = np.unique(units.owner, return_index=True)
    counts = np.bincount(units.targets[first])
    if counts.min() < 2:
        raise DatasetError(
            f"{dataset.name} has one recording labelled {dataset.label_names[counts.argmin()]!r}, "
            "too few for training and test; add another, or choose other labels with --labels."
        )
    named = None not in dataset.subjects and len(set(dataset.subjects)) > 1
    people = len(set(dataset.subjects)) if named else len(owners)
    k = min(folds, people, int(counts.min()))
    grouped = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    x, y = np.empty((len(units), 0)), units.targets
    splits = {"segments": list(KFold(k, shuffle=True, random_state=seed).split(x))}
    if len(owners) < len(units) or not named:
        splits["recordings"] = list(grouped.split(x, y, units.owner))
    if named:
        splits["people"] = list(grouped.split(x, y, units.people))
    return splits


def _correct(dataset, units, name, pairs, scored, model, seed):
    """1.0 for each correct segment and recording, else 0.0: {"segment", "recording"}.

    A recording's probabilities are the mean over its scored segments. Under the random split the
    scaler is fitted on everything, as in the original; otherwise on the training rows.
    """
    y, x = units.targets, units.features
    is_scored = np.isin(np.arange(len(units)), scored)
    probabilities = np.zeros((len(units), len(dataset.label_names)), np.float32)
    fewest = min(len(train) for train, _ in pairs)
    prepare, classifier = _model(model, fewest, x.shape[1], seed)
    if name == "segments":
        x = prepare.fit_transform(x)
    for train, test in tqdm(pairs, desc=SPLITS[name], unit="fold"):
        test = test[is_scored[test]]
        if not len(test):
            continue
        if name == "segments":
            x_train, x_test = x[train], x[test]
        else:
            x_train, x_test = prepare.fit_transform(x[train]), prepare.transform(x[test])
        classifier.fit(x_train, y[train])
        probabilities[test[:, None], classifier.classes_] = classifier.predict_proba(x_test)
    owners, first, member = np.unique(units.owner[scored], return_index=True, return_inverse=True)
    whole = np.zeros((len(owners), probabilities.shape[1]))
    np.add.at(whole, member, probabilities[scored])
    return {
        "segment": (probabilities[scored].argmax(axis=1) == y[scored]).astype(float),
        "recording": (whole.argmax(axis=1) == y[scored][first]).astype(float),
    }


def _model(model, rows, columns, seed):
    """(scaler and PCA, classifier) for at least `rows` training rows."""
    from sklearn.decomposition import PCA
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    prepare = make_pipeline(StandardScaler())
    if columns > COMPONENTS:
        n = min(COMPONENTS, rows)
        prepare.steps.append(("pca", PCA(n, svd_solver="randomized", random_state=seed)))
    if model == "knn":
        return prepare, KNeighborsClassifier(min(5, rows), weights="distance")
    return prepare, ExtraTreesClassifier(100, random_state=seed)
