"""People who differ: in their electrodes and skin, at rest, and in how they express an emotion.

All standard deviations are in dB of power. With the default ones, 16 simulated people are about as
hard to read from each other as the eight real people that `train/realism.py` compares them with.
"""

from dataclasses import dataclass

import numpy as np

from emg_llm.signal.recording import EMOTIONS, MONTAGE
from emg_llm.signal.simulation.anatomy import ANATOMY, MUSCLES, RELAXED, REST, Anatomy, pick_up
from emg_llm.signal.simulation.config import SimulationConfig
from emg_llm.signal.simulation.units import UNITS, Pool

GAIN, GAIN_BY_SITE = 3.0, 0.85  # of tissue and electrodes
TONE, TONE_BY_SITE = 1.7, 1.0  # at rest
RESTLESS, MORE_TONE = 0.1, 2.5  # share of the sites with more tone, and times as much spread of it
PLACEMENT = 1.3  # of what an electrode picks up from each muscle
EXPRESSIVENESS = 1.7
BY_EMOTION, BY_MUSCLE, HABITS = 1.3, 1.3, 1.7  # of an expression, of a muscle, of both together
ABSENT, WEAKER = 0.04, 8.0  # share of movements that a person hardly makes, and how much less
ALIKE = 0.025  # share of emotions that a person poses partly like another one
SESSION, SESSION_BY_SITE = 0.7, 0.7  # of a gain, when electrodes are placed anew
# From trial to trial.
STRENGTH, STRENGTH_BY_MUSCLE, TONE_CHANGE, RELAXATION = 1.1, 1.7, 1.0, 3.0
WEAKNESS = 12.0  # dB of an expression that the severest ALS takes
NEUTRAL = EMOTIONS.index("neutral")


@dataclass(frozen=True)
class Expression:
    """One trial's powers in µV²: of each muscle at the electrode above it (muscles,), at rest by
    site (sites,), and the share of each muscle's power at each site (sites, muscles)."""

    muscles: np.ndarray
    rest: np.ndarray
    pick_up: np.ndarray

    def powers(self) -> np.ndarray:
        """The expected power at each site, µV² (sites,)."""
        return self.pick_up @ self.muscles + self.rest


class Face:
    """What stays the same over one simulated person's trials."""

    def __init__(self, config: SimulationConfig, index: int, anatomy: Anatomy = ANATOMY) -> None:
        self.config, self.index = config, index
        rng = np.random.default_rng((config.seed, index))
        n_sites, n_muscles, n_emotions = len(MONTAGE), len(MUSCLES), len(EMOTIONS)
        spread = config.diversity

        def normal(sd, *shape):
            return spread * sd * rng.standard_normal(shape)

        self.gain = anatomy.site_gain + normal(GAIN) + normal(GAIN_BY_SITE, n_sites)
        wide = np.where(rng.random(n_sites) < RESTLESS, MORE_TONE, 1.0)
        self.tone = REST + normal(TONE) + wide * normal(TONE_BY_SITE, n_sites)
        self.placement = normal(PLACEMENT, n_sites, n_muscles)
        habits = anatomy.activity + normal(EXPRESSIVENESS) + normal(BY_EMOTION, n_emotions, 1)
        habits = habits + normal(BY_MUSCLE, n_muscles) + normal(HABITS, n_emotions, n_muscles)
        habits = habits - WEAKER * (rng.random(habits.shape) < ABSENT * spread)
        for e in np.flatnonzero(rng.random(n_emotions) < ALIKE * spread):
            other, share = rng.integers(n_emotions), rng.random()
            habits[e] += share * (habits[other] - habits[e])
        self.habits = np.maximum(habits, RELAXED)  # dB above REST, (emotions, muscles)
        self.habits[NEUTRAL] = RELAXED
        self.pools = [Pool(rng, config.severity) for _ in MUSCLES]
        # Of the units of a muscle under two electrodes.
        coherence = rng.uniform(0.0, 0.6)
        shape = n_muscles, n_sites, UNITS
        common = rng.random((n_muscles, 1, UNITS)) < 0.5
        own = np.where(rng.random(shape) < coherence, common, rng.random(shape) < 0.5)
        size = np.exp(0.3 * rng.standard_normal(shape) - 0.09)  # with a mean square of 1
        self._seen = np.where(own, size, -size)
        # Gaussian widths of action potentials in seconds, and how deep units weigh.
        width = rng.normal(0, 0.15) + rng.normal(0, 0.12, n_sites)
        self.width = np.clip(1.8e-3 * np.exp(width), 1.3e-3, 2.6e-3)
        tilt = rng.normal(0.1, 0.25) + rng.normal(0, 0.25, n_sites)
        self.tilt = np.clip(tilt, -0.4, 0.8)
        self.mains = float(rng.choice((50.0, 60.0)))
        self.heart_rate = rng.uniform(55, 95)  # beats per minute

    def seen(self, muscle: int, site: int) -> np.ndarray:
        """The polarity and relative size (units,) of a muscle's action potentials at a site.

        Electrodes see the same units from other sides, so their signals differ.
        """
        return self._seen[muscle, site]

    def expression(self, emotion: str, rng: np.random.Generator, session: int = 0) -> Expression:
        """One trial of `emotion`, with the trial's own variation from `rng`."""
        config, e = self.config, EMOTIONS.index(emotion)
        placed = np.random.default_rng((config.seed, self.index, len(EMOTIONS), session))
        gain, placement = self.gain, self.placement
        if session:  # the first one is the person's own
            n_sites = len(MONTAGE)
            gain = gain + SESSION * placed.standard_normal()
            gain = gain + SESSION_BY_SITE * placed.standard_normal(n_sites)
            placement = placement + SESSION_BY_SITE * placed.standard_normal(placement.shape)
        level = self.habits[e] + 20 * np.log10(config.intensity) - WEAKNESS * config.severity
        level = level + STRENGTH * rng.standard_normal()
        level = level + STRENGTH_BY_MUSCLE * rng.standard_normal(len(level))
        if e == NEUTRAL:
            level = RELAXED + RELAXATION * rng.standard_normal(len(level))
        tone = self.tone + TONE_CHANGE * rng.standard_normal()
        share = pick_up * _power(placement + gain[:, None])
        return Expression(_power(level + REST), _power(tone + gain), share)


def _power(decibel):
    return 10 ** (np.asarray(decibel) / 10)
