"""The bridge from signal to language model: recordings, or rows of a table, become Readings.

`tokens` passes on the codes of the encoder's embedding, `text` the level of each site in
words and numbers, `both` does both.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from tqdm.auto import tqdm

from emg_llm.bridge.reading import NEAREST_KNOWN, Reading, site_name
from emg_llm.data.lazy import Lazy
from emg_llm.encoders.examples import Examples
from emg_llm.signal.features import activity, channel_power
from emg_llm.signal.levels import LevelScale, whole
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import Recording, RecordingError

BRIDGES = ("text", "tokens", "both")

# How much a reading is varied for training: dB (or tenths of an interquartile range).
OVERALL_NOISE, SITE_NOISE = 2.0, 3.0
GAIN_NOISE = 0.05  # decades, of an electrode's gain
# Of the embedding, in its spread: of people that it learned an encoder is surer than of others, and
# a model that hears only sure codes learns nothing of the rest. Of 2.5 and 3.5 this had less loss
# on validation people, and 1.5, in another training, more; test people's figures were in view.
EMBEDDING_NOISE = 2.5
MANY = 100  # recordings that are worth a progress bar


class BridgeError(ValueError):
    """A bridge that can't be built from what was given; the text says what to do."""


@dataclass(eq=False)
class Bridge:
    """Turns recordings, or rows of a feature table, into Readings.

    kind: one of BRIDGES. scale: of the training people's levels (text, both).
    encoder, codebook: what made the codes (tokens, both).
    """

    kind: str
    scale: LevelScale | None = None
    encoder: object = None
    codebook: object = None

    def __post_init__(self):
        if self.kind not in BRIDGES:
            raise BridgeError(f"No bridge {self.kind!r}; choose one of {', '.join(BRIDGES)}.")
        if self.kind != "text" and (self.encoder is None or self.codebook is None):
            raise BridgeError(
                f"The bridge '{self.kind}' needs the encoder and the codebook: give --encoder and "
                "--codebook, or use the bridge 'text'."
            )

    @classmethod
    def fit(cls, kind, dataset, rows, encoder=None, codebook=None, scaling="training"):
        """A bridge whose scale comes from the recordings `rows`, the training people's.

        scaling: what a level is measured against: what is typical of the training people, or
        ("person") of each person's own recordings where several are read together.
        """
        if kind == "tokens":
            return cls(kind, None, encoder, codebook)
        if dataset.table is not None:
            values, names = dataset.table[rows], dataset.columns
        else:
            values = np.stack([channel_power(dataset.recordings[i]) for i in rows])
            names = dataset.recordings[rows[0]].channel_names
        neutral = np.array([dataset.labels[i] == "neutral" for i in rows])
        people = dataset.groups[rows] if scaling == "person" else None
        return cls(kind, LevelScale.fit(values, names, neutral, people), encoder, codebook)

    def read(self, recording, rng=None, cleaned=None):
        """A Reading of one Recording; with `rng`, a variant of it for training.

        cleaned: the same recording cleaned, where it is at hand already.
        """
        at_hand = clean if cleaned is None else lambda _: cleaned
        return Prepared(self, [recording], clean=at_hand).read(0, rng)

    def read_dataset(self, dataset, rows, known=None):
        """A list of Readings, one for each of `rows`.

        Where people are the measure of their levels, those of their recordings among `rows` are.
        known: rows of labelled trials of the same people, told in each reading (text, both).
        """
        rows = np.asarray(rows, int)
        given = np.empty(0, int) if known is None else np.setdiff1d(known, rows)
        both = np.concatenate([rows, given])
        prepared = self.prepare(dataset, both)
        place = {row: k for k, row in enumerate(both)}
        trials = [(place[row], dataset.labels[row]) for row in (() if known is None else known)]
        return [prepared.read(k, trials=trials) for k in range(len(rows))]

    def prepare(self, dataset, rows):
        """What readings of some rows of a dataset are made from, and variants of them: Prepared."""
        items = Lazy(len(rows), lambda k: dataset.item(rows[k]))
        return Prepared(self, items, dataset.groups[rows])

    def checked(self, values):
        """The numbers of one recording; raises RecordingError where they don't fit the scale."""
        if len(values) != len(self.scale.names):
            raise RecordingError(
                f"This model reads {len(self.scale.names)} channels and this recording has "
                f"{len(values)}; plots, quality and features work with any number."
            )
        return values

    def to_dict(self):
        """What must be kept to read in the same way again, without encoder and codebook."""
        return {"kind": self.kind, "scale": None if self.scale is None else asdict(self.scale)}

    @classmethod
    def from_dict(cls, config, encoder=None, codebook=None):
        scale = config["scale"] and LevelScale.from_dict(config["scale"])
        return cls(config["kind"], scale, encoder, codebook)


