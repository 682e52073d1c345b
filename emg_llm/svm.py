"""The classical baseline: an RBF support vector machine on the features of a recording.

It chooses its features and settings inside the training people, by cross-validation over them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

import numpy as np
from safetensors.numpy import load_file, save_file

from emg_llm.data.datasets import DatasetError
from emg_llm.data.whole import whole
from emg_llm.evaluation.confidence import Confidence, fit_temperature, log
from emg_llm.hub.client import Pushable, resolve
from emg_llm.hub.saved import readable
from emg_llm.signal.features import above_silence, is_dead, segment_features
from emg_llm.signal.levels import Known, LevelScale
from emg_llm.signal.missing import MOST_MISSING, StandIns, lacking
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import clean, resample, segment
from emg_llm.signal.recording import RecordingError

SAMPLING_RATE = 1000.0
SEGMENT_LENGTH = 128
RECORDING_BANDS = {  # Hz
    "low-band power": (20.0, 60.0),
    "middle-band power": (60.0, 120.0),
    "high-band power": (120.0, 230.0),
}
RECORDING_FEATURES = ("power", "log power spread", "mean frequency", *RECORDING_BANDS)
# What the SVM chooses from, simplest first: features of a recording, and penalty and width of the
# kernel, in units of 1 / columns.
FEATURE_SETS = (RECORDING_FEATURES[:1], RECORDING_FEATURES[:3], tuple(RECORDING_BANDS))
SETTINGS = (
    *((1.0, 1.0), (3.0, 1.0), (3.0, 0.3), (10.0, 0.3)),
    *((10.0, 1.0), (1.0, 3.0), (3.0, 3.0), (30.0, 0.1)),
)
STAND_INS = "missing.safetensors"
MOST_FOLDS = 8  # over people, to choose among these

# Types that SVMs of earlier versions need beyond skops's defaults; no others are loaded.
TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)


def recording_features(recording):
    """Each of RECORDING_FEATURES, float (channels,): in u², dB (over segments), Hz, and u² each."""
    prepared = resample(clean(recording), SAMPLING_RATE)
    segments = segment(prepared, min(SEGMENT_LENGTH, prepared.n_samples))
    values = segment_features(segments)
    power = above_silence(np.square(values["rms"], dtype=np.float64))  # (segments, channels)
    spread = (10 * np.log10(power)).std(axis=0)
    values = power.mean(axis=0), spread, values["mean_frequency"].mean(axis=0)
    return dict(zip(RECORDING_FEATURES, (*values, *_band_powers(segments)), strict=True))


def _band_powers(segments):
    """The power in each of RECORDING_BANDS, u²: a list of float64 (channels,)."""
    n = segments.signal.shape[1]
    frequency = np.fft.rfftfreq(n, 1 / segments.sampling_rate)
    density = np.square(np.abs(np.fft.rfft(segments.signal, axis=1)) / n).mean(axis=0)
    for low, high in RECORDING_BANDS.values():
        yield above_silence(2 * density[(frequency >= low) & (frequency < high)].sum(axis=0))


def _row(recording, sites, features=RECORDING_FEATURES):
    """Features of a recording in the order of the SVM's columns: float (features,).

    Those of a channel without a signal are NaN.
    """
    values = recording_features(arrange(clean(recording), sites))
    dead = is_dead(values["power"])
    return np.concatenate([np.where(dead, np.nan, values[feature]) for feature in features])


def dataset_features(dataset, rows=None):
    """float (rows, features) and the features' names, for recordings and feature tables alike.

    rows: all by default. Raises SitesError for recordings with different channels.
    """
    if dataset.table is not None:
        return dataset.table if rows is None else dataset.table[rows], dataset.columns
    rows = range(len(dataset)) if rows is None else rows
    sites = dataset.recordings[0].channel_names
    names = tuple(f"{feature} {site}" for feature in RECORDING_FEATURES for site in sites)
    return np.stack([_row(dataset.recordings[i], sites) for i in rows]), names


@dataclass(frozen=True)
class Settings:
    """used: the indices of the columns that the SVM reads; C, gamma: see sklearn's SVC."""

    used: tuple[int, ...]
    C: float = 1.0
    gamma: float | str = "scale"


