"""Train an encoder: EMG segments -> embedding and emotion.

    python train/encoder.py --arch cnn --data simulated --output_dir runs/cnn
    python train/encoder.py --arch tcn --loss focal --scaling person --data manifest.csv

Writes config.json, model.safetensors, results.json and predictions.csv. Training, validation
and test people are different people; the best epoch and the temperature are chosen on the
validation people. Stopped at any moment and started again, it goes on from the last epoch and
ends as it would have.
"""

from dataclasses import dataclass, field

from trl import TrlParser

from emg_llm.controls import noise_like
from emg_llm.datasets import load_dataset
from emg_llm.encoders import ARCHITECTURES, EncoderConfig
from emg_llm.encoders.base import SCALINGS
from emg_llm.encoders.training import LOSSES, EncoderTraining, fit_encoder, recording_embeddings
from emg_llm.evaluation import control, evaluate, headline, save_results
from emg_llm.fitted import encoder_tensors
from emg_llm.hub import write_card
from emg_llm.splits import held_out_split
from emg_llm.training import DataArguments, run


@dataclass
class EncoderArguments:
    """The encoder."""

    arch: str = field(
        default="cnn", metadata={"help": "Architecture.", "choices": list(ARCHITECTURES)}
    )
    output_dir: str = field(default="runs/cnn", metadata={"help": "Where everything is written."})
    epochs: int = field(default=EncoderTraining.epochs, metadata={"help": "Passes over the data."})
    batch_size: int = field(
        default=EncoderTraining.batch_size, metadata={"help": "Recordings in a batch."}
    )
    learning_rate: float = field(
        default=EncoderTraining.learning_rate, metadata={"help": "Highest learning rate."}
    )
    segment_length: int = field(
        default=EncoderConfig.segment_length, metadata={"help": "Samples at the encoder's rate."}
    )
    loss: str = field(
        default=EncoderTraining.loss, metadata={"help": "What is minimised.", "choices": LOSSES}
    )
    scaling: str = field(
        default=EncoderConfig.scaling,
        metadata={
            "help": "Levels are measured against the training people's, or against those of the "
            "person's own (unlabelled) recordings.",
            "choices": SCALINGS,
        },
    )


def main(data, args):
    dataset = load_dataset(data.data, data.labels)
    split = held_out_split(dataset, data.seed)
    scored = split.scored
    channels = dataset.recordings[0].n_channels if dataset.recordings else 8
    config = EncoderConfig(
        args.arch,
        list(dataset.label_names),
        n_channels=channels,
        n_features=channels + 4,
        segment_length=args.segment_length,
        scaling=args.scaling,
        trained_on=dataset.name,
    )
    tensors = encoder_tensors(dataset, config)
    targets, groups = dataset.targets, dataset.groups

    def part(rows):
        return [tensors[i] for i in rows], targets[rows], groups[rows]

    tensors_of, targets_of, people_of = part(split.train)
    encoder = fit_encoder(
        config,
        tensors_of,
        targets_of,
        part(split.validation) if len(split.validation) else None,
        EncoderTraining(
            epochs=args.epochs,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            loss=args.loss,
            seed=data.seed,
        ),
        groups=people_of,
        folder=args.output_dir,
    )
    encoder.save_pretrained(args.output_dir)

    rows = scored
    probabilities = encoder.classify(recording_embeddings(encoder, part(rows)[0], groups[rows]))
    noise = [config.tensor(noise_like(dataset.recordings[i], i)) for i in rows]
    results = {
        "model": args.arch,
        "data": dataset.name,
        "protocol": split.protocol(),
        **evaluate(dataset.label_names, targets[rows], probabilities, groups[rows], data.seed),
    }
    results["controls"]["noise_emg"] = control(
        targets[rows],
        encoder.classify(recording_embeddings(encoder, noise, groups[rows])),
        groups[rows],
    )
    taken = dataset.take(rows)
    save_results(args.output_dir, results, taken.ids, taken.subjects, targets[rows], probabilities)
    write_card(
        args.output_dir,
        f"EMG-LLM encoder: {args.arch.upper()}",
        results,
        "from emg_llm.encoders import load_encoder\n\nencoder = load_encoder(folder)",
    )
    print(headline(results))
    print(f"Saved to {args.output_dir}")


if __name__ == "__main__":
    run(main, TrlParser((DataArguments, EncoderArguments)))
