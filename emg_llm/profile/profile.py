"""A Profile: the features of a person's few recordings, and the file that keeps them.

    profile = Profile.of(pipeline, recordings, labels)
    profile.save("me.json")
    mine = EmotionPipeline.from_pretrained(profile="me.json")

It holds what the models compute from each recording, some 400 numbers, and its label: no signal and
no name. Neutral recordings, or else several of any kind, are the zero of the person's levels; the
encoders learn the labelled ones.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch

from emg_llm.bridge.base import powers_there
from emg_llm.encoders.base import EmgEncoder
from emg_llm.signal.montage import listed
from emg_llm.signal.once import Prepared
from emg_llm.signal.recording import Recording
from emg_llm.svm import EmotionSVM

KIND, VERSION = "emg-llm profile", 1
MOST = 200  # recordings
MOST_BYTES = 8 * 2**20
NEUTRAL = "neutral"
DIGITS = 6  # of the numbers in the file
UNITS = {"uV": "µV", "a.u.": "an unknown unit"}
POWERS, SVM = "powers", "svm"


class ProfileError(ValueError):
    """A profile that can't be made or used; the message says what to do about it."""


class Models(Protocol):
    """What a profile is made with, such as an EmotionPipeline."""

    svm: EmotionSVM
    encoders: dict[str, EmgEncoder]
    labels: tuple[str, ...]

    @property
    def sites(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, eq=False)
class Trial:
    """What a profile keeps of one recording.

    label: its emotion, "" where unknown. facts: by who reads them, float64 arrays, NaN where a site
    has no signal: "powers" (sites,), in the profile's unit squared; "svm" (features,); an encoder's
    offset (levels,).
    """

    label: str
    facts: Mapping[str, np.ndarray]

    def same(self, other: "Trial") -> bool:
        """Whether both are of the same recording, or of exact copies."""
        return np.array_equal(self.facts[POWERS], other.facts[POWERS], equal_nan=True)


