"""The settings of an encoder, and how it prepares a recording."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from emg_llm.encoders.front import front
from emg_llm.evaluation.confidence import Confidence
from emg_llm.signal.features import segment_tensor
from emg_llm.signal.missing import without_dead
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import clean, resample
from emg_llm.signal.recording import MONTAGE, Recording, default_channel_names


@dataclass
class EncoderConfig:
    """The settings of an encoder, saved beside its weights.

    sites: of the channels, in order; by default MONTAGE for eight, "channel 1", … otherwise.
    scaling: one of SCALINGS, what is known of the person whose recordings are read.
    """

    arch: str
    labels: list[str]
    n_channels: int = 8
    n_features: int = 12
    sampling_rate: float = 1000.0  # Hz, after resampling
    segment_length: int = 3000  # approximate samples at that rate; shorter trials stay whole
    embedding_dim: int = 256
    width: int = 48
    dropout: float = 0.3
    scaling: str = "training"
    lead: str = "deep"  # the path that the head reads, see `readouts`
    trained_on: str = ""
    confidence: Confidence = field(default_factory=Confidence)
    sites: list[str] = field(default_factory=list)
    origin: str = ""  # of a calibrated encoder: the fingerprint of the one that was calibrated

    def __post_init__(self) -> None:
        if isinstance(self.confidence, Mapping):  # from a file
            self.confidence = Confidence.from_dict(self.confidence)
        if not self.sites:
            names = default_channel_names(self.n_channels)
            self.sites = list(MONTAGE if self.n_channels == len(MONTAGE) else names)

    def tensor(self, recording: Recording) -> np.ndarray:
        """The encoder's input for one recording: float32 (n_segments, length, features).

        Raises SitesError if the recording doesn't have the encoder's sites, see `arrange`.
        """
        arranged = arrange(clean(recording), self.sites)
        prepared = without_dead(resample(arranged, self.sampling_rate))
        n = prepared.n_samples
        # The whole trial, or equal parts as close as possible to segment_length.
        return segment_tensor(prepared, n // max(1, round(n / self.segment_length)))

    @property
    def front_key(self) -> tuple:
        """Everything that `front` depends on: encoders with equal keys share its result."""
        return "front", tuple(self.sites), self.sampling_rate, self.segment_length

    @torch.inference_mode()
    def front(self, recording: Recording) -> tuple[Tensor, Tensor]:
        """The encoder's inputs from one recording, on the CPU, see `front.front`."""

        def make():
            tensor = torch.as_tensor(self.tensor(recording))
            return front(tensor, self.n_channels, self.sampling_rate)

        return recording.once(self.front_key, make)
