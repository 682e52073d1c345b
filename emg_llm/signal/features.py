"""Segments -> features: mean, variance, RMS and mean frequency, in physical units.

All of them are taken from the cleaned signal before any normalisation: z-scoring a segment
first would turn the first three into constants.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d

from emg_llm.signal.preprocessing import SEGMENT_LENGTH, TINY, clean, segment

FEATURES = ("mean", "variance", "rms", "mean_frequency")
SILENT = 1e-6  # of the recording's mean power: a channel that is dead
ACTIVITY_WINDOW_S = 0.05
MIN_BURST_DB = 3.0


def segment_features(segments):
    """The four features of each segment and channel: float32 (n, channels, 4).

    Units: u, u², u, Hz for a signal in u. The mean frequency is the centroid of the power
    spectrum, as in Phinyomark et al., Expert Syst. Appl. 2012, 39(8):7420.
    """
    x = segments.signal
    mean, variance = x.mean(axis=1), x.var(axis=1)
    rms = np.sqrt(np.mean(x * x, axis=1))
    power = np.abs(np.fft.rfft(x, axis=1)) ** 2  # (n, frequencies, channels)
    frequency = np.fft.rfftfreq(x.shape[1], 1 / segments.sampling_rate)
    centroid = np.einsum("nfc,f->nc", power, frequency) / np.maximum(power.sum(axis=1), TINY)
    return np.stack([mean, variance, rms, centroid], axis=2).astype(np.float32)


def segment_tensor(recording, segment_length=SEGMENT_LENGTH):
    """The encoders' input: float32 (n_segments, segment_length, channels + 4).

    The cleaned signal's channels, then the segment's mean, variance, RMS and mean frequency
    over its channels, each repeated over time: 12 columns for 8 channels.
    """
    return segments_tensor(segment(clean(recording), segment_length))


def segments_tensor(segments):
    """`segment_tensor` for segments that are cut already."""
    overall = segment_features(segments).mean(axis=1)  # (n, 4)
    n, length, _ = segments.signal.shape
    repeated = np.broadcast_to(overall[:, None, :], (n, length, overall.shape[1]))
    return np.concatenate([segments.signal, repeated], axis=2).astype(np.float32)


def feature_table(recording, segment_length=SEGMENT_LENGTH):
    """A pandas table, one row for each segment: segment, start_s, then `<feature> <channel>`."""
    import pandas as pd

    recording = clean(recording)
    segments = segment(recording, segment_length)
    values = segment_features(segments)
    columns = {"segment": np.arange(len(segments)), "start_s": segments.start.round(4)}
    for i, feature in enumerate(FEATURES):
        for c, channel in enumerate(recording.channel_names):
            columns[f"{feature} {channel}"] = values[:, c, i]
    return pd.DataFrame(columns)


def feature_summary(recording):
    """A pandas table, one row for each channel: the four features over the whole recording."""
    import pandas as pd

    recording = clean(recording)
    values = segment_features(segment(recording, recording.n_samples))[0]
    unit = "µV" if recording.unit == "uV" else recording.unit
    units = {"mean": unit, "variance": f"{unit}²", "RMS": unit, "mean frequency": "Hz"}
    table = {"channel": recording.channel_names}
    for i, (name, u) in enumerate(units.items()):
        table[f"{name} ({u})"] = values[:, i].round(3)
    return pd.DataFrame(table)


def channel_power(recording):
    """Mean power of each channel over the valid, cleaned recording, in u²: float64 (channels,)."""
    recording = clean(recording)
    x = recording.signal[recording.valid]
    return above_silence(np.mean(np.square(x, dtype=np.float64), axis=0))


def above_silence(power):
    """Powers of one recording, those far below its mean raised: each has a logarithm.

    The floor is relative, so that it is the same for microvolts, volts and arbitrary units.
    """
    power = np.asarray(power, np.float64)
    return np.maximum(power, SILENT * power.mean() + TINY)


def activity(recording):
    """When the muscles were active, in seconds: (start, end, peak), or None without a clear burst.

    Each channel's power in windows of 50 ms is taken relative to that channel's own floor, the
    tenth percentile, and the mean over channels in dB smoothed over a fifth of a second. Active
    is what lies above half of the way from the floor to the peak; a way of less than 3 dB is no
    burst.
    """
    recording = clean(recording)
    length = max(2, round(ACTIVITY_WINDOW_S * recording.sampling_rate))
    n = recording.n_samples // length
    if n < 8:
        return None
    x = np.where(recording.valid[:, None], recording.signal, np.nan)
    x = np.square(x[: n * length], dtype=np.float64)
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
    at = np.flatnonzero(valid) * length / recording.sampling_rate
    active = np.flatnonzero(level > (base + top) / 2)
    window = length / recording.sampling_rate
    start, end = at[active[0]], at[active[-1]] + window
    return float(start), float(end), float(at[level.argmax()] + window / 2)
