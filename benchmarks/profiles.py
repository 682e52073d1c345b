"""Accuracy of what the pipeline names with nothing, a neutral recording or a profile of the person.

    python benchmarks/profiles.py
    python benchmarks/profiles.py --data faces.csv --montage face

The first recordings of each emotion are given, in the order of the data, and those after the first
three are read. "Half" gives three recordings of every other emotion: of the emotions that were
given, and of those that weren't, the accuracy stands apart.
"""

from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm
from trl import TrlParser

from emg_llm.data.datasets import load_dataset
from emg_llm.evaluation.statistics import mean_interval
from emg_llm.pipeline import EmotionPipeline
from emg_llm.profile import Profile
from emg_llm.profile.profile import NEUTRAL, trial
from emg_llm.scripts import run
from emg_llm.signal.once import Prepared

MOST = 3  # recordings of each emotion that are given


@dataclass
class ProfilesArguments:
    """Settings of the benchmark."""

    data: str = field(
        default="simulated:subjects=8,trials=4,seed=5150,conditions=varied,diversity=1.4",
        metadata={"help": "People the models don't know, with more than three recordings each."},
    )
    montage: str | None = field(default=None, metadata={"help": "As for the training scripts."})


def main(args):
    pipeline = EmotionPipeline.from_pretrained()
    dataset = load_dataset(args.data, montage=args.montage)
    figures = {}
    for person in tqdm(np.unique(dataset.groups), desc="people"):
        rows = np.flatnonzero(dataset.groups == person)
        for name, right in of_person(pipeline, dataset, rows).items():
            figures.setdefault(name, []).append(right)
    print(f"| known | accuracy (95 % over {len(figures['nothing'])} people) |\n|---|---|")
    for name, values in figures.items():
        low, high = mean_interval(values, np.arange(len(values)))
        print(f"| {name} | {np.mean(values):.3f} ({low:.3f}–{high:.3f}) |")


def of_person(pipeline, dataset, rows):
    """{what is known: the share of one person's other recordings that is read right}."""
    labels = np.array(dataset.labels)[rows]
    emotions = sorted({*labels})
    place = {i: int(np.flatnonzero(labels[: i + 1] == labels[i]).size) for i in range(len(rows))}
    recordings = [Prepared.of(dataset.recordings[row]) for row in rows]
    read = [i for i in range(len(rows)) if place[i] > MOST]

    def given(n, some=emotions):
        return [i for i in range(len(rows)) if place[i] <= n and labels[i] in some]

    def knowing(chosen, names=None):
        named = labels if names is None else names
        trials = [trial(pipeline, recordings[i], named[i]) for i in chosen]
        return pipeline.with_profile(Profile.with_trials(pipeline, trials, {recordings[0].unit}))

    def right(model, some):
        return float(np.mean([model(recordings[i]).label == labels[i] for i in some]))

    half = emotions[::2]
    half_known = knowing(given(MOST, half))
    inside = [i for i in read if labels[i] in half]
    outside = [i for i in read if labels[i] not in half]
    figures = {"nothing": right(pipeline, read)}
    if NEUTRAL in emotions:
        figures["one neutral recording"] = right(knowing(given(1, [NEUTRAL])), read)
    figures["one of each emotion, unlabelled"] = right(knowing(given(1), [""] * len(rows)), read)
    for n in range(1, MOST + 1):
        figures[f"{n} labelled of each emotion"] = right(knowing(given(n)), read)
    figures["half the emotions: nothing"] = right(pipeline, inside)
    figures["half the emotions: 3 labelled"] = right(half_known, inside)
    figures["the other half: nothing"] = right(pipeline, outside)
    figures["the other half: 3 labelled of the first"] = right(half_known, outside)
    return figures


if __name__ == "__main__":
    run(main, TrlParser((ProfilesArguments,)))
