"""Numbers of any scale -> levels: small whole numbers that a language model can read.

Columns with only positive values are treated as powers and converted to dB; others are used
unchanged. A level is the distance from the typical value, in dB for powers and in tenths of the
interquartile range otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emg_llm.signal.spectrum import TINY

LIMIT = 40
# What is known of a person whose levels are read: nothing; one neutral recording, which is the
# zero; or several recordings, unlabelled, whose median is the zero.
SCALINGS = ("training", "neutral", "person")
# How much of a person's zero is taken off. Not all of it: how strong a face is on the whole says
# something too, and a single neutral recording is not quite the person's rest.
SHARE = 0.75


@dataclass(frozen=True)
class Measure:
    """What is taken off one person's levels: float (columns,)."""

    zero: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class LevelScale:
    """The typical values and spreads of the training people.

    names: columns; is_power: bool (columns,); center, step: float (columns,). neutral: levels of
    their recordings labelled neutral, (columns,), empty if there are none. scaling: one of
    SCALINGS, what is known of each person.
    """

    names: tuple[str, ...]
    is_power: tuple[bool, ...]
    center: tuple[float, ...]
    step: tuple[float, ...]
    neutral: tuple[float, ...] = ()
    scaling: str = SCALINGS[0]

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        names: Sequence[str],
        neutral: np.ndarray | None = None,
        people: np.ndarray | None = None,
        zeros: np.ndarray | None = None,
        scaling: str = SCALINGS[0],
    ) -> Self:
        """Fit to `values`, float (recordings, columns), of the training people only.

        neutral: bool (recordings,), True where labelled neutral. people, zeros: see `of_people`.
        """
        is_power = np.all((values > 0) | np.isnan(values), axis=0)
        x = _decibel(values, is_power)
        q25, q50, q75 = np.nanpercentile(x, (25, 50, 75), axis=0)
        step = np.where(is_power, 1.0, np.maximum(q75 - q25, 1e-9) / 10)
        is_power = tuple(map(bool, is_power))
        scale = cls(tuple(names), is_power, _floats(q50), _floats(step), scaling=scaling)
        if neutral is not None and neutral.any():
            x = scale.of_people(values, people, zeros)
            scale = replace(scale, neutral=_floats(np.nanmedian(x[neutral], axis=0)))
        return scale

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, also after a round trip through JSON."""
        fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        if fields.pop("width", 0):  # of an earlier version, with "person" scaling only
            fields["scaling"] = "person"
        return cls(**fields)

    def continuous(self, values: np.ndarray, measure: Measure | None = None) -> np.ndarray:
        """float (…, columns) -> levels before rounding, in the same shape."""
        x = _decibel(np.asarray(values, np.float64), np.array(self.is_power))
        x = np.nan_to_num((x - np.array(self.center)) / np.array(self.step))
        return x if measure is None else x - np.array(measure.zero)

    def of_people(
        self,
        values: np.ndarray,
        people: np.ndarray | None = None,
        zeros: np.ndarray | None = None,
    ) -> np.ndarray:
        """Levels before rounding, (recordings, columns), relative to each person's own measure.

        people: (recordings,), the person of each recording, for "person" scaling. zeros: values of
        the person's neutral recording for each recording, in the same shape, for "neutral"
        scaling. Without them, levels on the common scale.
        """
        if self.scaling == "neutral" and zeros is not None:
            return self.continuous(values) - SHARE * self.continuous(zeros)
        x = self.continuous(values)
        if self.scaling == "person" and people is not None:
            for person in np.unique(people):
                rows = people == person
                x[rows] = self.continuous(values[rows], self.measure(values[rows]))
        return x

    def measure(self, values: np.ndarray) -> Measure | None:
        """The Measure of one person from values (n, columns): of neutral recordings for "neutral"
        scaling, of two or more of any kind for "person" scaling.

        None where that can't be measured, or with "training" scaling.
        """
        # A single recording minus itself would be nothing.
        if self.scaling == "training" or len(values) < {"neutral": 1, "person": 2}[self.scaling]:
            return None
        return Measure(_floats(SHARE * np.median(self.continuous(values), axis=0)))


def whole(levels: np.ndarray | float) -> np.ndarray:
    """Levels rounded to whole numbers within ±LIMIT."""
    return np.clip(np.rint(levels), -LIMIT, LIMIT).astype(int)


def _floats(values):
    return tuple(float(v) for v in values)


def _decibel(values, is_power):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_power, 10 * np.log10(np.maximum(values, TINY)), values)
