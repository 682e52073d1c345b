"""How sure models of simulated people may be of real ones: factors of their temperature.

    python train/certainty.py --real features.csv --people S01 S02 S03 S04 --models runs/cnn
    python train/certainty.py --factors runs/certainty/certainty.json --models runs/nano-llama2

The simulator is fitted to a few real people, so its models read these better than others. Here it
is refitted without each of them in turn, and an SVM of the powers of people simulated with that
reads the one left out. For each privilege, the factor is the temperature that makes these readings
most likely, but at least 1. Writes certainty.json, and the factors into the models' configurations.
The real data is a feature table as for `train/realism.py`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm
from trl import TrlParser

from emg_llm.data.datasets import Dataset, DatasetError, load_dataset
from emg_llm.data.known import neutral_rows, with_known, without_neutral
from emg_llm.data.splits import held_out_split
from emg_llm.data.whole import whole
from emg_llm.evaluation.calibration import expected_calibration_error
from emg_llm.evaluation.confidence import Confidence, fit_temperature, log
from emg_llm.experiments.signal_models import svm_on
from emg_llm.scripts import run
from emg_llm.signal.levels import ANY, PRIVILEGES
from emg_llm.signal.recording import EMOTIONS, MONTAGE
from emg_llm.signal.simulation import Person, SimulationConfig, person_name, trials
from emg_llm.signal.simulation.anatomy import ANATOMY

FILE = "certainty.json"
DRAWS = 4  # of what is known of a person, for each SVM


@dataclass
class CertaintyArguments:
    """Real people, the simulated people to train on, and the models that get the factors."""

    real: str | None = field(
        default=None, metadata={"help": "Feature table of real powers, µV², with all emotions."}
    )
    people: list[str] | None = field(
        default=None,
        metadata={
            "help": "The people whom the simulator is fitted to; all by default. A+B are left out "
            "together, as may be right for people who resemble each other like one."
        },
    )
    factors: str | None = field(
        default=None, metadata={"help": f"Take the factors from this {FILE} instead."}
    )
    models: list[str] | None = field(
        default=None, metadata={"help": "Folders of trained models that get the factors."}
    )
    subjects: int = field(default=60, metadata={"help": "Simulated people for each SVM."})
    diversity: float = field(
        default=1.4, metadata={"help": "How much they differ, relative to real people."}
    )
    repeats: int = field(default=3, metadata={"help": "SVMs without each person."})
    seed: int = field(default=0, metadata={"help": "Seed of the simulated people."})
    output_dir: str = field(default="runs/certainty", metadata={"help": "Output folder."})


def main(args):
    if bool(args.real) == bool(args.factors):
        raise DatasetError("Give either --real, to learn the factors, or --factors, to take them.")
    if args.factors:
        found = json.loads(Path(args.factors).read_text())
    else:
        found = measured(args)
        with whole(Path(args.output_dir)) as beside:
            (beside / FILE).write_text(json.dumps(found, indent=2) + "\n")
    for folder in args.models or ():
        put_into(Path(folder), [found["privileges"][p]["factor"] for p in PRIVILEGES])
    for privilege, figures in found["privileges"].items():
        print(privilege, *(f"{name} {value:.3f}" for name, value in figures.items()), sep=", ")


def measured(args):
    """The contents of FILE."""
    real = load_dataset(args.real)
    if real.table is None or real.table.shape[1] != len(MONTAGE):
        raise DatasetError(
            f"--real {args.real}: this needs a feature table with the powers of the {len(MONTAGE)} "
            "sites, one column for each."
        )
    folds = [name.split("+") for name in args.people or sorted(set(real.groups))]
    if len(folds) < 2:
        raise DatasetError("--people: leaving one out needs two people or more.")
    real = people_of(real, [person for fold in folds for person in fold])
    names, powers = mean_powers(real)
    readings = []
    for fold in tqdm(folds, desc="leaving out", unit="fold"):
        change = powers[~np.isin(names, fold)].mean(axis=0) - powers.mean(axis=0)
        anatomy = ANATOMY.refitted(real.label_names, change)
        for repeat in range(args.repeats):
            settings = {"trials": 2, "diversity": args.diversity, "seed": args.seed + repeat}
            config = SimulationConfig(subjects=args.subjects, **settings)
            svm = train(config, anatomy, real.columns)
            readings += [read(svm, people_of(real, fold), draw) for draw in range(DRAWS)]
    figures = {p: figures_of(*pooled(readings, p)) for p in PRIVILEGES}
    about = {k: getattr(args, k) for k in ("subjects", "diversity", "repeats", "seed")}
    return {"left_out": ["+".join(fold) for fold in folds], **about, "privileges": figures}


def people_of(dataset, people):
    """The dataset's rows of these people."""
    if missing := sorted(set(people) - set(dataset.groups)):
        raise DatasetError(f"--people: {dataset.name} has nobody named {', '.join(missing)}.")
    return dataset.take(np.flatnonzero(np.isin(dataset.groups, people)))


