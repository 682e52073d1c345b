"""How strong each channel is over time."""

import math
from dataclasses import dataclass

import numpy as np

from emg_llm.signal.features import channel_power, is_dead
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import Recording

STEP_S = 0.1
MOST_STEPS = 600


@dataclass(frozen=True, eq=False)
class Strength:
    """The power of a recording's channels, in u², in steps of time.

    power: float64 (steps, channels), NaN where a channel lacks half of a step. whole: (channels,),
    over all of it. Both are NaN for a dead channel. start, step: seconds in the file's time.
    """

    power: np.ndarray
    whole: np.ndarray
    start: float
    step: float


def strength(recording: Recording) -> Strength:
    """The strength of each channel of the cleaned recording in steps of 0.1 s, or of longer ones
    where there would be more than 600. Raises RecordingError if it can't be cleaned."""
    recording = clean(recording)
    rate, n = recording.sampling_rate, recording.n_samples
    size = max(1, round(max(STEP_S, recording.duration / MOST_STEPS) * rate))
    edges = np.arange(math.ceil(n / size)) * size
    least = np.diff(edges, append=n) / 2
    power = np.full((len(edges), recording.n_channels), np.nan)
    whole = channel_power(recording)
    whole[is_dead(whole)] = np.nan
    for i in np.flatnonzero(~np.isnan(whole)).tolist():  # one at a time: a long one is large
        present = recording.present(i)
        squares = np.square(recording.signal[:, i], dtype=np.float64) * present
        sums, there = np.add.reduceat(squares, edges), np.add.reduceat(present, edges, dtype=int)
        power[:, i] = np.where(there >= least, sums / np.maximum(there, 1), np.nan)
    return Strength(power, whole, recording.start, size / rate)
