"""Recordings as encoder inputs: prepared once, then read from disk."""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from emg_llm.data.datasets import Dataset, DatasetError
from emg_llm.data.known import known_of
from emg_llm.data.processes import share_rows
from emg_llm.encoders.augmentation import Augmentation, augment
from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.front import front, log_powers, n_dead, silenced
from emg_llm.encoders.fronts import Fronts, FrontStore
from emg_llm.signal.features import is_dead
from emg_llm.signal.levels import KNOWN, LEAST, alternatives
from emg_llm.signal.recording import Recording

ALIKE = 16  # batches that are sorted by length together


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


def encoder_inputs(
    dataset: Dataset, config: EncoderConfig, rows: Sequence[int] | np.ndarray | None = None
) -> Fronts:
    """The encoder inputs of the recordings in `rows`, all by default.

    They are stored with the dataset: folds and encoders with the same `front_key` share them.
    They come with those of what is known of each person.
    """
    recordings = _recordings(dataset)
    rows = [int(i) for i in (range(len(dataset)) if rows is None else rows)]
    store = dataset.once(config.front_key, lambda: FrontStore(config.n_channels))
    known = known_of(dataset, config.scaling, rows)
    different = dict.fromkeys(some for sets in known.values() for some in sets)
    every = dict.fromkeys([*rows, *(i for some in different for i in some)])
    store.fill(list(every), lambda i: config.front(recordings[i]))
    inputs, views = store.view(rows), {some: store.view(some) for some in different}
    inputs.known = {p: [views[some] for some in sets] for p, sets in known.items()}
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
    targets: int (n,); groups: the person of each recording, or None. shifts: float
    (alternatives, n, n_shift), the shift of each recording's person, of which there are several
    where an encoder learns to read with any of PRIVILEGES; the first is used unless said.
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
        self.shifts = torch.zeros(1, len(self), encoder.n_shift)

    def __len__(self) -> int:
        return len(self.fronts)

    @property
    def people(self) -> np.ndarray:
        """The person of each recording; without groups, each recording is a person."""
        return np.arange(len(self)) if self.groups is None else self.groups

    @property
    def n_frames(self) -> Tensor:
        """int (n,): the frames of each recording's segments."""
        return torch.tensor([covariance.shape[1] for covariance, _ in self.fronts])

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
        part.targets, part.shifts = self.targets[rows], self.shifts[:, rows]
        part.groups = None if self.groups is None else self.groups[rows]
        return part

    def each(self) -> Self:
        """Every recording once with each of its alternative shifts."""
        n, k = len(self), len(self.shifts)
        if k == 1:
            return self
        part = self.take(np.tile(np.arange(n), k))
        part.shifts = self.shifts.reshape(1, n * k, -1)
        return part

    def mixed(self, seed: int) -> Self:
        """Every recording with one of its alternative shifts, drawn by `seed`."""
        part, drawn = copy.copy(self), np.random.default_rng(seed)
        place = drawn.integers(len(self.shifts), size=len(self))
        part.shifts = self.shifts[place, np.arange(len(self))][None]
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
        if encoder.usual_offsets is not None:
            usual = [self._usual_offset(encoder, privilege) for privilege in KNOWN]
            encoder.usual_offsets.copy_(torch.stack(usual))
        self.shift_to_people(encoder)

    def _usual_offset(self, encoder, privilege):
        """The mean over people (levels,) of the offset of what is known of them."""
        known = [o for _, o in self._known(encoder, privilege) if len(o) >= LEAST[privilege]]
        medians = [torch.stack(offsets).median(dim=0).values for offsets in known]
        return torch.stack(medians or [torch.zeros(encoder.n_levels)]).mean(dim=0)

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
        """Set the `shifts` of each recording's person, see EmgEncoder.zero.

        Zero with "training" scaling, and where the person is unknown.
        """
        ways = alternatives(encoder.config.scaling, self.fronts.known)
        self.shifts = torch.zeros(len(ways), len(self), encoder.n_shift)
        for shifts, privilege in zip(self.shifts, ways, strict=True):
            for rows, offsets in self._known(encoder, privilege):
                shifts[rows] = encoder.zero(offsets, privilege)

    @torch.inference_mode()
    def _known(self, encoder, privilege):
        """(rows, [offset (levels,) of each known recording]) of each person."""
        if privilege == "person":
            people = [] if self.groups is None else np.unique(self.groups)
            sets = {p: self.fronts.take(np.flatnonzero(self.groups == p)) for p in people}
            owners = self.groups
        else:
            owners = [id(some) for some in self.fronts.known.get(privilege, ())]
            sets = dict(zip(owners, self.fronts.known.get(privilege, ()), strict=True))
        for owner, fronts in sets.items():
            rows = np.flatnonzero(np.asarray(owners) == owner)
            yield rows, [encoder.offset(*front) for front in fronts]

    def segments(self, encoder: EmgEncoder, i: int) -> Tensor:
        """Embeddings (segments, embedding_dim) of one recording."""
        at = (v.to(encoder.device) for v in (*self.fronts[i], self.shifts[0, i]))
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
                for (covariance, whole), shift in zip(self.fronts, self.shifts[0], strict=True)
            ]
        counts = torch.tensor([len(level) for level in levels])
        return torch.cat(levels), self.targets.repeat_interleave(counts)

    def batches(self, size: int, generator: torch.Generator) -> list[Tensor]:
        """The rows of all recordings in batches of `size`, drawn anew.

        Those of a batch have about the same length, as all are cropped to its shortest.
        """
        order, lengths = torch.randperm(len(self), generator=generator), self.n_frames
        if (lengths == lengths[:1]).all():
            return list(order.split(size))
        batches = []
        for some in order.split(size * ALIKE):
            batches += some[lengths[some].argsort(stable=True)].split(size)
        return [batches[k] for k in torch.randperm(len(batches), generator=generator)]

    def draw(
        self,
        rows: Tensor,
        segments: int,
        settings: Augmentation,
        encoder: EmgEncoder,
        generator: torch.Generator,
    ) -> tuple[Tensor, ...]:
        """Augmented inputs, level and course as `standardised`, of `segments` random segments per
        recording, with one of its shifts drawn, and what is known of its person; see `tell`."""
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
        way, most = torch.zeros(len(rows), dtype=torch.long), len(self.shifts)
        if most > 1:
            way = torch.randint(most, (len(rows),), generator=generator)
        shift = self.shifts[way, rows].repeat_interleave(segments, dim=0)

        def inputs(*drawn):
            return encoder.standardised(*(v.to(encoder.device) for v in drawn))

        known = shift[:, encoder.n_levels :].to(encoder.device)
        return (*share_rows(inputs, x.flatten(0, 1), torch.cat(wholes), shift), known)

    def ask(self, encoder: EmgEncoder) -> np.ndarray:
        """Probabilities (n, labels) from a trained encoder."""
        self.shift_to_people(encoder)
        return self.classify(encoder, self.embeddings(encoder))

    def classify(self, encoder: EmgEncoder, embeddings: Tensor) -> np.ndarray:
        """Probabilities (n, labels) from the recordings' embeddings (n, embedding_dim)."""
        of = embeddings.to(encoder.device), self.n_missing, encoder.known_in(self.shifts[0])
        return encoder.classify(*of)


def examples_of(
    encoder: EmgEncoder, dataset: Dataset, rows: Sequence[int] | np.ndarray
) -> Examples:
    """The Examples of a dataset's `rows`, with the shifts of their people."""
    inputs = encoder_inputs(dataset, encoder.config, rows)
    examples = Examples(encoder, inputs, dataset.targets[rows], dataset.groups[rows])
    examples.shift_to_people(encoder)
    return examples


def recording_embeddings(
    encoder: EmgEncoder, inputs: Fronts | Sequence, groups: np.ndarray | None = None
) -> Tensor:
    """float32 (recordings, embedding_dim), each the mean over its segments; see Examples."""
    examples = Examples(encoder, inputs, np.zeros(len(inputs)), groups)
    examples.shift_to_people(encoder)
    return examples.embeddings(encoder)
