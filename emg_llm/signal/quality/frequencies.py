"""What spectra and courses say about channels: motion, bandwidth, no EMG, ECG, and lost leads."""

import numpy as np
from scipy import signal as sps
from scipy.ndimage import uniform_filter1d

from emg_llm.signal.gaps import runs
from emg_llm.signal.preprocessing import BAND
from emg_llm.signal.quality.criteria import GOOD_SNR_DB
from emg_llm.signal.quality.snr import UPPER
from emg_llm.signal.recording import Recording
from emg_llm.signal.spectrum import TINY, Hum, Spectrum

MOTION = (1.0, 20.0)  # Hz
MIDDLE = (30.0, 150.0)  # Hz; where surface EMG is strongest
ENOUGH_S = 0.25
HUM_WINDOW_S = 0.1
ONLY_HUM, LITTLE_HUM = 0.9, 0.1  # share of a window's power; amplitude against the stretch's
BEAT_S = (60 / 180, 60 / 40)
QRS_BAND, QRS_S = (5.0, 30.0), 0.08
REGULAR = 0.8  # share of the intervals that are within 20 % of the median
BELOW_40 = 0.7  # share of an ECG's power above 2 Hz
SHARP = 0.35  # share of the time in which four fifths of an ECG's power come
MOST_S = 60.0


def motion(spectrum: Spectrum) -> np.ndarray:
    """Power from 1 to 20 Hz over that from 20 to 450 Hz, in dB: float (channels,)."""
    slow, fast = spectrum.power(*MOTION), spectrum.power(*BAND)
    return 10 * np.log10((slow + TINY) / (fast + TINY))


def no_emg(spectrum: Spectrum, activity: np.ndarray) -> np.ndarray:
    """Power below 20 Hz over that from 30 to 150 Hz, in dB; -inf where there is EMG above 30 Hz.

    activity: the SNR of activity against rest, dB (channels,). A slow signal's spectrum falls all
    the way, or ends in even noise; EMG's is highest between 50 and 150 Hz and comes in bursts.
    """
    slow = spectrum.power(spectrum.step / 2, MOTION[1])
    ratio = 10 * np.log10((slow + TINY) / (spectrum.power(*MIDDLE) + TINY))
    f, density = spectrum.frequency, spectrum.density
    edges = ((20, 35), (35, 60), (60, 100))
    steps = [density[(f >= a) & (f < b)] for a, b in edges]
    if not all(len(s) for s in steps):
        return np.full(len(ratio), -np.inf)
    levels = np.array([np.median(s, axis=0) for s in steps])  # (3, channels)
    falls = (levels[0] > 4 * levels[1]) & (levels[1] > 4 * levels[2])
    even = (levels.max(axis=0) < 4 * levels.min(axis=0) + TINY) & (activity < GOOD_SNR_DB)
    return np.where(falls | even, ratio, -np.inf)


def bandwidth(spectrum: Spectrum) -> np.ndarray:
    """The frequency below which 99 % of the power above 20 Hz lies, in Hz: float (channels,).

    White noise, by the spectrum's highest fifth, is left out; NaN where the rate is too low to
    hold more, or nothing is above the noise.
    """
    f, top = spectrum.frequency, float(spectrum.frequency[-1])
    inside = f >= BAND[0]
    if top < BAND[1] / 2 or not inside.any():
        return np.full(spectrum.density.shape[1], np.nan)
    noise = np.median(spectrum.density[f >= UPPER * top], axis=0)
    power = np.maximum(spectrum.density[inside] - noise, 0).cumsum(axis=0)
    total = power[-1]
    at = (power < 0.99 * total).sum(axis=0).clip(max=inside.sum() - 1)
    seen = total > noise * inside.sum()
    return np.where(seen, f[inside][at], np.where(noise > 0, top, np.nan))


def only_hum(recording: Recording, hum: Hum) -> np.ndarray:
    """The longest stretch of nothing but hum, in s: float (channels,).

    Only where at least half a second has less than a tenth of that hum: an open lead picks up the
    mains, and a weak EMG beside steady hum is no lead that came off.
    """
    x, rate = recording.valid_signal, recording.sampling_rate
    longest = np.zeros(x.shape[1])
    if hum.frequency is None or len(x) < rate:
        return longest
    length = round(round(HUM_WINDOW_S * hum.frequency) / hum.frequency * rate)
    n = len(x) // length
    wave = np.exp(-2j * np.pi * hum.frequency * (hum.leader + 1) * np.arange(length) / rate)
    for i, column in enumerate(x[: n * length].T):
        windows = column.reshape(n, length).astype(np.float64)
        windows -= windows.mean(axis=1, keepdims=True)
        amplitude = np.abs(windows @ wave) * 2 / length
        share = amplitude**2 / 2 / (np.mean(windows**2, axis=1) + TINY)
        alone = runs(np.concatenate([share > ONLY_HUM, [False]]), 1)
        for first, end in alone:
            level = np.median(amplitude[first:end])
            little = (amplitude < LITTLE_HUM * level).sum() * length / rate
            if little >= 0.5:
                longest[i] = max(longest[i], (end - first) * length / rate)
    return longest


def heartbeat(recording: Recording, spectrum: Spectrum) -> np.ndarray:
    """How much the beats of an ECG resemble each other: float (channels,), mean correlation of
    each with the median beat, from 5 to 30 Hz.

    0 where most power is above 40 Hz, or where there aren't at least four short bursts that come
    regularly, 40 to 180 a minute. Steps and other movements are regular too, but vary in form.
    """
    x, rate = recording.valid_signal, recording.sampling_rate
    out = np.zeros(x.shape[1])
    x = x[: int(MOST_S * rate)]
    if rate < 100 or len(x) < 2 * BEAT_S[1] * rate:
        return out
    low = spectrum.power(2, 40) / (spectrum.power(2, np.inf) + TINY)
    band = sps.butter(2, QRS_BAND, "bandpass", fs=rate, output="sos")
    for i in np.flatnonzero(low > BELOW_40):
        y = sps.sosfiltfilt(band, x[:, i].astype(np.float64))
        out[i] = _beats(y, rate) if y.any() else 0.0
    return out


def _beats(y, rate):
    course = uniform_filter1d(y * y, max(1, round(QRS_S * rate)))
    ranked = np.sort(course)[::-1].cumsum()
    if np.searchsorted(ranked, 0.8 * ranked[-1]) > SHARP * len(y):
        return 0.0
    height = 0.3 * np.percentile(course, 98)
    peaks, _ = sps.find_peaks(course, height=height, distance=max(1, round(BEAT_S[0] * rate)))
    half = round(QRS_S * rate)
    peaks = peaks[(peaks >= 2 * half) & (peaks < len(y) - 2 * half)]
    intervals = np.diff(peaks) / rate
    if len(peaks) < 4 or not BEAT_S[0] <= np.median(intervals) <= BEAT_S[1]:
        return 0.0
    if np.mean(np.abs(intervals / np.median(intervals) - 1) < 0.2) < REGULAR:
        return 0.0
    beats = []
    for peak in peaks:
        top = peak - half + np.abs(y[peak - half : peak + half]).argmax()
        beats.append(y[top - half : top + half])
    template = np.median(beats, axis=0)
    return float(np.mean([np.corrcoef(beat, template)[0, 1] for beat in beats]))
