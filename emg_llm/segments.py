"""Recording -> Segments: windows of equal length, without overlap, in time order."""

from dataclasses import dataclass

import numpy as np

from emg_llm.recording import RecordingError

SEGMENT_LENGTH = 128  # samples


@dataclass(frozen=True, eq=False)
class Segments:
    """signal: float32 (n, length, channels); start: float64 (n,), seconds; sampling_rate: Hz."""

    signal: np.ndarray
    start: np.ndarray
    sampling_rate: float

    def __len__(self):
        return len(self.signal)


def segment(recording, length=SEGMENT_LENGTH):
    """Cut a recording into windows of `length` samples; the rest at the end is left out.

    Windows in which more than half of the samples are invalid are left out too. Raises
    RecordingError when not one window is left.
    """
    n = recording.n_samples // length
    if n == 0:
        raise RecordingError(
            f"The recording has {recording.n_samples} valid samples at "
            f"{recording.sampling_rate:g} Hz, less than one segment of {length}; "
            "upload a longer trial."
        )
    # (samples, channels) -> (n, length, channels)
    windows = recording.signal[: n * length].reshape(n, length, -1)
    kept = recording.valid[: n * length].reshape(n, length).mean(axis=1) >= 0.5
    if not kept.any():
        raise RecordingError("No segment of this recording is valid; record or export it again.")
    start = np.arange(n) * length / recording.sampling_rate
    return Segments(windows[kept], start[kept], recording.sampling_rate)
