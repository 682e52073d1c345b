"""The contract of all encoders.

An encoder maps segments (n, length, features) to embeddings (n, d) and logits (n, labels). The
head is linear, so the mean of a recording's logits is the head of its mean embedding: a language
model reads the same embedding that the encoder decides from. An embedding holds the network's
output, then the scores of the readouts.
"""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from emg_llm.encoders.config import EncoderConfig
from emg_llm.encoders.earlier import fill_in
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
from emg_llm.encoders.module import HubModule
from emg_llm.encoders.readouts import PATHS, Readouts
from emg_llm.encoders.unlike import unlike
from emg_llm.signal.features import is_dead
from emg_llm.signal.levels import ANY, KNOWN, LEAST, SHARE
from emg_llm.signal.missing import expected
from emg_llm.signal.montage import arrange
from emg_llm.signal.recording import Recording


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
        # With "any" scaling, a shift ends with what is known of the person, a 1 for one of KNOWN:
        # learned, how that moves the inputs; and the training people's mean offset of each.
        self.n_shift = self.n_levels + len(KNOWN)
        told = config.scaling == ANY
        self.told = nn.Parameter(torch.zeros(len(KNOWN), self.n_levels)) if told else None
        self.usual_offsets: Tensor | None = (
            nn.Buffer(torch.zeros(len(KNOWN), self.n_levels)) if told else None
        )
        self.person: Tensor | None = None  # the shift of the person whose recordings are read
        self.familiar = Familiar()
        self.readouts = Readouts(self.n_inputs, config.n_channels, len(config.labels))
        self.deep_dim = config.embedding_dim - 2 * len(config.labels)
        if self.deep_dim < 1:
            raise ValueError(
                f"embedding_dim {config.embedding_dim} leaves no room beside the scores of "
                f"{len(config.labels)} labels; take more than {2 * len(config.labels)}."
            )
        self.head = nn.Linear(config.embedding_dim, len(config.labels))
        # Of the training, not saved: the head that reads the network, and its scores' width.
        self.deep_head: tuple[Tensor, Tensor] | None = None
        self.deep_width = 1.0
        self.register_load_state_dict_pre_hook(fill_in)

    @property
    def fingerprint(self) -> str:
        """A hash of the weights as they were trained: a calibrated copy keeps it."""
        return self.config.origin or super().fingerprint

    @property
    def scaling(self) -> str:
        """One of SCALINGS: what it knows of the person whose recording it reads."""
        return self.config.scaling

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
        """Fold a person's shift, shape (n_shift,), into the normalisation in place."""
        self.config.origin = self.fingerprint  # of the weights before
        self.center += shift[: self.n_levels]
        if self.told is not None:
            self.center -= self.spread * (shift[self.n_levels :] @ self.told)
        self.told = self.usual_offsets = None
        self.config.scaling = "training"

    @torch.no_grad()
    def shift_from(self, recordings: Sequence[Recording], privilege: str | None = None) -> Tensor:
        """The shift (n_shift,) of a person: from neutral recordings for "neutral" scaling, from
        two or more of any kind for "several" and "person" scaling; zero where the encoder uses
        none. privilege: for "any" scaling, which of KNOWN the recordings are."""
        fronts = [self.config.front(recording) for recording in recordings]
        return self.zero([self.offset(*front) for front in fronts], privilege)

    def knowing(self, recordings: Sequence[Recording], privilege: str | None = None) -> Self:
        """An encoder of the same weights that reads a person's recordings, see `shift_from`."""
        known = copy.copy(self)
        known.person = self.shift_from(recordings, privilege).to(self.device)
        return known

    def offset(self, covariance: Tensor, whole: Tensor) -> Tensor:
        """The distance (levels,) of a recording from the center, not divided by the spread.

        covariance, whole: see `front.front`.
        """
        return self.inputs(covariance, whole)[0].mean(dim=0) * self.spread

    def zero(self, offsets: Sequence[Tensor], privilege: str | None = None) -> Tensor:
        """The shift (n_shift,) of a person from the offsets, (levels,) each, of their recordings.

        privilege: for "any" scaling, which of KNOWN they are.
        """
        scaling = privilege or self.config.scaling
        shift = torch.zeros(self.n_shift)
        if scaling not in LEAST or len(offsets) < LEAST[scaling]:
            return shift
        # The median ignores a few strong expressions among many recordings.
        zero = torch.stack(list(offsets)).median(dim=0).values
        if self.usual_offsets is not None:
            k = KNOWN.index(scaling)
            zero = zero - self.usual_offsets[k]
            shift[self.n_levels + k] = 1
        shift[: self.n_levels] = SHARE * zero
        return shift

    @torch.no_grad()
    def follow(self, path: str) -> None:
        """Make a "deep" head read one of PATHS."""
        self.deep_head = self.head.weight[:, : self.deep_dim].clone(), self.head.bias.clone()
        power, pattern = (self.head.weight[:, part] for part in self._scores)
        power.zero_()
        pattern.zero_()
        if path == "combination":
            for of_deep in (self.head.weight, self.head.bias):
                of_deep /= self.deep_width
            power.fill_diagonal_(1.0)
            pattern.fill_diagonal_(1.0)
        elif path != "deep":
            self.head.bias.zero_()
            self.head.weight.zero_()
            k = PATHS.index(path)
            (power, pattern)[k].fill_diagonal_(float(self.readouts.widths[k]))
        self.config.lead = path

    @property
    def _scores(self) -> tuple[slice, slice]:
        """Where an embedding holds the scores of the power and of the pattern readout."""
        start, n = self.deep_dim, len(self.config.labels)
        return slice(start, start + n), slice(start + n, start + 2 * n)

    @torch.no_grad()
    def ways(self, embedding: Tensor) -> dict[str, Tensor]:
        """The scores (n, labels) of the PATHS from embeddings (n, d).

        A saved encoder has only those that its head reads, and the readouts.
        """
        power, pattern = (embedding[:, part] for part in self._scores)
        scores = {
            "power": power * self.readouts.widths[0],
            "pattern": pattern * self.readouts.widths[1],
        }
        head, lead = self.deep_head, self.config.lead
        if head is None and lead in ("deep", "combination"):
            head = self.head.weight[:, : self.deep_dim], self.head.bias
        if head is not None:
            scores["deep"] = embedding[:, : self.deep_dim] @ head[0].T + head[1]
        if self.deep_head is not None or lead == "combination":
            scores["combination"] = power + pattern + scores["deep"] / self.deep_width
        return scores

    def inputs(
        self, covariance: Tensor, whole: Tensor, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The body's inputs, level and course, from the result of `front.front`.

        The level holds the inputs over all frames, the mean frequency and the channels' powers,
        all logarithmic. shift: (n_shift,) or (n, n_shift), the person's distance from the center
        and what is known of the person.
        """
        level, course = self.standardised(covariance, whole, shift)
        if shift is None:
            return level, course
        return self.tell(level, course, shift[..., self.n_levels :].expand(len(level), -1))

    def tell(self, level: Tensor, course: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The `standardised` inputs, moved by what is known of each one's person.

        known: float (n, len(KNOWN)), the end of a shift.
        """
        if self.told is None:
            return level, course
        move = known @ self.told
        return level + move, course + move[:, None, : self.n_inputs]

    def standardised(
        self, covariance: Tensor, whole: Tensor, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """`inputs` of an encoder that isn't told what is known."""
        rate = self.config.sampling_rate
        n_frames = covariance.shape[1]
        size, hop = frames(self.config.segment_length, rate)
        covariance, whole = self.complete(covariance / self.power, whole)
        level = log_covariances(covariance.mean(1), (size + hop * (n_frames - 1)) / rate)
        course = log_covariances(covariance, 0.6 * size / rate)  # the window shortens a frame
        pitch = whole[:, :1].clamp_min(1.0).log()
        powers = (whole[:, 1:] / self.power).clamp_min(1e-10).log()
        center = self.center if shift is None else self.center + shift[..., : self.n_levels]
        center = center.expand(len(covariance), -1)
        level = (torch.cat([flatten(level), pitch, powers], dim=1) - center) / self.spread
        course = (flatten(course) - center[:, None, : self.n_inputs]) / self.spread
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
            return self.body(*self.inputs(covariance, whole, self.person)).mean(dim=0)

        return recording.once((self, "embedding"), make)

    @torch.inference_mode()
    def look(self, recording: Recording) -> tuple[dict[str, float], float]:
        """(quantities of a recording, its distance from the training people over the limit)."""
        front = self.config.front(recording)
        found = quantities(*front)
        return found, self.familiar.excess(found, front[0].shape[1])

    def unlike(self, recording: Recording) -> str:
        """Why a recording is unlike those of the training people, in one sentence that says what
        to check, or "". Raises RecordingError."""

        def make():
            arranged = arrange(recording, self.config.sites)
            return unlike(arranged, self.look, self.familiar)

        return recording.once((self, "unlike"), make)

    @torch.inference_mode()
    def classify(
        self, embedding: Tensor, n_missing: int | np.ndarray = 0, known: str | np.ndarray = ""
    ) -> np.ndarray:
        """Recording embeddings (…, embedding_dim) -> probabilities (…, labels).

        n_missing, known: see `Confidence.probabilities`.
        """
        logits = self.head(embedding).double().cpu().numpy()
        return self.config.confidence.probabilities(logits, n_missing, known)

    def known_in(self, shift: Tensor | None) -> np.ndarray:
        """str (…,): which of KNOWN shifts (…, n_shift) are from, or ""."""
        if shift is None or self.told is None:
            return np.full(() if shift is None else shift.shape[:-1], "")
        marks = shift[..., self.n_levels :].cpu().numpy()
        return np.where(marks.any(axis=-1), np.array(KNOWN)[marks.argmax(axis=-1)], "")

    def __call__(self, x: Tensor | Recording, *rest: Any) -> Any:
        """Segments give (embedding, logits); a Recording gives probabilities (labels,)."""
        if isinstance(x, Recording):
            n_missing = n_dead(self.config.front(x)[1])
            return self.classify(self.embedding(x), n_missing, self.known_in(self.person))
        return super().__call__(x, *rest)
