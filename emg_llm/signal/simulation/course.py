"""The course of an expression over time."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Course:
    """strength: amplitude over time (times,), about 1 at the apex. onset, apex, offset: seconds;
    None for an expression that is held from the first sample to the last."""

    strength: np.ndarray
    onset: float | None
    apex: float | None
    offset: float | None


def held(n: int, duration: float, rng: np.random.Generator) -> Course:
    """An expression held through `duration` seconds, at `n` times."""
    return Course(_wander(n, duration, rng), None, None, None)


def posed(n: int, duration: float, rng: np.random.Generator) -> Course:
    """Rest, onset, apex, offset and rest within `duration` seconds, at `n` times.

    An onset takes 0.15 to 0.7 s and an offset a little longer (Hess & Kleck, Eur. J. Soc. Psychol.
    1990, 20(5):369, measured 0.5 s and 0.8 s of posed smiles); short trials are shortened.
    """
    t = (np.arange(n) + 0.5) * duration / n
    tempo = min(1.0, duration / 3)
    onset = rng.uniform(0.1, 0.2) * duration
    rise, fall = rng.uniform(0.15, 0.7) * tempo, rng.uniform(0.3, 0.9) * tempo
    offset = max(onset + rise, rng.uniform(0.65, 0.95) * duration - 0.5 * fall)
    up = np.clip((t - onset) / rise, 0, 1)
    down = np.clip((t - offset) / fall, 0, 1)
    shape = np.sin(np.pi / 2 * up) ** 2 * np.cos(np.pi / 2 * down) ** 2
    return Course(shape * _wander(n, duration, rng), onset, onset + rise, offset)


def _wander(n, duration, rng):
    """Slow changes of strength, about 1: float (n,)."""
    knots = np.exp(0.15 * rng.standard_normal(max(4, int(3 * duration) + 2)))
    return np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(knots)), knots)
