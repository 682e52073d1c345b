"""The one contract of all encoders.

An encoder reads segments (n, length, features) and gives embeddings (n, d) and logits
(n, labels). The head is linear, so the mean of a recording's logits is the head of its mean
embedding: what a language model later reads is what the encoder decided from.
"""

from dataclasses import dataclass

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from emg_llm.features import segment_tensor
from emg_llm.preprocessing import clean, resample
from emg_llm.recording import RecordingError


@dataclass
class EncoderConfig:
    """What an encoder is built from; saved beside its weights."""

    arch: str
    labels: list[str]
    n_channels: int = 8
    n_features: int = 12
    sampling_rate: float = 1000.0  # Hz; recordings are resampled to it
    segment_length: int = 512  # samples at that rate
    embedding_dim: int = 256
    width: int = 48
    dropout: float = 0.2
    trained_on: str = ""
    temperature: float = 1.0

    def tensor(self, recording):
        """The encoder's input for one recording: float32 (n_segments, length, features)."""
        if recording.n_channels != self.n_channels:
            raise RecordingError(
                f"The emotion models read {self.n_channels} channels and this recording has "
                f"{recording.n_channels}; plots, quality and features work with any number."
            )
        prepared = resample(clean(recording), self.sampling_rate)
        length = self.segment_length
        if prepared.n_samples < length:
            # A short trial is repeated to fill one segment.
            times = -(-length // prepared.n_samples)
            prepared = prepared.replace(
                signal=np.tile(prepared.signal, (times, 1)), valid=np.tile(prepared.valid, times)
            )
        return segment_tensor(prepared, length)


class EmgEncoder(nn.Module, PyTorchModelHubMixin):
    """Base of the encoders; subclasses define `embed(x)`."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.head = nn.Linear(config.embedding_dim, len(config.labels))

    def embed(self, x):
        """(n, length, features) -> (n, embedding_dim)."""
        raise NotImplementedError

    def forward(self, x):
        """(n, length, features) -> embeddings (n, embedding_dim), logits (n, labels)."""
        embedding = self.embed(x)
        return embedding, self.head(embedding)

    @torch.inference_mode()
    def encode(self, tensor):
        """One recording's segments -> its mean embedding (embedding_dim,), a tensor."""
        x = torch.as_tensor(tensor, device=self.head.weight.device)
        return self.embed(x).mean(dim=0)

    @torch.inference_mode()
    def classify(self, embedding):
        """Recording embeddings (…, embedding_dim) -> probabilities (…, labels), numpy."""
        return torch.softmax(self.head(embedding) / self.config.temperature, -1).cpu().numpy()

    def __call__(self, x):
        """Segments give (embedding, logits); a Recording gives probabilities (labels,)."""
        if hasattr(x, "sampling_rate"):
            return self.classify(self.encode(self.config.tensor(x)))
        return super().__call__(x)
