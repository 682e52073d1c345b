"""Measure a trained model, or train one afresh for every fold and measure that.

    python train/evaluate.py --model runs/cnn --data simulated
    python train/evaluate.py --model runs/nano-llama2 --encoder runs/cnn --codebook runs/codebook
    python train/evaluate.py --model svm nano-llama2 nano-phi3 --data features.csv \\
        --protocol leave_one_subject_out --scaling person --few_shot 3
    python train/evaluate.py --model nano-llama2 nano-phi3 nano-llama3 --data simulated \\
        --bridge text tokens both
    python train/evaluate.py --model svm --data features.csv --protocol grouped_k_fold \\
        --folds 4 --controls --channels --learning_curve --few_shot 1 3 5

A folder or Hub id is a trained model: it is measured on the test people that its training
left out, or on all of the data when it was trained on other data. A name (svm, cnn,
nano-llama2) is trained on each fold of the protocol, and each fold is kept in folds/ as it
finishes: the same command goes on where it stopped. Where a language model reads tokens, the
encoder and the codebook are fitted on the fold too, once for all of them. Writes results.json,
predictions.csv, results.md, report.html and a CSV of each table, into one folder for each model
where there are several, and table.md, table.csv and table.html, which hold them all.
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from trl import TrlParser

from emg_llm.bridge import BRIDGES
from emg_llm.bridge.spelling import SPELLINGS
from emg_llm.data.datasets import load_dataset
from emg_llm.data.splits import PROTOCOLS, protocol_splits
from emg_llm.encoders import ARCHITECTURES
from emg_llm.evaluation.report import save_comparison, save_report
from emg_llm.evaluation.results import headline, save_results
from emg_llm.experiments.extras import Extras
from emg_llm.experiments.fitted import FoldTraining
from emg_llm.experiments.folds import FoldStore
from emg_llm.experiments.language_models import Material
from emg_llm.experiments.measure import measure_recipe, measure_trained
from emg_llm.registry import REGISTRY
from emg_llm.scripts import DataArguments, ReadingArguments, load_codec, run


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
        default=None, metadata={"help": "Encoder of a trained LLM that reads tokens."}
    )
    codebook: str | None = field(
        default=None, metadata={"help": "Codebook of a trained LLM that reads tokens."}
    )
    output_dir: str = field(
        default="runs/evaluation", metadata={"help": "Where everything is written."}
    )
    fresh: bool = field(
        default=False, metadata={"help": "Repeat folds that an earlier run has finished."}
    )


@dataclass
class LlmArguments:
    """How language models that are named are fine-tuned on a fold."""

    bridge: list[str] = field(
        default_factory=lambda: [FoldTraining.bridge],
        metadata={"help": "How EMG gets into them.", "choices": list(BRIDGES)},
    )
    arch: str = field(
        default=FoldTraining.arch,
        metadata={"help": "Encoder whose codes they read.", "choices": list(ARCHITECTURES)},
    )
    variants: int = field(
        default=FoldTraining.variants,
        metadata={"help": "How often a training recording comes, each time a little varied."},
    )
    follow_ups: int = field(
        default=FoldTraining.follow_ups,
        metadata={"help": "Questions about the recording after its emotion."},
    )
    epochs: float | None = field(
        default=FoldTraining.epochs, metadata={"help": "Epochs (default: what suits the LLM)."}
    )
    batch_size: int | None = field(
        default=FoldTraining.batch_size,
        metadata={"help": "Conversations read at once (default: what suits the LLM)."},
    )
    learning_rate: float | None = field(
        default=FoldTraining.learning_rate,
        metadata={"help": "Learning rate (default: what suits the LLM)."},
    )
    spelling: str | None = field(
        default=FoldTraining.spelling,
        metadata={
            "help": "How they read codes (default: what suits the LLM): new tokens, or spelled "
            "with tokens that they have.",
            "choices": list(SPELLINGS),
        },
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
    replies: int = field(
        default=Extras.replies,
        metadata={"help": "Questions to an LLM, in each fold, whose answers are checked."},
    )
    answers: int = field(
        default=200, metadata={"help": "Bare prompts, in each fold, that an LLM answers freely."}
    )


def main(data, args, reading, llms, more):
    dataset = load_dataset(data.data, data.labels)
    codec = load_codec(args.encoder, args.codebook)
    counts = tuple(sorted(set(more.few_shot or ())))
    extras = Extras(
        *(more.controls, more.channels, more.learning_curve, counts, more.draws),
        *(more.replies, more.answers),
    )
    root = Path(args.output_dir)
    material = Material(root / "folds")
    protocol = partial(protocol_splits, args.protocol, folds=args.folds, validation=args.validation)
    jobs, found = named_jobs(args.model, llms.bridge), {}
    for name, model, bridge in jobs:
        folder = root / name if len(jobs) > 1 else root
        if is_trained(model):
            measured = measure_trained(model, dataset, data.seed, *codec, extras)
        else:
            store = FoldStore(folder / "folds", args.fresh)
            how = FoldTraining(**(asdict(reading) | asdict(llms) | {"bridge": bridge}))
            measured = measure_recipe(
                model, dataset, protocol, data.seed, extras, store, how, material
            )
            if store.reused:
                print(
                    f"{name}: {len(store.reused)} folds are taken from {store.folder}, where an "
                    "earlier run left them; --fresh measures them again."
                )
        results, rows, probabilities = measured
        found[name] = results
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
        if len(jobs) > 1:  # after each: an interrupted run leaves what it has
            save_comparison(root, found)
    if len(jobs) > 1:
        print((root / "table.md").read_text())
    print(f"Saved to {root}")


def is_trained(model):
    return Path(model).is_dir() or "/" in model


def named_jobs(models, bridges):
    """[(folder's name, model, bridge)]; a language model that is named comes once a bridge."""
    jobs = {}
    for bridge in dict.fromkeys(bridges):
        for model in models:
            name = Path(model).name
            if model in REGISTRY and not is_trained(model):
                name = f"{name}-{bridge}" if len(bridges) > 1 else name
            jobs.setdefault(name, (name, model, bridge))  # all else reads no bridge
    return list(jobs.values())


def make_parser():
    arguments = DataArguments, EvaluationArguments, ReadingArguments, LlmArguments, ExtraArguments
    return TrlParser(arguments)


if __name__ == "__main__":
    run(main, make_parser())
