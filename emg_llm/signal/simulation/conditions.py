"""What a recording catches besides muscles, and what the recorder does to it."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import signal as sps

from emg_llm.signal.simulation.config import HELD, VARIED, SimulationConfig

RATES = (500.0, 1000.0, 1024.0, 1500.0, 2000.0, 2048.0, 4000.0)  # Hz, of varied conditions
SHORTEST, LONGEST = 0.25, 10.0  # s, of varied conditions


@dataclass(frozen=True)
class Conditions:
    """How one recording is made.

    sampling_rate: Hz; duration: s; held: no rest before and after the expression. noise, hum,
    ecg: µV RMS of the amplifier, the mains at the fundamental, and µV of an R wave. motions: of an
    electrode, of which each is up to `swing` µV. high_pass, low_pass: Hz, of the recorder, or 0;
    notch: whether it removes hum. limit: µV at which the amplifier clips. drift: µV over the
    recording. dead: channels without a signal; swapped: two channels, or none.
    """

    sampling_rate: float
    duration: float
    held: bool = False
    noise: float = 0.9
    hum: float = 0.8
    ecg: float = 0.0
    motions: float = 0.3
    swing: float = 30.0
    high_pass: float = 0.0
    low_pass: float = 0.0
    notch: bool = False
    limit: float = 0.0
    drift: float = 0.0
    dead: tuple[int, ...] = ()
    swapped: tuple[int, ...] = field(default=())


def conditions_of(
    config: SimulationConfig,
    session: np.random.Generator,
    rng: np.random.Generator,
    n_sites: int,
) -> Conditions:
    """The conditions of one recording: drawn where the configuration says varied.

    What depends on the recorder, the protocol and the electrodes is drawn from `session`, which
    the recordings of a session share; the rest from `rng`.
    """
    held = config.course == HELD
    plain = Conditions(config.sampling_rate, config.duration, held, config.noise)
    if config.conditions != VARIED:
        return plain
    often = session.random(7)
    swapped = session.choice(n_sites, 2, replace=False) if often[0] < 0.02 else ()
    shared = replace(
        plain,
        sampling_rate=float(session.choice(RATES)),
        held=bool(often[1] < 0.6),
        noise=config.noise * float(np.exp(session.normal(0, 0.4))),
        hum=float(session.exponential(1.0)),
        ecg=float(session.uniform(2, 15)) if often[2] < 0.1 else 0.0,
        high_pass=float(session.choice((5.0, 10.0, 20.0))) if often[3] < 0.5 else 0.0,
        low_pass=float(session.choice((400.0, 450.0, 500.0))) if often[4] < 0.4 else 0.0,
        notch=bool(often[5] < 0.3),
        limit=float(session.uniform(300, 1500)) if often[6] < 0.03 else 0.0,
        dead=tuple(np.flatnonzero(session.random(n_sites) < 0.01).tolist()),
        swapped=tuple(map(int, swapped)),
    )
    return replace(
        shared,
        duration=float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST)))),
        motions=0.3 if rng.random() < 0.7 else 1.5,
        swing=float(rng.uniform(10, 60)),
        drift=float(rng.exponential(20.0)) if rng.random() < 0.3 else 0.0,
    )


def disturb(
    signal: np.ndarray,
    conditions: Conditions,
    mains: float,
    heart_rate: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """A signal of muscles, µV (samples, channels), as the recorder stores it.

    mains: Hz; heart_rate: beats per minute.
    """
    n, n_channels = signal.shape
    rate = conditions.sampling_rate
    t = np.arange(n) / rate
    x = signal + conditions.noise * rng.standard_normal(signal.shape, np.float32)
    x += _hum(t, rate, n_channels, conditions.hum, mains, rng)
    if conditions.ecg:
        x += conditions.ecg * _ecg(t, heart_rate, rng)[:, None] * rng.uniform(0.3, 1, n_channels)
    for channel in range(n_channels):
        for _ in range(rng.poisson(conditions.motions * conditions.duration / 3)):
            width, middle = rng.uniform(0.08, 0.3), rng.uniform(0, conditions.duration)
            swing = conditions.swing * rng.standard_normal()
            x[:, channel] += swing * np.exp(-(((t - middle) / width) ** 2))
    if conditions.drift:
        x += conditions.drift * np.outer(t / conditions.duration, rng.standard_normal(n_channels))
    x = _recorded(x, conditions, mains)
    if conditions.limit:
        x = np.clip(x, -conditions.limit, conditions.limit)
    x[:, list(conditions.dead)] = 0
    if conditions.swapped:
        x[:, list(conditions.swapped)] = x[:, list(conditions.swapped[::-1])]
    return x


def _hum(t, rate, n_channels, size, mains, rng):
    """Mains hum with odd harmonics that fall off, (samples, channels)."""
    x = np.zeros((len(t), n_channels))
    phase = rng.uniform(0, 2 * np.pi)
    for k in (1, 3, 5):
        if k * mains < rate / 2 and size:
            strength = size * 2**0.5 * rng.exponential(1.0, n_channels) / k**2
            x += np.sin(2 * np.pi * k * mains * t + phase)[:, None] * strength
    return x


def _ecg(t, heart_rate, rng):
    """An ECG whose R waves have a height of 1, (samples,)."""
    beats = np.arange(-1, t[-1] * heart_rate / 60 + 1) + rng.random()
    beats = (beats + 0.03 * rng.standard_normal(len(beats))) * 60 / heart_rate
    x = np.zeros(len(t))
    for beat in beats:
        for height, delay, width in ((1.0, 0, 0.012), (-0.25, 0.03, 0.012), (0.3, 0.25, 0.05)):
            x += height * np.exp(-(((t - beat - delay) / width) ** 2))
    return x


def _recorded(x, conditions, mains):
    """x after the recorder's own filters."""
    rate = conditions.sampling_rate
    filters = []
    if conditions.high_pass:
        filters.append(sps.butter(2, conditions.high_pass, "highpass", fs=rate, output="sos"))
    if conditions.low_pass and conditions.low_pass < 0.45 * rate:
        filters.append(sps.butter(2, conditions.low_pass, "lowpass", fs=rate, output="sos"))
    if conditions.notch and mains < 0.45 * rate:
        filters.append(sps.tf2sos(*sps.iirnotch(mains, 30.0, fs=rate)))
    for sos in filters:
        x = sps.sosfilt(sos, x, axis=0)
    return x
