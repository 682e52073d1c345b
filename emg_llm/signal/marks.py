"""What is marked in a recording over time: activity, its peak, and stretches to distrust."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from emg_llm.signal.features import activity
from emg_llm.signal.gaps import runs
from emg_llm.signal.onset import activations
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.quality.values import clipped_samples
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.signal.spectrum import slower


@dataclass(frozen=True, eq=False)
class Marks:
    """Stretches of a recording, each a float (stretches, 2) of seconds in the file's time.

    active, lacking, clipped: by channel; lacking: where a channel alone has no samples. invalid:
    where none has any. peak: when the activity is highest, or None without a clear burst.
    """

    active: Sequence[np.ndarray]
    lacking: Sequence[np.ndarray]
    clipped: Sequence[np.ndarray]
    invalid: np.ndarray
    peak: float | None = None

    def between(self, start: float, end: float, step: float = 0.0) -> "Marks":
        """Those that overlap start..end, cut to it; shorter gaps than `step` are bridged."""

        def within(spans):
            found = spans[(spans[:, 1] > start) & (spans[:, 0] < end)].clip(start, end)
            apart = found[1:, 0] - found[:-1, 1] >= step
            first, last = np.r_[True, apart], np.r_[apart, True]
            return np.stack([found[first, 0], found[last, 1]], axis=1) if len(found) else found

        peak = self.peak if self.peak is not None and start <= self.peak <= end else None
        active, lacking, clipped = (
            [*map(within, of)] for of in (self.active, self.lacking, self.clipped)
        )
        return Marks(active, lacking, clipped, within(self.invalid), peak)


def marks(recording: Recording) -> Marks:
    """The marks of a recording as it was read. What can't be told in it is not marked."""
    return recording.once("marks", lambda: _marks(recording))


def _marks(recording):
    names, gaps = recording.channel_names, recording.gaps
    active: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    peak = None
    slow = slower(recording)  # its power says as much, in a fraction of the memory
    with suppress(RecordingError):  # too short to be cleaned
        for a in activations(slow):
            active[a.channel].append((a.onset, a.offset))
        course = activity(clean(slow))
        peak = course[2] if course else None
    clips = {c.name for c in assess_quality(recording).channels if "clipped" in c.faults}
    none = np.zeros((0, 2))
    return Marks(
        [np.array(active[name]).reshape(-1, 2) for name in names],
        [none if gaps is None else _spans(recording, gaps[:, i]) for i in range(len(names))],
        [_clipped(recording, i) if name in clips else none for i, name in enumerate(names)],
        _spans(recording, ~recording.valid),
        peak,
    )


def _clipped(recording, i):
    present = np.flatnonzero(recording.present(i))
    at = np.zeros(recording.n_samples, bool)
    at[present] = clipped_samples(recording.signal[present, i])
    return _spans(recording, at)


def _spans(recording, mask):
    """Samples -> seconds in the file's time."""
    return recording.start + runs(mask, 1) / recording.sampling_rate
