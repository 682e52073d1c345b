"""Signal and noise of each channel: activity against rest, and the EMG band against what is above.

Both are bounded by what the file can show: noise below the resolution, and ratios above MOST_DB,
are not measured but made up.
"""

import numpy as np

from emg_llm.signal.preprocessing import BAND, clean
from emg_llm.signal.recording import Recording
from emg_llm.signal.spectrum import TINY, Spectrum, slower

WINDOW_S = 0.1
MOST_DB = 60.0  # surface electrodes and amplifiers have noise of about 1 µV, EMG some mV at most
SILENT = 1e-6  # share of the mean power below which a window holds no noise of an amplifier
SPIKE = 1e4  # times the median power of windows
UPPER = 0.8  # the noise is read in the spectrum's highest fifth, as in Sinderby et al. 1995
NOISE_FROM = 400.0  # Hz; if that fifth begins lower, EMG is in it


def snr_db(recording: Recording, window: float = WINDOW_S) -> np.ndarray:
    """Signal-to-noise ratio of activity against rest, in dB: float (channels,).

    The noise floor is the tenth percentile of the power in 0.1 s windows of the cleaned signal,
    the quiet moments of the trial; the signal is the mean power above that floor. The ratio is
    therefore low for a trial without a quiet moment, and between -20 and 60 dB. Invalid samples
    are ignored, because their zeros are not quiet moments; so are windows that hold no noise.
    Raises RecordingError if the recording can't be cleaned.
    """
    return activity_snr(window_power(clean(slower(recording)), window))


def window_power(cleaned: Recording, window: float = WINDOW_S) -> np.ndarray:
    """The power of a cleaned recording's valid samples in windows: float64 (windows, channels)."""
    x = cleaned.valid_signal
    length = max(2, min(int(window * cleaned.sampling_rate), len(x) // 4))
    n = len(x) // length
    # (samples, channels) -> (windows, length, channels)
    windows = x[: n * length].reshape(n, length, -1)
    return np.einsum("wlc,wlc->wc", windows, windows, dtype=np.float64) / length


def activity_snr(
    power: np.ndarray, steps: np.ndarray | float = 0.0, spikes: np.ndarray | bool = False
) -> np.ndarray:
    """`snr_db` of powers float (windows, channels).

    steps: each channel's resolution, in the signal's unit; a rest with less noise than that has
    the noise of rounding. spikes: bool (channels,), those of which windows far above most others
    are left out, for they hold glitches.
    """
    spikes = np.broadcast_to(spikes, power.shape[1:])
    rounding = np.broadcast_to(np.square(steps) / 12, power.shape[1:])
    ratios = np.empty(power.shape[1])
    for i, column in enumerate(power.T):
        if spikes[i]:
            column = column[column <= SPIKE * np.median(column)]
        alive = column[column > SILENT * column.mean()]
        if not len(alive):
            alive = column
        floor = max(np.percentile(alive, 10), rounding[i], SILENT * alive.mean() + TINY)
        signal = max(alive.mean() - floor, 1e-2 * floor)
        ratios[i] = 10 * np.log10(signal / floor)
    return np.minimum(ratios, MOST_DB)


def spectral_snr(spectrum: Spectrum, steps: np.ndarray) -> np.ndarray | None:
    """Power from 20 to 450 Hz above the noise over the noise there, in dB: float (channels,).

    The noise is taken to be white, with the density of the spectrum's highest fifth (after
    Sinderby et al., J. Appl. Physiol. 1995, 79(5):1803), and at least that of rounding to `steps`.
    None where the sampling rate is too low to show it.
    """
    top = float(spectrum.frequency[-1])
    inside = (spectrum.frequency >= BAND[0]) & (spectrum.frequency <= BAND[1])
    if top * UPPER < NOISE_FROM - 1 or not inside.any():
        return None
    upper = spectrum.density[spectrum.frequency >= UPPER * top]
    noise = np.maximum(np.median(upper, axis=0), np.square(steps) / 12 / top)
    density = spectrum.density[inside]
    above = np.maximum(density.mean(axis=0) - noise, 1e-2 * noise + TINY)
    floor = np.maximum(noise, 10 ** (-MOST_DB / 10) * above) + TINY
    return np.minimum(10 * np.log10(above / floor), MOST_DB)
