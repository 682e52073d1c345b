"""Measure a trained model, or train one afresh for every fold and measure that.

    python train/evaluate.py --model runs/cnn --data simulated
    python train/evaluate.py --model runs/nano-llama2 --encoder runs/cnn --codebook runs/codebook
    python train/evaluate.py --model svm nano-llama2 --data features.csv \\
        --protocol leave_one_subject_out
    python train/evaluate.py --model svm --data features.csv --protocol grouped_k_fold \\
        --folds 4 --controls --channels --learning_curve --few_shot 1 3 5

A folder or Hub id is a trained model: it is measured on the test people that its training
left out, or on all of the data when it was trained on other data. A name (svm, cnn,
nano-llama2) is trained on each fold of the protocol, and each fold is kept in folds/ as it
finishes: the same command goes on where it stopped. Writes results.json, predictions.csv,
results.md, report.html and a CSV of each table, into one folder for each model where there
are several.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from trl import TrlParser

from emg_llm.datasets import load_dataset
from emg_llm.evaluation import FoldStore, headline, save_report, save_results
from emg_llm.experiments import Extras
from emg_llm.recipes import measure_recipe, measure_trained
from emg_llm.splits import PROTOCOLS, protocol_splits
from emg_llm.training import DataArguments, ReadingArguments, load_codec, run


@dataclass
class EvaluationArguments:
    """What is measured, and how."""

    model: list[str] = field(
        metadata={"help": "Trained models (folders, Hub ids), or names to be trained by fold."}
    )
    protocol: str = field(
        default="held_out",
        metadata={"help": "Folds for a model that is named.", "choices": list(PROTOCOLS)},
    )
    folds: int = field(default=4, metadata={"help": "Folds over people, for grouped_k_fold."})
    validation: bool = field(
        default=False,
        metadata={"help": "Keep a fifth of each fold's training people to stop training by."},
    )
    encoder: str | None = field(
        default=None, metadata={"help": "Encoder of an LLM that reads tokens."}
    )
    codebook: str | None = field(
        default=None, metadata={"help": "Codebook of an LLM that reads tokens."}
    )
    output_dir: str = field(
        default="runs/evaluation", metadata={"help": "Where everything is written."}
    )
    fresh: bool = field(
        default=False, metadata={"help": "Repeat folds that an earlier run has finished."}
    )


@dataclass
class ExtraArguments:
    """What is measured besides the score; each costs more training or more asking."""

    controls: bool = field(
        default=Extras.controls,
        metadata={"help": "Train a second time on labels shuffled within the training people."},
    )
    channels: bool = field(
        default=Extras.channels, metadata={"help": "Ask with one channel left at a time."}
    )
    learning_curve: bool = field(
        default=Extras.learning_curve,
        metadata={"help": "Train on 1, 2, 4, … of the training people as well."},
    )
    few_shot: list[int] | None = field(
        default=None,
        metadata={
            "help": "Labelled trials of each label that the new person gives, such as 1 3 5."
        },
    )
    draws: int = field(default=Extras.draws, metadata={"help": "Draws of these trials."})


def main(data, args, reading, more):
    dataset = load_dataset(data.data, data.labels)
    codec = load_codec(args.encoder, args.codebook)
    counts = tuple(sorted(set(more.few_shot or ())))
    extras = Extras(more.controls, more.channels, more.learning_curve, counts, more.draws)
    for model in args.model:
        folder = Path(args.output_dir)
        folder = folder / Path(model).name if len(args.model) > 1 else folder
        if Path(model).is_dir() or "/" in model:
            measured = measure_trained(model, dataset, data.seed, *codec, extras)
        else:
            store = FoldStore(folder / "folds", args.fresh)
            protocol = partial(
                protocol_splits, args.protocol, folds=args.folds, validation=args.validation
            )
            measured = measure_recipe(
                model,
                dataset,
                protocol,
                data.seed,
                extras,
                store,
                scaling=reading.scaling,
                lead=reading.lead,
            )
            if store.reused:
                print(
                    f"{model}: {len(store.reused)} folds are taken from {store.folder}, where an "
                    "earlier run left them; --fresh measures them again."
                )
        results, rows, probabilities = measured
        save_results(
            folder,
            results,
            [dataset.ids[i] for i in rows],
            [dataset.subjects[i] for i in rows],
            dataset.targets[rows],
            probabilities,
        )
        save_report(folder, results)
        print(headline(results), flush=True)
    print(f"Saved to {args.output_dir}")


if __name__ == "__main__":
    run(main, TrlParser((DataArguments, EvaluationArguments, ReadingArguments, ExtraArguments)))
