"""Segments -> features: mean, variance, RMS and mean frequency, in physical units.

All of them are taken from the cleaned signal before any normalisation: z-scoring a segment
first would turn the first three into constants.
"""

from dataclasses import dataclass

import numpy as np

from emg_llm.preprocessing import TINY, clean
from emg_llm.segments import SEGMENT_LENGTH, segment

FEATURES = ("mean", "variance", "rms", "mean_frequency")
SILENT = 1e-6  # of the recording's mean power: a channel that is dead


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


@dataclass(frozen=True, eq=False)
class LevelScale:
    """Turns numbers of any scale into small whole numbers that a language model can read.

    Columns that are all positive are taken as powers and expressed in dB; others as they are.
    A level is the distance from the training people's median: in dB for powers, in tenths of
    the interquartile range otherwise.

    names: columns; is_power: bool (columns,); center, step: float (columns,).
    """

    names: tuple[str, ...]
    is_power: tuple[bool, ...]
    center: tuple[float, ...]
    step: tuple[float, ...]

    LIMIT = 40

    @classmethod
    def fit(cls, values, names):
        """values: float (recordings, columns) of the training people alone."""
        is_power = (values > 0).all(axis=0)
        x = _decibel(values, is_power)
        q25, q50, q75 = np.nanpercentile(x, (25, 50, 75), axis=0)
        step = np.where(is_power, 1.0, np.maximum(q75 - q25, 1e-9) / 10)
        return cls(
            tuple(names),
            tuple(bool(p) for p in is_power),
            tuple(float(c) for c in q50),
            tuple(float(s) for s in step),
        )

    def continuous(self, values):
        """float (recordings, columns) -> levels before rounding, the same shape."""
        x = _decibel(np.asarray(values, np.float64), np.array(self.is_power))
        return (x - np.array(self.center)) / np.array(self.step)

    def levels(self, values, noise=None):
        """int (recordings, columns), clipped to ±LIMIT; `noise` is added before rounding."""
        x = self.continuous(values)
        if noise is not None:
            x = x + noise
        return np.clip(np.rint(np.nan_to_num(x)), -self.LIMIT, self.LIMIT).astype(int)


def _decibel(values, is_power):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_power, 10 * np.log10(np.maximum(values, TINY)), values)
