"""The contract of all encoders.

An encoder maps segments (n, length, features) to embeddings (n, d) and logits (n, labels). The
head is linear, so the mean of a recording's logits is the head of its mean embedding: a language
model reads the same embedding that the encoder decides from. An embedding holds the network's
output, then the scores of the readouts.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from emg_llm.data.whole import whole
from emg_llm.encoders.familiar import Familiar, quantities
from emg_llm.encoders.front import (
    BANDS,
    flatten,
    frames,
    front,
    log_covariances,
    log_powers,
    n_dead,
)
from emg_llm.encoders.readouts import PATHS, Readouts
from emg_llm.encoders.unlike import unlike
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import Pushable, resolve
from emg_llm.hub.saved import readable
from emg_llm.signal.features import is_dead, segment_tensor
from emg_llm.signal.missing import expected, without_dead
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import clean, resample
from emg_llm.signal.recording import MONTAGE, Recording, default_channel_names

SCALINGS = ("training", "person")


@dataclass
class EncoderConfig:
    """The settings of an encoder, saved beside its weights.

    sites: of the channels, in order; by default MONTAGE for eight, "channel 1", … otherwise.
    scaling: the reference for levels: the mean over the training people ("training"), or the
    median of the person's own recordings when several are read together ("person").
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


class HubModule(Pushable, nn.Module, PyTorchModelHubMixin):
    """A network that saves, loads and pushes its configuration with its weights."""

    written_by: ClassVar[tuple[str, str]]  # what it is called and the script that trains it

    @property
    def fingerprint(self) -> str:
        """A hash of the weights."""
        digest = hashlib.sha256()
        for name, values in sorted(self.state_dict().items()):
            digest.update(f"{name} {tuple(values.shape)};".encode())
            digest.update(values.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save_pretrained(  # type: ignore[override]  # as everything here that is saved
        self, folder: str | Path, **settings: Any
    ) -> None:
        """Save configuration and weights: all or nothing."""
        with whole(folder, keeps=("README.md",)) as beside:
            super().save_pretrained(beside, **settings)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # as everything here that is loaded
        cls, folder_or_id: str | Path, revision: str | None = None, **settings: Any
    ) -> Self:
        """A saved network in evaluation mode, with all its weights. Raises HubError."""
        folder = resolve(folder_or_id, revision)
        with readable(folder_or_id, *cls.written_by):
            return super().from_pretrained(str(folder), **(settings | {"strict": True})).eval()


