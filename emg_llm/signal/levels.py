"""Numbers of any scale -> levels: small whole numbers that a language model can read.

Columns with only positive values are treated as powers and converted to dB; others are used
unchanged. A level is the distance from the typical value, in dB for powers and in tenths of the
interquartile range otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emg_llm.signal.spectrum import TINY

LIMIT = 40
# What is known of a person whose levels are read: nothing; one neutral recording, which is the
# zero; or several recordings, unlabelled, whose median is the zero.
PRIVILEGES = ("training", "neutral", "several")
KNOWN = PRIVILEGES[1:]
ANY = "any"  # a model that reads with any of these, and is told which
# Of "person", the several recordings are all that are read of somebody.
SCALINGS = (*PRIVILEGES, "person", ANY)
LEAST = {"neutral": 1, "several": 2, "person": 2}  # recordings; one minus itself would be nothing
# How much of a person's zero is taken off. Not all of it: how strong a face is on the whole says
# something too, and a single neutral recording is not quite the person's rest.
SHARE = 0.75


Known = Mapping[str, Sequence[np.ndarray]]
"""privilege -> for each recording the values, float (n, columns), known of its person."""


def alternatives(scaling: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    """With what a model of `scaling` reads recordings of whose people `known` is at hand.

    One of SCALINGS; for "any" scaling, all PRIVILEGES where more than one is at hand, to learn
    from.
    """
    if scaling != ANY:
        return (scaling,)
    return PRIVILEGES if len(known) > 1 else tuple(known) or (unless_any(scaling),)


def unless_any(scaling: str) -> str:
    """The scaling; for "any" the first of PRIVILEGES, with which such a model reads unless told."""
    return PRIVILEGES[0] if scaling == ANY else scaling


@dataclass(frozen=True)
class Measure:
    """What is taken off one person's levels, float (columns,), and the privilege it is from."""

    zero: tuple[float, ...]
    privilege: str = ""


@dataclass(frozen=True, eq=False)
class LevelScale:
    """The typical values and spreads of the training people.

    names: columns; is_power: bool (columns,); center, step: float (columns,). neutral: levels of
    their recordings labelled neutral, (columns,), empty if there are none. scaling: one of
    SCALINGS, what is known of each person. typical: for "any" scaling, privilege -> mean level
    (columns,) of what is known of them. Only a person's difference from it is taken off, so that
    levels mean the same whatever is known.
    """

    names: tuple[str, ...]
    is_power: tuple[bool, ...]
    center: tuple[float, ...]
    step: tuple[float, ...]
    neutral: tuple[float, ...] = ()
    scaling: str = SCALINGS[0]
    typical: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        names: Sequence[str],
        neutral: np.ndarray | None = None,
        people: np.ndarray | None = None,
        known: Known | None = None,
        scaling: str = SCALINGS[0],
    ) -> Self:
        """Fit to `values`, float (recordings, columns), of the training people only.

        neutral: bool (recordings,), True where labelled neutral. people, known: see `of_people`.
        """
        is_power = np.all((values > 0) | np.isnan(values), axis=0)
        x = _decibel(values, is_power)
        q25, q50, q75 = np.nanpercentile(x, (25, 50, 75), axis=0)
        step = np.where(is_power, 1.0, np.maximum(q75 - q25, 1e-9) / 10)
        is_power = tuple(map(bool, is_power))
        scale = cls(tuple(names), is_power, _floats(q50), _floats(step), scaling=scaling)
        known = known or {}
        if scaling == ANY:
            scale = replace(scale, typical={p: scale._mean(p, sets) for p, sets in known.items()})
        if neutral is not None and neutral.any():
            read = [scale.of_people(values, people, known, p) for p in alternatives(scaling, known)]
            median = np.nanmedian(np.concatenate([x[neutral] for x in read]), axis=0)
            scale = replace(scale, neutral=_floats(median))
        return scale

    def _mean(self, privilege, sets):
        """The mean level (columns,) of the sets of values that are large enough for a measure."""
        each = {id(s): s for s in sets if len(s) >= LEAST[privilege]}.values()
        medians = [np.median(self.continuous(values), axis=0) for values in each]
        return _floats(np.mean(medians, axis=0) if medians else np.zeros(len(self.names)))

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, also after a round trip through JSON."""
        fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        fields["typical"] = {p: tuple(v) for p, v in config.get("typical", {}).items()}
        if fields.pop("width", 0):  # of an earlier version, with "person" scaling only
            fields["scaling"] = "person"
        return cls(**fields)

    def at(self, columns: Sequence[int]) -> Self:
        """The scale of some of its columns, by index, in any order and as often as given."""

        def some(values):
            return tuple(values[k] for k in columns) if values else ()

        every = ("names", "is_power", "center", "step", "neutral")
        typical = {p: some(v) for p, v in self.typical.items()}
        return replace(self, typical=typical, **{n: some(getattr(self, n)) for n in every})

    def continuous(self, values: np.ndarray, measure: Measure | None = None) -> np.ndarray:
        """float (…, columns) -> levels before rounding, in the same shape."""
        x = _decibel(np.asarray(values, np.float64), np.array(self.is_power))
        x = np.nan_to_num((x - np.array(self.center)) / np.array(self.step))
        return x if measure is None else x - np.array(measure.zero)

    def of_people(
        self,
        values: np.ndarray,
        people: np.ndarray | None = None,
        known: Known | None = None,
        privilege: str | None = None,
    ) -> np.ndarray:
        """Levels before rounding, (recordings, columns), relative to each person's own measure.

        people: (recordings,), the person of each recording, for "person" scaling. known: what is
        known of each recording's person, for the others. privilege: which of it is used, with
        "any" scaling. Without what they need, levels on the common scale.
        """
        privilege = privilege or unless_any(self.scaling)
        x = self.continuous(values)
        if privilege == "person" and people is not None:
            for person in np.unique(people):
                rows = people == person
                x[rows] = self.continuous(values[rows], self.measure(values[rows]))
        sets = list((known or {}).get(privilege, ()))
        measures = {id(some): self.measure(some, privilege) for some in sets}
        for i, some in enumerate(sets):
            if measure := measures[id(some)]:
                x[i] -= measure.zero
        return x

    def measure(self, values: np.ndarray, privilege: str | None = None) -> Measure | None:
        """The Measure of one person from values (n, columns): of a neutral recording or more for
        "neutral", of two or more recordings of any kind for "several" and "person" scaling.

        privilege: what the values are of, with "any" scaling. None where it can't be measured, or
        with "training" scaling.
        """
        privilege = privilege or unless_any(self.scaling)
        if privilege not in LEAST or len(values) < LEAST[privilege]:
            return None
        zero = np.median(self.continuous(values), axis=0)
        if privilege in self.typical:
            zero = zero - np.array(self.typical[privilege])
        return Measure(_floats(SHARE * zero), privilege)


def whole(levels: np.ndarray | float) -> np.ndarray:
    """Levels rounded to whole numbers within ±LIMIT."""
    return np.clip(np.rint(levels), -LIMIT, LIMIT).astype(int)


def _floats(values):
    return tuple(float(v) for v in values)


def _decibel(values, is_power):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_power, 10 * np.log10(np.maximum(values, TINY)), values)
