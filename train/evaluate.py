"""Measure a trained model, or train one afresh for every fold and measure that.

    python train/evaluate.py --model runs/cnn --data simulated
    python train/evaluate.py --model runs/nano-llama2 --encoder runs/cnn --codebook runs/codebook
    python train/evaluate.py --model svm nano-llama2 --data features.csv \\
        --protocol leave_one_subject_out

A folder or Hub id is a trained model: it is measured on the test people that its training
left out, or on all of the data when it was trained on other data. A name (svm, cnn,
nano-llama2) is trained on each fold of the protocol. Writes results.json and predictions.csv,
into one folder for each model where there are several.
"""

from dataclasses import dataclass, field
from pathlib import Path

from trl import TrlParser

from emg_llm.datasets import load_dataset
from emg_llm.evaluation import headline, save_results
from emg_llm.recipes import measure_recipe, measure_trained
from emg_llm.splits import PROTOCOLS
from emg_llm.training import DataArguments, load_codec, run


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
    encoder: str | None = field(
        default=None, metadata={"help": "Encoder of an LLM that reads tokens."}
    )
    codebook: str | None = field(
        default=None, metadata={"help": "Codebook of an LLM that reads tokens."}
    )
    output_dir: str = field(
        default="runs/evaluation", metadata={"help": "Where everything is written."}
    )


def main(data, args):
    dataset = load_dataset(data.data, data.labels)
    codec = load_codec(args.encoder, args.codebook)
    for model in args.model:
        if Path(model).is_dir() or "/" in model:
            results, rows, probabilities = measure_trained(model, dataset, data.seed, *codec)
        else:
            results, rows, probabilities = measure_recipe(
                model, dataset, PROTOCOLS[args.protocol], data.seed
            )
        folder = Path(args.output_dir)
        folder = folder / Path(model).name if len(args.model) > 1 else folder
        taken = dataset.take(rows)
        save_results(
            folder, results, taken.ids, taken.subjects, dataset.targets[rows], probabilities
        )
        print(headline(results), flush=True)
    print(f"Saved to {args.output_dir}")


if __name__ == "__main__":
    run(main, TrlParser((DataArguments, EvaluationArguments)))
