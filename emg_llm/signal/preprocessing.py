"""Cleaning, resampling and cutting: Recording -> clean Recording -> Segments."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy import signal as sps

from emg_llm.signal.gaps import bridge, either, stuck
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.signal.spectrum import HARMONICS, find_hum

# Surface EMG carries nearly all its power between 20 and 450 Hz
# (De Luca et al., J. Biomech. 2010, 43(8):1573).
BAND = (20.0, 450.0)
SEGMENT_LENGTH = 128  # samples
LARGEST = float(np.finfo(np.float32).max)


def clean(recording: Recording, band: tuple[float, float] = BAND) -> Recording:
    """Trim invalid ends, interpolate invalid gaps, band-pass, and notch out any mains hum.

    Where a single channel stays at one value for half a second, that is a gap, too.

    Returns a Recording in the same unit with `cleaned` set, and `start` if it was trimmed; one that
    is already clean comes back unchanged. Raises RecordingError if too few valid samples remain to
    filter.
    """
    if recording.cleaned:
        return recording
    return recording.once(("clean", band), lambda: _clean(recording, band))


def _clean(recording, band):
    inside = np.flatnonzero(recording.valid)
    if len(inside) < 32:
        raise RecordingError(
            "Fewer than 32 samples of this recording are valid; record or export it again."
        )
    rows = slice(inside[0], inside[-1] + 1)
    valid = recording.valid[rows]
    signal, gaps = recording.signal[rows], None if recording.gaps is None else recording.gaps[rows]

    rate = recording.sampling_rate
    high = min(band[1], 0.45 * rate)
    if high <= band[0]:
        raise RecordingError(
            f"A recording at {rate:g} Hz doesn't contain the band of surface EMG "
            f"({band[0]:g}-{band[1]:g} Hz); export it at 100 Hz or more."
        )
    hum = find_hum(recording)
    mains = hum.frequency

    still = stuck(signal, rate)
    if still is not None:
        signal = signal.copy()
        _, more, _ = bridge(signal, still, rate)
        gaps = either(gaps, more)

    def column(i):
        """A channel without its gaps and its mean, in double precision."""
        x = signal[:, i].astype(np.float64)
        if not valid.all():
            x = _interpolate(x, valid)
        return x - x.mean()

    waves, channels = None, range(signal.shape[1])
    if mains:
        lines = _harmonics(mains, high)
        waves = _Waves(map(column, channels), len(signal), rate, lines, hum.leader)
    out = np.empty_like(signal)
    for i in channels:  # one at a time: a long recording is large
        x = column(i)
        if waves is not None:
            waves.subtract(x)
        out[:, i] = np.clip(_zero_phase(x, rate, band[0], high, mains), -LARGEST, LARGEST)
    out[~valid] = 0
    start = recording.start + inside[0] / rate
    return recording.replace(signal=out, valid=valid, gaps=gaps, cleaned=True, start=start)


def resample(recording: Recording, sampling_rate: float) -> Recording:
    """The same recording at another rate (polyphase filter, no aliasing)."""
    if np.isclose(recording.sampling_rate, sampling_rate):
        return recording
    return recording.once(("resample", sampling_rate), lambda: _resample(recording, sampling_rate))


def _resample(recording, sampling_rate):
    ratio = Fraction(sampling_rate / recording.sampling_rate).limit_denominator(1000)
    x = sps.resample_poly(recording.signal, *ratio.as_integer_ratio(), axis=0).astype(np.float32)
    nearest = np.linspace(0, recording.n_samples - 1, len(x)).round().astype(int)
    valid = recording.valid[nearest]
    x[~valid] = 0
    gaps = None if recording.gaps is None else recording.gaps[nearest]
    return recording.replace(signal=x, valid=valid, gaps=gaps, sampling_rate=sampling_rate)


def detect_mains(recording: Recording) -> tuple[float | None, np.ndarray]:
    """(mains frequency in Hz or None, excess of each channel in dB: float (channels,)).

    The excess is the power at 50 or 60 Hz, whichever stands out more, relative to the median of
    the neighbouring frequencies; of the strongest harmonic where only harmonics are left.
    """
    hum = find_hum(recording)
    return hum.frequency, hum.excess[:, hum.leader]


def mains_hum(recording: Recording) -> np.ndarray:
    """The hum that `clean` subtracts: float64 (samples, channels), in the recording's unit."""
    x = recording.signal - recording.signal.mean(axis=0, dtype=np.float64)
    hum = find_hum(recording)
    without, rate = x.copy(), recording.sampling_rate
    if hum.frequency:
        harmonics = _harmonics(hum.frequency, min(BAND[1], 0.45 * rate))
        waves = _Waves(x.T, len(x), rate, harmonics, hum.leader)
        for i in range(x.shape[1]):
            waves.subtract(without[:, i])
    return x - without


