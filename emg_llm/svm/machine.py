"""The classical baseline: an RBF support vector machine on the features of a recording.

It chooses its features and settings inside the training people, by cross-validation over them.
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Self

import numpy as np
from safetensors.numpy import load_file, save_file

from emg_llm.data.whole import whole
from emg_llm.evaluation.confidence import Confidence, fit_temperature, log
from emg_llm.hub.client import Pushable, resolve
from emg_llm.hub.saved import readable
from emg_llm.signal.levels import ANY, LEAST, PRIVILEGES, Known, LevelScale, alternatives
from emg_llm.signal.missing import MOST_MISSING, StandIns, lacking
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.svm.choice import Settings, choose, folds_of, machine
from emg_llm.svm.features import RECORDING_FEATURES, row_of

STAND_INS = "missing.safetensors"

# Types that SVMs of earlier versions need beyond skops's defaults; no others are loaded.
TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)


@dataclass(eq=False)
class EmotionSVM(Pushable):
    """Scaled features -> RBF SVM -> probabilities at a temperature fitted across people.

    With "any" scaling, this is the machine for people of whom nothing is known, and `told` holds
    one for each of KNOWN; they share stand-ins and confidence. known: of the person of single
    recordings, see `knowing`.
    """

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    scale: LevelScale
    model: object
    settings: Settings
    temperature: float | None = None
    info: dict = field(default_factory=dict)
    confidence: Confidence = field(default_factory=Confidence)
    stand_ins: StandIns | None = None  # for the features of missing sites
    told: Mapping[str, Self] = field(default_factory=dict)
    known: Known = field(default_factory=dict)

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

        if scaling == ANY:
            of = features, columns, targets, groups, labels
            return cls._fit_any(of, known or {}, settings)
        stand_ins = StandIns.fit(features)
        features, known = _complete(stand_ins, features), _complete_known(stand_ins, known)
        scale = LevelScale.fit(features, columns, people=groups, known=known, scaling=scaling)
        x, folds = scale.of_people(features, groups, known), folds_of(targets, groups)
        settings = settings or choose(x, columns, targets, groups)
        svm, read = machine(settings.C, settings.gamma), x[:, settings.used]
        left_out = cross_val_predict(svm, read, targets, cv=folds, method="decision_function")
        _, places = np.unique(targets, return_inverse=True)
        temperature = fit_temperature(_by_label(left_out), places)
        model = svm.fit(read, targets)
        about = tuple(labels), tuple(columns), scale, model, settings, temperature
        return cls(*about, stand_ins=stand_ins)

    @classmethod
    def _fit_any(cls, of, known, settings):
        """A machine for each of PRIVILEGES, from the rows of whose people it is known."""
        svm = cls.fit(*of, settings=settings)
        svm.scale = replace(svm.scale, scaling=ANY)
        features, columns, targets, groups, labels = of
        for privilege, sets in known.items():
            rows = np.flatnonzero(_enough(privilege, sets))
            if len(np.unique(targets[rows])) < 2:
                continue
            mine = features[rows], columns, targets[rows], groups[rows], labels
            theirs = {privilege: [sets[i] for i in rows]}
            svm.told[privilege] = cls.fit(*mine, theirs, privilege, settings)
        return svm

    def predict_proba(self, features, groups=None, known=None):
        """float (n, columns) -> (n, labels); 0 for labels absent from training.

        groups, known: see LevelScale.of_people; without them, nothing is known of a person. NaN
        is a feature of a missing site.
        """
        n_missing = np.isnan(features)[:, self._by_site].all(axis=2).sum(axis=1)
        features = _complete(self.stand_ins, features)
        known = _complete_known(self.stand_ins, known)
        probabilities = self._uncalibrated(features, groups, known)
        scores = log(probabilities)
        of = n_missing, self._read_with(known, len(features))
        return self.confidence.probabilities(scores, *of) * (probabilities > 0)

    def _read_with(self, known, n):
        """str (n,): which of KNOWN the machines of "any" scaling use for each row, or ""."""
        privilege = alternatives(self.scaling, known or {})[0]
        if privilege not in self.told:
            return np.full(n, "")
        return np.where(_enough(privilege, known[privilege]), privilege, "")

    def _uncalibrated(self, features, groups, known):
        """`predict_proba` of complete features, before the confidence."""
        from scipy.special import softmax

        privilege = alternatives(self.scaling, known)[0]
        if privilege in self.told:
            told = self.told[privilege]._uncalibrated(features, groups, known)
            enough = _enough(privilege, known[privilege])
            return np.where(enough[:, None], told, self._uncalibrated(features, groups, {}))
        probabilities = np.zeros((len(features), len(self.labels)))
        x = self.scale.of_people(features, groups, known)[:, self.settings.used]
        if self.temperature:
            scores = _by_label(self.model.decision_function(x)) / self.temperature
            of_seen = softmax(scores, axis=1)
        else:  # of an earlier version, with probabilities of its own
            of_seen = self.model.predict_proba(x)
        probabilities[:, self.model.classes_] = of_seen
        return probabilities

    def calibrate(self, features, targets, groups, known, fitted_on):
        """Fit the confidence to other people than `fit` had; see Confidence.fit."""
        self.confidence, known = Confidence(), known or {}
        ways = alternatives(self.scaling, known)

        each = [{p: sets for p, sets in known.items() if p == way} for way in ways]
        read_with = np.concatenate([self._read_with(k, len(features)) for k in each])

        def scores_of(features):
            """The scores (ways * n, labels), with each of what may be known."""
            return np.concatenate([log(self.predict_proba(features, groups, k)) for k in each])

        targets, people = np.tile(targets, len(ways)), np.tile(groups, len(ways))
        fitted = Confidence.fit(scores_of(features), targets, people, fitted_on, known=read_with)
        counts = range(1, 1 + min(MOST_MISSING, len(self._by_site) // 2))
        scores = [scores_of(lacking(features, self._by_site, n)) for n in counts]
        rows = np.repeat(counts, len(targets)).astype(int)
        scores = np.reshape(scores, (len(rows), len(self.labels)))
        of = np.tile(targets, len(counts)), rows, np.tile(read_with, len(counts))
        self.confidence = fitted.with_missing(scores, *of)

    def knowing(self, recordings: Sequence[Recording], privilege: str) -> Self:
        """An SVM of the same machines for single recordings of a person of whom `recordings` are
        known. privilege: which of KNOWN they are. Raises SitesError."""
        return self.against(np.stack([self.facts(r) for r in recordings]), privilege)

    def against(self, rows: np.ndarray, privilege: str) -> Self:
        """As `knowing`, from the `facts` (n, columns) of the known recordings."""
        svm = copy.copy(self)
        svm.known = {privilege: [rows]}
        return svm

    def facts(self, recording: Recording) -> np.ndarray:
        """float64 (columns,): what it reads of a recording; NaN at a site without a signal."""
        return row_of(recording, *self.reads)

    @property
    def fingerprint(self) -> str:
        """A hash of what it reads and of how it scales that."""
        described = json.dumps([self.labels, self.columns, self._described], default=float)
        return hashlib.sha256(described.encode()).hexdigest()[:16]

    @property
    def scaling(self) -> str:
        """One of SCALINGS: what it knows of the person whose recording it reads."""
        return self.scale.scaling

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
        return self.predict_proba(self.facts(recording)[None], known=self.known)[0]

    def save_pretrained(self, folder):
        import skops.io

        config = {
            "kind": "emg-svm",
            "labels": self.labels,
            "columns": self.columns,
            "confidence": self.confidence.to_dict(),
            **self._described,
            "told": {privilege: svm._described for privilege, svm in self.told.items()},
            **self.info,
        }
        models = {PRIVILEGES[0]: self.model, **{p: svm.model for p, svm in self.told.items()}}
        with whole(folder) as beside:
            skops.io.dump(models if self.told else self.model, beside / "model.skops")
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
            told = config.get("told", {})
            models = model if told else {PRIVILEGES[0]: model}
            svm = cls._of(config, config, models[PRIVILEGES[0]])
            svm.told = {p: cls._of(config, described, models[p]) for p, described in told.items()}
            svm.confidence = Confidence.from_dict(config.get("confidence", {}))
            if (folder / STAND_INS).exists():  # not from earlier versions
                svm.stand_ins = StandIns(**load_file(folder / STAND_INS))
            return svm

    @property
    def _described(self):
        """The settings of one machine in config.json."""
        return {
            "scale": asdict(self.scale),
            "settings": asdict(self.settings),
            "temperature": self.temperature,
        }

    @classmethod
    def _of(cls, config, described, model):
        """One machine from its settings."""
        columns = tuple(config["columns"])
        # An earlier version read all columns.
        settings = described.get("settings", {"used": range(len(columns)), "C": 2.0})
        settings = Settings(**settings | {"used": tuple(settings["used"])})
        scale = LevelScale.from_dict(described["scale"])
        about = tuple(config["labels"]), columns, scale, model, settings
        return cls(*about, described.get("temperature"))


def _enough(privilege, sets):
    """bool (rows,): of whose person enough is known."""
    return np.array([len(some) >= LEAST[privilege] for some in sets], bool)


def _complete(stand_ins, features):
    return features if stand_ins is None else stand_ins.complete(features)


def _complete_known(stand_ins, known):
    """What is known, completed once for each person."""
    sets = {privilege: list(each) for privilege, each in (known or {}).items()}
    different = {id(values): values for each in sets.values() for values in each}
    whole = {key: _complete(stand_ins, values) for key, values in different.items()}
    return {p: [whole[id(values)] for values in each] for p, each in sets.items()}


def _by_label(scores):
    """The scores of an SVM as (n, labels), also with two labels."""
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
