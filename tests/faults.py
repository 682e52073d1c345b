"""Synthetic EMG, and recordings with one fault each."""

import numpy as np

from emg_llm.signal.recording import Recording

NAMES = ("cheek", "jaw", "forehead", "chin")


def noise_like_emg(n, rate, channels, rng, low=60.0, high=120.0):
    """Unit-power noise with the surface-EMG spectrum of Shwedyk et al., IEEE Trans. Biomed. Eng.
    1977, 24(5):417: float (n, channels)."""
    f = np.fft.rfftfreq(n, 1 / rate)[:, None]
    power = high**4 * f**2 / ((f**2 + low**2) * (f**2 + high**2) ** 2)
    power[(f[:, 0] < 10) | (f[:, 0] > 500)] = 0
    x = np.fft.rfft(rng.standard_normal((n, channels)), axis=0) * np.sqrt(power)
    x = np.fft.irfft(x, n, axis=0)
    return x / np.sqrt(np.mean(x * x, axis=0))


def muscles(seconds=6.0, rate=2000.0, channels=4, seed=0, strength=40.0, noise=1.5):
    """float64 (samples, channels), µV: three contractions of a second each, and amplifier noise.

    Each has the spectrum of surface EMG and its own moments.
    """
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    t = np.arange(n) / rate
    carrier = noise_like_emg(n, rate, channels, rng)
    active = np.zeros((n, channels))
    for i in range(channels):
        for start in np.arange(0.5 + 0.2 * i, seconds, 2):
            inside = (t >= start) & (t < start + 1)
            active[inside, i] = np.sin(np.pi * (t[inside] - start)) ** 2
    return strength * active * carrier + noise * rng.standard_normal((n, channels))


def recorded(x, rate=2000.0, **more):
    return Recording(np.asarray(x, np.float32), rate, NAMES[: x.shape[1]], **more)


def ecg(seconds, rate, beats=72, seed=0):
    """float64 (samples,): P, QRS and T waves as bumps, with a beat-to-beat variation of 4 %."""
    rng, t = np.random.default_rng(seed), np.arange(int(seconds * rate)) / rate
    x, at = np.zeros(len(t)), 0.3
    waves = ((-0.17, 0.025, 0.15), (-0.025, 0.01, -0.1), (0, 0.011, 1.0), (0.03, 0.01, -0.2))
    while at < seconds:
        for shift, width, height in (*waves, (0.25, 0.05, 0.3)):
            x += height * np.exp(-0.5 * ((t - at - shift) / width) ** 2)
        at += 60 / beats * (1 + 0.04 * rng.standard_normal())
    return x


def hum(t, mains, *amplitudes):
    """Sinusoids at the multiples of `mains`."""
    waves = (a * np.sin(2 * np.pi * mains * k * t + k) for k, a in enumerate(amplitudes, 1))
    return sum(waves, np.zeros(len(t)))
