"""What several models say of one recording."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from emg_llm.evaluation.confidence import Confidence, log
from emg_llm.registry import MEAN


@dataclass(frozen=True)
class Prediction:
    """The models' predictions for one recording.

    label: has the highest mean probability over `voters`, or over all models if none of them
    answers; None where the emotion is withheld. withheld: the sentence of why, or "".
    probabilities: model -> label -> probability; empty where withheld. tokens: language model
    -> the codes in its prompt. prompts: language model -> its prompt. warnings: sentences. sets:
    model -> the labels that it can't rule out, likeliest first; MEAN is that of the language
    models together. Without calibration people a model has no sets. voters: the language models,
    or those that learned labelled recordings of the person. known: what is known of the person,
    in a sentence, or "".
    """

    label: str | None
    probabilities: dict[str, dict[str, float]]
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    withheld: str = ""
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    voters: tuple[str, ...] = ()
    known: str = ""


def mean_of(probabilities: Mapping[str, Mapping[str, float]], voters: Iterable[str]) -> dict:
    """label -> the mean probability over those of `voters` that answered, or else all models."""
    shares = [probabilities[name] for name in voters if name in probabilities]
    shares = shares or list(probabilities.values())
    labels = dict.fromkeys(label for p in shares for label in p)
    return {label: float(np.mean([p.get(label, 0.0) for p in shares])) for label in labels}


def headline(probabilities: Mapping[str, Mapping[str, float]], voters: Iterable[str]) -> str:
    """The label of the highest mean probability, see `mean_of`."""
    mean = mean_of(probabilities, voters)
    return max(mean, key=mean.__getitem__)


def sets_of(
    probabilities: Mapping[str, Mapping[str, float]],
    confidences: Mapping[str, Confidence],
    of_mean: Confidence,
    averaged: Iterable[str],
    labels: Iterable[str],
) -> dict[str, tuple[str, ...]]:
    """model -> the labels that it can't rule out, for models that have such sets, and MEAN.

    of_mean: the Confidence of the mean of the models `averaged`, if all of them answered.
    """
    sets = {model: confidences[model].label_set(p) for model, p in probabilities.items()}
    averaged, labels = list(averaged), list(labels)
    if all(name in probabilities for name in averaged):
        mean = mean_of(probabilities, averaged)
        calibrated = of_mean.probabilities(log(np.array([*map(mean.get, labels)])))
        sets[MEAN] = of_mean.label_set(dict(zip(labels, calibrated, strict=True)))
    return {model: names for model, names in sets.items() if names}


def finite(probabilities: Iterable[float]) -> list[float]:
    """Probabilities as floats. Raises ValueError unless all are numbers."""
    values = [float(p) for p in probabilities]
    if not np.isfinite(values).all():
        raise ValueError(f"Probabilities {values} aren't all numbers.")
    return values
