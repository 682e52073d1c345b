"""`Recording`, one trial of surface EMG, and the names of emotions and electrodes."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

import numpy as np

from emg_llm.signal.gaps import bridge, either

EMOTIONS = ("anger", "anxiety", "contempt", "delight", "disgust", "fear", "happiness",
            "neutral", "perplexity", "pride", "sadness", "surprise")  # fmt: skip

# Eight facial electrodes after Kołodziej et al., Sensors 2024, 24(15):4785.
MONTAGE = (
    "above the eye",
    "below the eye",
    "beside the eye",
    "forehead",
    "beside the mouth",
    "above the mouth beside the nose",
    "cheek",
    "jaw",
)


class RecordingError(ValueError):
    """A recording that can't be used; the message says what to do about it."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One trial of multi-channel surface EMG.

    signal: float32 (samples, channels), in `unit`. Invalid samples are 0.
    sampling_rate: Hz.
    unit: "uV" (microvolts), or "a.u." (arbitrary units) if the unit is unknown.
    valid: bool (samples,); False where the file had a placeholder or no number in any channel.
    gaps: bool (samples, channels), where a channel alone has none, or None if there are no such
        stretches; the signal is bridged there, see `emg_llm.signal.gaps`.
    notes: what the reader assumed or repaired, one sentence each.
    cleaned: True once `emg_llm.clean` has filtered it.
    format: the ending of the file that it was read from, such as ".npy", or empty.
    channel_names: by default "channel 1", "channel 2", …; see `montage` for the sites they name.
    start: seconds from the file's first sample to this recording's first.

    NaN and infinite values become invalid samples, or gaps of single channels. Raises
    RecordingError unless the signal is a (samples, channels) array of at least two samples, not all
    of them invalid, and the rate is positive.
    """

    signal: np.ndarray
    sampling_rate: float
    channel_names: tuple[str, ...] = ()
    unit: str = "uV"
    valid: np.ndarray = field(default=cast(np.ndarray, None))  # None: every sample is valid
    label: str | None = None
    subject: str | None = None
    session: str | None = None
    recording_id: str = "recording"
    notes: tuple[str, ...] = field(default=())
    cleaned: bool = False
    format: str = ""
    start: float = 0.0
    gaps: np.ndarray | None = None

    def __post_init__(self) -> None:
        signal = np.asarray(self.signal, dtype=np.float32)
        if signal.ndim != 2 or 0 in signal.shape:
            raise RecordingError(
                f"A recording is a table of samples by channels; this one has shape "
                f"{signal.shape}. Save it with one row for each sample."
            )
        if len(signal) < 2:
            raise RecordingError("The recording has a single sample; upload the whole trial.")
        if not (np.isfinite(self.sampling_rate) and self.sampling_rate > 0):
            raise RecordingError("The sampling rate must be a positive number of hertz.")
        valid = np.ones(len(signal), bool) if self.valid is None else np.asarray(self.valid, bool)
        gaps = self.gaps
        if not np.isfinite(signal).all() and valid.shape == (len(signal),):
            absent = ~np.isfinite(signal)
            if absent.all():
                raise RecordingError("The signal holds NaN or infinite values in every sample.")
            signal = signal.copy()
            valid, more, _ = bridge(signal, absent | ~valid[:, None], self.sampling_rate)
            gaps = either(gaps, more)
        names = tuple(self.channel_names) or default_channel_names(signal.shape[1])
        if valid.shape != (len(signal),) or len(names) != signal.shape[1]:
            raise RecordingError("Channel names must match the channels, and validity the samples.")
        if gaps is not None and np.shape(gaps) != signal.shape:
            raise RecordingError("The gaps must have the signal's shape, or be None.")
        object.__setattr__(self, "signal", signal)
        object.__setattr__(self, "sampling_rate", float(self.sampling_rate))
        object.__setattr__(self, "valid", valid)
        object.__setattr__(self, "channel_names", names)
        object.__setattr__(self, "gaps", gaps if gaps is not None and np.any(gaps) else None)

    @property
    def n_samples(self) -> int:
        return self.signal.shape[0]

    @property
    def n_channels(self) -> int:
        return self.signal.shape[1]

    @property
    def valid_signal(self) -> np.ndarray:
        """The valid samples, (samples, channels); the signal itself if all are."""
        return self.signal if self.valid.all() else self.signal[self.valid]

    def present(self, channel: int) -> np.ndarray:
        """bool (samples,): where a channel, by its index, has a sample of its own."""
        return self.valid if self.gaps is None else self.valid & ~self.gaps[:, channel]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sampling_rate

    def replace(self, **changes: Any) -> Self:
        return replace(self, **changes)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of make(); a `Prepared` recording caches it under `key`."""
        return make()


def default_channel_names(n_channels: int) -> tuple[str, ...]:
    """The names of channels whose sites are unknown."""
    return tuple(f"channel {i + 1}" for i in range(n_channels))