@dataclass(frozen=True, eq=False)
class Profile:
    """What was learned of one person.

    trials: of each recording. sites: that the models read. unit: of the signals. models: a
    fingerprint for each model whose features it holds.
    """

    trials: tuple[Trial, ...]
    sites: tuple[str, ...]
    unit: str
    models: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.zero[1] and not self.learns:
            raise ProfileError(
                "These recordings tell nothing of a person yet: give a neutral one, or recordings "
                "of two emotions or more."
            )

    @classmethod
    def of(
        cls, models: Models, recordings: Sequence[Recording], labels: Sequence[str | None]
    ) -> Self:
        """The profile of a person's recordings; labels: the emotion of each, None or "" if unknown.

        Raises ProfileError, or RecordingError for one that the models can't read.
        """
        trials = [
            trial(models, recording, label)
            for recording, label in zip(recordings, labels, strict=True)
        ]
        return cls.with_trials(models, trials, {recording.unit for recording in recordings})

    @classmethod
    def with_trials(cls, models: Models, trials: Sequence[Trial], units: set[str]) -> Self:
        """The profile of trials whose signals were in `units`, of which there may be one."""
        if not trials:
            raise ProfileError("A profile needs a recording; give a neutral one, at least.")
        if len(trials) > MOST:
            raise ProfileError(f"A profile holds at most {MOST} recordings, not {len(trials)}.")
        if len(units) > 1:
            named = listed([UNITS[unit] for unit in sorted(units)])
            raise ProfileError(
                f"The recordings are in {named}, and a profile needs one unit: state the unit of "
                "all."
            )
        return cls(tuple(trials), models.sites, min(units), fingerprints(models))

    @property
    def labelled(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if trial.label)

    @property
    def counts(self) -> dict[str, int]:
        """label -> how many recordings have it."""
        labels = [trial.label for trial in self.labelled]
        return {label: labels.count(label) for label in sorted({*labels})}

    @property
    def learns(self) -> bool:
        """Whether the encoders can learn its labels, which takes two of them."""
        return len(self.counts) > 1

    @cached_property
    def zero(self) -> tuple[str, tuple[Trial, ...]]:
        """(which of KNOWN, the trials) that are the zero of the person's levels; none if one
        expression is all that is known."""
        if neutral := tuple(trial for trial in self.trials if trial.label == NEUTRAL):
            return "neutral", neutral
        if len(self.trials) > 1 and len({trial.label for trial in self.trials} | {""}) > 2:
            return "several", self.trials
        unlabelled = tuple(trial for trial in self.trials if not trial.label)
        return ("several", unlabelled) if len(unlabelled) > 1 else ("", ())

    def without(self, left_out: Trial) -> Self:
        """The profile without a trial and its copies. Raises ProfileError if nothing is left."""
        return replace(self, trials=tuple(t for t in self.trials if not t.same(left_out)))

    def facts(self, reader: str, trials: Sequence[Trial]) -> np.ndarray:
        """float64 (trials, …): one of the facts of some trials."""
        return np.stack([trial.facts[reader] for trial in trials])

    @property
    def sentence(self) -> str:
        """What it holds, in one sentence."""
        n, privilege = len(self.trials), self.zero[0]
        parts = [f"{n} recording{'s' * (n != 1)}"]
        if self.learns:
            parts[0] += f" of {len(self.counts)} emotions"
        if privilege == "neutral":
            parts.append("neutral as the zero")
        elif privilege:
            parts.append("their median as the zero")
        return f"{', '.join(parts)}."

    def check(self, models: Models) -> None:
        """Raise ProfileError if it wasn't made with these models, or not for their sites."""
        if tuple(self.sites) != tuple(models.sites):
            raise ProfileError(
                f"The profile was made for {len(self.sites)} sites ({listed(list(self.sites)[:3])}"
                f", …) and these models read {len(models.sites)} ({listed(list(models.sites)[:3])}"
                ", …); make it again with these models."
            )
        mine, theirs = dict(self.models), fingerprints(models)
        if mine != theirs:
            other = sorted(k for k in {*mine, *theirs} if mine.get(k) != theirs.get(k))
            raise ProfileError(
                f"The profile was made with other models ({listed(other)} differ); make it again "
                "from your recordings."
            )
        if unknown := sorted({*self.counts} - {*models.labels}):
            raise ProfileError(
                f"The profile has recordings of {listed(unknown)}, which the models don't know; "
                "make it again with these models."
            )

    def unfit(self, recording: Recording) -> str:
        """Why a recording can't be read with this profile, in one sentence, or ""."""
        if recording.unit == self.unit:
            return ""
        return (
            f"The profile in use was made from signals in {UNITS[self.unit]} and this recording is "
            f"in {UNITS[recording.unit]}: state its unit, or drop the profile."
        )

    def to_json(self) -> str:
        """The text of its file."""
        trials = [
            {"label": t.label, "facts": {k: _plain(v) for k, v in t.facts.items()}}
            for t in self.trials
        ]
        about = {"kind": KIND, "version": VERSION, "models": dict(self.models)}
        about |= {"sites": list(self.sites), "unit": self.unit, "zero": self.zero[0]}
        lines = ",\n".join(json.dumps(trial) for trial in trials)
        return f'{json.dumps(about, indent=1)[:-2]},\n "recordings": [\n{lines}\n ]\n}}\n'

    def save(self, path: str | Path) -> None:
        """Write it as one JSON file. Raises ProfileError if that fails."""
        try:
            Path(path).write_text(self.to_json(), encoding="utf-8")
        except OSError as error:
            raise ProfileError(f"{path} can't be written ({error.strerror}).") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A saved profile. Raises ProfileError for a missing, damaged or foreign file."""
        name = Path(path).name
        try:
            if Path(path).stat().st_size > MOST_BYTES:
                raise ProfileError(f"{name} is too large for a profile; choose the file again.")
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError:
            raise ProfileError(
                f"{name} can't be opened; check that it exists and is readable."
            ) from None
        except (ValueError, RecursionError) as error:
            if isinstance(error, ProfileError):
                raise
            values = None
        if not isinstance(values, dict) or values.get("kind") != KIND:
            raise ProfileError(
                f"{name} is not a profile; choose a file that was saved under Your face or by "
                "`python -m emg_llm profile`."
            )
        if values.get("version") != VERSION:
            raise ProfileError(
                f"{name} is a profile of version {str(values.get('version'))[:20]}, and this "
                f"program reads version {VERSION}; make it again."
            )
        try:
            return cls._of(values)
        except ProfileError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise ProfileError(f"{name} is a damaged profile; make it again.") from None

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        sites, unit, models = values["sites"], values["unit"], values["models"]
        texts = [unit, *sites, *models, *models.values()]
        if unit not in UNITS or not isinstance(sites, list) or not all(map(_is_text, texts)):
            raise ValueError
        trials = tuple(_trial(each, models) for each in values["recordings"])
        shapes = {tuple(sorted((k, v.shape) for k, v in trial.facts.items())) for trial in trials}
        if not 0 < len(trials) <= MOST or len(shapes) != 1:
            raise ValueError
        if trials[0].facts[POWERS].shape != (len(sites),):
            raise ValueError
        return cls(trials, tuple(sites), unit, models)


def trial(models: Models, recording: Recording, label: str | None) -> Trial:
    """What a profile keeps of a recording. Raises ProfileError or RecordingError."""
    label = label or ""
    if label and label not in models.labels:
        raise ProfileError(
            f"The models don't know the emotion {label[:40]!r}; use one of "
            f"{', '.join(models.labels)}."
        )
    recording = Prepared.of(recording)
    facts = {
        POWERS: powers_there([recording], models.sites)[0],
        SVM: models.svm.facts(recording),
    }
    with torch.inference_mode():
        for arch, encoder in models.encoders.items():
            facts[arch] = encoder.offset(*encoder.config.front(recording)).cpu().numpy()
    # As the file has them, so that a profile reads the same before it is saved and after.
    return Trial(label, {reader: _rounded(values) for reader, values in facts.items()})


def fingerprints(models: Models) -> dict[str, str]:
    """For each model whose features a profile holds, what must be the same to use them."""
    encoders = {arch: encoder.fingerprint for arch, encoder in models.encoders.items()}
    return {SVM: models.svm.fingerprint} | encoders


def _trial(values, models):
    facts = {
        reader: np.array([np.nan if v is None else v for v in row], np.float64)
        for reader, row in values["facts"].items()
    }
    whole = {POWERS, *models}
    if facts.keys() != whole or any(v.ndim != 1 or np.isinf(v).any() for v in facts.values()):
        raise ValueError
    if not _is_text(values["label"]):
        raise ValueError
    return Trial(values["label"], facts)


def _is_text(value):
    return isinstance(value, str) and len(value) < 100


def _rounded(values):
    return np.array([float(f"{v:.{DIGITS}g}") for v in np.asarray(values, np.float64)])


def _plain(values):
    return [None if np.isnan(v) else v for v in values.tolist()]