class EmgEncoder(HubModule):
    """Base of the encoders; subclasses define `deep(course)`."""

    written_by = "encoder", "train/encoder.py"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.epochs = 0  # of its training
        self.n_inputs = len(BANDS) * config.n_channels * (config.n_channels + 1) // 2
        self.n_levels = self.n_inputs + 1 + config.n_channels
        # From the training people: typical power, mean and spread of the body's inputs.
        self.power: Tensor = nn.Buffer(torch.ones(()))
        self.center: Tensor = nn.Buffer(torch.zeros(self.n_levels))
        self.spread: Tensor = nn.Buffer(torch.ones(()))
        # Mean and covariance of the logarithms of their powers by band and channel, over frames.
        n_powers = len(BANDS) * config.n_channels
        self.usual: Tensor = nn.Buffer(torch.zeros(n_powers))
        self.related: Tensor = nn.Buffer(torch.eye(n_powers))
        # Logarithm of the typical distance of recordings from their person's median.
        self.typical: Tensor = nn.Buffer(torch.zeros(()))
        self.familiar = Familiar(self.n_levels)
        self.readouts = Readouts(self.n_inputs, config.n_channels, len(config.labels))
        self.deep_dim = config.embedding_dim - 2 * len(config.labels)
        if self.deep_dim < 1:
            raise ValueError(
                f"embedding_dim {config.embedding_dim} leaves no room beside the scores of "
                f"{len(config.labels)} labels; take more than {2 * len(config.labels)}."
            )
        self.head = nn.Linear(config.embedding_dim, len(config.labels))
        self.register_load_state_dict_pre_hook(_fill_in)

    @property
    def fingerprint(self) -> str:
        """A hash of the weights as they were trained: a calibrated copy keeps it."""
        return self.config.origin or super().fingerprint

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def deep(self, course: Tensor) -> Tensor:
        """Standardised inputs by frame (n, frames, inputs) -> (n, deep_dim)."""
        raise NotImplementedError

    def body(self, level: Tensor, course: Tensor) -> Tensor:
        """Standardised inputs by segment (n, levels) and by frame (n, frames, inputs)
        -> embeddings (n, embedding_dim)."""
        return torch.cat([self.deep(course), self.readouts(level)], dim=1)

    @torch.no_grad()
    def settle(self, shift: Tensor) -> None:
        """Fold a person's shift, shape (levels + 1,), into the normalisation in place."""
        self.config.origin = self.fingerprint  # of the weights before
        self.center += shift[:-1]
        self.spread *= shift[-1].exp()
        self.config.scaling = "training"

    @torch.no_grad()
    def follow(self, path: str) -> None:
        """Make the head read one of PATHS."""
        n, weight = len(self.config.labels), self.head.weight
        if path == "deep":
            weight[:, self.deep_dim :] = 0.0
        else:
            self.head.bias.zero_()
            weight.zero_()
            k = PATHS.index(path)
            start = self.deep_dim + n * k
            weight[:, start : start + n].fill_diagonal_(float(self.readouts.widths[k]))
        self.config.lead = path

    @torch.no_grad()
    def ways(self, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The scores (n, labels) of each of PATHS from embeddings (n, d), with a "deep" head."""
        deep, power, pattern = embedding.split([self.deep_dim, *[len(self.config.labels)] * 2], 1)
        power, pattern = power * self.readouts.widths[0], pattern * self.readouts.widths[1]
        return power, pattern, deep @ self.head.weight[:, : self.deep_dim].T + self.head.bias

    def inputs(
        self, covariance: Tensor, whole: Tensor, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The body's inputs, level and course, from the result of `front.front`.

        The level holds the inputs over all frames, the mean frequency and the channels' powers,
        all logarithmic. shift: (levels + 1,) or (n, levels + 1), the person's distance from the
        center and, last, the logarithm of the person's relative spread.
        """
        rate = self.config.sampling_rate
        n_frames = covariance.shape[1]
        size, hop = frames(self.config.segment_length, rate)
        covariance, whole = self.complete(covariance / self.power, whole)
        level = log_covariances(covariance.mean(1), (size + hop * (n_frames - 1)) / rate)
        course = log_covariances(covariance, 0.6 * size / rate)  # the window shortens a frame
        pitch = whole[:, :1].clamp_min(1.0).log()
        powers = (whole[:, 1:] / self.power).clamp_min(1e-10).log()
        if shift is None:
            shift = self.center.new_zeros(len(self.center) + 1)
        shift = shift.expand(len(covariance), -1)
        center, spread = self.center + shift[:, :-1], self.spread * shift[:, -1:].exp()
        level = (torch.cat([flatten(level), pitch, powers], dim=1) - center) / spread
        course = (flatten(course) - center[:, None, : self.n_inputs]) / spread[:, None]
        return level, course

    def complete(self, covariance: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """The front's result with likely powers, and no correlations, for dead channels.

        Their power in each frame and band becomes its expectation given the other channels'.
        covariance: relative to the typical power.
        """
        dead = torch.from_numpy(is_dead(whole[:, 1:].cpu().numpy())).to(covariance.device)
        if not dead.any():
            return covariance, whole
        n, n_frames, n_bands, c, _ = covariance.shape
        powers = log_powers(covariance).flatten(0, 1)  # (n * frames, bands * channels)
        missing = dead[:, None, None].expand(n, n_frames, n_bands, c).reshape(powers.shape)
        parts = (v.cpu().numpy() for v in (powers, missing, self.usual, self.related))
        likely = torch.from_numpy(expected(*parts)).to(covariance).exp()
        likely = likely.reshape(n, n_frames, n_bands, c) * dead[:, None, None]
        there = (~dead).to(covariance)[:, None, None]
        covariance = covariance * there[..., :, None] * there[..., None, :]
        covariance = covariance + torch.diag_embed(likely)
        # The mean frequency is a mean over channels, of which the dead have none.
        pitch = whole[:, :1] * c / (c - dead.sum(dim=1, keepdim=True))
        powers = torch.where(dead, likely[:, :, 0].mean(dim=1) * self.power, whole[:, 1:])
        return covariance, torch.cat([pitch, powers], dim=1)

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
        """The segments of one recording -> its mean embedding (embedding_dim,)."""
        return self.embed(torch.as_tensor(tensor, device=self.device), shift).mean(dim=0)

    @torch.inference_mode()
    def embedding(self, recording: Recording) -> Tensor:
        """The mean embedding (embedding_dim,) of one recording."""

        def make():
            covariance, whole = (v.to(self.device) for v in self.config.front(recording))
            return self.body(*self.inputs(covariance, whole)).mean(dim=0)

        return recording.once((self, "embedding"), make)

    def absolute(self, covariance: Tensor, whole: Tensor) -> Tensor:
        """Levels (n, levels) from the result of `front.front`, on no person's scale."""
        return self.inputs(covariance, whole)[0] * self.spread + self.center

    @torch.inference_mode()
    def look(self, recording: Recording) -> tuple[dict[str, float], float]:
        """(quantities of a recording, its distance from the training people over the limit)."""
        front = self.config.front(recording)
        level = self.absolute(*(v.to(self.device) for v in front)).mean(dim=0)
        return quantities(*front), self.familiar.excess(level, front[0].shape[1])

    def unlike(self, recording: Recording) -> str:
        """Why a recording is unlike those of the training people, in one sentence that says what
        to check, or "". Raises RecordingError."""

        def make():
            arranged = arrange(recording, self.config.sites)
            return unlike(arranged, self.look, self.familiar)

        return recording.once((self, "unlike"), make)

    @torch.inference_mode()
    def classify(self, embedding: Tensor, n_missing: int | np.ndarray = 0) -> np.ndarray:
        """Recording embeddings (…, embedding_dim) -> probabilities (…, labels).

        n_missing: how many sites each recording lacks, see `Confidence.probabilities`.
        """
        logits = self.head(embedding).double().cpu().numpy()
        return self.config.confidence.probabilities(logits, n_missing)

    def __call__(self, x: Tensor | Recording, *rest: Any) -> Any:
        """Segments give (embedding, logits); a Recording gives probabilities (labels,)."""
        if isinstance(x, Recording):
            return self.classify(self.embedding(x), n_dead(self.config.front(x)[1]))
        return super().__call__(x, *rest)


def _fill_in(encoder: EmgEncoder, weights: dict[str, Tensor], *_: Any) -> None:
    """Add what encoders saved by earlier versions lack: they find every recording familiar."""
    if "usual" not in weights:
        for name, value in encoder.state_dict().items():
            if name.startswith("familiar.") or name in ("usual", "related"):
                weights.setdefault(name, value)
