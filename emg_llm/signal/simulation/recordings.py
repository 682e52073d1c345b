"""From emotion, person and conditions to a Recording, with the truth behind it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft

from emg_llm.signal.recording import EMOTIONS, MONTAGE, Recording
from emg_llm.signal.simulation.anatomy import ANATOMY, MUSCLES, Anatomy
from emg_llm.signal.simulation.conditions import Conditions, conditions_of, disturb
from emg_llm.signal.simulation.config import SimulationConfig, person_name, recording_name
from emg_llm.signal.simulation.course import Course, held, posed
from emg_llm.signal.simulation.people import Expression, Face
from emg_llm.signal.simulation.units import DEPTHS, potentials

COURSE_RATE = 250.0  # Hz, of excitations
RATE = 2400.0  # Hz, at which muscles are simulated; they carry no power above 1200 Hz
FAINT = 1e-3  # of a site's power at rest, below which a muscle isn't picked up


@dataclass(frozen=True)
class Truth:
    """What a simulated recording was made from.

    muscles: names; excitation: (times, muscles), 0 to 1, at `rate` Hz. course: the expression's
    strength, onset, apex and offset. signal: µV, float32 (samples, sites), of the muscles alone.
    snr_db: (sites,), the power of the muscles over that of
    everything else.
    """

    muscles: tuple[str, ...]
    excitation: np.ndarray
    rate: float
    course: Course
    conditions: Conditions
    signal: np.ndarray
    snr_db: np.ndarray


class Person:
    """One simulated person, who makes recordings."""

    def __init__(self, index: int, config: SimulationConfig, anatomy: Anatomy = ANATOMY) -> None:
        self.config, self.index = config, index
        self.name = person_name(config, index)
        self.face = Face(config, index, anatomy)

    def record(self, emotion: str, trial: int) -> Recording:
        """A Recording in microvolts, (duration x rate, 8), the same for the same arguments."""
        return self.perform(emotion, trial)[0]

    def perform(self, emotion: str, trial: int) -> tuple[Recording, Truth]:
        """`record`, with the truth behind it."""
        config, face = self.config, self.face
        rng = np.random.default_rng((config.seed, self.index, EMOTIONS.index(emotion), trial))
        session = trial % config.sessions
        expression = face.expression(emotion, rng, session)
        shared = np.random.default_rng((config.seed, self.index, len(EMOTIONS) + 1, session))
        conditions = conditions_of(config, shared, rng, len(MONTAGE))
        duration = conditions.duration
        course = (held if conditions.held else posed)(
            max(8, round(duration * COURSE_RATE)), duration, rng
        )
        # A relaxed muscle follows no course.
        excitation = np.stack(
            [
                pool.excitation(power * np.square(course.strength))
                for pool, power in zip(face.pools, expression.muscles, strict=True)
            ],
            axis=1,
        )
        muscles = _muscles(face, expression, excitation, conditions, rng)
        signal = disturb(muscles, conditions, face.mains, face.heart_rate, rng)
        others = np.square(signal - muscles).mean(axis=0)
        snr = 10 * np.log10(np.square(muscles).mean(axis=0) / np.maximum(others, 1e-12))
        recording = Recording(
            signal.astype(np.float32),
            conditions.sampling_rate,
            MONTAGE,
            label=emotion,
            subject=self.name,
            session=str(session + 1) if config.sessions > 1 else None,
            recording_id=recording_name(config, emotion, self.index, trial),
            notes=("This recording is simulated.",),
        )
        truth = Truth(tuple(MUSCLES), excitation, COURSE_RATE, course, conditions, muscles, snr)
        return recording, truth


def simulate(
    emotion: str,
    subject: int = 0,
    trial: int = 0,
    config: SimulationConfig | None = None,
    anatomy: Anatomy = ANATOMY,
    **settings: Any,
) -> Recording:
    """One simulated Recording; `settings` are fields of SimulationConfig. Raises ValueError."""
    if emotion not in EMOTIONS:
        raise ValueError(f"There is no emotion {emotion!r}; choose one of {', '.join(EMOTIONS)}.")
    config = config or SimulationConfig(**settings)
    if problem := config.problem():
        raise ValueError(f"This can't be simulated: {problem}.")
    return Person(subject, config, anatomy).record(emotion, trial)


def _muscles(
    face: Face,
    expression: Expression,
    excitation: np.ndarray,
    conditions: Conditions,
    rng: np.random.Generator,
) -> np.ndarray:
    """The muscles' signal at each site without any noise, µV, float32 (samples, sites)."""
    duration, n_sites = conditions.duration, len(expression.rest)
    n = 2 * round(duration * RATE / 2)
    at, unit_of = [], []
    for m, pool in enumerate(face.pools):
        unit, times = pool.firings(excitation[:, m], duration, rng)
        at.append(np.minimum((times * n / duration).astype(int), n - 1))
        unit_of.append(unit)
    rate = n / duration
    frequency = fft.rfftfreq(n, 1 / rate)
    n_out = int(conditions.duration * conditions.sampling_rate)
    x = np.empty((n_out, n_sites), np.float32)
    n_kept = min(len(frequency), n_out // 2 + 1)
    for site in range(n_sites):
        # A muscle that a site hardly picks up is left out.
        loud = expression.pick_up[site] * expression.muscles > FAINT * expression.rest[site]
        trains = np.zeros((len(DEPTHS), n), np.float32)
        for m in np.flatnonzero(loud).tolist():
            pool, unit = face.pools[m], unit_of[m]
            size = pool.size * np.sqrt(expression.pick_up[site, m]) * face.seen(m, site)
            where = pool.depth[unit] * n + at[m]
            trains += np.bincount(where, size[unit], trains.size).reshape(trains.shape)
        shapes = potentials(frequency, face.width[site], face.tilt[site], rate)
        spectrum = (fft.rfft(trains, axis=1) * shapes).sum(axis=0)
        # Many small units far away add up to noise.
        noise = rng.standard_normal((len(frequency), 2)) @ np.array([1, 1j])
        far = np.sqrt(np.square(np.abs(shapes)).mean(axis=0))
        spectrum += np.sqrt(expression.rest[site] * n / (2 * rate)) * noise * far
        spectrum[0] = 0
        x[:, site] = fft.irfft(spectrum[:n_kept], n_out) * (n_out / n)
    return x
