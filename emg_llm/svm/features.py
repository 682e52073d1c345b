"""The features of a whole recording that the SVM reads."""

import numpy as np

from emg_llm.signal.features import above_silence, is_dead, segment_features
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import clean, resample, segment

SAMPLING_RATE = 1000.0
SEGMENT_LENGTH = 128
RECORDING_BANDS = {  # Hz
    "low-band power": (20.0, 60.0),
    "middle-band power": (60.0, 120.0),
    "high-band power": (120.0, 230.0),
}
RECORDING_FEATURES = ("power", "log power spread", "mean frequency", *RECORDING_BANDS)


def recording_features(recording):
    """Each of RECORDING_FEATURES, float (channels,): in u², dB (over segments), Hz, and u² each."""
    prepared = resample(clean(recording), SAMPLING_RATE)
    segments = segment(prepared, min(SEGMENT_LENGTH, prepared.n_samples))
    values = segment_features(segments)
    power = above_silence(np.square(values["rms"], dtype=np.float64))  # (segments, channels)
    spread = (10 * np.log10(power)).std(axis=0)
    values = power.mean(axis=0), spread, values["mean_frequency"].mean(axis=0)
    return dict(zip(RECORDING_FEATURES, (*values, *_band_powers(segments)), strict=True))


def _band_powers(segments):
    """The power in each of RECORDING_BANDS, u²: a list of float64 (channels,)."""
    n = segments.signal.shape[1]
    frequency = np.fft.rfftfreq(n, 1 / segments.sampling_rate)
    density = np.square(np.abs(np.fft.rfft(segments.signal, axis=1)) / n).mean(axis=0)
    for low, high in RECORDING_BANDS.values():
        yield above_silence(2 * density[(frequency >= low) & (frequency < high)].sum(axis=0))


def row_of(recording, sites, features=RECORDING_FEATURES):
    """Features of a recording in the order of the SVM's columns: float (features,).

    Those of a channel without a signal are NaN.
    """
    values = recording_features(arrange(clean(recording), sites))
    dead = is_dead(values["power"])
    return np.concatenate([np.where(dead, np.nan, values[feature]) for feature in features])


def dataset_features(dataset, rows=None):
    """float (rows, features) and the features' names, for recordings and feature tables alike.

    rows: all by default. Raises SitesError for recordings with different channels.
    """
    if dataset.table is not None:
        return dataset.table if rows is None else dataset.table[rows], dataset.columns
    rows = range(len(dataset)) if rows is None else rows
    sites = dataset.recordings[0].channel_names
    names = tuple(f"{feature} {site}" for feature in RECORDING_FEATURES for site in sites)
    return np.stack([row_of(dataset.recordings[i], sites) for i in rows]), names