def _interpolate(x, valid):
    at = np.arange(len(x))
    gaps = np.flatnonzero(~valid)
    x[gaps] = np.interp(gaps, at[valid], x[valid])
    return x


class _Waves:
    """Sinusoids of the mains, as long as a recording, that are fitted to a channel and subtracted.

    A notch alone would ring for half a second at both ends, where the hum starts and stops.
    channels: of float64 (samples,), iterated once: mains deviates by some hundredths of a hertz,
    which turns the phase of all of them between the two halves. leader: the harmonic in which that
    is seen best.
    """

    def __init__(
        self,
        channels: Iterable[np.ndarray],
        n: int,
        rate: float,
        harmonics: np.ndarray,
        leader: int = 0,
    ) -> None:
        half, t, leader = n // 2, np.arange(n) / rate, min(leader, len(harmonics) - 1)
        still, window = np.exp(-2j * np.pi * harmonics[leader] * t), np.hanning(half)
        head, tail = window * still[:half], window * still[n - half :]
        turned = sum(np.conj(head @ x[:half]) * (tail @ x[n - half :]) for x in channels)
        turn = np.angle(turned) / t[n - half] / (1 + leader)
        self.once = np.exp(1j * (2 * np.pi * harmonics[0] + turn) * t)
        self.n = len(harmonics)

    def subtract(self, x):
        """Subtract the hum from a channel in place, one harmonic after the other."""
        wave = self.once
        for _ in range(self.n):
            both = np.stack([wave.real, wave.imag])
            x -= np.linalg.solve(both @ both.T, both @ x) @ both
            wave = wave * self.once


def _harmonics(mains, high):
    return np.arange(mains, high, mains)[:HARMONICS]


def _zero_phase(x, rate, low, high, mains):
    """Band-pass and notch x (samples,) forwards and backwards, with mirrored ends.

    The cosine transform is the spectrum of a mirrored signal.
    """
    n = fft.next_fast_len(len(x), real=True)
    spectrum = fft.dct(np.pad(x, (0, n - len(x)), "symmetric"), overwrite_x=True)
    gain = _squared_gain(n, rate, low, high, mains)
    spectrum[: len(gain)] *= gain
    spectrum[len(gain) :] = 0
    return fft.idct(spectrum, overwrite_x=True)[: len(x)]


@lru_cache(maxsize=4)  # most recordings of a dataset have the same length
def _squared_gain(n, rate, low, high, mains):
    """The gain of both passes together for a cosine transform of length n.

    It ends at four times `high`, above which nothing passes.
    """
    filters = [sps.butter(4, (low, high), "bandpass", fs=rate, output="sos")]
    if mains:
        notches = _harmonics(mains, high)
        filters += [sps.tf2sos(*sps.iirnotch(f, Q=30, fs=rate)) for f in notches]
    frequency = np.arange(n) * rate / (2 * n)
    frequency = frequency[frequency < 4 * high]
    return np.abs(sps.freqz_sos(np.concatenate(filters), frequency, fs=rate)[1]) ** 2


@dataclass(frozen=True, eq=False)
class Segments:
    """signal: float32 (n, length, channels); start: float64 (n,), seconds from the file's first
    sample; sampling_rate: Hz; lacking: bool (n, channels), where a channel has less than half of
    the samples, or None without such channels."""

    signal: np.ndarray
    start: np.ndarray
    sampling_rate: float
    lacking: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.signal)


def segment(recording: Recording, length: int = SEGMENT_LENGTH) -> Segments:
    """Cut a recording into windows of `length` samples and drop the remainder at the end.

    Windows with more than half of their samples invalid are dropped too. Raises RecordingError
    if no window remains.
    """
    n = recording.n_samples // length
    if n == 0:
        raise RecordingError(
            f"The recording has {recording.n_samples} valid samples at "
            f"{recording.sampling_rate:g} Hz, fewer than the {length} of one segment; "
            "upload a longer trial."
        )
    # (samples, channels) -> (n, length, channels)
    windows = recording.signal[: n * length].reshape(n, length, -1)
    kept = recording.valid[: n * length].reshape(n, length).mean(axis=1) >= 0.5
    if not kept.any():
        raise RecordingError("No segment of this recording is valid; record or export it again.")
    start = recording.start + np.arange(n) * length / recording.sampling_rate
    lacking = None
    if recording.gaps is not None:
        gaps = recording.gaps[: n * length].reshape(n, length, -1)
        lacking = gaps[kept].mean(axis=1) > 0.5
    return Segments(windows[kept], start[kept], recording.sampling_rate, lacking)
