"""How sure a model is: from its scores to probabilities, and from these to sets of labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np

from emg_llm.signal.levels import KNOWN

LEVELS = (0.9, 0.8)  # of the sets, best first; a level needs level / (1 - level) people
N_DRAWS = 500  # of one recording from each person
TINY = 1e-9  # rounding of probabilities


@dataclass(frozen=True)
class Confidence:
    """What turns a model's scores into probabilities, and its probabilities into sets of labels.

    A score minus the label's prior, divided by the temperature, is a logit. prior: (labels,), or
    empty for none. A set holds the likeliest labels until they have more than `threshold` of the
    probability; it misses the true label of 1 - `level` of new people's recordings. Both are None
    with too few people for a level. fitted_on: whose recordings, "" if nobody was kept for it;
    n_people: how many people. Factors of the temperature are in missing, with 1, 2, … sites
    missing, and in known, with each of KNOWN known of the person. Those in real are for real
    people where simulated ones were learned from (`train/certainty.py`), with nothing and with each
    of KNOWN known; the threshold is from before them, so sets of the flatter probabilities are
    larger.
    """

    temperature: float = 1.0
    prior: tuple[float, ...] = ()
    threshold: float | None = None
    level: float | None = None
    fitted_on: str = ""
    n_people: int = 0
    missing: tuple[float, ...] = ()
    known: tuple[float, ...] = ()
    real: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls,
        scores: np.ndarray,
        targets: np.ndarray,
        groups: np.ndarray,
        fitted_on: str,
        with_prior: bool = True,
        known: Sequence[str] | None = None,
    ) -> Self:
        """Fit all to people that the model hasn't learned from.

        scores: float (n, labels), such as logits or logarithms of probabilities; targets: int
        (n,); groups: (n,), the person of each recording; known: what of KNOWN is known of each, or
        "".
        """
        scores, targets = np.asarray(scores, np.float64), np.asarray(targets)
        told = np.asarray([""] * len(scores) if known is None else known, str)
        n_people = len(np.unique(groups))
        prior = fit_prior(scores, targets) if with_prior else np.zeros(scores.shape[1])
        temperature = fit_temperature(*_of(scores - prior, targets, told == ""))
        logits = (scores - prior) / temperature
        of = KNOWN if (told != "").any() else ()
        factors = tuple(fit_temperature(*_of(logits, targets, told == one)) for one in of)
        level = next((at for at in LEVELS if n_people + TINY >= at / (1 - at)), None)
        about = None, level, fitted_on, n_people
        fitted = cls(temperature, tuple(prior.tolist()), *about, known=factors)
        if level is None:
            return fitted
        likelier = likelier_mass(fitted.probabilities(scores, known=told))
        likelier = likelier[np.arange(len(targets)), targets]
        return cls(**vars(fitted) | {"threshold": conformal_threshold(likelier, groups, level)})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A Confidence from `to_dict`, or from a configuration that has some of its fields."""
        known = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        for name in known.keys() & {"prior", "missing", "known", "real"}:
            known[name] = tuple(np.ravel(known[name]).tolist())
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def probabilities(
        self,
        scores: np.ndarray,
        n_missing: int | Sequence[int] | np.ndarray = 0,
        known: str | Sequence[str] | np.ndarray = "",
    ) -> np.ndarray:
        """Scores float (…, labels) as probabilities.

        n_missing: how many sites each recording lacks; known: what of KNOWN is known of its person,
        or "". Both (…,) or one for all.
        """
        from scipy.special import softmax

        temperature = self._temperature(n_missing, known)
        return softmax((scores - self._prior) / temperature[..., None], axis=-1)

    def _temperature(self, n_missing, known):
        factors = np.array([1.0, *self.missing])
        missing = factors[np.minimum(np.asarray(n_missing, int), len(self.missing))]
        factor = np.ones(np.shape(known))
        of = (*zip(KNOWN, self.known, strict=False), *zip(("", *KNOWN), self.real, strict=False))
        for one, value in of:
            factor = np.where(np.asarray(known) == one, value * factor, factor)
        return self.temperature * missing * factor

    def with_missing(
        self,
        scores: np.ndarray,
        targets: np.ndarray,
        n_missing: np.ndarray,
        known: Sequence[str] | np.ndarray = "",
    ) -> Self:
        """With the factors of the temperature for recordings that lack sites.

        scores, targets, known: as for `fit`, of recordings with the sites removed; n_missing: int
        (n,), how many. More missing sites never make a model surer.
        """
        n_missing, factors = np.asarray(n_missing), [1.0]
        temperature = np.broadcast_to(self._temperature(0, known), n_missing.shape)
        logits = (np.asarray(scores, np.float64) - self._prior) / temperature[..., None]
        for n in range(1, int(n_missing.max(initial=0)) + 1):
            rows = n_missing == n
            if rows.any():
                factors.append(max(factors[-1], fit_temperature(logits[rows], targets[rows])))
            else:
                factors.append(factors[-1])
        return replace(self, missing=tuple(factors[1:]))

    def sets(self, probabilities: np.ndarray) -> np.ndarray:
        """bool (…, labels): the labels in each recording's set, never none; all without a level."""
        limit = 1.0 if self.threshold is None else self.threshold
        return likelier_mass(probabilities) <= limit + TINY

    def label_set(self, probabilities: Mapping[str, float]) -> tuple[str, ...]:
        """The labels of one recording's set, likeliest first; empty without a level."""
        if self.threshold is None:
            return ()
        inside = self.sets(np.array(list(probabilities.values())))
        ranked = sorted(probabilities.items(), key=lambda item: -item[1])
        names = {label for label, there in zip(probabilities, inside, strict=True) if there}
        return tuple(label for label, _ in ranked if label in names)

    @property
    def _prior(self):
        return np.asarray(self.prior) if self.prior else 0.0


