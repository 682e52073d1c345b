"""Which augmentations help an encoder on new people.

    python benchmarks/augmentation.py --data simulated:subjects=12,trials=2
    python benchmarks/augmentation.py --data manifest.csv --arch tcn --folds 6 --repeats 3

Trains the encoder's network with none, with the defaults, with each augmentation alone, and with
the defaults without each one (or with it, if it isn't a default), on the same folds and seeds.
Finished folds are saved in folds/, so that the same command continues an interrupted run. Writes
augmentation.md and augmentation.csv.
"""

import csv
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm
from trl import TrlParser

from emg_llm.data.datasets import load_dataset
from emg_llm.data.splits import protocol_splits
from emg_llm.encoders import ARCHITECTURES, EncoderConfig
from emg_llm.encoders.augmentation import Augmentation
from emg_llm.encoders.examples import encoder_config, encoder_inputs, recording_embeddings
from emg_llm.encoders.training import EncoderTraining, fit_encoder
from emg_llm.evaluation.statistics import mean_interval, share_interval
from emg_llm.experiments.folds import FoldStore, fingerprint
from emg_llm.scripts import DataArguments, run
from emg_llm.signal.levels import SCALINGS

# Amounts of the augmentations that are off by default.
TRIED = {
    "noise_snr_db": 5.0,
    "drop_channel": 0.1,
    "band_stop": 0.1,
    "rotation": 1,
    "time_shift": 1,
    "time_warp": 0.1,
}
COLUMNS = ("augmentation", "accuracy", "low", "high", "gain", "gain_low", "gain_high")


@dataclass
class SmallData(DataArguments):
    """The data to train on."""

    data: str = field(
        default="simulated:subjects=8,trials=2", metadata={"help": "As in the training scripts."}
    )


@dataclass
class AugmentationArguments:
    """Settings of the comparison."""

    arch: str = field(
        default="cnn", metadata={"help": "Architecture.", "choices": list(ARCHITECTURES)}
    )
    scaling: str = field(
        default=EncoderConfig.scaling,
        metadata={"help": "Reference for levels.", "choices": list(SCALINGS)},
    )
    epochs: int = field(default=EncoderTraining.epochs, metadata={"help": "Passes over the data."})
    folds: int = field(default=4, metadata={"help": "Folds over people."})
    repeats: int = field(default=1, metadata={"help": "Trainings per fold, with different seeds."})
    output_dir: str = field(default="runs/augmentation", metadata={"help": "Output folder."})
    fresh: bool = field(default=False, metadata={"help": "Repeat the folds of an earlier run."})


def main(data, args):
    dataset = load_dataset(data.data, data.labels, data.montage)
    config = encoder_config(args.arch, dataset, scaling=args.scaling)
    splits = list(protocol_splits("grouped_k_fold", dataset, data.seed, folds=args.folds))
    store = FoldStore(Path(args.output_dir) / "folds", args.fresh)
    key = {"data": fingerprint(dataset), "scaling": args.scaling, "epochs": args.epochs}
    trials = [(s, seed) for s in splits for seed in range(data.seed, data.seed + args.repeats)]
    correct = {}  # name -> share of the trainings that classify each recording correctly
    compared = variants()
    with tqdm(total=len(compared) * len(trials), unit="fit", desc=args.arch) as bar:
        for name, settings in compared.items():
            bar.set_postfix_str(name)
            correct[name] = np.zeros(len(dataset))
            for split, seed in trials:
                training = EncoderTraining(
                    epochs=args.epochs, seed=seed, augmentation=settings, lead="deep"
                )
                predicted = store.recall(
                    lambda training=training, split=split: {
                        "probabilities": probabilities(config, dataset, split, training)
                    },
                    model=args.arch,
                    what="augmentation",
                    fold=split.hash,
                    seed=seed,
                    settings=asdict(settings),
                    **key,
                )["probabilities"]
                hit = predicted.argmax(axis=1) == dataset.targets[split.scored]
                correct[name][split.scored] += hit / args.repeats
                bar.update()
    rows = comparison(correct, dataset.groups)
    about = (
        f"{args.arch}, {dataset.name}, {len(dataset)} recordings of "
        f"{len(set(dataset.groups))} people in {len(splits)} folds, {args.repeats} training"
        f"{'s' * (args.repeats > 1)} of {args.epochs} epochs each."
    )
    folder = Path(args.output_dir)
    (folder / "augmentation.md").write_text(markdown(rows, about))
    with (folder / "augmentation.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(markdown(rows, about))
    print(f"Saved to {folder}")


def variants(default=None):
    """{name: Augmentation} to compare, the default first."""
    default = default or Augmentation()
    nothing = Augmentation(**{f.name: type(f.default)(0) for f in fields(Augmentation)})
    amounts = {k: v or TRIED.get(k) for k, v in asdict(default).items()}
    amounts = {k: v for k, v in amounts.items() if v}
    compared = {"default": default, "none": nothing}
    compared |= {f"{k} alone": replace(nothing, **{k: v}) for k, v in amounts.items()}
    for k, v in amounts.items():
        if getattr(default, k):
            compared[f"default without {k}"] = replace(default, **{k: getattr(nothing, k)})
        else:
            compared[f"default with {k}"] = replace(default, **{k: v})
    return compared


def probabilities(config, dataset, split, training):
    """float (scored rows, labels) of an encoder trained on the split's training people."""

    def part(rows):
        return encoder_inputs(dataset, config, rows), dataset.groups[rows]

    inputs, people = part(split.train)
    targets = dataset.targets[split.train]
    encoder = fit_encoder(
        replace(config), inputs, targets, training=training, groups=people, progress=False
    )
    return encoder.classify(recording_embeddings(encoder, *part(split.scored)))


def comparison(correct, groups):
    """Rows of the table: accuracy and gain over the default, intervals over people (0..1)."""
    rows = []
    for name, share in correct.items():
        more = share - correct["default"]
        intervals = share_interval(share, groups), mean_interval(more, groups)
        row = name, share.mean(), *intervals[0], more.mean(), *intervals[1]
        rows.append(dict(zip(COLUMNS, (name, *map(float, row[1:])), strict=True)))
    return rows


def markdown(rows, about):
    """The table as Markdown, in per cent and percentage points."""
    lines = [
        about,
        "",
        "| augmentation | accuracy, % (95 % interval) | against the default, points |",
        "|---|---|---|",
    ]
    for row in rows:
        accuracy, low, high, gain, gain_low, gain_high = (100 * row[c] for c in COLUMNS[1:])
        change = f"{gain:+.1f} ({gain_low:+.1f} to {gain_high:+.1f})"
        change = "–" if row["augmentation"] == "default" else change
        lines.append(
            f"| {row['augmentation']} | {accuracy:.1f} ({low:.1f} to {high:.1f}) | {change} |"
        )
    lines += [
        "",
        "Intervals are over people, by t; the last column has paired differences. Of "
        f"{len(rows) - 1} comparisons, about one in twenty excludes zero by chance.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main, TrlParser((SmallData, AugmentationArguments)))
