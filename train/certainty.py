"""How sure models of simulated people may be of real ones: factors of their temperatures.

    python train/certainty.py --real faces.csv --people S01 S02 S03 S04

The simulator is fitted to a few real people, so models read these better than others. Here it is
refitted without each of them in turn, an encoder is trained on people simulated with that, and
reads the one left out. One factor of the temperature for each privilege makes these readings as
likely as can be. Writes certainty.json; `train/bundle.py --certainty` puts it into the models.
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
from emg_llm.evaluation.calibration import expected_calibration_error
from emg_llm.evaluation.confidence import fit_temperature, log
from emg_llm.experiments.folds import FoldStore, fingerprint
from emg_llm.experiments.signal_models import encoder_on
from emg_llm.scripts import run
from emg_llm.signal.features import channel_power
from emg_llm.signal.levels import ANY, PRIVILEGES
from emg_llm.signal.montage import FACE
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.simulation import SimulationConfig, simulate, trials
from emg_llm.signal.simulation.anatomy import ANATOMY


@dataclass
class CertaintyArguments:
    """Real people and simulated ones."""

    real: str = field(
        metadata={"help": "Recordings of real people, the first of whom the simulator fits."}
    )
    people: list[str] = field(
        metadata={
            "help": "The people whom the simulator is fitted to; A+B are left out together, as "
            "they may be one person."
        }
    )
    data: str = field(
        default="simulated:subjects=240,trials=2,conditions=varied,diversity=1.4,seed=1",
        metadata={"help": "Simulated people to train on."},
    )
    arch: str = field(default="cnn", metadata={"help": "Architecture of the encoder."})
    epochs: int = field(default=18, metadata={"help": "Passes over the data."})
    seed: int = field(default=0, metadata={"help": "Seed for the split and the training."})
    output_dir: str = field(default="runs/certainty", metadata={"help": "Output folder."})
    fresh: bool = field(default=False, metadata={"help": "Repeat finished trainings."})


def main(args):
    folds = [name.split("+") for name in args.people]
    real = people_of(load_dataset(args.real, montage=FACE), sum(folds, []))
    names, powers = mean_powers(real)
    store, of = FoldStore(Path(args.output_dir) / "folds", args.fresh), {}
    about = {"real": fingerprint(real), "data": args.data, "epochs": args.epochs, "seed": args.seed}
    for left_out in folds:
        change = powers[~np.isin(names, left_out)].mean(axis=0) - powers.mean(axis=0)
        anatomy = ANATOMY.refitted(real.label_names, change)

        def read(left_out=left_out, anatomy=anatomy):
            encoder = train(args, anatomy)
            return readings(encoder, people_of(real, left_out), args.seed)

        name = "+".join(left_out)
        key = {"model": args.arch, "what": "read", "fold": name}
        of[name] = store.recall(read, **key, **about)
    figures = {p: figures_of([arrays_of(arrays, p) for arrays in of.values()]) for p in PRIVILEGES}
    for name, arrays in of.items():
        print(name, {p: figures_of([arrays_of(arrays, p)]) for p in PRIVILEGES})
    print(json.dumps(figures, indent=2))
    with whole(Path(args.output_dir)) as beside:
        (beside / "certainty.json").write_text(json.dumps(figures, indent=2) + "\n")


def people_of(dataset, people):
    """The dataset's recordings of these people."""
    missing = sorted(set(people) - set(dataset.groups))
    if missing:
        raise DatasetError(f"--people: {dataset.name} has nobody named {', '.join(missing)}.")
    return dataset.take(np.flatnonzero(np.isin(dataset.groups, people)))


def mean_powers(dataset):
    """(names of the people, float (people, labels, sites): mean powers in dB)."""
    powers = np.array([channel_power(clean(recording)) for recording in dataset.recordings])
    powers = 10 * np.log10(np.maximum(powers, 1e-3))
    names, labels = sorted(set(dataset.groups)), np.array(dataset.labels)

    def mean(person, label):
        return powers[(dataset.groups == person) & (labels == label)].mean(axis=0)

    return names, np.array([[mean(p, e) for e in dataset.label_names] for p in names])


def train(args, anatomy):
    """An encoder of people simulated with an Anatomy, of any scaling."""
    config = SimulationConfig.parse(args.data)
    each = trials(config)
    recordings = KeptRecordings(len(each), lambda i: simulate(*each[i], config, anatomy))
    dataset = replace(load_dataset(args.data), recordings=recordings)
    dataset = with_known(dataset, ANY, args.seed)
    split = without_neutral(dataset, held_out_split(dataset, args.seed))
    of = args.arch, dataset, split, args.seed, ANY, "combination"
    encoder = encoder_on(*of, epochs=args.epochs)
    p = encoder.ask(dataset, split.scored)
    print("simulated test people:", (p.argmax(axis=1) == dataset.targets[split.scored]).mean())
    return encoder


def readings(encoder, dataset, seed):
    """{privilege: probabilities (n, labels), privilege + " targets": int (n,)} of real people."""
    arrays = {}
    for privilege in PRIVILEGES:
        told = with_known(dataset, privilege, seed)
        rows = np.setdiff1d(np.arange(len(told)), neutral_rows(told))
        arrays[privilege] = encoder.ask(told, rows)
        arrays[f"{privilege} targets"] = told.targets[rows]
    return arrays


def arrays_of(arrays, privilege):
    return arrays[privilege], arrays[f"{privilege} targets"]


def figures_of(readings):
    """The factor of the temperature that suits readings best, and what they are like with it."""
    p, targets = map(np.concatenate, zip(*readings, strict=True))
    factor = fit_temperature(log(p), targets)
    scaled = p ** (1 / factor)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return {
        "factor": factor,
        "accuracy": float((p.argmax(axis=1) == targets).mean()),
        "confidence": float(p.max(axis=1).mean()),
        "ece": expected_calibration_error(p, targets),
        "ece_scaled": expected_calibration_error(scaled, targets),
        "n": len(targets),
    }


def make_parser():
    return TrlParser((CertaintyArguments,))


if __name__ == "__main__":
    run(main, make_parser())