def _of(scores, targets, rows):
    """Those in `rows`, or all where there are none."""
    return (scores[rows], targets[rows]) if rows.any() else (scores, targets)


def log(probabilities):
    """The logarithm of probabilities, which may be zero."""
    return np.log(np.maximum(probabilities, 1e-12))


def fit_temperature(logits, targets):
    """The temperature with the lowest loss, between 0.2 and 5 (Guo et al., ICML 2017).

    logits: float (n, labels), an array or a tensor on the CPU; targets: int (n,). Use people
    outside the model's training.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits, rows = np.asarray(logits, np.float64), np.arange(len(targets))
    targets = np.asarray(targets)
    result = minimize_scalar(
        lambda t: -log_softmax(logits / np.exp(t), axis=1)[rows, targets].mean(),
        bounds=(np.log(0.2), np.log(5)),
        method="bounded",
    )
    return float(np.exp(result.x))


def fit_prior(scores, targets):
    """float (labels,): how much more probable a model finds each label than it is, as a logarithm.

    The mean probability against the label's share (Zhou et al. 2024, arXiv:2309.17249), with one
    recording more in both, so that a label without recordings has no large prior.
    """
    from scipy.special import softmax

    counted = np.bincount(targets, minlength=scores.shape[1])
    return np.log((softmax(scores, axis=1).sum(axis=0) + 1) / (counted + 1))


def likelier_mass(probabilities):
    """float (…, labels): the probability of all labels that are likelier than each label.

    The score of adaptive prediction sets (Romano et al., NeurIPS 2020) less the label's own
    probability: the likeliest label has 0, so no threshold leaves a set empty.
    """
    others, own = probabilities[..., None, :], probabilities[..., :, None]
    return np.where(others > own, others, 0.0).sum(axis=-1)


def conformal_threshold(scores, groups, level):
    """The threshold that a share `level` of new people's scores keeps.

    scores: float (n,), of the true labels; groups: (n,), the person of each. Recordings of a
    person resemble each other, so a draw takes one of each person, and its quantile at rank
    level * (people + 1), which is valid for new people (subsampling, Dunn, Wasserman and Ramdas,
    JASA 2022, arXiv:1809.07441). A single draw depends on chance; the threshold is the quantile
    of all scores at the draws' mean rank. The weighted quantile of hierarchical conformal
    prediction (Lee, Barber and Willett 2023, arXiv:2306.06342) would promise `level` for any
    people, at the price of 0.98 where ten people promise 0.9.
    """
    scores, rng = np.asarray(scores, np.float64), np.random.default_rng(0)
    _, person = np.unique(groups, return_inverse=True)
    members = np.split(np.argsort(person, kind="stable"), np.cumsum(np.bincount(person))[:-1])
    drawn = np.stack([scores[rng.choice(rows, N_DRAWS)] for rows in members], axis=1)
    drawn.sort(axis=1)
    rank = level * (len(members) + 1) - 1 + TINY  # from 0; between two ranks, by lot
    place = np.floor(rank).astype(int) + (rng.random(N_DRAWS) < rank % 1 - 2 * TINY)
    limits = drawn[np.arange(N_DRAWS), np.minimum(place, len(members) - 1)]
    ranked = np.sort(scores)
    share = np.searchsorted(ranked, limits, side="right").mean() / len(ranked)
    return float(ranked[max(0, int(np.ceil(share * len(ranked) - TINY)) - 1)])
