"""Recording -> power spectrum of each channel, and the mains hum in it."""

from dataclasses import dataclass

import numpy as np
from scipy import signal as sps
from scipy import special

from emg_llm.signal.recording import Recording

MAINS = (50.0, 60.0)
HARMONICS = 6
MAINS_PEAK_DB = 6.0
MAINS_CHANCE = 1e-5  # false-alarm rate for one bin of one channel without hum
HARMONIC_DB = 12.0  # two such lines on a channel are hum without its fundamental
SHORT_S = 0.25
SLOW_RATE = 2000.0  # Hz; enough for the EMG band and the noise above it
MOST_WINDOWS = 240  # evenly spread over a longer recording, they estimate its spectrum as well
TOGETHER = 16  # windows at a time, which bounds the memory
TINY = float(np.finfo(np.float32).tiny)  # keeps divisors and logarithms above zero, in any unit


@dataclass(frozen=True, eq=False)
class Spectrum:
    """frequency: float (bins,), Hz. density: float (bins, channels), u²/Hz, the mean of `windows`
    periodograms (Welch's method, Hann windows that overlap by half)."""

    frequency: np.ndarray
    density: np.ndarray
    windows: int

    @property
    def step(self) -> float:
        """Hz from bin to bin."""
        return float(self.frequency[1])

    def power(self, low: float, high: float) -> np.ndarray:
        """The power in low <= f < high Hz: float (channels,), u²."""
        inside = (self.frequency >= low) & (self.frequency < high)
        return self.density[inside].sum(axis=0, dtype=np.float64) * self.step

    def without(self, lines: np.ndarray, width: float = 2.0) -> "Spectrum":
        """The same with the density within `width` Hz of each line interpolated."""
        at = np.zeros(len(self.frequency), bool)
        for line in lines:
            at |= np.abs(self.frequency - line) <= max(width, 2 * self.step)
        if not at.any() or at.all():
            return self
        density, kept = self.density.copy(), self.frequency[~at]
        for column in density.T:
            column[at] = np.interp(self.frequency[at], kept, column[~at])
        return Spectrum(self.frequency, density, self.windows)


@dataclass(frozen=True, eq=False)
class Hum:
    """Mains hum. frequency: 50 or 60 Hz, or None without hum. excess: float (channels, harmonics),
    dB, the power at each multiple relative to the median of the neighbouring frequencies; leader:
    the column that decides, 0 for the fundamental."""

    frequency: float | None
    excess: np.ndarray
    leader: int = 0

    @property
    def lines(self) -> np.ndarray:
        """Hz of the harmonics that stand out on any channel: float (lines,)."""
        if self.frequency is None:
            return np.zeros(0)
        stands_out = self.excess.max(axis=0) > HARMONIC_DB
        stands_out[self.leader] = True
        return self.frequency * (1 + np.flatnonzero(stands_out))


def slower(recording: Recording) -> Recording:
    """A recording at 2 to 4 kHz, each sample the mean of several; a slow or a very short one comes
    back unchanged.

    Averaging neighbours is enough here: only what lies above the EMG band is aliased.
    """
    step = int(recording.sampling_rate // SLOW_RATE)
    if step < 2 or recording.n_samples < SHORT_S * recording.sampling_rate:
        return recording
    return recording.once("slower", lambda: _slower(recording, step))


def _slower(recording, step):
    n = recording.n_samples // step
    valid = recording.valid[: n * step].reshape(n, step).all(axis=1)
    if not valid.any():
        return recording
    signal = np.zeros((n, recording.n_channels), np.float32)
    for i, column in enumerate(recording.signal[: n * step].T):
        signal[:, i] = column.reshape(n, step).mean(axis=1, dtype=np.float64)
    signal[~valid] = 0
    gaps, rate = recording.gaps, recording.sampling_rate / step
    if gaps is not None:
        gaps = gaps[: n * step].reshape(n, step, -1).any(axis=1)
    return recording.replace(signal=signal, valid=valid, gaps=gaps, sampling_rate=rate)


def spectrum(recording: Recording, step: float = 1.0) -> Spectrum:
    """The spectrum of the valid samples in bins of `step` Hz, or as fine as they allow."""
    return recording.once(("spectrum", step), lambda: _spectrum(recording, step))


def _spectrum(recording, step):
    valid, rate = recording.valid, recording.sampling_rate
    rows = slice(None) if valid.all() else np.flatnonzero(valid)
    n = int(valid.sum())
    length = min(n, max(8, int(rate / step)))
    hop = max(1, length - length // 2)
    starts = np.arange(0, n - length + 1, hop)
    if len(starts) > MOST_WINDOWS:
        starts = np.linspace(0, n - length, MOST_WINDOWS).astype(int)
    density, frequency = [], np.zeros(1)
    for i in range(recording.n_channels):  # one at a time: a long recording is large
        column = np.ascontiguousarray(recording.signal[rows, i])
        windows, total = np.lib.stride_tricks.sliding_window_view(column, length), 0.0
        for first in range(0, len(starts), TOGETHER):
            some = windows[starts[first : first + TOGETHER]].astype(np.float64)
            frequency, power = sps.welch(some, rate, nperseg=length)
            total = total + power.sum(axis=0)
        density.append(total / len(starts))
    return Spectrum(frequency, np.stack(density, axis=1), len(starts))


def find_hum(recording: Recording) -> Hum:
    """The hum at 50 or 60 Hz, whichever stands out more, also where only harmonics are left."""
    return recording.once("hum", lambda: _find_hum(recording))


def _find_hum(recording):
    slow = slower(recording)
    rate, n = slow.sampling_rate, int(slow.valid.sum())
    none = Hum(None, np.zeros((recording.n_channels, HARMONICS)))
    if n < SHORT_S * rate or rate < 2.2 * MAINS[0]:
        return none
    found = spectrum(slow)
    chance = _chance_db(found.windows)
    hums = [Hum(mains, _excess(found, mains, rate)) for mains in MAINS if mains <= 0.45 * rate]
    if not hums:
        return none
    best = max(hums, key=lambda hum: hum.excess[:, 0].max())
    if best.excess[:, 0].max() > max(MAINS_PEAK_DB, chance):
        return best
    for hum in sorted(hums, key=lambda hum: -hum.excess.max(axis=0).sum()):
        if ((hum.excess > max(HARMONIC_DB, chance)).sum(axis=1) >= 2).any():
            return Hum(hum.frequency, hum.excess, int(hum.excess.max(axis=0).argmax()))
    return Hum(None, best.excess)


def _excess(found, mains, rate):
    """(channels, HARMONICS) in dB; 0 at multiples that the spectrum can't show."""
    f, p = found.frequency, found.density
    excess = np.zeros((p.shape[1], HARMONICS))
    for k, line in enumerate(mains * np.arange(1, HARMONICS + 1)):
        distance = np.abs(f - line)
        at = distance <= max(1.0, f[1])
        around = (distance <= 15) & (distance > max(3.0, 2 * f[1]))
        if line <= 0.45 * rate and at.any() and around.any():
            ratio = (p[at].max(0) + TINY) / (np.median(p[around], axis=0) + TINY)
            excess[:, k] = 10 * np.log10(ratio)
    return excess


def _chance_db(windows):
    """The excess over its median power, in dB, that noise reaches in a bin with MAINS_CHANCE.

    The mean of `windows` periodograms of noise has a gamma distribution with that shape.
    """
    rare, median = special.gammainccinv(windows, [MAINS_CHANCE, 0.5])
    return 10 * np.log10(rare / median)
