"""The text bridge: the level of each site in words and numbers, with SNR, quality and timing."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from tqdm.auto import tqdm

from emg_llm.bridge.base import Bridge, Told, known_powers, powers
from emg_llm.bridge.reading import NEAREST_KNOWN, site_name
from emg_llm.data.datasets import Dataset
from emg_llm.data.lazy import Lazy
from emg_llm.signal.features import activity, is_dead
from emg_llm.signal.levels import ANY, LEAST, Known, LevelScale, alternatives, whole
from emg_llm.signal.once import Prepared
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import Recording

# Noise of variants for training: dB (or tenths of an interquartile range).
OVERALL_NOISE, SITE_NOISE = 2.0, 3.0
MANY = 100  # recordings, from which on to show a progress bar


class Text(Bridge):
    """Levels of the sites, and measurements of the whole recording."""

    kind = "text"
    about = "words and numbers: the level at each electrode, and of a signal its quality and timing"
    needs: ClassVar[tuple[str, ...]] = ("scale",)
    knows_trials = True

    scale: LevelScale

    def fields(self, recording: Recording) -> dict[str, Any]:
        return Levels(self.scale, [recording], known=self.known).fields(0)

    def told(self, dataset: Dataset, rows: np.ndarray) -> list[Told]:
        items = Lazy(len(rows), lambda k: dataset.item(int(rows[k])))
        known = known_powers(dataset, rows, self.scale.names, self.scaling)
        return [Levels(self.scale, items, dataset.groups[rows], known)]


class Levels:
    """The levels of recordings, or rows of a table, with SNR, quality and timing.

    items: iterated once. people: the person of each, or None. known: see LevelScale.of_people.
    ways: float (alternatives, items, columns), the levels before rounding with each of what may be
    known; missing: bool (items, columns), where a site has no signal.
    """

    def __init__(
        self,
        scale: LevelScale,
        items: Sequence[Recording | np.ndarray],
        people: np.ndarray | None = None,
        known: Known | None = None,
    ) -> None:
        self.scale, self.moments = scale, []
        self.people = np.arange(len(items)) if people is None else people
        values, missing = [], []
        for item in tqdm(items, desc="reading", disable=len(items) < MANY):
            is_signal = isinstance(item, Recording)
            item = Prepared.of(item) if is_signal else item
            values.append(powers(item, scale.names))
            missing.append(is_dead(values[-1]) if is_signal else np.isnan(values[-1]))
            self.moments.append(_moments(item))
        self.missing = np.stack(missing)
        there = np.where(self.missing, np.nan, np.stack(values))
        known, self.privileges = known or {}, alternatives(scale.scaling, known or {})
        read = [scale.of_people(there, people, known, privilege) for privilege in self.privileges]
        self.ways, self.known = np.stack(read), known

    @property
    def levels(self) -> np.ndarray:
        """float (items, columns): the first of `ways`."""
        return self.ways[0]

    def _zero(self, k, way):
        """The field `zero` of item k."""
        privilege = self.privileges[way]
        enough = privilege in self.known and len(self.known[privilege][k]) >= LEAST[privilege]
        return privilege if enough and self.scale.scaling == ANY else ""

    def fields(
        self,
        k: int,
        rng: np.random.Generator | None = None,
        trials: Sequence[tuple[int, str]] = (),
        other: int | None = None,
        missing: Sequence[int] = (),
        way: int = 0,
    ) -> dict[str, Any]:
        scale, every = self.scale, self.ways[way]
        levels, gone = every[k], self.missing[k].copy()
        gone[list(missing)] = True
        distance = {}
        for place, label in trials:
            if place != k and self.people[place] == self.people[k]:
                both = ~gone & ~self.missing[place]
                off = float(np.sqrt(np.mean(np.square(every[place] - levels)[both])))
                distance[label] = min(off, distance.get(label, np.inf))
        if rng is not None:
            if other is not None:
                step = np.where(self.missing[other], 0, every[other] - levels)
                levels = levels + rng.random() * step
            levels = levels + OVERALL_NOISE * rng.standard_normal()
            levels = levels + SITE_NOISE * rng.standard_normal(len(levels))
        nearest = sorted(distance.items(), key=lambda pair: pair[1])[:NEAREST_KNOWN]
        against = float(np.mean((levels - scale.neutral)[~gone])) if scale.neutral else None
        return self.moments[k] | {
            "sites": tuple(site_name(scale.names[i]) for i in np.flatnonzero(~gone)),
            "levels": tuple(int(v) for v in whole(levels[~gone])),
            "missing": int(gone.sum()),
            "unit": "dB" if all(scale.is_power) else "",
            "neutral": None if against is None else int(whole(against)),
            "known": tuple((label, round(off)) for label, off in nearest),
            "zero": self._zero(k, way),
        }

    def scores(
        self, dataset: Dataset, rows: np.ndarray
    ) -> tuple[tuple[str, ...], np.ndarray] | None:
        """From logistic regressions cross-validated over people; None with too few people."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GroupKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        targets, groups = dataset.targets[rows], dataset.groups[rows]
        labels, n = dataset.label_names, min(5, len(np.unique(groups)))
        folds = list(GroupKFold(n).split(targets, groups=groups)) if n > 1 else []
        if not folds or any(len(np.unique(targets[train])) < len(labels) for train, _ in folds):
            return None
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return labels, cross_val_predict(
            model, self.levels, targets, cv=folds, method="predict_proba"
        )


def _moments(item):
    """SNR, quality and timing of a recording; nothing for a row of a table."""
    if not isinstance(item, Recording):
        return {}
    report = assess_quality(item)
    moments: dict[str, Any] = {"quality": report.verdict}
    if np.isfinite(report.snr_db):
        moments["snr"] = int(np.clip(round(report.snr_db), -40, 40))
    if course := activity(clean(item)):
        start, end, peak = (round(t, 1) for t in course)
        moments |= {"active": (start, end), "peak": peak}
    return moments
