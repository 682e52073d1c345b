"""Accuracy and confidence of every model with 0 to 4 of the electrodes missing.

    python benchmarks/missing_electrodes.py
    python benchmarks/missing_electrodes.py --encoder runs/cnn --data manifest.csv

The electrodes that are missing are drawn for each recording; a model sees zeros there. By default
the models are the bundle's, on simulated people that they haven't seen.
"""

from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm
from trl import TrlParser

from emg_llm.data.datasets import load_dataset
from emg_llm.encoders import load_encoder
from emg_llm.pipeline import EmotionPipeline
from emg_llm.scripts import run
from emg_llm.signal.missing import MOST_MISSING
from emg_llm.signal.once import Prepared
from emg_llm.svm import EmotionSVM


@dataclass
class MissingArguments:
    """Settings of the benchmark."""

    data: str = field(
        default="simulated:subjects=10,seed=1234",
        metadata={"help": "People the models don't know."},
    )
    recordings: int = field(default=240, metadata={"help": "Recordings, drawn at random, at most."})
    encoder: str | None = field(
        default=None, metadata={"help": "An encoder (folder, Hub id) instead of the bundle."}
    )
    svm: str | None = field(
        default=None, metadata={"help": "An SVM (folder, Hub id) instead of the bundle."}
    )
    seed: int = field(default=0, metadata={"help": "Seed of what is drawn."})


def main(args):
    dataset = load_dataset(args.data)
    rng = np.random.default_rng(args.seed)
    rows = rng.permutation(len(dataset))[: args.recordings]
    models = models_of(args)
    tables = {name: np.zeros((MOST_MISSING + 1, len(rows), 2)) for name in models}
    for n in range(MOST_MISSING + 1):
        for k, row in enumerate(tqdm(rows, desc=f"{n} missing")):
            recording = without(dataset.recordings[row], n, rng)
            for name, (labels, model) in models.items():
                p = np.asarray(model(recording))
                right = labels[int(p.argmax())] == dataset.labels[row]
                tables[name][n, k] = right, p.max()
    print(f"{len(rows)} recordings of {len(set(dataset.groups[rows]))} people\n")
    heads = " | ".join(f"{n} missing" for n in range(MOST_MISSING + 1))
    print(f"| accuracy / mean confidence | {heads} |\n|---|{'---|' * (MOST_MISSING + 1)}")
    for name, table in tables.items():
        cells = " | ".join(f"{right:.3f} / {sure:.3f}" for right, sure in table.mean(axis=1))
        print(f"| {name} | {cells} |")


def models_of(args):
    """{name: (labels, Recording -> probabilities)}."""
    if args.encoder or args.svm:
        models = {}
        if args.svm:
            svm = EmotionSVM.from_pretrained(args.svm)
            models["svm"] = svm.labels, svm
        if args.encoder:
            encoder = load_encoder(args.encoder)
            models[encoder.config.arch] = encoder.config.labels, encoder
        return models
    pipeline = EmotionPipeline.from_pretrained()
    models = {"svm": (pipeline.svm.labels, pipeline.svm)}
    models |= {name: (e.config.labels, e) for name, e in pipeline.encoders.items()}
    llms = {name: pipeline.llm(name) for name in pipeline.llms}
    return models | {name: (llm.labels, llm) for name, llm in llms.items()}


def without(recording, n, rng):
    """The recording with zeros on `n` channels."""
    signal = recording.signal.copy()
    signal[:, rng.choice(recording.n_channels, n, replace=False)] = 0
    return Prepared.of(recording.replace(signal=signal))


if __name__ == "__main__":
    run(main, TrlParser((MissingArguments,)))
