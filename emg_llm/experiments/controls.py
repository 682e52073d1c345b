"""Control data: noise, other recordings, shuffled labels, or a single informative channel."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from emg_llm.data.lazy import Lazy
from emg_llm.signal.features import channel_power
from emg_llm.signal.levels import LevelScale
from emg_llm.signal.preprocessing import BAND, clean, mains_hum
from emg_llm.signal.spectrum import TINY
from emg_llm.svm import dataset_features

LEAST_DRAWS = 3  # of random weights or labels, to tell luck from knowledge
ABOUT = "label", "subject", "session", "recording_id"  # what is known beside a signal


def noise_like(recording, power, seed):
    """The recording with noise in place of the EMG band, of `power` (channels,), in u².

    Everything that is no muscle stays, for a model that reads it: length, rate, offset, drift, hum,
    gaps.
    """
    n, rate = recording.n_samples, recording.sampling_rate
    frequency = np.fft.rfftfreq(n, 1 / rate)
    inside = (frequency >= BAND[0]) & (frequency <= min(BAND[1], 0.45 * rate))
    white = np.random.default_rng(seed).standard_normal(recording.signal.shape)
    noise = np.fft.irfft(np.fft.rfft(white, axis=0) * inside[:, None], n, axis=0)
    mean = np.mean(np.square(noise[recording.valid]), axis=0)
    noise *= np.sqrt(np.resize(power, recording.n_channels) / np.maximum(mean, TINY))
    hum = mains_hum(recording)
    spectrum = np.fft.rfft(recording.signal - hum, axis=0)
    signal = np.fft.irfft(spectrum * ~inside[:, None], n, axis=0) + hum + noise
    return recording.replace(signal=signal * recording.valid[:, None], cleaned=False)


def others(dataset, rows, of_person, seed=0):
    """int (len(dataset),): a recording in the place of each of `rows`; the rows among themselves.

    of_person: another one of the same person, with another label. Otherwise one of another person,
    with a label drawn at random. None where the data has no such recordings.
    """
    rng, other = np.random.default_rng(seed), np.arange(len(dataset))
    groups, targets = dataset.groups[rows], dataset.targets[rows]
    for i, group, target in zip(rows, groups, targets, strict=True):
        drawn = rng.choice(np.unique(targets))
        wanted = targets != target if of_person else targets == drawn
        found = rows[((groups == group) == of_person) & wanted]
        if not len(found):
            return None
        other[i] = rng.choice(found)
    return other


def shuffled_labels(dataset, rows, seed):
    """The dataset with the labels of `rows` permuted within each person.

    A model can learn from it how often each person shows a label, and nothing about muscles.
    """
    rng = np.random.default_rng(seed)
    labels = np.array(dataset.labels, object)
    groups = dataset.groups[rows]
    # Each recording of an unknown person is a group of its own: these are permuted together.
    named = np.array([dataset.subjects[i] is not None for i in rows])
    for theirs in [*(rows[groups == g] for g in np.unique(groups[named])), rows[~named]]:
        labels[theirs] = rng.permutation(labels[theirs])
    return replace(dataset, labels=tuple(labels))


class Inputs:
    """Some rows of a dataset, prepared once for all folds, and their control versions.

    as_features: turn recordings into the SVM's feature table; otherwise clean them on access.
    """

    def __init__(self, dataset, rows, as_features=False):
        self.raw, self.rows, self.as_features = dataset, rows, as_features

    @cached_property
    def dataset(self):
        """The prepared dataset."""
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
        """False for a feature table, where noise can replace nothing."""
        return self.raw.recordings is not None

    @cached_property
    def noise(self):
        """Noise for every recording, with the powers of another one, so that it says nothing."""
        other = np.arange(len(self.raw))
        rows = np.random.default_rng(0).permutation(self.rows)
        labels = self.raw.targets[rows]
        rows = rows[np.argsort(labels, kind="stable")]
        # Dealt like cards: each label gets the powers of all labels in about equal shares.
        n_hands = len(np.unique(labels))
        other[rows] = np.concatenate([rows[hand::n_hands] for hand in range(n_hands)])
        return self._noise(other)

    @cached_property
    def powers_alone(self):
        """Noise with each recording's own powers: what they tell is left."""
        return self._noise(np.arange(len(self.raw)))

    def _noise(self, other):
        recordings, power = self.raw.recordings, self._powers[other]
        noise = Lazy(len(recordings), lambda i: noise_like(recordings[i], power[i], i))
        return self._ready(replace(self.raw, recordings=noise))

    @cached_property
    def same_person(self):
        """Another recording of the same person, with another label; None if there are too few."""
        return self._swapped(others(self.raw, self.rows, of_person=True))

    @cached_property
    def other_person(self):
        """A recording of another person, with a random label; None if there are too few."""
        return self._swapped(others(self.raw, self.rows, of_person=False))

    def _swapped(self, other):
        """The data with other recordings (None: no data) under each one's label, person and id."""
        if other is None:
            return None
        data = self.dataset
        if data.table is not None:
            return replace(data, table=data.table[other])
        recordings, places = data.recordings, self.raw.recordings

        def make(i):
            own = {name: getattr(places[i], name) for name in ABOUT}
            return recordings[other[i]].replace(**own)

        return replace(data, recordings=Lazy(len(other), make))

    @property
    def channels(self):
        """The names that `only` chooses from: channels, or the columns of a feature table."""
        if self.raw.recordings is None:
            return tuple(self.raw.columns)
        return tuple(self.raw.recordings[0].channel_names)

    def only(self, channel, reference):
        """The dataset with one informative channel (its index in `channels`).

        The other columns become their median over the rows `reference` (the training people);
        the other signals become noise in the EMG band, at their median power over these rows.
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

    def levels(self, reference):
        """float (recordings, columns): what a bridge's levels are before they are rounded, on a
        scale fitted to the rows `reference`; zero for recordings that are not among `rows`."""
        table = self.dataset.table
        values = self._powers if table is None else table
        names = self.channels if table is None else self.dataset.columns
        return LevelScale.fit(values[reference], names).continuous(values)

    @cached_property
    def _powers(self):
        recordings = self.raw.recordings
        powers = np.zeros((len(self.raw), recordings[0].n_channels))
        for i in self.rows:
            powers[i] = channel_power(recordings[i])
        return powers


def _only(recording, channel, power, seed):
    x = np.random.default_rng(seed).standard_normal(recording.signal.shape)
    noise = clean(recording.replace(signal=x, cleaned=False))
    valid = recording.valid[:, None]
    signal = noise.signal * np.sqrt(power / channel_power(noise)) * valid
    signal[:, channel] = recording.signal[:, channel]
    return recording.replace(signal=signal)
