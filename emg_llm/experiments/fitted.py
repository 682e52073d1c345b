"""Fitted models of every kind under one contract: asked about recordings, taught a new person."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emg_llm.data.datasets import DatasetError


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
