"""One contract for fitted models of every kind: score recordings, adapt to a new person."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from emg_llm.data.datasets import DatasetError
from emg_llm.evaluation.confidence import Confidence


@dataclass(frozen=True)
class FoldTraining:
    """How to train a model on a fold; each kind uses the settings that concern it."""

    scaling: str = "training"  # one of SCALINGS: what is known of a new person
    lead: str = "auto"  # an encoder's classifier, see EncoderTraining
    # Language models only; None stands for the registry's setting.
    bridge: str = "text"  # one of BRIDGES
    arch: str = "cnn"  # of the encoder that makes the codes
    variants: int = 16  # see build_rows
    follow_ups: int = 0  # see build_rows
    epochs: float | None = 2.0
    batch_size: int | None = None  # conversations
    learning_rate: float | None = None
    spelling: str | None = None  # one of SPELLINGS


@dataclass(frozen=True)
class Fitted:
    """A fitted model of any kind."""

    name: str
    labels: tuple[str, ...]
    predict: Callable  # (dataset, rows) -> float (rows, labels)
    adapt: Callable | None = None  # (dataset, rows, seed) -> Fitted that also learned these trials
    model: object = None  # the model itself
    confidence: Confidence = field(default_factory=Confidence)  # in its probabilities already
    scaling: str = "training"  # one of SCALINGS
    # Encoders only: the path that leads, and (dataset, rows) -> {path: float (rows, labels)}.
    lead: str = ""
    paths: Callable | None = None
    # Language models only.
    # (dataset, rows) -> {name: float (rows, labels), or (draws, rows, labels)} at chance
    controls: Callable | None = None
    beside: Callable | None = None  # (dataset, train, rows) -> {name: float (rows, label_names)}
    answers: Callable | None = None  # (dataset, rows) -> list of str, free text
    # (dataset, rows, some of them, seed) -> {change of the input: float (some, label_names),
    # "donors": int (some,), the rows that other codes and levels are taken from}
    changed: Callable | None = None
    replies: Callable | None = None  # (dataset, rows, n_replies, seed) -> as count_replies

    def ask(self, dataset, rows):
        """Probabilities float (rows, dataset.label_names), renormalised over the data's labels.

        Raises DatasetError for labels that the model doesn't know.
        """
        check_labels(self.name, self.labels, dataset)
        return in_terms_of(dataset, self.labels, self.predict(dataset, rows))

    def ask_paths(self, dataset, rows):
        """{path: probabilities float (rows, dataset.label_names)}, empty where there are none."""
        paths = self.paths(dataset, rows) if self.paths else {}
        return {name: in_terms_of(dataset, self.labels, p) for name, p in paths.items()}

    def ask_controls(self, dataset, rows):
        """{control: probabilities float (rows, dataset.label_names)}, empty without controls.

        A control with random weights has an axis of draws before these two.
        """
        controls = self.controls(dataset, rows) if self.controls else {}
        return {name: in_terms_of(dataset, self.labels, p) for name, p in controls.items()}


def check_labels(name, labels, dataset):
    """Raise DatasetError if the data has labels that the model `name` doesn't know."""
    extra = sorted(set(dataset.label_names) - set(labels))
    if extra:
        raise DatasetError(
            f"{name} doesn't know the labels {', '.join(extra)} of {dataset.name}; it "
            f"knows {', '.join(labels)}. Choose recordings with --labels."
        )


def in_terms_of(dataset, labels, probabilities):
    """Probabilities (..., labels) as (..., dataset.label_names), renormalised over these labels."""
    order = [list(labels).index(label) for label in dataset.label_names]
    p = np.asarray(probabilities, np.float64)[..., order]
    return p / np.maximum(p.sum(axis=-1, keepdims=True), 1e-12)