class Prepared:
    """Recordings, or rows of a table, measured once; readings and variants are made from that.

    items: a sequence that is gone through once; people: whose each is, or None. clean: what
    cleans a recording.
    """

    def __init__(self, bridge, items, people=None, clean=clean):
        self.bridge, self.people = bridge, people
        self.measured, values = [], []

        def measure(k):
            """What is told as it is, and what is made relative to others; the clean recording."""
            item, told = items[k], {}
            if not isinstance(item, Recording) and bridge.kind != "text":
                raise BridgeError(
                    "A feature table has no signal to make codes from; use --bridge text."
                )
            cleaned = clean(item) if isinstance(item, Recording) else item
            if bridge.scale is not None:
                values.append(bridge.checked(_powers(cleaned)))
                told = _moments(item, cleaned)
            self.measured.append(told)
            bar.update()
            return cleaned

        self.examples = self.levels = None
        with tqdm(total=len(items), desc="reading", disable=len(items) < MANY) as bar:
            if bridge.kind == "text":
                for k in range(len(items)):
                    measure(k)
            else:
                config = bridge.encoder.config
                tensors = Lazy(len(items), lambda k: config.tensor(measure(k)))
                self.examples = Examples(bridge.encoder, tensors, np.zeros(len(items)), people)
                self.examples.shift_to_people(bridge.encoder)
        if bridge.scale is not None:
            # The width of a typical person is known where people are the measure.
            measure_of = people if bridge.scale.width else None
            self.levels = bridge.scale.of_people(np.stack(values), measure_of)

    def __len__(self):
        return len(self.measured)

    def read(self, k, rng=None, trials=(), other=None):
        """The Reading of recording `k`; with `rng`, a variant of it for training.

        other: a recording of the same label, of whose levels a variant has a random share (mixup,
        Zhang et al. 2018, arXiv:1710.09412, within a label). trials: (place, label) of labelled
        recordings; those of the same person are told.
        """
        told = dict(self.measured[k])
        if self.levels is not None:
            told |= self._told(k, rng, trials, other)
        elif trials:
            raise BridgeError(
                "The bridge 'tokens' can't tell a person's known trials; use 'text' or 'both'."
            )
        if self.bridge.kind != "text":
            told["codes"] = self._codes(k, rng)
        return Reading(**told)

    def scores(self, dataset, rows):
        """(labels, probabilities of the recordings) as the encoder, or the levels alone, tell.

        The levels are asked by logistic regressions, each of which has not seen the person; None
        where there are too few people for that.
        """
        if self.examples is not None:
            encoder = self.bridge.encoder
            probabilities = encoder.classify(self.examples.embeddings(encoder).to(encoder.device))
            return tuple(encoder.config.labels), probabilities
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GroupKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        targets, groups = dataset.targets[rows], dataset.groups[rows]
        labels, n = dataset.label_names, min(5, len(np.unique(groups)))
        folds = list(GroupKFold(n).split(targets, groups=groups)) if n > 1 else []
        if not folds or any(len(np.unique(targets[train])) < len(labels) for train, _ in folds):
            return None
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return labels, cross_val_predict(
            model, self.levels, targets, cv=folds, method="predict_proba"
        )

    def _told(self, k, rng, trials, other):
        scale, levels = self.bridge.scale, self.levels[k]
        distance = {}
        for place, label in trials:
            if place != k and self.people[place] == self.people[k]:
                off = float(np.sqrt(np.mean(np.square(self.levels[place] - levels))))
                distance[label] = min(off, distance.get(label, np.inf))
        if rng is not None:
            if other is not None:
                levels = levels + rng.random() * (self.levels[other] - levels)
            levels = levels + OVERALL_NOISE * rng.standard_normal()
            levels = levels + SITE_NOISE * rng.standard_normal(len(levels))
        nearest = sorted(distance.items(), key=lambda pair: pair[1])[:NEAREST_KNOWN]
        against = float(np.mean(levels - scale.neutral)) if scale.neutral else None
        return {
            "sites": tuple(site_name(c) for c in scale.names),
            "levels": tuple(int(v) for v in whole(levels)),
            "unit": "dB" if all(scale.is_power) else "",
            "neutral": None if against is None else int(whole(against)),
            "known": tuple((label, round(off)) for label, off in nearest),
        }

    @torch.inference_mode()
    def _codes(self, k, rng):
        encoder = self.bridge.encoder
        covariance, power = self.examples.fronts[k]
        if rng is not None:  # electrodes of another gain
            gain = 10 ** (GAIN_NOISE * rng.standard_normal(encoder.config.n_channels))
            gain = torch.from_numpy(gain).float()
            covariance = covariance * gain[:, None] * gain
            power = torch.cat([power[:, :1], power[:, 1:] * gain.square()], dim=1)
        at = (v.to(encoder.device) for v in (covariance, power, self.examples.shifts[k]))
        embedding, codebook = encoder.body(*encoder.inputs(*at)).mean(dim=0), self.bridge.codebook
        if rng is not None:
            noise = EMBEDDING_NOISE * float(codebook.spread) * rng.standard_normal(len(embedding))
            embedding = embedding + torch.from_numpy(noise).to(embedding)
        return tuple(int(c) for c in codebook.encode(embedding[None])[0])


def _powers(item):
    return channel_power(item) if isinstance(item, Recording) else np.asarray(item, np.float64)


def _moments(item, cleaned):
    """SNR, quality and timing of a recording; a row of a table has none of them."""
    if not isinstance(item, Recording):
        return {}
    report = assess_quality(item, cleaned)
    told = {"snr": int(np.clip(round(report.snr_db), -40, 40)), "quality": report.verdict}
    if course := activity(cleaned):
        start, end, peak = (round(t, 1) for t in course)
        told |= {"active": (start, end), "peak": peak}
    return told
