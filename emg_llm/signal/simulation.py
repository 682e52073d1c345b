"""A facial-EMG simulator: people who differ, twelve emotions, eight electrodes.

Each emotion is a pattern of muscle activity with its own time course; each person moves the same
muscles in their own way, under electrodes with individual gain and cross-talk. The carrier is
Gaussian noise with the surface-EMG spectrum of Shwedyk et al. (IEEE Trans. Biomed. Eng. 1977,
24(5):417), plus amplifier noise, mains hum and motion artefacts. Which muscles an emotion moves
roughly follows the action units of EMFACS (Ekman & Friesen, 1983); strengths and variations are
choices, not measurements.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emg_llm.signal.recording import EMOTIONS, MONTAGE, Recording

# Activity of the muscle under each electrode (columns as in MONTAGE), from 0 (none) to 1 (strong).
PATTERNS = {
    "anger": (0.70, 0.55, 0.30, 0.25, 0.25, 0.40, 0.20, 0.90),
    "anxiety": (0.35, 0.30, 0.20, 0.60, 0.45, 0.15, 0.15, 0.55),
    "contempt": (0.10, 0.12, 0.12, 0.10, 0.65, 0.45, 0.40, 0.20),
    "delight": (0.40, 0.70, 0.85, 0.45, 0.75, 0.40, 1.00, 0.35),
    "disgust": (0.50, 0.45, 0.30, 0.15, 0.30, 1.00, 0.45, 0.25),
    "fear": (0.80, 0.45, 0.25, 0.85, 0.60, 0.20, 0.25, 0.40),
    "happiness": (0.10, 0.45, 0.55, 0.08, 0.70, 0.25, 0.85, 0.12),
    "neutral": (0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.08),
    "perplexity": (0.75, 0.30, 0.20, 0.40, 0.12, 0.15, 0.10, 0.15),
    "pride": (0.15, 0.20, 0.30, 0.25, 0.35, 0.08, 0.30, 0.50),
    "sadness": (0.30, 0.20, 0.12, 0.55, 0.25, 0.10, 0.10, 0.30),
    "surprise": (0.85, 0.15, 0.15, 1.00, 0.12, 0.10, 0.10, 0.25),
}

# Onset (s), rise (s), hold (s), fall (s), tremor depth and tremor rate (Hz).
COURSES = {
    "anger": (0.4, 0.25, 1.6, 0.5, 0.15, 5.0),
    "anxiety": (0.3, 0.50, 2.0, 0.5, 0.60, 3.0),
    "contempt": (0.5, 0.40, 1.0, 0.6, 0.10, 2.0),
    "delight": (0.3, 0.12, 1.4, 0.5, 0.30, 4.0),
    "disgust": (0.4, 0.30, 1.1, 0.5, 0.10, 2.0),
    "fear": (0.3, 0.12, 1.6, 0.6, 0.45, 8.0),
    "happiness": (0.4, 0.35, 1.7, 0.7, 0.10, 2.0),
    "neutral": (0.5, 0.50, 1.0, 0.5, 0.10, 2.0),
    "perplexity": (0.5, 0.50, 1.1, 0.5, 0.25, 1.5),
    "pride": (0.5, 0.70, 1.8, 0.7, 0.05, 2.0),
    "sadness": (0.5, 0.90, 1.8, 0.8, 0.10, 1.5),
    "surprise": (0.4, 0.10, 0.5, 0.4, 0.05, 2.0),
}

# Neighbours on the face share signal.
NEIGHBOURS = ((0, 2), (0, 3), (1, 2), (1, 6), (2, 6), (4, 6), (4, 5), (5, 6), (4, 7), (1, 5))


@dataclass(frozen=True)
class SimulationConfig:
    """The settings of `--data simulated:subjects=12,seed=3,…`; standard deviations in nepers."""

    subjects: int = 24
    trials: int = 5
    seed: int = 0
    sampling_rate: float = 2000.0
    duration: float = 3.0
    amplitude: float = 80.0  # µV RMS of a full contraction
    tone: float = 2.0  # µV RMS at rest
    noise: float = 1.5  # µV RMS of the amplifier
    gain_sd: float = 0.35  # electrode gain, by person and channel
    expressiveness_sd: float = 0.30  # by person
    pattern_sd: float = 0.40  # individual expression, by emotion and muscle
    trial_sd: float = 0.20  # by trial and muscle
    crosstalk: float = 0.15


class Person:
    """One simulated person: the properties that stay the same over their trials."""

    def __init__(self, index: int, config: SimulationConfig) -> None:
        self.config = config
        self.index = index
        self.name = person_name(config, index)
        rng = np.random.default_rng((config.seed, index))
        n = len(MONTAGE)
        self.gain = np.exp(config.gain_sd * rng.standard_normal(n))
        self.expressiveness = np.exp(config.expressiveness_sd * rng.standard_normal())
        self.habits = np.exp(config.pattern_sd * rng.standard_normal((len(EMOTIONS), n)))
        self.tempo = np.exp(0.2 * rng.standard_normal())
        self.mixing = np.eye(n)
        for a, b in NEIGHBOURS:
            self.mixing[a, b], self.mixing[b, a] = config.crosstalk * rng.uniform(0.3, 1.7, 2)
        self.low, self.high = rng.uniform(50, 70, n), rng.uniform(100, 150, n)
        self.mains = rng.choice((50.0, 60.0))
        self.hum = rng.exponential(1.0, n)

    def record(self, emotion: str, trial: int) -> Recording:
        """A Recording in microvolts, (duration x rate, 8), the same for the same arguments."""
        config, e = self.config, EMOTIONS.index(emotion)
        rng = np.random.default_rng((config.seed, self.index, e, trial))
        rate, n = config.sampling_rate, int(config.duration * config.sampling_rate)
        t = np.arange(n) / rate
        jitter = np.exp(config.trial_sd * rng.standard_normal(len(MONTAGE)))
        strength = np.array(PATTERNS[emotion]) * self.expressiveness * self.habits[e] * jitter
        course = _course(COURSES[emotion], t, self.tempo, config.duration, rng)
        envelope = config.tone + config.amplitude * strength * course[:, None]
        muscles = envelope * _carrier(n, rate, self.low, self.high, rng)
        signal = muscles @ self.mixing.T * self.gain
        signal += config.noise * rng.standard_normal(signal.shape)
        signal += self.hum * np.sin(2 * np.pi * self.mains * t + rng.uniform(0, 6.3))[:, None]
        signal += _motion(t, len(MONTAGE), rng)
        return Recording(
            signal,
            rate,
            MONTAGE,
            label=emotion,
            subject=self.name,
            recording_id=recording_name(config, emotion, self.index, trial),
            notes=("This recording is simulated.",),
        )


def simulate(
    emotion: str,
    subject: int = 0,
    trial: int = 0,
    config: SimulationConfig | None = None,
    **settings: Any,
) -> Recording:
    """One simulated Recording; `settings` are fields of SimulationConfig."""
    if emotion not in PATTERNS:
        raise ValueError(f"There is no emotion {emotion!r}; choose one of {', '.join(EMOTIONS)}.")
    return Person(subject, config or SimulationConfig(**settings)).record(emotion, trial)


def trials(config: SimulationConfig) -> list[tuple[str, int, int]]:
    """(emotion, subject, trial) of every recording of a configuration: arguments of `simulate`."""
    people, times = range(config.subjects), range(config.trials)
    return [(e, person, time) for person in people for e in EMOTIONS for time in times]


def person_name(config: SimulationConfig, subject: int) -> str:
    return f"sim{config.seed}-P{subject + 1:03d}"


def recording_name(config: SimulationConfig, emotion: str, subject: int, trial: int) -> str:
    return f"{person_name(config, subject)}_{emotion}_{trial + 1}"


def describe(config: SimulationConfig) -> str:
    """The configuration in one line, for results files."""
    # `:g` alone would round a long seed.
    settings = asdict(config).items()
    return "simulated:" + ",".join(
        f"{k}={v if isinstance(v, int) else f'{v:g}'}" for k, v in settings
    )


def is_simulated(data: str) -> bool:
    """Whether a value of `--data`, or the data named in a results file, is simulated here."""
    return data.partition(":")[0] == "simulated"


def _course(course, t, tempo, duration, rng):
    """The strength of the expression over time, 0..1: float (samples,)."""
    onset, rise, hold, fall, depth, tremor = course
    stretch = tempo * np.exp(0.15 * rng.standard_normal()) * duration / 3.0
    onset = max(0.15, onset + 0.1 * rng.standard_normal()) * duration / 3.0
    rise, hold, fall = rise * stretch, hold * stretch, fall * stretch
    up = np.clip((t - onset) / rise, 0, 1)
    down = np.clip((t - onset - rise - hold) / fall, 0, 1)
    shape = np.sin(np.pi / 2 * up) ** 2 * np.cos(np.pi / 2 * down) ** 2
    rate = tremor * np.exp(0.15 * rng.standard_normal())
    shake = 1 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6.3)))
    knots = np.exp(0.15 * rng.standard_normal(max(4, int(4 * t[-1]))))
    drift = np.interp(t, np.linspace(0, t[-1], len(knots)), knots)
    return shape * shake * drift


def _carrier(n, rate, low, high, rng):
    """Unit-power noise with the surface-EMG spectrum: float (samples, channels)."""
    f = np.fft.rfftfreq(n, 1 / rate)[:, None]
    power = high**4 * f**2 / ((f**2 + low**2) * (f**2 + high**2) ** 2)
    power[(f[:, 0] < 10) | (f[:, 0] > 500)] = 0
    x = np.fft.rfft(rng.standard_normal((n, len(low))), axis=0) * np.sqrt(power)
    x = np.fft.irfft(x, n, axis=0)
    return x / np.sqrt(np.mean(x * x, axis=0))


def _motion(t, n_channels, rng):
    """Occasional slow swings of single electrodes: float (samples, channels)."""
    x = np.zeros((len(t), n_channels))
    for _ in range(rng.poisson(0.5)):
        center, width = rng.uniform(0, t[-1]), rng.uniform(0.1, 0.3)
        swing = 40 * rng.standard_normal() * np.exp(-(((t - center) / width) ** 2))
        x[:, rng.integers(n_channels)] += swing
    return x
