"""The classical baseline: an RBF support vector machine on the features of a recording."""

import json
from dataclasses import dataclass, field

import numpy as np

from emg_llm.data.datasets import DatasetError
from emg_llm.data.whole import whole
from emg_llm.evaluation.confidence import Confidence, log
from emg_llm.hub.client import Pushable, resolve
from emg_llm.hub.saved import readable
from emg_llm.signal.features import above_silence, segment_features
from emg_llm.signal.levels import LevelScale
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import clean, resample, segment
from emg_llm.signal.recording import RecordingError

SAMPLING_RATE = 1000.0
SEGMENT_LENGTH = 128
RECORDING_FEATURES = ("power", "log power spread", "mean frequency")

# Types that this model needs beyond skops's defaults; it loads no others.
TRUSTED = "sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"


def recording_features(recording):
    """Each of RECORDING_FEATURES, float (channels,): in u², dB (over segments) and Hz."""
    prepared = resample(clean(recording), SAMPLING_RATE)
    length = min(SEGMENT_LENGTH, prepared.n_samples)
    values = segment_features(segment(prepared, length))
    power = above_silence(np.square(values["rms"], dtype=np.float64))  # (segments, channels)
    spread = (10 * np.log10(power)).std(axis=0)
    values = power.mean(axis=0), spread, values["mean_frequency"].mean(axis=0)
    return dict(zip(RECORDING_FEATURES, values, strict=True))


def _row(recording, sites):
    """The features of a recording in the order of the SVM's columns: float (features,)."""
    return np.concatenate(list(recording_features(arrange(clean(recording), sites)).values()))


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


@dataclass(eq=False)
class EmotionSVM(Pushable):
    """Scaled features -> RBF SVM -> probabilities by Platt scaling across people."""

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    scale: LevelScale
    model: object
    info: dict = field(default_factory=dict)
    confidence: Confidence = field(default_factory=Confidence)

    @classmethod
    def fit(cls, features, columns, targets, groups, labels, C=2.0, gamma="scale"):
        """Fit on the training people.

        features: float (n, columns); targets: int (n,); groups: (n,), the person of each row:
        the probabilities are calibrated across people.
        """
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        scale = LevelScale.fit(features, columns)
        x = scale.continuous(features)
        svm = make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))
        model = CalibratedClassifierCV(svm, cv=_folds(targets, groups), ensemble=False)
        model.fit(x, targets)
        model.cv = None  # the folds refer to training rows, which a saved model must not hold
        return cls(tuple(labels), tuple(columns), scale, model)

    def predict_proba(self, features):
        """float (n, columns) -> (n, labels); 0 for labels absent from training."""
        probabilities = np.zeros((len(features), len(self.labels)))
        x = self.scale.continuous(features)
        probabilities[:, self.model.classes_] = self.model.predict_proba(x)
        return self.confidence.probabilities(log(probabilities)) * (probabilities > 0)

    def calibrate(self, features, targets, groups, fitted_on):
        """Fit the confidence to other people than `fit` had; see Confidence.fit."""
        self.confidence = Confidence()
        scores = log(self.predict_proba(features))
        self.confidence = Confidence.fit(scores, targets, groups, fitted_on)

    @property
    def sites(self):
        """The sites of the recordings that it was fitted on. Raises RecordingError for a table."""
        first, n = RECORDING_FEATURES[0], len(self.columns) // len(RECORDING_FEATURES)
        sites = tuple(c.removeprefix(f"{first} ") for c in self.columns[:n])
        if self.columns != tuple(f"{f} {site}" for f in RECORDING_FEATURES for site in sites):
            raise RecordingError(
                "This SVM was fitted on a feature table and can't read recordings; train one with "
                "--data of recordings."
            )
        return sites

    def __call__(self, recording):
        """Probabilities (labels,) for one recording. Raises SitesError, see `arrange`."""
        return self.predict_proba(_row(recording, self.sites)[None])[0]

    def save_pretrained(self, folder):
        import skops.io

        config = {
            "kind": "emg-svm",
            "labels": self.labels,
            "columns": self.columns,
            "scale": self.scale.__dict__,
            "confidence": self.confidence.to_dict(),
            **self.info,
        }
        with whole(folder) as beside:
            skops.io.dump(self.model, beside / "model.skops")
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
            return cls(tuple(config["labels"]), columns, scale, model, confidence=confidence)


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
