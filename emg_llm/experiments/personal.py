"""An encoder made one person's: taught their few labelled recordings, and measured on them."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from emg_llm.data.datasets import DatasetError
from emg_llm.data.processes import is_main
from emg_llm.encoders.examples import Examples, encoder_inputs
from emg_llm.encoders.training import calibrate
from emg_llm.evaluation.metrics import accuracy_of, control, results_of
from emg_llm.experiments.controls import Inputs
from emg_llm.experiments.fitted import check_labels, in_terms_of
from emg_llm.experiments.folds import fingerprint


def check_personal(dataset, labels, n_channels):
    """Raise DatasetError where an encoder of these labels and channels can't learn a dataset."""
    if dataset.recordings is None:
        raise DatasetError(
            f"{dataset.name} is a feature table and an encoder is calibrated with recordings; "
            "give recordings."
        )
    people = sorted(set(dataset.subjects) - {None})
    if len(people) > 1:
        raise DatasetError(
            f"{dataset.name} holds recordings of {len(people)} people ({people[0]}, {people[1]}"
            f"{', …' if len(people) > 2 else ''}) and an encoder is calibrated to one; give one "
            "person's alone."
        )
    check_labels("The encoder", labels, dataset)
    for recording in dataset.recordings:
        if recording.n_channels != n_channels:
            raise DatasetError(
                f"The encoder reads {n_channels} channels and {recording.recording_id} of "
                f"{dataset.name} has {recording.n_channels}; give recordings of the same channels."
            )


def personalise(encoder, dataset, seed=0, progress=True):
    """(the encoder after learning all of one person's recordings, results, probabilities).

    The figures are those of each recording, read by an encoder that learned the person's other
    ones (and no copy of it): `probabilities` float (recordings, dataset.label_names). Beside
    them in `results`, "before": what the encoder said of them as it came.
    """
    config, rows = encoder.config, np.arange(len(dataset))
    check_personal(dataset, config.labels, config.n_channels)
    targets = np.array([config.labels.index(label) for label in dataset.labels])
    person = np.full(len(rows), next(filter(None, dataset.subjects), "one person"))
    mine, hum = (
        Examples(encoder, encoder_inputs(data, config), targets, person)
        for data in (dataset, Inputs(dataset, rows).noise)
    )

    def learned(given):
        inputs = encoder_inputs(dataset, config, given)
        return calibrate(encoder, inputs, targets[given], seed=seed)

    def ask(asked, examples):
        return in_terms_of(dataset, config.labels, examples.ask(asked))

    before, after, control_p = ask(encoder, mine), [], []
    content = [recording.signal.tobytes() for recording in dataset.recordings]
    bar = tqdm(rows, desc="calibrating", unit="trial", disable=not (progress and is_main()))
    for i in bar:
        others = [j for j in rows if content[j] != content[i]]
        tuned = learned(others)
        after.append(ask(tuned, mine)[i])
        control_p.append(ask(tuned, hum)[i])
    probabilities, truth = np.stack(after), dataset.targets
    protocol = {
        "name": "leave_one_trial_out",
        "grouping": "trial",
        "split_hash": fingerprint(dataset),
        "seed": seed,
    }
    about = config.arch, dataset.name, protocol, dataset.label_names
    results = results_of(*about, truth, probabilities, person, seed)
    results["before"] = accuracy_of(truth, before, person, seed)
    results["controls"]["noise_emg"] = control(truth, np.stack(control_p), person, seed)
    personal, source = learned(rows), Path(dataset.name).name  # a path stays on this machine
    personal.config.trained_on = f"{config.trained_on}, calibrated with {source}"
    return personal, results, probabilities
