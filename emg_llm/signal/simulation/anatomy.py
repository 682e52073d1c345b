"""Which muscles an emotion moves, how strongly, and which electrodes pick them up.

The muscles of an emotion are the action units of EMFACS (Ekman & Friesen, 1983; Friesen & Ekman,
Emotional Facial Action Coding System, 1984). How strongly posed emotions move them is fitted, by
least squares that stay near those action units, to the mean powers of four people (S01 to S04) of
Kołodziej et al., Sensors 2024, 24(15):4785, for the seven emotions recorded there. The other five
are mixtures of these and their action units: choices, not measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from emg_llm.signal.recording import EMOTIONS, MONTAGE

# Muscle: the action units that it makes.
MUSCLES = {
    "medial frontalis": "AU1",
    "lateral frontalis": "AU2",
    "corrugator": "AU4",
    "orbicularis oculi": "AU6, AU7",
    "levator labii": "AU9, AU10",
    "zygomaticus major": "AU12",
    "risorius": "AU14, AU20",
    "depressor anguli oris": "AU15",
    "mentalis": "AU17",
    "orbicularis oris": "AU23, AU24",
    "masseter": "AU26, clenching",
}

RELAXED = -10.0  # dB, of a muscle that an emotion does not move
# Power of each muscle (columns as in MUSCLES) at the electrode above it, in dB above the power of
# that electrode at rest, for an emotion posed as strongly as people do on average.
ACTIVITY = {
    "anger": (-3, -3, 8, 9, 8, 5, -10, -10, 4, 9, 8),
    "anxiety": (7, 3, 6, 3, 3, -1, 1, -10, -10, -10, 4),
    "contempt": (-10, -10, -10, -10, 5, 9, 10, -10, -10, 3, -10),
    "delight": (13, 7, -8, 9, 9, 19, 5, -9, -9, -9, 9),
    "disgust": (8, -10, 8, 7, 7, 5, -10, 11, 12, -10, -10),
    "fear": (7, 5, 9, 5, 5, 1, 7, -10, -10, -10, 3),
    "happiness": (13, -7, -9, 6, 8, 19, 4, -10, -10, -10, 8),
    "neutral": (RELAXED,) * len(MUSCLES),
    "perplexity": (-10, 6, 9, 3, -10, -10, -10, -10, 3, -10, -10),
    "pride": (-10, -10, -10, 2, -10, 11, 5, -10, 5, -10, 8),
    "sadness": (17, -10, -7, -1, 5, 3, -8, 10, -1, -9, -10),
    "surprise": (2, 9, -10, 1, 3, 2, 3, -9, -10, -10, -1),
}

# Share of each muscle's power (columns as in MUSCLES) that each electrode (rows as in MONTAGE)
# picks up. Crosstalk falls with the distance on the face; the values are choices.
PICK_UP = {
    "above the eye": (0.03, 1.0, 0.45, 0.08, 0.01, 0.003, 0.002, 0.001, 0.001, 0.001, 0.004),
    "below the eye": (0.01, 0.02, 0.06, 1.0, 0.15, 0.10, 0.01, 0.005, 0.003, 0.01, 0.01),
    "beside the eye": (0.01, 0.12, 0.05, 0.50, 0.02, 0.12, 0.04, 0.005, 0.003, 0.004, 0.10),
    "forehead": (1.0, 0.15, 0.30, 0.01, 0.01, 0.002, 0.002, 0.001, 0.001, 0.001, 0.003),
    "beside the mouth": (0.002, 0.002, 0.003, 0.01, 0.06, 0.20, 0.60, 0.50, 0.10, 0.35, 0.08),
    "above the mouth beside the nose": (
        *(0.005, 0.005, 0.02, 0.06, 1.0, 0.15, 0.05, 0.03, 0.02, 0.20, 0.01),
    ),
    "cheek": (0.002, 0.005, 0.003, 0.12, 0.12, 1.0, 0.15, 0.03, 0.01, 0.04, 0.12),
    "jaw": (0.001, 0.002, 0.002, 0.01, 0.01, 0.05, 0.12, 0.20, 0.15, 0.05, 1.0),
}

# dB, how strongly each electrode (as in MONTAGE) picks up what is below it, as muscle and skin are
# thicker in some places: what the same four people have in common in all emotions and at rest.
SITE_GAIN = (2.4, -1.5, -3.0, 2.2, -1.2, -1.6, -1.5, -1.0)

REST = 15.0  # dB re 1 µV², the typical power of an electrode at rest: 5.6 µV RMS

STEPS, STIFFNESS = 5, 0.1  # of a refit; the ridge's penalty

pick_up = np.array([PICK_UP[site] for site in MONTAGE])


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What is fitted to real people, dB: `activity` (emotions, muscles), as ACTIVITY in the order
    of EMOTIONS, and `site_gain` (sites,)."""

    activity: np.ndarray
    site_gain: np.ndarray

    def powers(self) -> np.ndarray:
        """The expected power of each emotion at each site, dB re 1 µV², (emotions, sites)."""
        return REST + self.site_gain + 10 * np.log10(1 + self._shares().sum(axis=-1))

    def refitted(self, emotions: Sequence[str], change: np.ndarray) -> Self:
        """The Anatomy whose expected powers differ by `change`, dB (emotions, sites).

        Ridge least squares (Gauss-Newton) in the gains and in the activity of the muscles in these
        emotions; neutral faces stay relaxed.
        """
        rows = [EMOTIONS.index(emotion) for emotion in emotions]
        n, (n_sites, n_muscles) = len(rows), pick_up.shape
        target, gains = self.powers()[rows] + change, np.tile(np.eye(n_sites), (n, 1))
        shift, fitted = np.zeros(n * n_muscles + n_sites), self
        for _ in range(STEPS):
            shares = fitted._shares()[rows]
            slope = shares / (1 + shares.sum(axis=-1, keepdims=True))
            slope[[emotion == "neutral" for emotion in emotions]] = 0
            blocks = np.zeros((n, n_sites, n, n_muscles))
            blocks[range(n), :, range(n)] = slope
            x = np.hstack([blocks.reshape(n * n_sites, -1), gains])
            y = (target - fitted.powers()[rows]).ravel() + x @ shift
            shift = np.linalg.solve(x.T @ x + STIFFNESS * np.eye(len(shift)), x.T @ y)
            activity = self.activity.copy()
            activity[rows] += shift[:-n_sites].reshape(n, n_muscles)
            fitted = type(self)(activity, self.site_gain + shift[-n_sites:])
        return fitted

    def _shares(self):
        """Power of each muscle at each site, relative to rest, (emotions, sites, muscles)."""
        return pick_up * 10 ** (self.activity[:, None] / 10)


ANATOMY = Anatomy(np.array([ACTIVITY[e] for e in EMOTIONS], float), np.array(SITE_GAIN))
