"""Numbers of any scale -> levels: small whole numbers that a language model can read.

Columns with only positive values are treated as powers and converted to dB; others are used
unchanged. A level is the distance from the typical value, in dB for powers and in tenths of the
interquartile range otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emg_llm.signal.preprocessing import TINY

LIMIT = 40
# The correction for a person's wider or narrower spread is partial: some of it is expression.
WIDTH_SHARE = 0.5


@dataclass(frozen=True)
class Measure:
    """The median level of a person's recordings, labelled or not, and their width around it."""

    median: tuple[float, ...]
    width: float


@dataclass(frozen=True, eq=False)
class LevelScale:
    """The typical values and spreads of the training people.

    names: columns; is_power: bool (columns,); center, step: float (columns,). neutral: levels of
    their recordings labelled neutral, (columns,), empty if there are none. width: how far their
    recordings lie from each person's median, in levels; 0 if people have no measure of their own.
    """

    names: tuple[str, ...]
    is_power: tuple[bool, ...]
    center: tuple[float, ...]
    step: tuple[float, ...]
    neutral: tuple[float, ...] = ()
    width: float = 0.0

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        names: Sequence[str],
        neutral: np.ndarray | None = None,
        people: np.ndarray | None = None,
    ) -> Self:
        """Fit to `values`, float (recordings, columns), of the training people only.

        neutral: bool (recordings,), True where labelled neutral. people: (recordings,), the person
        of each recording, to measure levels against the person's own recordings.
        """
        is_power = np.all(values > 0, axis=0)
        x = _decibel(values, is_power)
        q25, q50, q75 = np.nanpercentile(x, (25, 50, 75), axis=0)
        step = np.where(is_power, 1.0, np.maximum(q75 - q25, 1e-9) / 10)
        scale = cls(tuple(names), tuple(map(bool, is_power)), _floats(q50), _floats(step))
        if people is not None:
            measures = [scale.measure(values[people == p]) for p in np.unique(people)]
            widths = [m.width for m in measures if m is not None]
            scale = replace(scale, width=float(np.exp(np.mean(np.log(widths)))) if widths else 0.0)
        if neutral is not None and neutral.any():
            x = scale.of_people(values, people)
            scale = replace(scale, neutral=_floats(np.nanmedian(x[neutral], axis=0)))
        return scale

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, also after a round trip through JSON."""
        fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        return cls(**fields)

    def continuous(self, values: np.ndarray, measure: Measure | None = None) -> np.ndarray:
        """float (…, columns) -> levels before rounding, in the same shape."""
        x = _decibel(np.asarray(values, np.float64), np.array(self.is_power))
        x = np.nan_to_num((x - np.array(self.center)) / np.array(self.step))
        if measure is None:
            return x
        wider = measure.width / self.width if self.width else 1.0
        return (x - np.array(measure.median)) / wider**WIDTH_SHARE

    def of_people(self, values: np.ndarray, people: np.ndarray | None = None) -> np.ndarray:
        """Levels before rounding, (recordings, columns), relative to each person's own measure.

        people: (recordings,), the person of each recording; None for levels on the common scale.
        """
        x = self.continuous(values)
        for person in () if people is None else np.unique(people):
            rows = people == person
            x[rows] = self.continuous(values[rows], self.measure(values[rows]))
        return x

    def measure(self, values: np.ndarray) -> Measure | None:
        """The Measure of one person from their recordings (n, columns); None for fewer than two."""
        if len(values) < 2:  # a single recording would become all zeros
            return None
        x = self.continuous(values)
        median = np.median(x, axis=0)
        width = np.sqrt(np.mean(np.square(x - median)))
        return Measure(_floats(median), float(max(width, 1e-3)))


def whole(levels: np.ndarray | float) -> np.ndarray:
    """Levels rounded to whole numbers within ±LIMIT."""
    return np.clip(np.rint(levels), -LIMIT, LIMIT).astype(int)


def _floats(values):
    return tuple(float(v) for v in values)


def _decibel(values, is_power):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_power, 10 * np.log10(np.maximum(values, TINY)), values)
