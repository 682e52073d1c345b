"""The classical baseline: a support vector machine on a recording's features."""

from emg_llm.svm.features import (
    RECORDING_FEATURES,
    SAMPLING_RATE,
    dataset_features,
    recording_features,
)
from emg_llm.svm.machine import EmotionSVM

__all__ = [
    "RECORDING_FEATURES",
    "SAMPLING_RATE",
    "EmotionSVM",
    "dataset_features",
    "recording_features",
]
