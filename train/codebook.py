"""Fit a codebook to an encoder's embeddings of the training people.

    python train/codebook.py --encoder runs/cnn --data simulated --output_dir runs/codebook

Use the same --data and --seed as for the encoder, so that the same people are held out. Writes
config.json, model.safetensors and results.json: perplexity, unused codes and the accuracy that
each depth retains on the test people, per recording and per segment. With --refit
the saved codebook is of all people, and that with the figures lies in `measured`.
"""

from dataclasses import dataclass, field

import torch
from trl import TrlParser

from emg_llm.bridge.codebook import Codebook, CodebookConfig, measure
from emg_llm.data.contents import training_protocol
from emg_llm.data.datasets import load_dataset
from emg_llm.data.known import with_known, without_neutral
from emg_llm.data.splits import held_out_split
from emg_llm.encoders import load_encoder
from emg_llm.encoders.examples import examples_of
from emg_llm.evaluation.results import save_results
from emg_llm.experiments.unseen import MEASURED
from emg_llm.scripts import (
    DataArguments,
    HubArguments,
    RefitArguments,
    measured_folder,
    refitted,
    run,
    saving,
)


@dataclass
class CodebookArguments(RefitArguments):
    """Settings of the codebook."""

    encoder: str = field(default="runs/cnn", metadata={"help": "Folder or Hub id of the encoder."})
    output_dir: str = field(default="runs/codebook", metadata={"help": "Output folder."})
    depths: int = field(default=CodebookConfig.depths, metadata={"help": "Codes per recording."})
    codes: int = field(
        default=CodebookConfig.codes, metadata={"help": "Size of the codebook at each depth."}
    )


def main(data, args, sharing):
    dataset = load_dataset(data.data, data.labels, data.montage)
    encoder = load_encoder(measured_folder(args.encoder, args.refit))
    dataset = with_known(dataset, encoder.config.scaling, data.seed)
    split = without_neutral(dataset, held_out_split(dataset, data.seed))
    scored = split.scored
    codebook = fit(encoder, dataset, split.train, args, data.seed)

    rows = scored
    examples = examples_of(encoder, dataset, rows)
    targets = dataset.targets[rows]
    figures = measure(codebook, examples.embeddings(encoder), targets, encoder.classify)
    with torch.inference_mode():
        segments = [examples.segments(encoder, k) for k in range(len(rows))]
    by_segment = measure(
        codebook,
        torch.cat(segments),
        targets.repeat([len(s) for s in segments]),
        encoder.classify,
    )
    results = {
        "model": "codebook",
        "data": dataset.name,
        "protocol": training_protocol(dataset, split, encoder.config.scaling),
        "labels": list(dataset.label_names),
        "n_recordings": len(rows),
        "chance": 1 / len(dataset.label_names),
        **figures,
        "n_segments": sum(map(len, segments)),
        "by_segment": by_segment,
    }
    with saving(args.output_dir, sharing) as folder:
        measured = folder / MEASURED if args.refit else folder
        codebook.save_pretrained(measured)
        save_results(measured, results)
        if args.refit:
            everybody = split.refit.train
            final = fit(load_encoder(args.encoder), dataset, everybody, args, data.seed)
            final.save_pretrained(folder)
            save_results(folder, refitted(results, dataset.groups[everybody]))
        print(f"encoder {figures['encoder_accuracy']:.3f}", end="")
        for depth in figures["depths"]:
            print(f", {depth['depth']} codes {depth['accuracy']:.3f}", end="")
        print()


def fit(encoder, dataset, rows, args, seed):
    """The codebook of these rows."""
    examples = examples_of(encoder, dataset, rows).each()
    return Codebook.fit(
        examples.embeddings(encoder),
        encoder.head.weight,
        args.depths,
        args.codes,
        seed=seed,
        targets=examples.targets.numpy(),
        labels=dataset.label_names,
        encoder_hash=encoder.fingerprint,
    )


def make_parser():
    return TrlParser((DataArguments, CodebookArguments, HubArguments))


if __name__ == "__main__":
    run(main, make_parser())
