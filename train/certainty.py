"""How sure models of simulated people may be of real ones: factors of their temperature.

    python train/certainty.py --real fitted.csv --models runs/svm runs/cnn
    python train/certainty.py --factors runs/certainty/certainty.json --models runs/nano-llama2

The simulator is fitted to a few real people, so its models read these better than others. Here it
is refitted without each of them in turn, an encoder is trained on people simulated with that, and
reads the one left out. For each privilege, the factor is the temperature that makes these readings
most likely, but at least 1. Writes certainty.json, and the factors into the models' configurations.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from trl import TrlParser

from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.known import neutral_rows, with_known, without_neutral
from emg_llm.data.lazy import KeptRecordings
from emg_llm.data.splits import held_out_split
from emg_llm.data.whole import whole
from emg_llm.encoders import ARCHITECTURES
from emg_llm.evaluation.calibration import expected_calibration_error
from emg_llm.evaluation.confidence import Confidence, fit_temperature, log
from emg_llm.experiments.folds import FoldStore, fingerprint
from emg_llm.experiments.signal_models import encoder_on
from emg_llm.scripts import run
from emg_llm.signal.features import channel_power
from emg_llm.signal.levels import ANY, PRIVILEGES
from emg_llm.signal.montage import FACE
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.simulation import SimulationConfig, simulate, trials
from emg_llm.signal.simulation.anatomy import ANATOMY, Anatomy

FILE = "certainty.json"


@dataclass
class CertaintyArguments:
    """Real people, the simulated people to train on, and the models that get the factors."""

    real: str | None = field(
        default=None,
        metadata={
            "help": "Recordings of the real people whom the simulator is fitted to (a manifest)."
        },
    )
    people: list[str] | None = field(
        default=None,
        metadata={
            "help": "These people; all by default. A+B are left out together, as may be right for "
            "people who resemble each other like one."
        },
    )
    factors: str | None = field(
        default=None, metadata={"help": f"Take the factors from this {FILE} instead."}
    )
    models: list[str] | None = field(
        default=None, metadata={"help": "Folders of trained models that get the factors."}
    )
    data: str = field(
        default="simulated:subjects=160,trials=2,conditions=varied,diversity=1.4,seed=1",
        metadata={"help": "The simulated people to train on."},
    )
    arch: str = field(
        default="cnn",
        metadata={"help": "Architecture of the encoder.", "choices": list(ARCHITECTURES)},
    )
    epochs: int = field(default=12, metadata={"help": "Passes over the data."})
    seed: int = field(default=0, metadata={"help": "Seed for the split and the training."})
    output_dir: str = field(default="runs/certainty", metadata={"help": "Output folder."})
    fresh: bool = field(default=False, metadata={"help": "Repeat finished trainings."})


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
    real = load_dataset(args.real, montage=FACE)
    if real.recordings is None:
        raise DatasetError(f"--real {args.real} is a feature table; this needs recordings.")
    folds = [name.split("+") for name in args.people or sorted(set(real.groups))]
    if len(folds) < 2:
        raise DatasetError("--people: leaving one out needs two people or more.")
    real = people_of(real, [person for fold in folds for person in fold])
    names, powers = mean_powers(real)
    store, readings = FoldStore(Path(args.output_dir) / "folds", args.fresh), []
    about = {"data": args.data, "epochs": args.epochs, "seed": args.seed}
    for fold in folds:
        change = powers[~np.isin(names, fold)].mean(axis=0) - powers.mean(axis=0)

        def make(fold=fold, change=change):
            encoder = train(args, ANATOMY.refitted(real.label_names, change))
            return read(encoder, people_of(real, fold), args.seed)

        key = {"model": args.arch, "what": "read", "fold": "+".join(fold)}
        readings.append(store.recall(make, **key, **about, real=fingerprint(real)))
    figures = {p: figures_of(*pooled(readings, p)) for p in PRIVILEGES}
    return {"left_out": ["+".join(fold) for fold in folds], **about, "privileges": figures}


def people_of(dataset, people):
    """The dataset's recordings of these people."""
    if missing := sorted(set(people) - set(dataset.groups)):
        raise DatasetError(f"--people: {dataset.name} has nobody named {', '.join(missing)}.")
    return dataset.take(np.flatnonzero(np.isin(dataset.groups, people)))


def mean_powers(dataset):
    """(names of the people, their mean powers in dB, float (people, labels, sites))."""
    powers = np.array([channel_power(clean(recording)) for recording in dataset.recordings])
    powers = 10 * np.log10(np.maximum(powers, 1e-3))
    names, labels = sorted(set(dataset.groups)), np.array(dataset.labels)

    def mean(person, label):
        rows = (dataset.groups == person) & (labels == label)
        if not rows.any():
            raise DatasetError(f"{dataset.name} has no recording of {person} labelled {label}.")
        return powers[rows].mean(axis=0)

    return names, np.array([[mean(p, e) for e in dataset.label_names] for p in names])


def train(args, anatomy: Anatomy):
    """An encoder of any scaling, of people simulated with an Anatomy."""
    config = SimulationConfig.parse(args.data)
    each = trials(config)
    recordings = KeptRecordings(len(each), lambda i: simulate(*each[i], config, anatomy))
    dataset = replace(load_dataset(args.data), recordings=recordings)
    dataset = with_known(dataset, ANY, args.seed)
    split = without_neutral(dataset, held_out_split(dataset, args.seed))
    of = args.arch, dataset, split, args.seed, ANY, "combination"
    return encoder_on(*of, epochs=args.epochs)


def read(encoder, dataset, seed):
    """{privilege: probabilities (n, labels), "PRIVILEGE targets": int (n,)} of real people."""
    arrays = {}
    for privilege in PRIVILEGES:
        told = with_known(dataset, privilege, seed)
        rows = np.setdiff1d(np.arange(len(told)), neutral_rows(told))
        arrays[privilege] = encoder.ask(told, rows)
        arrays[f"{privilege} targets"] = told.targets[rows]
    return arrays


def pooled(readings, privilege):
    """(probabilities, targets) of all who were left out."""
    keys = privilege, f"{privilege} targets"
    return tuple(np.concatenate([arrays[key] for arrays in readings]) for key in keys)


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
