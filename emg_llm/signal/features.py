"""Segments -> features in physical units: mean, variance, RMS, mean frequency, or others by name.

All are computed on the cleaned signal before any normalisation: z-scoring a segment first would
turn the first three into constants.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import uniform_filter1d

from emg_llm.signal.bank.table import bank_features, choose
from emg_llm.signal.preprocessing import SEGMENT_LENGTH, Segments, clean, segment
from emg_llm.signal.recording import Recording
from emg_llm.signal.spectrum import TINY

if TYPE_CHECKING:  # importing pandas is slow, and only the tables need it
    import pandas as pd

# Features of a channel: the name to display, and the unit for a signal in u.
FEATURES = {feature.name: (feature.title, feature.unit) for feature in choose()}
SILENT = 1e-6  # share of the recording's mean power below which a channel counts as dead
ACTIVITY_WINDOW_S = 0.05
MIN_BURST_DB = 3.0


def segment_features(segments: Segments) -> dict[str, np.ndarray]:
    """All FEATURES by name, each float32 (n, channels).

    The mean frequency is the centroid of the power spectrum, as in Phinyomark et al., Expert
    Syst. Appl. 2012, 39(8):7420.
    """
    return bank_features(segments)


def segment_tensor(recording: Recording, segment_length: int = SEGMENT_LENGTH) -> np.ndarray:
    """The encoders' input: float32 (n_segments, segment_length, channels + features).

    The channels of the cleaned signal, then the segment's FEATURES, averaged over channels and
    repeated over time: 12 columns for 8 channels.
    """
    return segments_tensor(segment(clean(recording), segment_length))


def segments_tensor(segments: Segments) -> np.ndarray:
    """`segment_tensor` for segments that are already cut."""
    overall = np.stack([*segment_features(segments).values()], axis=2).mean(axis=1)  # (n, features)
    n, length, _ = segments.signal.shape
    repeated = np.broadcast_to(overall[:, None, :], (n, length, overall.shape[1]))
    return np.concatenate([segments.signal, repeated], axis=2).astype(np.float32)


def tensor_column(n_channels: int, feature: str) -> int:
    """The column of one of FEATURES in the `segment_tensor` of a recording with n_channels."""
    return n_channels + list(FEATURES).index(feature)


def feature_table(
    recording: Recording,
    segment_length: int = SEGMENT_LENGTH,
    features: str | Sequence[str] | None = None,
    threshold: float | np.ndarray | None = None,
) -> "pd.DataFrame":
    """A pandas table with one row per segment: segment, start_s, then `<feature> <channel>`.

    start_s: seconds from the file's first sample. NaN where a channel lacks most of a segment.
    features: names of the feature bank or of its groups, "all", or None for FEATURES;
    docs/features.md lists them. Raises ValueError for a name that is none.
    threshold: see `bank_features`.
    """
    import pandas as pd

    choose(features)  # before anything is computed
    recording = clean(recording)
    segments = segment(recording, segment_length)
    columns = {"segment": np.arange(len(segments)), "start_s": segments.start.round(4)}
    for feature, values in bank_features(segments, features, threshold).items():
        if segments.lacking is not None:
            values = np.where(segments.lacking, np.nan, values)
        for channel, column in zip(recording.channel_names, values.T, strict=True):
            columns[f"{feature} {channel}"] = column
    return pd.DataFrame(columns)


def feature_summary(recording: Recording) -> "pd.DataFrame":
    """A pandas table with one row per channel: FEATURES over the whole recording."""
    import pandas as pd

    recording = clean(recording)
    unit = "µV" if recording.unit == "uV" else recording.unit
    table = {"channel": recording.channel_names}
    for feature, values in segment_features(segment(recording, recording.n_samples)).items():
        name, of = FEATURES[feature]
        table[f"{name} ({of.replace('u', unit)})"] = values[0].round(3)
    return pd.DataFrame(table)


def channel_power(recording: Recording) -> np.ndarray:
    """Mean power of each channel over the valid, cleaned samples, in u²: float64 (channels,)."""
    recording = clean(recording)
    x = recording.signal[recording.valid]
    return above_silence(np.mean(np.square(x, dtype=np.float64), axis=0))


def is_dead(power: np.ndarray) -> np.ndarray:
    """Where a channel is dead, bool (…, channels), from the channels' powers in the same shape.

    No channel is if all are: without any signal there is nothing to compare with.
    """
    power = np.asarray(power, np.float64)
    dead = power <= 1.01 * SILENT * power.mean(axis=-1, keepdims=True)  # after `above_silence` too
    return dead & ~dead.all(axis=-1, keepdims=True)


def above_silence(power: np.ndarray) -> np.ndarray:
    """Powers of one recording, raised to a floor far below their mean for logarithms to exist.

    The floor is relative, and therefore the same for microvolts, volts and arbitrary units.
    """
    power = np.asarray(power, np.float64)
    return np.maximum(power, SILENT * power.mean() + TINY)


def activity(recording: Recording) -> tuple[float, float, float] | None:
    """(start, end, peak) of the muscle activity in the file's seconds; None without a clear burst.

    Each channel's power in windows of 50 ms is taken relative to that channel's own floor, the
    tenth percentile; the mean over channels in dB is smoothed over a fifth of a second. Activity
    lies above the midpoint between floor and peak; a burst has a peak at least 3 dB above the
    floor.
    """
    recording = clean(recording)
    length = max(2, round(ACTIVITY_WINDOW_S * recording.sampling_rate))
    n = recording.n_samples // length
    if n < 8:
        return None
    x = np.where(recording.valid[:, None], recording.signal, np.nan)
    x = np.square(x[: n * length], dtype=np.float64)
    x = x[:, ~is_dead(np.nanmean(x, axis=0))]
    valid = recording.valid[: n * length].reshape(n, length).mean(axis=1) >= 0.5
    if valid.sum() < 8:
        return None
    power = np.nanmean(x.reshape(n, length, -1)[valid], axis=1)
    floor = np.maximum(np.percentile(power, 10, axis=0), SILENT * power.mean() + TINY)
    level = np.mean(10 * np.log10(np.maximum(power / floor, 1e-3)), axis=1)
    level = uniform_filter1d(level, 4, mode="nearest")
    base, top = np.percentile(level, 10), level.max()
    if top - base < MIN_BURST_DB:
        return None
    at = recording.start + np.flatnonzero(valid) * length / recording.sampling_rate
    active = np.flatnonzero(level > (base + top) / 2)
    window = length / recording.sampling_rate
    start, end = at[active[0]], at[active[-1]] + window
    return float(start), float(end), float(at[level.argmax()] + window / 2)
