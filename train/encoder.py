"""Train an encoder: EMG segments -> embedding and emotion; calibrate one to a person.

    python train/encoder.py --arch cnn --data simulated --output_dir runs/cnn
    python train/encoder.py --arch tcn --loss focal --scaling person --data manifest.csv
    python train/encoder.py --encoder runs/cnn --calibrate_with me.csv --output_dir runs/cnn
    accelerate launch --multi_gpu --num_processes 2 train/encoder.py --data manifest.csv

Writes config.json, model.safetensors, results.json and predictions.csv; for a calibrated encoder,
the same files in `personal`. Training, validation, calibration and test people are different
people: the second choose the best epoch, the third how sure the encoder may be. With --refit the
saved encoder has learned from all of them, for as many epochs, and the one that the figures are of
lies in `measured`. An interrupted run continues from the last epoch when started again, with the
same result. Several processes share the work and end with the same weights as one.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from trl import TrlParser

from emg_llm.data.contents import training_protocol
from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.known import known_rows, with_known, without_neutral
from emg_llm.data.processes import is_main
from emg_llm.data.splits import held_out_split
from emg_llm.encoders import ARCHITECTURES, EncoderConfig, build_encoder, load_encoder
from emg_llm.encoders.examples import Examples, encoder_config, encoder_inputs
from emg_llm.encoders.readouts import NAMES
from emg_llm.encoders.training import LOSSES, EncoderTraining, fit_encoder
from emg_llm.evaluation.metrics import accuracy_of, control, results_of
from emg_llm.evaluation.results import headline, save_results
from emg_llm.experiments.controls import Inputs
from emg_llm.experiments.personal import check_personal, personalise
from emg_llm.experiments.signal_models import named_paths
from emg_llm.experiments.unseen import MEASURED, training_of
from emg_llm.hub.client import resolve
from emg_llm.scripts import (
    DataArguments,
    HubArguments,
    ReadingArguments,
    RefitArguments,
    refitted,
    reporting_to,
    run,
    saving,
)
from emg_llm.signal.levels import unless_any


@dataclass
class EncoderArguments(ReadingArguments, RefitArguments):
    """Settings of the encoder."""

    arch: str = field(
        default="cnn", metadata={"help": "Architecture.", "choices": list(ARCHITECTURES)}
    )
    output_dir: str = field(default="runs/cnn", metadata={"help": "Output folder."})
    epochs: int = field(default=EncoderTraining.epochs, metadata={"help": "Passes over the data."})
    batch_size: int = field(
        default=EncoderTraining.batch_size, metadata={"help": "Recordings per batch."}
    )
    learning_rate: float = field(
        default=EncoderTraining.learning_rate, metadata={"help": "Peak learning rate."}
    )
    segment_length: int = field(
        default=EncoderConfig.segment_length,
        metadata={"help": "Samples per segment at the encoder's rate."},
    )
    loss: str = field(
        default=EncoderTraining.loss, metadata={"help": "Loss function.", "choices": LOSSES}
    )
    encoder: str | None = field(
        default=None,
        metadata={
            "help": "Calibrate this trained encoder (folder or Hub id) instead of training one."
        },
    )
    calibrate_with: str | None = field(
        default=None,
        metadata={
            "help": "A few labelled recordings of one person, as for --data; the calibrated "
            "encoder goes into OUTPUT_DIR/personal."
        },
    )
    report_to: str = field(
        default="none",
        metadata={"help": "Experiment tracker for loss and accuracy per epoch, such as trackio."},
    )


def main(data, args, sharing):
    is_main()  # connect the processes before any of them can fail
    if args.encoder and not args.calibrate_with:
        raise DatasetError("--encoder names an encoder to calibrate: give --calibrate_with too.")
    theirs = args.calibrate_with
    person = load_dataset(theirs, data.labels, data.montage) if theirs else None
    if args.encoder:
        encoder, trained = load_encoder(args.encoder), training_of(resolve(args.encoder))
    else:
        encoder, trained = train(data, args, sharing, person)
    if person is not None:
        calibrated, results, rows, probabilities = personalise(encoder, person, data.seed)
        # Evaluation needs to know which people the encoder has seen.
        about = "data", "protocol", "refit"
        results["calibrated_from"] = {k: trained[k] for k in about if k in trained}
        folder = Path(args.output_dir, "personal")
        private = HubArguments()  # one person's encoder stays here
        with saving(folder, private) as beside:
            save(beside, calibrated, results, person, rows, probabilities)


def train(data, args, sharing, person=None):
    """Train, measure and save an encoder: (encoder, results)."""
    dataset = load_dataset(data.data, data.labels, data.montage)
    dataset = with_known(dataset, args.scaling, data.seed)
    split = without_neutral(dataset, held_out_split(dataset, data.seed))
    config = encoder_config(
        args.arch,
        dataset,
        segment_length=args.segment_length,
        scaling=args.scaling,
        trained_on=dataset.name,
    )
    if person is not None:
        check_personal(person, config.labels, config.sites)
    training = EncoderTraining(
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        loss=args.loss,
        lead=args.lead,
        seed=data.seed,
    )

    def part(rows):
        return encoder_inputs(dataset, config, rows), dataset.targets[rows], dataset.groups[rows]

    rows = split.scored
    _, targets, groups = part(rows)
    # Prepared before the training, so that unreadable data fails now.
    scored = Examples(build_encoder(config), *part(rows))
    folder = Path(args.output_dir)
    measured = folder / MEASURED if args.refit else folder
    with reporting_to(args.report_to, "emg-llm", vars(args) | asdict(data)) as log:
        inputs, targets_of, people_of = part(split.train)
        calibrating, fitted_on = split.calibrating
        encoder = fit_encoder(
            config,
            inputs,
            targets_of,
            part(split.validation) if len(split.validation) else None,
            training,
            groups=people_of,
            folder=measured,
            log=log,
            calibration=part(calibrating) if len(calibrating) else None,
            fitted_on=fitted_on,
        )
    probabilities = scored.ask(encoder)

    # With the strength of another recording: strength alone depends on the emotion.
    asked = with_known(dataset, unless_any(args.scaling), data.seed)
    used = np.union1d(rows, known_rows(asked, rows))
    noise = encoder_inputs(Inputs(asked, used).noise, config, rows)
    control_examples = Examples(encoder, noise, targets, groups)
    about = (
        args.arch,
        dataset.name,
        training_protocol(dataset, split, args.scaling),
        dataset.label_names,
    )
    results = results_of(*about, targets, probabilities, groups, encoder.config.confidence)
    results["lead"] = NAMES[encoder.config.lead]
    paths = named_paths(encoder, scored.embeddings(encoder))
    results["paths"] = {name: accuracy_of(targets, p, groups) for name, p in paths.items()}
    results["controls"]["noise_emg"] = control(targets, control_examples.ask(encoder), groups)
    results["epochs"] = encoder.epochs
    figures = dataset, rows, probabilities
    with saving(folder, sharing) as beside:
        save(beside / MEASURED if args.refit else beside, encoder, results, *figures)
        if args.refit:
            everybody = split.refit.train
            inputs, targets, groups = part(everybody)
            training.stop, training.lead = encoder.epochs, encoder.config.lead
            confidence = encoder.config.confidence
            of = replace(encoder.config), inputs, targets, None, training
            encoder = fit_encoder(*of, groups=groups, folder=folder)
            encoder.config.confidence = confidence
            results = refitted(results, groups)
            save(beside, encoder, results, *figures)
    return encoder, results


def save(folder, encoder, results, dataset, rows, probabilities):
    """Write the encoder and its results on `rows` of a dataset."""
    if not is_main():
        return
    encoder.save_pretrained(folder)
    scored = dataset.take(rows)
    targets = [dataset.targets[i] for i in rows]
    save_results(folder, results, scored.ids, scored.subjects, targets, probabilities)
    print(headline(results))
    for name, path in results.get("paths", {}).items():
        print(f"{name}: accuracy {path['accuracy']:.3f}")
    if "before" in results:
        print(f"Before calibration: accuracy {results['before']['accuracy']:.3f}")


def make_parser():
    return TrlParser((DataArguments, EncoderArguments, HubArguments))


if __name__ == "__main__":
    run(main, make_parser())
