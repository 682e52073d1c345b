"""Recordings as encoder inputs: prepared once, then read from disk."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from emg_llm.data.datasets import Dataset, DatasetError
from emg_llm.data.lazy import Lazy, Spool
from emg_llm.data.neutral import neutral_of
from emg_llm.data.processes import share_items, share_rows
from emg_llm.encoders.augmentation import Augmentation, augment
from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.front import front, log_powers, n_dead, silenced
from emg_llm.signal.features import is_dead
from emg_llm.signal.recording import Recording


def encoder_config(arch: str, dataset: Dataset, **more: Any) -> EncoderConfig:
    """An EncoderConfig with the labels and channels of a dataset."""
    sites, labels = list(_recordings(dataset)[0].channel_names), list(dataset.label_names)
    n = len(sites)
    return EncoderConfig(arch, labels, n_channels=n, n_features=n + 4, sites=sites, **more)


def _recordings(dataset: Dataset) -> Sequence[Recording]:
    if dataset.recordings is None:
        raise DatasetError(
            f"{dataset.name} is a feature table and an encoder reads recordings; use --model svm "
            "or a language model."
        )
    return dataset.recordings


class Fronts(Lazy):
    """The encoder inputs of recordings: tensors (covariance, whole), see `front.front`.

    zeros: the Fronts of the neutral recording of each one's person, for "neutral" scaling.
    """

    zeros: Self | None = None

    def take(self, rows: np.ndarray) -> Self:
        """Those in `rows`."""
        part = type(self)(len(rows), lambda k: self[rows[k]])
        part.zeros = None if self.zeros is None else self.zeros.take(rows)
        return part


class FrontStore:
    """Fronts by key, on disk. Of the symmetric covariances it keeps the upper triangles."""

    def __init__(self, n_channels: int) -> None:
        self._spool, self._at = Spool(), {}
        self._triangle = i, j = torch.triu_indices(n_channels, n_channels)
        self._place = torch.zeros(n_channels, n_channels, dtype=torch.long)
        self._place[i, j] = self._place[j, i] = torch.arange(len(i))

    def fill(self, keys: Sequence, make: Callable[[Any], tuple[Tensor, Tensor]]) -> None:
        """Store make(key) for all missing `keys`; processes share the work."""
        missing, (i, j) = [k for k in keys if k not in self._at], self._triangle

        def arrays(k):
            covariance, whole = make(missing[k])
            return covariance[..., i, j].numpy(), whole.numpy()

        fronts = share_items(arrays, len(missing))
        for key, (covariance, whole) in zip(missing, fronts, strict=True):
            self._at[key] = self._spool.append(covariance), self._spool.append(whole)

    def view(self, keys: Sequence) -> Fronts:
        """The stored fronts of `keys`."""

        def read(k):
            covariance, whole = (torch.from_numpy(self._spool[at]) for at in self._at[keys[k]])
            return covariance[..., self._place], whole

        return Fronts(len(keys), read)


def encoder_inputs(
    dataset: Dataset, config: EncoderConfig, rows: Sequence[int] | np.ndarray | None = None
) -> Fronts:
    """The encoder inputs of the recordings in `rows`, all by default.

    They are stored with the dataset: folds and encoders with the same `front_key` share them.
    With "neutral" scaling, they come with those of each person's neutral recording.
    """
    recordings = _recordings(dataset)
    rows = [int(i) for i in (range(len(dataset)) if rows is None else rows)]
    store = dataset.once(config.front_key, lambda: FrontStore(config.n_channels))
    zeros = neutral_of(dataset, rows) if config.scaling == "neutral" else []
    store.fill([*rows, *dict.fromkeys(zeros)], lambda i: config.front(recordings[i]))
    inputs = store.view(rows)
    inputs.zeros = store.view(zeros) if zeros else None
    return inputs


def fronts_of(tensors: Sequence[np.ndarray | Tensor], config: EncoderConfig) -> Fronts:
    """The encoder inputs of tensors (n_segments, length, features), one for each recording."""

    def make(k):
        with torch.inference_mode():
            return front(torch.as_tensor(tensors[k]), config.n_channels, config.sampling_rate)

    store = FrontStore(config.n_channels)
    store.fill(range(len(tensors)), make)
    return store.view(range(len(tensors)))


class Examples:
    """Labelled recordings after the front end, which runs once.

    inputs: Fronts, or a sequence, iterated once, of float32 (n_segments, length, features);
    targets: int (n,); groups: the person of each recording, or None.
    """

    def __init__(
        self,
        encoder: EmgEncoder,
        inputs: Fronts | Sequence,
        targets: np.ndarray,
        groups: np.ndarray | None = None,
    ) -> None:
        self.fronts = inputs if isinstance(inputs, Fronts) else fronts_of(inputs, encoder.config)
        self.targets = torch.as_tensor(np.asarray(targets))
        self.groups = None if groups is None else np.asarray(groups)
        self.shifts = torch.zeros(len(self), encoder.n_levels)

    def __len__(self) -> int:
        return len(self.fronts)

    @property
    def people(self) -> np.ndarray:
        """The person of each recording; without groups, each recording is a person."""
        return np.arange(len(self)) if self.groups is None else self.groups

    @property
    def n_missing(self) -> np.ndarray:
        """int (n,): how many channels of each recording carry no signal."""
        return np.array([n_dead(whole) for _, whole in self.fronts])

    def lacking(self, n: int, seed: int = 0) -> Self:
        """The examples without the signal of `n` channels, drawn for each recording."""
        rng, part = np.random.default_rng((seed, n)), copy.copy(self)
        c = self.fronts[0][0].shape[-1]
        silent = [rng.choice(c, n, replace=False) for _ in range(len(self))]

        def without(k):
            covariance, whole = self.fronts[k]
            return silenced(covariance, whole, silent[k])

        part.fronts = Fronts(len(self), without)
        return part

    def take(self, rows: np.ndarray) -> Self:
        """The examples in `rows`, for another encoder of the same configuration."""
        part = copy.copy(self)
        part.fronts = self.fronts.take(rows)
        part.targets, part.shifts = self.targets[rows], self.shifts[rows]
        part.groups = None if self.groups is None else self.groups[rows]
        return part

    def fit_scale(self, encoder: EmgEncoder) -> None:
        """Set the encoder's normalisation from these recordings."""
        powers = [c[:, :, 0].diagonal(dim1=-2, dim2=-1).mean() for c, _ in self.fronts]
        encoder.power.copy_(torch.stack(powers).median().clamp_min(1e-20))
        self._fit_powers(encoder)
        with torch.inference_mode():
            levels = torch.cat([encoder.inputs(*front)[0] for front in self.fronts])
        encoder.center.copy_(levels.mean(dim=0))
        whole = levels[:, : encoder.n_inputs // 4].std(dim=0)
        encoder.spread.copy_(whole.square().mean().sqrt().clamp_min(1e-3))
        self.shift_to_people(encoder)

    def _fit_powers(self, encoder: EmgEncoder) -> None:
        """Set from whole recordings what stands in for a dead channel."""
        from sklearn.covariance import ledoit_wolf

        whole = [c for c, w in self.fronts if not is_dead(w[:, 1:].numpy()).any()]
        if not whole:
            return
        powers = torch.cat([log_powers(c / encoder.power).flatten(0, 1) for c in whole]).double()
        encoder.usual.copy_(powers.mean(dim=0))
        related, _ = ledoit_wolf(powers.numpy())
        encoder.related.copy_(torch.from_numpy(related + 1e-6 * np.eye(len(related))))

    def shift_to_people(self, encoder: EmgEncoder) -> None:
        """Set the shift of each recording's person, see EmgEncoder.zero: `shifts` (n, levels).

        Zero with "training" scaling, and where the person is unknown.
        """
        self.shifts = torch.zeros(len(self), encoder.n_levels)
        fronts = {"neutral": self.fronts.zeros, "person": self.fronts}.get(encoder.config.scaling)
        if fronts is None or self.groups is None:
            return
        for person in np.unique(self.groups):
            rows = np.flatnonzero(self.groups == person)
            used = rows if fronts is self.fronts else rows[:1]  # all have the same zero
            with torch.inference_mode():
                offsets = torch.stack([encoder.offset(*fronts[i]) for i in used])
            self.shifts[rows] = encoder.zero(offsets)

    def segments(self, encoder: EmgEncoder, i: int) -> Tensor:
        """Embeddings (segments, embedding_dim) of one recording."""
        at = (v.to(encoder.device) for v in (*self.fronts[i], self.shifts[i]))
        return encoder.body(*encoder.inputs(*at))

    def embeddings(self, encoder: EmgEncoder) -> Tensor:
        """Recording embeddings (n, embedding_dim), each the mean over its segments."""

        def some(rows):
            return (torch.stack([self.segments(encoder, i).mean(dim=0) for i in rows]),)

        with torch.inference_mode():
            [embeddings] = share_rows(some, torch.arange(len(self)))
        return embeddings.cpu()

    def logits(self, encoder: EmgEncoder) -> Tensor:
        """Recording logits (n, labels) on the CPU."""
        with torch.inference_mode():
            return encoder.head(self.embeddings(encoder).to(encoder.device)).cpu()

    def levels(self, encoder: EmgEncoder) -> tuple[Tensor, Tensor]:
        """Training data for the readouts: levels (segments, levels) and their targets."""
        with torch.inference_mode():
            levels = [
                encoder.inputs(covariance, whole, shift)[0]
                for (covariance, whole), shift in zip(self.fronts, self.shifts, strict=True)
            ]
        counts = torch.tensor([len(level) for level in levels])
        return torch.cat(levels), self.targets.repeat_interleave(counts)

    def draw(
        self,
        rows: Tensor,
        segments: int,
        settings: Augmentation,
        encoder: EmgEncoder,
        generator: torch.Generator,
    ) -> tuple[Tensor, ...]:
        """Augmented inputs, level and course, of `segments` random segments per recording."""
        parts, wholes = [], []
        n_frames = min(self.fronts[i][0].shape[1] for i in rows)
        for i in rows:
            covariance, whole = self.fronts[i]
            at = torch.randint(len(covariance), (segments,), generator=generator)
            # Crop longer recordings to the length of the batch's shortest.
            spare = covariance.shape[1] - n_frames + 1
            start = int(torch.randint(spare, (), generator=generator))
            parts.append(covariance[at, start : start + n_frames])
            wholes.append(whole[at])
        x = augment(torch.stack(parts), settings, generator)
        shift = self.shifts[rows].repeat_interleave(segments, dim=0)

        def inputs(*drawn):
            return encoder.inputs(*(v.to(encoder.device) for v in drawn))

        return share_rows(inputs, x.flatten(0, 1), torch.cat(wholes), shift)

    def ask(self, encoder: EmgEncoder) -> np.ndarray:
        """Probabilities (n, labels) from a trained encoder."""
        self.shift_to_people(encoder)
        logits = self.logits(encoder).double().numpy()
        return encoder.config.confidence.probabilities(logits, self.n_missing)


def recording_embeddings(
    encoder: EmgEncoder, inputs: Fronts | Sequence, groups: np.ndarray | None = None
) -> Tensor:
    """float32 (recordings, embedding_dim): each recording's mean over its segments.

    inputs, groups: see Examples.
    """
    examples = Examples(encoder, inputs, np.zeros(len(inputs)), groups)
    examples.shift_to_people(encoder)
    return examples.embeddings(encoder)
