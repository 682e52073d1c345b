"""Data that was tampered with: what a model should not be able to read, and one channel alone."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from emg_llm.data.lazy import Lazy
from emg_llm.signal.features import channel_power
from emg_llm.signal.preprocessing import clean
from emg_llm.svm import dataset_features


def noise_like(recording, seed):
    """White noise with the recording's overall power: a control that holds no muscle activity."""
    x = np.random.default_rng(seed).standard_normal(recording.signal.shape)
    return recording.replace(signal=x * recording.signal[recording.valid].std())


def shuffled_labels(dataset, rows, seed):
    """The dataset with the labels of `rows` permuted within each person.

    What a model learns from it is who shows which labels how often, and nothing about muscles.
    """
    rng = np.random.default_rng(seed)
    labels = np.array(dataset.labels, object)
    groups = dataset.groups[rows]
    # Recordings of people who are unknown are groups of one: they are permuted together.
    known = np.array([dataset.subjects[i] is not None for i in rows])
    for theirs in [*(rows[groups == g] for g in np.unique(groups[known])), rows[~known]]:
        labels[theirs] = rng.permutation(labels[theirs])
    return replace(dataset, labels=tuple(labels))


class Inputs:
    """Some rows of a dataset made ready once for all folds, and their tampered copies.

    as_features: turn recordings into the SVM's feature table; otherwise they are cleaned when
    they are asked for.
    """

    def __init__(self, dataset, rows, as_features=False):
        self.raw, self.rows, self.as_features = dataset, rows, as_features

    @cached_property
    def dataset(self):
        """The dataset itself, ready."""
        return self._ready(self.raw)

    def _ready(self, dataset):
        if dataset.recordings is None:
            return dataset
        if self.as_features:
            values, columns = dataset_features(dataset, self.rows)
            table = np.full((len(dataset), len(columns)), np.nan)
            table[self.rows] = values
            return replace(dataset, recordings=None, table=table, columns=columns)
        recordings = dataset.recordings
        return replace(dataset, recordings=Lazy(len(recordings), lambda i: clean(recordings[i])))

    @property
    def has_signal(self):
        """False for a feature table: there is nothing to put noise in place of."""
        return self.raw.recordings is not None

    @cached_property
    def noise(self):
        """Noise in place of every recording, as strong as another one: it tells nothing of it."""
        recordings, other = self.raw.recordings, np.arange(len(self.raw))
        rows = np.random.default_rng(0).permutation(self.rows)
        labels = self.raw.targets[rows]
        rows = rows[np.argsort(labels, kind="stable")]
        # Dealt like cards: each label gets the strengths of all labels, in about equal shares.
        n_hands = len(np.unique(labels))
        other[rows] = np.concatenate([rows[hand::n_hands] for hand in range(n_hands)])
        noise = Lazy(len(recordings), lambda i: noise_like(recordings[other[i]], i))
        return self._ready(replace(self.raw, recordings=noise))

    @property
    def channels(self):
        """Names of what `only` can keep: channels, or the columns of a feature table."""
        if self.raw.recordings is None:
            return tuple(self.raw.columns)
        return tuple(self.raw.recordings[0].channel_names)

    def only(self, channel, reference):
        """The dataset with one channel (its place in `channels`) left; the others tell nothing.

        Columns of the others become their median over the rows `reference`, the training
        people's; signals become noise in the EMG band, at the channel's median power over them.
        """
        if self.dataset.table is not None:
            table = self.dataset.table
            kept = np.arange(table.shape[1]) % len(self.channels) == channel
            median = np.median(table[reference], axis=0)
            return replace(self.dataset, table=np.where(kept, table, median))
        power = np.median(self._powers[reference], axis=0)
        recordings = self.dataset.recordings
        alone = Lazy(len(recordings), lambda i: _only(recordings[i], channel, power, i))
        return replace(self.dataset, recordings=alone)

    @cached_property
    def _powers(self):
        powers = np.full((len(self.raw), len(self.channels)), np.nan)
        for i in self.rows:
            powers[i] = channel_power(self.dataset.recordings[i])
        return powers


def _only(recording, channel, power, seed):
    x = np.random.default_rng(seed).standard_normal(recording.signal.shape)
    noise = clean(recording.replace(signal=x, cleaned=False))
    valid = recording.valid[:, None]
    signal = noise.signal * np.sqrt(power / channel_power(noise)) * valid
    signal[:, channel] = recording.signal[:, channel]
    return recording.replace(signal=signal)
