"""Fitted models of every kind under one contract: asked about recordings, taught a new person."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emg_llm.baseline import EmotionSVM, dataset_features
from emg_llm.datasets import DatasetError
from emg_llm.lazy import Lazy
from emg_llm.llms.registry import REGISTRY


@dataclass(frozen=True)
class FoldTraining:
    """How a model is trained on a fold; each kind takes what it has to do with.

    scaling: see EncoderConfig and Bridge.fit. lead: the way of reading that an encoder goes by,
    see EncoderTraining. Of language models alone: bridge, one of BRIDGES; arch, of the encoder
    whose codes are read; variants, follow_ups: see build_rows; epochs, batch_size (conversations
    read at once), learning_rate, spelling (one of SPELLINGS): the registry's where None.
    """

    scaling: str = "training"
    lead: str = "auto"
    bridge: str = "text"
    arch: str = "cnn"
    variants: int = 16
    follow_ups: int = 0
    epochs: float | None = 2.0
    batch_size: int | None = None
    learning_rate: float | None = None
    spelling: str | None = None


@dataclass(frozen=True)
class Fitted:
    """A model that has been fitted, of whatever kind.

    predict(dataset, rows) -> float (rows, labels), in the order of `labels`.
    adapt(dataset, rows, seed) -> another Fitted that also learned these labelled recordings of
    a new person; None where this kind can't. model: the model itself.
    Of language models alone: controls(dataset, rows) -> {name: as predict}, what must know
    nothing; beside(dataset, train, rows) -> {name: float (rows, dataset.label_names)}, others
    that read the same embeddings; answers(dataset, rows) -> list of str, free text;
    reasons(dataset, rows, n_replies, seed) -> counts, see `reasons`.
    """

    name: str
    labels: tuple[str, ...]
    predict: Callable
    adapt: Callable | None = None
    model: object = None
    controls: Callable | None = None
    beside: Callable | None = None
    answers: Callable | None = None
    reasons: Callable | None = None

    def ask(self, dataset, rows):
        """Probabilities float (rows, dataset.label_names) of the recordings in `rows`.

        Raises DatasetError for labels that the model doesn't know; the share of labels that the
        data doesn't have is spread over those that it has.
        """
        check_labels(self.name, self.labels, dataset)
        return in_terms_of(dataset, self.labels, self.predict(dataset, rows))

    def ask_controls(self, dataset, rows):
        """{control: probabilities float (rows, dataset.label_names)}; empty where it has none."""
        found = self.controls(dataset, rows) if self.controls else {}
        return {name: in_terms_of(dataset, self.labels, p) for name, p in found.items()}


def check_labels(name, labels, dataset):
    """Raise DatasetError where the model `name`, which knows `labels`, lacks one of the data's."""
    extra = sorted(set(dataset.label_names) - set(labels))
    if extra:
        raise DatasetError(
            f"{name} doesn't know the labels {', '.join(extra)} of {dataset.name}; it "
            f"knows {', '.join(labels)}. Choose recordings with --labels."
        )


def in_terms_of(dataset, labels, probabilities):
    """Probabilities (n, labels) as (n, dataset.label_names); those of other labels are spread."""
    order = [list(labels).index(label) for label in dataset.label_names]
    p = np.asarray(probabilities, np.float64)[:, order]
    return p / np.maximum(p.sum(axis=1, keepdims=True), 1e-12)


def fitter(name, how=None, material=None):
    """fit(dataset, split, seed) -> a Fitted of the kind `name`, from the split's training part.

    how: a FoldTraining. material: what language models share, see llms.folds.Material.
    """
    from emg_llm.encoders import ARCHITECTURES

    how = how or FoldTraining()
    if name == "svm":
        return svm_on
    if name in ARCHITECTURES:
        more = {"scaling": how.scaling, "lead": how.lead}
        return lambda dataset, split, seed: encoder_on(name, dataset, split, seed, **more)
    if name in REGISTRY:
        from emg_llm.llms.folds import llm_on

        return lambda dataset, split, seed: llm_on(name, dataset, split, seed, how, material)
    known = ", ".join(["svm", *ARCHITECTURES, *REGISTRY])
    raise DatasetError(f"{name} is neither a folder of a trained model nor one of {known}.")


