"""Recordings as encoders are trained on and asked about: prepared once, read from disk."""

import copy

import numpy as np
import torch

from emg_llm.data.datasets import DatasetError
from emg_llm.data.lazy import Lazy, Spool
from emg_llm.data.processes import share_items, share_rows
from emg_llm.encoders.augmentation import augment
from emg_llm.signal.levels import WIDTH_SHARE


def encoder_config(arch, dataset, **more):
    """An EncoderConfig for the labels and channels of a dataset."""
    from emg_llm.encoders import EncoderConfig

    _check_recordings(dataset)
    channels = dataset.recordings[0].n_channels
    labels = list(dataset.label_names)
    return EncoderConfig(arch, labels, n_channels=channels, n_features=channels + 4, **more)


def _check_recordings(dataset):
    if dataset.recordings is None:
        raise DatasetError(
            f"{dataset.name} is a feature table and an encoder reads recordings; use --model svm "
            "or a language model."
        )


def encoder_tensors(dataset, config, rows=None):
    """The encoder's input for each recording in `rows`, of all where there are none.

    A sequence that makes them when they are asked for: all at once would not fit into memory.
    """
    _check_recordings(dataset)
    rows = range(len(dataset)) if rows is None else rows
    return Lazy(len(rows), lambda i: config.tensor(dataset.recordings[rows[i]]))


