"""Compare simulated faces with real ones: what is alike, and what is still unlike.

    python train/realism.py --real features.csv

The real data is a feature table (`label`, optionally `subject`, and a column of powers in µV² for
each of the eight sites, in the montage's order), such as that of Kołodziej et al., Sensors 2024,
24(15):4785. Simulated people are measured in the same way: powers of a second of a held expression.
Prints a table and writes realism.json. Nothing is trained that is kept.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm
from trl import TrlParser

from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.whole import whole
from emg_llm.scripts import run
from emg_llm.signal.features import channel_power
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import MONTAGE
from emg_llm.signal.simulation import Person, SimulationConfig

TRIALS = 3  # labelled ones of a person, for the nearest neighbour
UNLIKE = 1.5  # times as much or as little; for accuracies, 0.1 more or less


@dataclass
class RealismArguments:
    """What is compared."""

    real: str = field(metadata={"help": "Feature table of real powers, µV²."})
    people: list[str] | None = field(
        default=None, metadata={"help": "Real people to compare with; all by default."}
    )
    subjects: int = field(default=16, metadata={"help": "Simulated people."})
    diversity: float = field(
        default=1.0, metadata={"help": "How much simulated people differ, relative to real ones."}
    )
    seed: int = field(default=0, metadata={"help": "Seed of the simulated people."})
    output_dir: str = field(default="runs/realism", metadata={"help": "Output folder."})


def main(args):
    dataset = load_dataset(args.real)
    if dataset.table is None or dataset.table.shape[1] != len(MONTAGE):
        raise DatasetError(
            f"--real {args.real}: this needs a feature table with the powers of the {len(MONTAGE)} "
            "sites, one column for each."
        )
    rows = np.arange(len(dataset.labels))
    if args.people:
        rows = rows[np.isin(dataset.groups, args.people)]
        if not len(rows):
            raise DatasetError(f"--people: {args.real} has none of {', '.join(args.people)}.")
    labels = np.array(dataset.labels)[rows]
    real = decibel(np.asarray(dataset.table, float)[rows]), labels, dataset.groups[rows]
    n_trials = round(len(rows) / len(np.unique(real[2])) / len(np.unique(labels)))
    config = SimulationConfig(
        subjects=args.subjects,
        seed=args.seed,
        duration=1.0,
        course="held",
        diversity=args.diversity,
    )
    figures = {"real": measure(*real), "simulated": measure(*simulated(config, labels, n_trials))}
    lines = table(figures)
    print("\n".join(lines))
    with whole(Path(args.output_dir)) as beside:
        (beside / "realism.json").write_text(json.dumps(figures, indent=2) + "\n")
        (beside / "realism.md").write_text("\n".join(lines) + "\n")


def simulated(config, labels, n_trials):
    """(powers in dB (n, sites), labels, people) of as many trials as real people have."""
    powers, emotions, people = [], [], []
    for index in tqdm(range(config.subjects), desc="simulating", unit="person"):
        person = Person(index, config)
        for emotion in np.unique(labels):
            for trial in range(n_trials):
                recording = clean(person.record(str(emotion), trial))
                powers.append(channel_power(recording))
                emotions.append(str(emotion))
                people.append(index)
    return decibel(np.array(powers)), np.array(emotions), np.array(people)


def decibel(powers):
    return 10 * np.log10(np.maximum(powers, 1e-3))


def measure(powers, labels, people):
    """Figures of powers (n, sites) in dB re 1 µV², labels (n,) and people (n,)."""
    cells = {
        (person, label): powers[(people == person) & (labels == label)]
        for person in np.unique(people)
        for label in np.unique(labels)
    }
    means = np.array(
        [
            [cells[person, label].mean(axis=0) for label in np.unique(labels)]
            for person in np.unique(people)
        ]
    )  # (people, labels, sites)
    within = np.concatenate([cell - cell.mean(axis=0) for cell in cells.values()])
    low, middle, high = np.percentile(powers, (1, 50, 99))
    of_sites = np.corrcoef((means - means.mean(axis=(0, 1))).reshape(-1, powers.shape[1]).T)
    pairs = np.triu_indices(powers.shape[1], 1)
    by_site = means.mean(axis=(0, 1)) - means.mean()
    figures = {
        "power, 1 % (dB)": low,
        "power, median (dB)": middle,
        "power, 99 % (dB)": high,
        "range of powers (decades)": float(np.ptp(powers)) / 10,
        "spread of people (dB)": float(means.mean(axis=1).std(axis=0).mean()),
        "spread of emotions (dB)": float(means.mean(axis=0).std(axis=0).mean()),
        "spread of one person's emotion against others' (dB)": float(
            (means - means.mean(axis=1, keepdims=True) - means.mean(axis=0)).std(axis=0).mean()
        ),
        "spread of trials (dB)": float(within.std(axis=0).mean()),
        **{f"{site} against all sites (dB)": x for site, x in zip(MONTAGE, by_site, strict=True)},
        "correlation of sites": float(of_sites[pairs].mean()),
        "correlation of sites in trials": float(np.corrcoef(within.T)[pairs].mean()),
    }
    return {name: float(v) for name, v in figures.items()} | accuracies(powers, labels, people)


def accuracies(powers, labels, people):
    """Accuracies of plain classifiers on the log powers."""
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    svm = make_pipeline(StandardScaler(), SVC(C=3))
    names = np.unique(people)
    left_out = cross_val_score(svm, powers, labels, groups=people, cv=LeaveOneGroupOut())
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    figures = {
        "SVM, one person left out": float(left_out.mean()),
        "SVM, least of people": float(left_out.min()),
        "SVM, rows split at random": float(cross_val_score(svm, powers, labels, cv=split).mean()),
        f"nearest of {TRIALS} labelled trials": nearest(powers, labels, people),
    }
    for n in (2, 4):  # the learning curve
        if n < len(names) - 1:
            scores = []
            for k, person in enumerate(names):
                some = np.random.default_rng(k).choice(names[names != person], n, replace=False)
                train, test = np.isin(people, some), people == person
                scores.append(svm.fit(powers[train], labels[train]).score(
                    powers[test], labels[test]
                ))  # fmt: skip
            figures[f"SVM, trained on {n} people"] = float(np.mean(scores))
    return figures


def nearest(powers, labels, people):
    """Accuracy of the nearest of a few labelled trials of the same person."""
    rng, scores = np.random.default_rng(0), []
    for person in np.unique(people):
        rows = np.flatnonzero(people == person)
        drawn = [
            rng.choice(rows[labels[rows] == label], TRIALS, replace=False)
            for label in np.unique(labels[rows])
        ]
        known = np.concatenate(drawn)
        rest = np.setdiff1d(rows, known)
        distance = np.square(powers[rest][:, None] - powers[known]).sum(axis=-1)
        scores.append(np.mean(labels[known][distance.argmin(axis=1)] == labels[rest]))
    return float(np.mean(scores))


def table(figures):
    """Markdown: each figure of real and simulated people, and whether they are alike."""
    lines = ["| | real | simulated | |", "|---|---|---|---|"]
    for name, real in figures["real"].items():
        other = figures["simulated"].get(name)
        if other is not None:
            unlike = _unlike(name, real, other)
            lines.append(f"| {name} | {real:.2f} | {other:.2f} | {'unlike' if unlike else ''} |")
    return lines


def _unlike(name, real, other):
    if "SVM" in name or "nearest" in name or "correlation" in name:
        return abs(real - other) > (0.2 if "correlation" in name else 0.1)
    if name.startswith("power"):
        return abs(real - other) > 5
    if "against all sites" in name:
        return abs(real - other) > 2
    return not 1 / UNLIKE <= other / real <= UNLIKE


def make_parser():
    return TrlParser((RealismArguments,))


if __name__ == "__main__":
    run(main, make_parser())
