"""How often a person's recordings are read right, without the profile and with it.

Each labelled recording is left out in turn, with its copies: it is read by models that know only
the person's other recordings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from emg_llm.evaluation.prediction import Prediction
from emg_llm.profile.profile import NEUTRAL, Profile, ProfileError
from emg_llm.signal.montage import listed
from emg_llm.signal.recording import Recording

LEAST = 2  # recordings of an emotion, so that one is left when the other is read


@dataclass(frozen=True)
class Tally:
    """How many of `n` recordings are read right, before and after the profile."""

    n: int = 0
    before: int = 0
    after: int = 0

    def plus(self, before: bool, after: bool) -> "Tally":
        return Tally(self.n + 1, self.before + before, self.after + after)


@dataclass(frozen=True)
class Figures:
    """The tallies of what is named, by emotion, and by model.

    named: of the emotion that the pipeline names; a withheld one is not right.
    """

    named: Tally = field(default_factory=Tally)
    by_label: dict[str, Tally] = field(default_factory=dict)
    by_model: dict[str, Tally] = field(default_factory=dict)

    def plus(self, label: str, before: Prediction, after: Prediction) -> "Figures":
        """With one more recording, whose emotion is `label`."""

        def right(prediction, model=None):
            if model is None:
                return prediction.label == label
            p = prediction.probabilities.get(model)
            return bool(p) and max(p, key=p.__getitem__) == label

        by_label, by_model = dict(self.by_label), dict(self.by_model)
        both = right(before), right(after)
        by_label[label] = by_label.get(label, Tally()).plus(*both)
        for model in before.probabilities:
            both_of = right(before, model), right(after, model)
            by_model[model] = by_model.get(model, Tally()).plus(*both_of)
        return Figures(self.named.plus(*both), by_label, by_model)

    @property
    def sentence(self) -> str:
        """The accuracy before and after, with the number of recordings."""
        t = self.named
        if not t.n:
            return ""
        before, after = (f"{n} ({100 * n / t.n:.0f} %)" for n in (t.before, t.after))
        return (
            f"Of {t.n} recordings {before} are read right without the profile and {after} with it; "
            "each was read by models that knew only the others."
        )


def left_out(
    pipeline: Any, profile: Profile, open_recording: Callable[[int], Recording]
) -> Iterator[Figures]:
    """The Figures so far after each labelled recording of the profile, if they can be measured.

    pipeline: the EmotionPipeline without a profile. open_recording: from an index of
    `profile.trials` to its recording.
    """
    if why_not(profile):
        return
    figures = Figures()
    for i, trial in enumerate(profile.trials):
        if not trial.label:
            continue
        recording = open_recording(i)
        before = pipeline(recording)
        try:
            after = pipeline.with_profile(profile.without(trial))(recording)
        except ProfileError:  # nothing is left that tells of the person
            after = before
        figures = figures.plus(trial.label, before, after)
        yield figures


def why_not(profile: Profile) -> str:
    """Why no accuracy can be measured, in one sentence, or ""."""
    if sum(n >= LEAST for n in profile.counts.values()) >= 2:
        return ""
    return (
        "There are too few recordings to measure the accuracy: it takes two recordings of at least "
        "two emotions."
    )


def missing(counts: dict[str, int], labels: Sequence[str]) -> list[str]:
    """What would make a profile of so many recordings by label better, a sentence each."""
    some = [label for label in labels if counts.get(label)]
    none = [label for label in labels if not counts.get(label)]
    single = [label for label in some if counts[label] < LEAST]
    sentences = []
    if NEUTRAL in none:
        sentences.append("A neutral recording is missing: it sets the zero of your levels.")
    expressions = [label for label in none if label != NEUTRAL]
    if expressions and len(some) > 1:
        it = "it" if len(expressions) == 1 else "them"
        sentences.append(
            f"No recording of {listed(expressions)}: the models will rarely name {it} once they "
            "have learned the others."
        )
    if single:
        sentences.append(f"A single recording of {listed(single)}: two or three are better.")
    return sentences