class Examples:
    """Recordings as the bodies of encoders need them: the front end's work is done once.

    tensors: float32 (n_segments, length, features), one for each recording, a sequence that is
    gone through once; targets: int (n,); groups: the person of each recording, or None.
    """

    def __init__(self, encoder, tensors, targets, groups=None):
        self.fronts = prepared(encoder, tensors)
        self.targets = torch.as_tensor(np.asarray(targets))
        self.groups = None if groups is None else np.asarray(groups)
        self.shifts = torch.zeros(len(self), encoder.n_levels + 1)

    def __len__(self):
        return len(self.fronts)

    @property
    def people(self):
        """The person of each recording; where nobody knows, each is one's own."""
        return np.arange(len(self)) if self.groups is None else self.groups

    def take(self, rows):
        """The examples of some rows, for another encoder of the same configuration."""
        part = copy.copy(self)
        part.fronts = Lazy(len(rows), lambda k: self.fronts[rows[k]])
        part.targets, part.shifts = self.targets[rows], self.shifts[rows]
        part.groups = None if self.groups is None else self.groups[rows]
        return part

    def fit_scale(self, encoder):
        """Set what is typical of these recordings in the encoder."""
        powers = [c[:, :, 0].diagonal(dim1=-2, dim2=-1).mean() for c, _ in self.fronts]
        encoder.power.copy_(torch.stack(powers).median().clamp_min(1e-20))
        with torch.inference_mode():
            levels = torch.cat([encoder.inputs(*front)[0] for front in self.fronts])
        encoder.center.copy_(levels.mean(dim=0))
        whole = levels[:, : encoder.n_inputs // 4].std(dim=0)
        encoder.spread.copy_(whole.square().mean().sqrt().clamp_min(1e-3))
        encoder.typical.zero_()
        self.shift_to_people(encoder)
        widths = self.shifts[np.unique(self.people, return_index=True)[1], -1] / WIDTH_SHARE
        if widths.any():  # zero is of people with a single recording
            encoder.typical.copy_(widths[widths != 0].mean())
        self.shift_to_people(encoder)

    def shift_to_people(self, encoder):
        """Where each person's recordings are the measure, find how far each person is off.

        `shifts` (n, levels + 1): how far the person's median level is from the training people's
        mean and, last, how much wider the person's powers are spread than a typical person's: the
        logarithm, of which a share is taken away. Zero where nobody knows the person.
        """
        self.shifts = torch.zeros(len(self), encoder.n_levels + 1)
        if encoder.config.scaling != "person" or self.groups is None:
            return
        with torch.inference_mode():
            levels = torch.stack([self.level(i, encoder) for i in range(len(self))])
        for person in np.unique(self.groups):
            rows = torch.from_numpy(np.flatnonzero(self.groups == person))
            if len(rows) < 2:  # of a single recording, all would be taken away
                continue
            # A few strong expressions among many recordings don't move the median.
            median = levels[rows].median(dim=0).values
            powers = (levels[rows] - median)[:, -encoder.config.n_channels :]
            width = powers.square().mean().sqrt().clamp_min(1e-3).log()
            self.shifts[rows, :-1] = median
            self.shifts[rows, -1] = WIDTH_SHARE * (width - encoder.typical)

    def segments(self, encoder, i):
        """Embeddings (segments, embedding_dim) of one recording."""
        at = (v.to(encoder.device) for v in (*self.fronts[i], self.shifts[i]))
        return encoder.body(*encoder.inputs(*at))

    def embeddings(self, encoder):
        """Recording embeddings (n, embedding_dim), each the mean over its segments."""

        def some(rows):
            return (torch.stack([self.segments(encoder, i).mean(dim=0) for i in rows]),)

        with torch.inference_mode():
            [found] = share_rows(some, torch.arange(len(self)))
        return found.cpu()

    def logits(self, encoder):
        """Recording logits (n, labels) on the CPU."""
        with torch.inference_mode():
            return encoder.head(self.embeddings(encoder).to(encoder.device)).cpu()

    def levels(self, encoder):
        """What the readouts learn from: levels (segments, levels), their targets."""
        with torch.inference_mode():
            levels = [
                encoder.inputs(*front, shift)[0]
                for front, shift in zip(self.fronts, self.shifts, strict=True)
            ]
        counts = torch.tensor([len(level) for level in levels])
        return torch.cat(levels), self.targets.repeat_interleave(counts)

    def level(self, i, encoder):
        """How far one recording is from the center, (levels,), not divided by the spread."""
        return encoder.inputs(*self.fronts[i])[0].mean(dim=0) * encoder.spread

    def draw(self, rows, segments, settings, encoder, generator):
        """Varied inputs of some recordings: level, course with n * segments rows, and n."""
        parts, wholes = [], []
        n_frames = min(self.fronts[i][0].shape[1] for i in rows)
        for i in rows:
            covariance, whole = self.fronts[i]
            at = torch.randint(len(covariance), (segments,), generator=generator)
            # Of longer recordings a stretch as long as the batch's shortest.
            spare = covariance.shape[1] - n_frames + 1
            start = int(torch.randint(spare, (), generator=generator))
            parts.append(covariance[at, start : start + n_frames])
            wholes.append(whole[at])
        x = augment(torch.stack(parts), settings, generator)
        shift = self.shifts[rows].repeat_interleave(segments, dim=0)

        def inputs(*drawn):
            return encoder.inputs(*(v.to(encoder.device) for v in drawn))

        return share_rows(inputs, x.flatten(0, 1), torch.cat(wholes), shift)

    def ask(self, encoder):
        """Probabilities (n, labels) of a trained encoder, numpy."""
        self.shift_to_people(encoder)
        return torch.softmax(self.logits(encoder) / encoder.config.temperature, dim=1).numpy()


def prepared(encoder, tensors):
    """A sequence of what `encoder.front` gives for each recording, made once and read from disk.

    Covariances are symmetric: their upper triangles are kept.
    """
    spool, c = Spool(), encoder.config.n_channels
    i, j = torch.triu_indices(c, c)
    place = torch.zeros(c, c, dtype=torch.long)
    place[i, j] = place[j, i] = torch.arange(len(i))

    def make(k):
        with torch.inference_mode():
            covariance, whole = encoder.front(torch.as_tensor(tensors[k]))
        return covariance[..., i, j].numpy(), whole.numpy()

    def read(k):
        return torch.from_numpy(spool[2 * k])[..., place], torch.from_numpy(spool[2 * k + 1])

    for covariance, whole in share_items(make, len(tensors)):
        spool.append(covariance)
        spool.append(whole)
    return Lazy(len(tensors), read)


def recording_embeddings(encoder, tensors, groups=None):
    """float32 tensor (recordings, embedding_dim): each recording's mean over its segments."""
    examples = Examples(encoder, tensors, np.zeros(len(tensors)), groups)
    examples.shift_to_people(encoder)
    return examples.embeddings(encoder)