@dataclass(eq=False)
class EmotionSVM(Pushable):
    """Scaled features -> RBF SVM -> probabilities at a temperature fitted across people."""

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    scale: LevelScale
    model: object
    settings: Settings
    temperature: float | None = None
    info: dict = field(default_factory=dict)
    confidence: Confidence = field(default_factory=Confidence)
    stand_ins: StandIns | None = None  # for the features of missing sites

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        columns: Sequence[str],
        targets: np.ndarray,
        groups: np.ndarray,
        labels: Sequence[str],
        known: Known | None = None,
        scaling: str = "training",
        settings: Settings | None = None,
    ) -> Self:
        """Fit on the training people.

        features: float (n, columns); targets: int (n,); groups: (n,), the person of each row:
        settings are chosen and probabilities calibrated across people. known, scaling: see
        LevelScale. settings: already chosen ones.
        """
        from sklearn.model_selection import cross_val_predict

        stand_ins = StandIns.fit(features)
        features, known = _complete(stand_ins, features), _complete_known(stand_ins, known)
        scale = LevelScale.fit(features, columns, people=groups, known=known, scaling=scaling)
        x, folds = scale.of_people(features, groups, known), _folds(targets, groups)
        settings = settings or choose(x, columns, targets, groups)
        svm, read = _machine(settings.C, settings.gamma), x[:, settings.used]
        left_out = cross_val_predict(svm, read, targets, cv=folds, method="decision_function")
        _, places = np.unique(targets, return_inverse=True)
        temperature = fit_temperature(_by_label(left_out), places)
        model = svm.fit(read, targets)
        about = tuple(labels), tuple(columns), scale, model, settings, temperature
        return cls(*about, stand_ins=stand_ins)

    def predict_proba(self, features, groups=None, known=None):
        """float (n, columns) -> (n, labels); 0 for labels absent from training.

        groups, known: see LevelScale.of_people; without them, nothing is known of a person. NaN
        is a feature of a missing site.
        """
        from scipy.special import softmax

        n_missing = np.isnan(features)[:, self._by_site].all(axis=2).sum(axis=1)
        features = _complete(self.stand_ins, features)
        known = _complete_known(self.stand_ins, known)
        probabilities = np.zeros((len(features), len(self.labels)))
        x = self.scale.of_people(features, groups, known)[:, self.settings.used]
        if self.temperature:
            scores = _by_label(self.model.decision_function(x)) / self.temperature
            known = softmax(scores, axis=1)
        else:  # of an earlier version, with probabilities of its own
            known = self.model.predict_proba(x)
        probabilities[:, self.model.classes_] = known
        scores = log(probabilities)
        return self.confidence.probabilities(scores, n_missing) * (probabilities > 0)

    def calibrate(self, features, targets, groups, known, fitted_on):
        """Fit the confidence to other people than `fit` had; see Confidence.fit."""
        self.confidence = Confidence()
        scores = log(self.predict_proba(features, groups, known))
        fitted = Confidence.fit(scores, targets, groups, fitted_on)
        counts = range(1, 1 + min(MOST_MISSING, len(self._by_site) // 2))
        without = [lacking(features, self._by_site, n) for n in counts]
        scores = [log(self.predict_proba(x, groups, known)) for x in without]
        rows = np.repeat(counts, len(targets)).astype(int)
        scores = np.reshape(scores, (len(rows), len(self.labels)))
        self.confidence = fitted.with_missing(scores, np.tile(targets, len(counts)), rows)

    @property
    def _by_site(self):
        """int (sites, features): the columns of each site; of a table, each column is a site."""
        columns = np.arange(len(self.columns))
        try:
            return columns.reshape(len(self.reads[1]), -1).T
        except RecordingError:
            return columns[:, None]

    @property
    def sites(self):
        """The sites of the recordings that it was fitted on. Raises RecordingError for a table."""
        return self.reads[0]

    @property
    def reads(self):
        """(sites, features) of the recordings that it was fitted on. Raises RecordingError."""
        first, columns = f"{RECORDING_FEATURES[0]} ", tuple(map(str, self.columns))
        sites = tuple(c.removeprefix(first) for c in columns if c.startswith(first))
        features = tuple(
            f for f in RECORDING_FEATURES if any(f"{f} {site}" in columns for site in sites)
        )
        if not sites or columns != tuple(f"{f} {site}" for f in features for site in sites):
            raise RecordingError(
                "This SVM was fitted on a feature table and can't read recordings; train one with "
                "--data of recordings."
            )
        return sites, features

    def __call__(self, recording):
        """Probabilities (labels,) for one recording. Raises SitesError, see `arrange`."""
        return self.predict_proba(_row(recording, *self.reads)[None])[0]

    def save_pretrained(self, folder):
        import skops.io

        config = {
            "kind": "emg-svm",
            "labels": self.labels,
            "columns": self.columns,
            "scale": self.scale.__dict__,
            "confidence": self.confidence.to_dict(),
            "settings": asdict(self.settings),
            "temperature": self.temperature,
            **self.info,
        }
        with whole(folder) as beside:
            skops.io.dump(self.model, beside / "model.skops")
            if self.stand_ins is not None:
                save_file(vars(self.stand_ins), beside / STAND_INS)
            (beside / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, folder_or_id, revision=None):
        """A saved SVM. Raises HubError."""
        import skops.io

        folder = resolve(folder_or_id, revision)
        with readable(folder_or_id, "SVM", "train/svm.py"):
            config = json.loads((folder / "config.json").read_text())
            model = skops.io.load(folder / "model.skops", trusted=list(TRUSTED))
            scale = LevelScale.from_dict(config["scale"])
            confidence = Confidence.from_dict(config.get("confidence", {}))
            columns = tuple(config["columns"])
            # An earlier version read all columns.
            settings = config.get("settings", {"used": range(len(columns)), "C": 2.0})
            settings = Settings(**settings | {"used": tuple(settings["used"])})
            about = tuple(config["labels"]), columns, scale, model, settings
            svm = cls(*about, config.get("temperature"), confidence=confidence)
            if (folder / STAND_INS).exists():  # not from earlier versions
                svm.stand_ins = StandIns(**load_file(folder / STAND_INS))
            return svm


def _complete(stand_ins, features):
    return features if stand_ins is None else stand_ins.complete(features)


def _complete_known(stand_ins, known):
    """What is known, completed once for each person."""
    different = {id(values): values for sets in (known or {}).values() for values in sets}
    whole = {k: _complete(stand_ins, values) for k, values in different.items()}
    return {p: [whole[id(values)] for values in sets] for p, sets in (known or {}).items()}


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
        search = GridSearchCV(_machine(), grid, cv=folds, refit=False)
        found = search.fit(levels[:, used], targets).cv_results_
        by_set.append(np.stack([found[f"split{k}_test_score"] for k in range(n)], axis=1))
    scores = np.concatenate(by_set)  # (candidates, folds)
    lost = scores[scores.mean(axis=1).argmax()] - scores
    error = lost.std(axis=1, ddof=1) / n**0.5
    return Settings(*candidates[int((lost.mean(axis=1) <= error + 1e-9).argmax())])


def _machine(C=1.0, gamma="scale"):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))


def _by_label(scores):
    """The scores of an SVM as (n, labels), also with two labels."""
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def _column_sets(columns):
    """The indices of each of FEATURE_SETS; of a feature table, all columns."""
    sets = [
        tuple(i for f in s for i, c in enumerate(columns) if str(c).startswith(f"{f} "))
        for s in FEATURE_SETS
    ]
    every = tuple(range(len(columns)))
    return sets if all(sets) and set().union(*sets) == set(every) else [every]


def _folds(targets, groups):
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
