"""When each muscle switches on and off: a double threshold on the power of each channel.

The first threshold is on the level, as in Hodges and Bui (Electroencephalogr. Clin. Neurophysiol.
1996, 101(6):511), the second on how long the level is kept, as in Bonato et al. (IEEE Trans.
Biomed. Eng. 1998, 45(3):287), who also join what short pauses separate.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from emg_llm.signal.features import is_dead
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import Recording

WINDOW_S = 0.05  # in which power is averaged
REST_S = 0.25  # the quietest stretch that tells a channel's rest
THRESHOLD_DB = 6.0
SHORTEST_S = 0.05
PAUSE_S = 0.125
MIN_REST_WINDOWS = 2  # of the recording, to tell rest from activity at all


@dataclass(frozen=True)
class Activation:
    """One time that a muscle is active. onset, offset: seconds from the file's first sample.

    peak_db: the highest level over the channel's rest. An activation that the recording's start or
    end cuts off begins or ends there.
    """

    channel: str
    onset: float
    offset: float
    peak_db: float


def activations(
    recording: Recording,
    threshold_db: float = THRESHOLD_DB,
    shortest: float = SHORTEST_S,
    pause: float = PAUSE_S,
) -> tuple[Activation, ...]:
    """When each channel is active, channel by channel in order of time; none where it rests.

    A channel's rest is its mean power in its quietest quarter of a second. It is active where its
    power, averaged over 50 ms, is more than threshold_db above rest for at least `shortest`
    seconds; pauses below `pause` seconds are bridged first. Averaged over a quarter of a second, as
    rest is, its power must exceed the threshold too: at rest, single motor units come in bursts
    that stand out from their quietest moment for a short time. Dead channels and invalid samples
    are never active. A muscle that is active from start to end is not found: there is no rest to
    compare it with. Raises RecordingError if too few samples are valid.
    """
    recording = clean(recording)
    rate, channels = recording.sampling_rate, recording.channel_names
    window, rest = (max(1, round(s * rate)) for s in (WINDOW_S, REST_S))
    if recording.n_samples < MIN_REST_WINDOWS * rest:
        return ()
    dead = is_dead(np.array([_power(recording, i).sum() for i in range(len(channels))]))
    found: list[Activation] = []
    for i, name in enumerate(channels):  # one at a time: a long recording is large
        present, p = recording.present(i), _power(recording, i)
        valid = present.astype(np.float64)
        floor = _quietest(p, valid, rest)
        if dead[i] or floor <= 0:
            continue
        level, held = (_average(p, valid, length) / floor for length in (window, rest))
        least = 10 ** (threshold_db / 10)
        over = (level > least) & present
        for first, end in _stretches(over, round(pause * rate), round(shortest * rate)):
            if held[first:end].max() <= least:
                continue
            peak = 10 * np.log10(level[first:end].max())
            onset, offset = (float(recording.start + i / rate) for i in (first, end))
            found.append(Activation(name, onset, offset, float(peak)))
    return tuple(found)


def _power(recording, i):
    return np.square(recording.signal[:, i], dtype=np.float64) * recording.present(i)


def _average(power, valid, length):
    """The mean over the valid samples around each one, float64 (samples,)."""
    sums, n = (uniform_filter1d(v, length, mode="constant") for v in (power, valid))
    return np.where(n > 1e-9, sums / np.maximum(n, 1e-9), 0)


def _quietest(power, valid, length):
    """The lowest mean power of a stretch of which at least half is valid; 0 if there is none."""
    sums, n = (np.concatenate([[0], np.cumsum(v)]) for v in (power, valid))
    sums, n = sums[length:] - sums[:-length], n[length:] - n[:-length]
    kept = n >= length / 2
    return float(np.min(sums[kept] / n[kept])) if kept.any() else 0.0


def _stretches(over, pause, shortest):
    """(first, end) of the stretches where `over` is true, bool (samples,): joined, then sieved."""
    edges = np.flatnonzero(np.diff(over.astype(np.int8), prepend=0, append=0))
    firsts, ends = edges[::2], edges[1::2]
    if not len(firsts):
        return []
    apart = firsts[1:] - ends[:-1] >= pause
    firsts, ends = firsts[np.concatenate([[True], apart])], ends[np.concatenate([apart, [True]])]
    return [(a, b) for a, b in zip(firsts, ends, strict=True) if b - a >= shortest]
