"""Evaluate a trained model, or train a kind of model on every fold and evaluate that.

    python train/evaluate.py --model runs/cnn --data simulated
    python train/evaluate.py --model runs/cnn --data manifest.csv --scaling neutral
    python train/evaluate.py --model runs/nano-llama2 --encoder runs/cnn --codebook runs/codebook
    python train/evaluate.py --model svm nano-llama2 nano-phi3 --data features.csv \\
        --protocol leave_one_subject_out --scaling person --few_shot 3
    python train/evaluate.py --model nano-llama2 nano-phi3 nano-llama3 --data simulated \\
        --bridge text tokens both
    python train/evaluate.py --model svm --data features.csv --protocol grouped_k_fold \\
        --folds 4 --controls --channels --learning_curve --few_shot 1 3 5

A folder or Hub id is a trained model: it is evaluated on its held-out test people, or on everybody
it hasn't learned from if the data is other than its own, whatever its name; --scaling is what a
model of scaling "any" is told of these people. NAME=http://HOST:PORT/v1#MODEL is a language model
on a server, evaluated on all recordings, or on those marked as test. A name (svm, cnn,
nano-llama2) is trained on each fold of the protocol. Finished folds are saved in folds/, so that
the same command continues an interrupted run.
For language models that read tokens, an encoder and a codebook are fitted on each fold and shared.
Writes results.json, predictions.csv, results.md, report.html and a CSV of each table; for several
models, each gets its own folder, and so does the mean of the language models, and table.md,
table.csv and table.html compare them.
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from trl import TrlParser

from emg_llm.bridge import BRIDGES
from emg_llm.bridge.spelling import SPELLINGS
from emg_llm.data.datasets import load_dataset
from emg_llm.data.splits import PROTOCOLS, protocol_splits
from emg_llm.data.whole import whole
from emg_llm.encoders import ARCHITECTURES
from emg_llm.evaluation.comparison import save_comparison
from emg_llm.evaluation.report import REPORT, save_report
from emg_llm.evaluation.results import headline, save_results
from emg_llm.experiments.asked import load_questions, questions_answered
from emg_llm.experiments.extras import Extras
from emg_llm.experiments.fitted import FoldTraining
from emg_llm.experiments.folds import FoldStore
from emg_llm.experiments.language_models import Material
from emg_llm.experiments.mean import mean_of
from emg_llm.experiments.measure import measure_recipe, measure_trained
from emg_llm.experiments.results import Measured
from emg_llm.hub.client import resolve
from emg_llm.hub.saved import read_json
from emg_llm.llms.model import EmgLLM
from emg_llm.pipeline import EmotionPipeline
from emg_llm.registry import MEAN, REGISTRY, is_served
from emg_llm.scripts import DataArguments, ReadingArguments, load_codec, run


@dataclass
class EvaluationArguments:
    """Models, protocol and output."""

    model: list[str] = field(
        metadata={
            "help": "Trained models (folders, Hub ids), names to train on each fold, or models on "
            "a server with OpenAI's API (NAME=http://HOST:PORT/v1#MODEL)."
        }
    )
    protocol: str = field(
        default="held_out",
        metadata={"help": "Protocol for models given by name.", "choices": list(PROTOCOLS)},
    )
    folds: int = field(default=4, metadata={"help": "Folds over people, for grouped_k_fold."})
    validation: bool = field(
        default=False,
        metadata={"help": "Hold out a fifth of each fold's training people for early stopping."},
    )
    encoder: str | None = field(
        default=None, metadata={"help": "Encoder for a trained LLM that reads tokens."}
    )
    codebook: str | None = field(
        default=None, metadata={"help": "Codebook for a trained LLM that reads tokens."}
    )
    output_dir: str = field(default="runs/evaluation", metadata={"help": "Output folder."})
    fresh: bool = field(default=False, metadata={"help": "Repeat the folds of an earlier run."})


@dataclass
class LlmArguments:
    """How to fine-tune language models, given by name, on a fold."""

    bridge: list[str] = field(
        default_factory=lambda: [FoldTraining.bridge],
        metadata={"help": "How EMG gets into the LLM.", "choices": list(BRIDGES)},
    )
    arch: str = field(
        default=FoldTraining.arch,
        metadata={"help": "Encoder that makes the codes.", "choices": list(ARCHITECTURES)},
    )
    variants: int = field(
        default=FoldTraining.variants,
        metadata={"help": "Conversations per training recording, each slightly varied."},
    )
    follow_ups: int = field(
        default=FoldTraining.follow_ups,
        metadata={"help": "Further questions about the recording, after the emotion."},
    )
    epochs: float | None = field(default=FoldTraining.epochs, metadata={"help": "Epochs."})
    batch_size: int | None = field(
        default=FoldTraining.batch_size,
        metadata={"help": "Conversations per batch (default: depends on the LLM)."},
    )
    learning_rate: float | None = field(
        default=FoldTraining.learning_rate,
        metadata={"help": "Learning rate (default: depends on the LLM)."},
    )
    spelling: str | None = field(
        default=FoldTraining.spelling,
        metadata={
            "help": "Codes as new tokens, or spelled with existing ones (default: depends on the "
            "LLM).",
            "choices": list(SPELLINGS),
        },
    )


@dataclass
class ExtraArguments:
    """What to measure besides the score; each takes more training or more inference."""

    controls: bool = field(
        default=Extras.controls,
        metadata={
            "help": "Ask about other recordings and about noise with each one's powers; a named "
            "kind of model is trained again, on labels shuffled within the training people."
        },
    )
    channels: bool = field(default=Extras.channels, metadata={"help": "Score each channel alone."})
    learning_curve: bool = field(
        default=Extras.learning_curve,
        metadata={"help": "Train again, on 1, 2, 4, … of the training people."},
    )
    few_shot: list[int] | None = field(
        default=None,
        metadata={
            "help": "Numbers of labelled trials per label from the new person, such as 1 3 5."
        },
    )
    draws: int = field(default=Extras.draws, metadata={"help": "Random draws of these trials."})
    replies: int = field(
        default=Extras.replies,
        metadata={"help": "Chat replies of an LLM to fact-check, in each fold."},
    )
    questions: str | None = field(
        default=None,
        metadata={
            "help": "Questions with rules (JSONL), such as tests/questions.jsonl, put to trained "
            "LLMs in the demo's chat."
        },
    )
    answers: int = field(
        default=200, metadata={"help": "Free answers of an LLM to bare prompts, in each fold."}
    )
    inputs: int = field(
        default=200,
        metadata={"help": "Recordings to score with one input of an LLM changed, in each fold."},
    )


def main(data, args, reading, llms, more):
    dataset = load_dataset(data.data, data.labels, data.montage)
    codec = load_codec(args.encoder, args.codebook)
    counts = tuple(sorted(set(more.few_shot or ())))
    extras = Extras(
        *(more.controls, more.channels, more.learning_curve, counts, more.draws),
        *(more.replies, more.answers, more.inputs),
    )
    root = Path(args.output_dir)
    material = Material(root / "folds")
    protocol = partial(protocol_splits, args.protocol, folds=args.folds, validation=args.validation)
    questions = load_questions(more.questions) if more.questions else ()
    jobs, results_of, scored = named_jobs(args.model, llms.bridge), {}, {}
    llms_measured = {}

    def report(folder, name, results, rows, probabilities):
        results_of[name] = results
        correct = probabilities.argmax(axis=1) == dataset.targets[rows]
        scored[name] = rows, correct, dataset.groups[rows]
        with whole(folder, owns=REPORT) as beside:
            save_results(
                beside,
                results,
                [dataset.ids[i] for i in rows],
                [dataset.subjects[i] for i in rows],
                dataset.targets[rows],
                probabilities,
            )
            save_report(beside, results)
        print(headline(results), flush=True)
        if "questions" in results:
            print(f"{name}: {results['questions']['answered']:.1%} of the questions answered")
        if len(jobs) > 1:  # after each model: an interrupted run leaves a table
            with whole(root) as beside:
                save_comparison(beside, results_of, scored)

    for name, model, bridge in jobs:
        folder = root / name if len(jobs) > 1 else root
        measured = Measured(dataset, data.seed)
        if is_trained(model):
            of = model, dataset, data.seed, *codec, extras, measured
            outcome = measure_trained(*of, scaling=reading.scaling)
        else:
            store = FoldStore(folder / "folds", args.fresh)
            how = FoldTraining(**(asdict(reading) | asdict(llms) | {"bridge": bridge}))
            outcome = measure_recipe(
                model, dataset, protocol, data.seed, extras, store, how, material, measured
            )
            if store.reused:
                print(
                    f"{name}: {len(store.reused)} folds are taken from {store.folder}, saved by an "
                    "earlier run; --fresh repeats them."
                )
        results, rows, probabilities = outcome
        if questions and is_trained(model) and is_llm(model):
            results["questions"] = questions_of(model, questions, codec)
        if left_out := results["protocol"].get("left_out"):
            print(f"{name}: {left_out} recordings of people it has learned from are left out.")
        report(folder, name, results, rows, probabilities)
        if "no_emg" in results["controls"]:  # language models alone have it
            llms_measured[name] = measured
    if len(llms_measured) > 1 and _same_rows(llms_measured.values()):
        mean = mean_of(list(llms_measured.values()))
        results = mean.results(MEAN, results_of[next(iter(llms_measured))]["protocol"])
        if mean.confidence:
            results["confidence"] = mean.confidence.to_dict()
        report(root / "mean", MEAN, results, *mean.scored)
    if len(jobs) > 1:
        print((root / "table.md").read_text())
    print(f"Saved to {root}")


def _same_rows(models):
    rows = [measured.scored[0] for measured in models]
    return all(np.array_equal(rows[0], others) for others in rows)


def is_trained(model):
    return is_served(model) or Path(model).is_dir() or "/" in model


def is_llm(model):
    if is_served(model):
        return False
    return read_json(resolve(model) / "config.json").get("kind") == "emg-llm-adapter"


def questions_of(model, questions, codec):
    """How many questions the demo's chat answers with an adapter, see `questions_answered`."""
    llm = EmgLLM.from_pretrained(model, *codec)
    llm.merge()  # it writes as in the demo
    pipeline = EmotionPipeline.from_pretrained()
    # Beside the others: it may not read the levels that are asked about.
    pipeline = pipeline.asking({n: pipeline.llm(n) for n in pipeline.llms} | {llm.name: llm})
    return questions_answered(pipeline, llm.name, questions)


def named_jobs(models, bridges):
    """[(folder name, model, bridge)], with one job per bridge for language models given by name."""
    jobs = {}
    for bridge in dict.fromkeys(bridges):
        for model in models:
            name = Path(model.partition("=")[0] if is_served(model) else model).name
            if model in REGISTRY and not is_trained(model):
                name = f"{name}-{bridge}" if len(bridges) > 1 else name
            jobs.setdefault(name, (name, model, bridge))  # other models use no bridge
    return list(jobs.values())


def make_parser():
    arguments = DataArguments, EvaluationArguments, ReadingArguments, LlmArguments, ExtraArguments
    return TrlParser(arguments)


if __name__ == "__main__":
    run(main, make_parser())
