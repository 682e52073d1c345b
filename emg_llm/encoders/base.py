"""The one contract of all encoders.

An encoder reads segments (n, length, features) and gives embeddings (n, d) and logits
(n, labels). The head is linear, so the mean of a recording's logits is the head of its mean
embedding: what a language model later reads is what the encoder decided from. The embedding
holds what the network saw, and behind it the scores of the readouts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from emg_llm.encoders.front import BANDS, flatten, frames, front, log_covariances
from emg_llm.encoders.readouts import PATHS, Readouts
from emg_llm.hub.client import Pushable, resolve
from emg_llm.signal.features import segment_tensor
from emg_llm.signal.preprocessing import clean, resample
from emg_llm.signal.recording import Recording, check_channels

SCALINGS = ("training", "person")


@dataclass
class EncoderConfig:
    """What an encoder is built from; saved beside its weights.

    scaling: what a level is measured against: the training people's mean, or the median of the
    person's own recordings where several are read together.
    """

    arch: str
    labels: list[str]
    n_channels: int = 8
    n_features: int = 12
    sampling_rate: float = 1000.0  # Hz; recordings are resampled to it
    segment_length: int = 3000  # samples at that rate, about; shorter trials stay whole
    embedding_dim: int = 256
    width: int = 48
    dropout: float = 0.3
    scaling: str = "training"
    lead: str = "deep"  # the way of reading that the head goes by, see readouts
    trained_on: str = ""
    temperature: float = 1.0

    def tensor(self, recording: Recording) -> np.ndarray:
        """The encoder's input for one recording: float32 (n_segments, length, features)."""
        check_channels(recording.n_channels, self.n_channels)
        prepared = resample(clean(recording), self.sampling_rate)
        n = prepared.n_samples
        # Whole trials, or parts as equal and as near the wanted length as can be.
        return segment_tensor(prepared, n // max(1, round(n / self.segment_length)))

    @property
    def front_key(self) -> tuple:
        """All that `front` depends on: encoders that share it share what it gives."""
        return "front", self.n_channels, self.sampling_rate, self.segment_length

    @torch.inference_mode()
    def front(self, recording: Recording) -> tuple[Tensor, Tensor]:
        """What an encoder reads of one recording, on the CPU, see `front.front`."""

        def make():
            tensor = torch.as_tensor(self.tensor(recording))
            return front(tensor, self.n_channels, self.sampling_rate)

        return recording.once(self.front_key, make)


class HubModule(  # type: ignore[misc]  # our push_to_hub writes a card and commits once
    Pushable, nn.Module, PyTorchModelHubMixin
):
    """A network that is saved, loaded and pushed together with its configuration."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        revision: str | None = None,
        **settings: Any,
    ) -> Self:
        """A saved one, ready to predict; every weight must be there. Raises HubError."""
        folder = resolve(pretrained_model_name_or_path, revision)
        return super().from_pretrained(str(folder), **(settings | {"strict": True})).eval()


class EmgEncoder(HubModule):
    """Base of the encoders; subclasses define `deep(course)`."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.n_inputs = len(BANDS) * config.n_channels * (config.n_channels + 1) // 2
        self.n_levels = self.n_inputs + 1 + config.n_channels
        # Fitted on the training people: typical power, mean and spread of what the body reads.
        self.power: Tensor = nn.Buffer(torch.ones(()))
        self.center: Tensor = nn.Buffer(torch.zeros(self.n_levels))
        self.spread: Tensor = nn.Buffer(torch.ones(()))
        # How far a typical person's recordings are from that person's median, logarithm.
        self.typical: Tensor = nn.Buffer(torch.zeros(()))
        self.readouts = Readouts(self.n_inputs, config.n_channels, len(config.labels))
        self.deep_dim = config.embedding_dim - 2 * len(config.labels)
        if self.deep_dim < 1:
            raise ValueError(
                f"embedding_dim {config.embedding_dim} leaves nothing beside the scores of "
                f"{len(config.labels)} labels; take more than {2 * len(config.labels)}."
            )
        self.head = nn.Linear(config.embedding_dim, len(config.labels))

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def deep(self, course: Tensor) -> Tensor:
        """Standardised inputs of frames (n, frames, inputs) -> what is seen (n, deep_dim)."""
        raise NotImplementedError

    def body(self, level: Tensor, course: Tensor) -> Tensor:
        """Standardised inputs of a segment (n, levels) and of its frames (n, frames, inputs)
        -> embeddings (n, embedding_dim)."""
        return torch.cat([self.deep(course), self.readouts(level)], dim=1)

    @torch.no_grad()
    def settle(self, shift: Tensor) -> None:
        """Make a person's shift (levels + 1,) part of the encoder, which is then that person's."""
        self.center += shift[:-1]
        self.spread *= shift[-1].exp()
        self.config.scaling = "training"

    @torch.no_grad()
    def follow(self, way: str) -> None:
        """Let the head go by one of PATHS."""
        n, weight = len(self.config.labels), self.head.weight
        if way == "deep":
            weight[:, self.deep_dim :] = 0.0
        else:
            self.head.bias.zero_()
            weight.zero_()
            k = PATHS.index(way)
            start = self.deep_dim + n * k
            weight[:, start : start + n].fill_diagonal_(float(self.readouts.widths[k]))
        self.config.lead = way

    @torch.no_grad()
    def ways(self, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The scores of each of PATHS in embeddings (n, d), while the head goes by "deep"."""
        deep, power, pattern = embedding.split([self.deep_dim, *[len(self.config.labels)] * 2], 1)
        power, pattern = power * self.readouts.widths[0], pattern * self.readouts.widths[1]
        return power, pattern, deep @ self.head.weight[:, : self.deep_dim].T + self.head.bias

    def inputs(
        self, covariance: Tensor, whole: Tensor, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the body reads, from what `front.front` gives: level, course.

        The level holds the inputs of all frames together, the mean frequency, and the channels'
        powers, all logarithms. shift: (levels + 1,) or (n, levels + 1), how far the person is
        from the center and, last, the logarithm of how much wider the person is spread.
        """
        rate = self.config.sampling_rate
        n_frames = covariance.shape[1]
        size, hop = frames(self.config.segment_length, rate)
        covariance = covariance / self.power
        level = log_covariances(covariance.mean(1), (size + hop * (n_frames - 1)) / rate)
        course = log_covariances(covariance, 0.6 * size / rate)  # a tapered frame holds less
        pitch = whole[:, :1].clamp_min(1.0).log()
        powers = (whole[:, 1:] / self.power).clamp_min(1e-10).log()
        if shift is None:
            shift = self.center.new_zeros(len(self.center) + 1)
        shift = shift.expand(len(covariance), -1)
        center, spread = self.center + shift[:, :-1], self.spread * shift[:, -1:].exp()
        level = (torch.cat([flatten(level), pitch, powers], dim=1) - center) / spread
        course = (flatten(course) - center[:, None, : self.n_inputs]) / spread[:, None]
        return level, course

    def embed(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """(n, length, features) -> (n, embedding_dim)."""
        config = self.config
        return self.body(*self.inputs(*front(x, config.n_channels, config.sampling_rate), shift))

    def forward(self, x: Tensor, shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(n, length, features) -> embeddings (n, embedding_dim), logits (n, labels)."""
        embedding = self.embed(x, shift)
        return embedding, self.head(embedding)

    @torch.inference_mode()
    def encode(self, tensor: np.ndarray | Tensor, shift: Tensor | None = None) -> Tensor:
        """One recording's segments -> its mean embedding (embedding_dim,)."""
        return self.embed(torch.as_tensor(tensor, device=self.device), shift).mean(dim=0)

    @torch.inference_mode()
    def embedding(self, recording: Recording) -> Tensor:
        """The mean embedding (embedding_dim,) of one recording."""

        def make():
            seen = (v.to(self.device) for v in self.config.front(recording))
            return self.body(*self.inputs(*seen)).mean(dim=0)

        return recording.once((self, "embedding"), make)

    @torch.inference_mode()
    def classify(self, embedding: Tensor) -> np.ndarray:
        """Recording embeddings (…, embedding_dim) -> probabilities (…, labels), numpy."""
        return torch.softmax(self.head(embedding) / self.config.temperature, -1).cpu().numpy()

    def __call__(self, x: Tensor | Recording, *rest: Any) -> Any:
        """Segments give (embedding, logits); a Recording gives probabilities (labels,)."""
        if isinstance(x, Recording):
            return self.classify(self.embedding(x))
        return super().__call__(x, *rest)