def mean_powers(dataset):
    """(names of the people, their mean powers in dB, float (people, labels, sites))."""
    powers, labels = 10 * np.log10(np.maximum(dataset.table, 1e-3)), np.array(dataset.labels)
    names = sorted(set(dataset.groups))

    def mean(person, label):
        rows = (dataset.groups == person) & (labels == label)
        if not rows.any():
            raise DatasetError(f"{dataset.name} has no row of {person} labelled {label}.")
        return powers[rows].mean(axis=0)

    return names, np.array([[mean(p, e) for e in dataset.label_names] for p in names])


def train(config, anatomy, columns):
    """A Fitted SVM of any scaling, of the powers of people simulated with an Anatomy."""
    faces = [Person(k, config, anatomy).face for k in range(config.subjects)]
    each, table = trials(config), []
    for emotion, person, trial in each:
        rng = np.random.default_rng((config.seed, person, EMOTIONS.index(emotion), trial))
        table.append(faces[person].expression(emotion, rng).powers())
    ids = tuple(f"row {i}" for i in range(len(each)))
    people = tuple(person_name(config, person) for _, person, _ in each)
    about = "simulated powers", ids, tuple(emotion for emotion, _, _ in each), people
    dataset = with_known(Dataset(*about, table=np.array(table), columns=columns), ANY, config.seed)
    split = without_neutral(dataset, held_out_split(dataset, config.seed))
    return svm_on(dataset, split, config.seed, ANY)


def read(svm, dataset, seed):
    """{privilege: (probabilities (n, labels), targets int (n,))} of real people."""
    readings = {}
    for privilege in PRIVILEGES:
        told = with_known(dataset, privilege, seed)
        rows = np.setdiff1d(np.arange(len(told)), neutral_rows(told))
        readings[privilege] = svm.ask(told, rows), told.targets[rows]
    return readings


def pooled(readings, privilege):
    """(probabilities, targets) of all who were left out."""
    return map(np.concatenate, zip(*(each[privilege] for each in readings), strict=True))


def figures_of(p, targets):
    """The factor that suits probabilities (n, labels) best, and their figures with and without."""
    factor = max(1.0, fit_temperature(log(p), targets))
    scaled = Confidence(factor).probabilities(log(p))
    return {
        "factor": factor,
        "accuracy": float((p.argmax(axis=1) == targets).mean()),
        "confidence": float(p.max(axis=1).mean()),
        "ece": expected_calibration_error(p, targets),
        "ece_scaled": expected_calibration_error(scaled, targets),
    }


def put_into(folder, factors):
    """Write the factors, in the order of PRIVILEGES, into a saved model's configuration."""
    file = folder / "config.json"
    if not file.is_file():
        raise DatasetError(f"--models {folder}: there is no config.json, so no trained model.")
    config = json.loads(file.read_text())
    if "confidence" not in config:
        raise DatasetError(f"--models {folder}: its config.json has no confidence; train it anew.")
    config["confidence"]["real"] = list(factors)
    file.write_text(json.dumps(config, indent=2) + "\n")


def make_parser():
    return TrlParser((CertaintyArguments,))


if __name__ == "__main__":
    run(main, make_parser())