def svm_on(dataset, split, seed=0):
    """An SVM; a refit with a new person's recordings gives them as much weight as all others."""
    labels = dataset.label_names

    def fit(asked, rows, groups, adapt=None):
        features, columns = dataset_features(asked, rows)
        svm = EmotionSVM.fit(features, columns, asked.targets[rows], groups, labels)
        return _svm(svm, adapt)

    def adapt(asked, rows, seed):
        weight = max(1, round(len(split.train) / len(rows)))
        given = np.repeat(rows, weight)
        # A trial is a group of its own: the probabilities are calibrated on this person's trials
        # by SVMs that know their others, as they do when they are used.
        groups = [*asked.groups[split.train], *(f"trial {i}" for i in given)]
        return fit(asked, np.concatenate([split.train, given]), np.array(groups))

    return fit(dataset, split.train, dataset.groups[split.train], adapt)


def encoder_on(arch, dataset, split, seed=0, scaling="training", lead="auto"):
    """An encoder at its best epoch on the validation people, where the split has any."""
    from emg_llm.encoders.training import EncoderTraining, fit_encoder

    config = encoder_config(arch, dataset, scaling=scaling)

    def part(rows):
        return encoder_tensors(dataset, config, rows), dataset.targets[rows], _people(dataset, rows)

    validation = part(split.validation) if len(split.validation) else None
    tensors, targets, groups = part(split.train)
    training = EncoderTraining(seed=seed, lead=lead)
    return _encoder(fit_encoder(config, tensors, targets, validation, training, groups=groups))


def load_fitted(folder, encoder=None, codebook=None):
    """A saved model of any kind as a Fitted; raises DatasetError where the folder has none."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise DatasetError(f"{folder} holds no trained model: there is no config.json in it.")
    config = json.loads(path.read_text())
    if config.get("kind") == "emg-svm":
        return _svm(EmotionSVM.from_pretrained(folder))
    if "arch" in config:
        from emg_llm.encoders import load_encoder

        return _encoder(load_encoder(folder))
    if config.get("kind") == "emg-llm-adapter":
        from emg_llm.llms.folds import as_fitted
        from emg_llm.llms.model import EmgLLM

        llm = EmgLLM.from_pretrained(folder, encoder, codebook)
        if llm.bridge is None:
            raise DatasetError(f"{folder} doesn't say how a recording becomes its prompt.")
        return as_fitted(llm, progress=True)
    raise DatasetError(f"{folder} holds a model of a kind that is not known here.")


def _svm(svm, adapt=None):
    def predict(dataset, rows):
        return svm.predict_proba(dataset_features(dataset, rows)[0])

    return Fitted("svm", svm.labels, predict, adapt, svm)


def _encoder(encoder):
    from emg_llm.encoders.examples import recording_embeddings

    config = encoder.config

    def predict(dataset, rows):
        tensors = encoder_tensors(dataset, config, rows)
        return encoder.classify(recording_embeddings(encoder, tensors, _people(dataset, rows)))

    def adapt(dataset, rows, seed):
        from emg_llm.encoders.training import calibrate

        targets = np.array([config.labels.index(dataset.labels[i]) for i in rows])
        return _encoder(
            calibrate(encoder, encoder_tensors(dataset, config, rows), targets, seed=seed)
        )

    return Fitted(config.arch, tuple(config.labels), predict, adapt, encoder)


def _people(dataset, rows):
    """The person of each recording; one whose person is unknown stands alone."""
    return dataset.groups[rows]


def encoder_config(arch, dataset, **more):
    """An EncoderConfig for the labels and channels of a dataset."""
    from emg_llm.encoders import EncoderConfig

    _check_recordings(dataset)
    channels = dataset.recordings[0].n_channels
    labels = list(dataset.label_names)
    return EncoderConfig(arch, labels, n_channels=channels, n_features=channels + 4, **more)


def _check_recordings(dataset):
    if dataset.recordings is None:
        raise DatasetError(
            f"{dataset.name} is a feature table and an encoder reads recordings; use --model svm "
            "or a language model."
        )


def encoder_tensors(dataset, config, rows=None):
    """The encoder's input for each recording in `rows`, of all where there are none.

    A sequence that makes them when they are asked for: all at once would not fit into memory.
    """
    _check_recordings(dataset)
    rows = range(len(dataset)) if rows is None else rows
    return Lazy(len(rows), lambda i: config.tensor(dataset.recordings[rows[i]]))
