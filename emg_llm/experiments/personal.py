"""Calibrate an encoder to one person with a few labelled recordings, and measure the effect."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from emg_llm.data.contents import training_contents
from emg_llm.data.datasets import DatasetError
from emg_llm.data.known import neutral_rows, with_known
from emg_llm.data.processes import is_main
from emg_llm.encoders.adapting import calibrate
from emg_llm.encoders.examples import Examples, encoder_inputs
from emg_llm.evaluation.metrics import accuracy_of, control, results_of
from emg_llm.experiments.controls import Inputs
from emg_llm.experiments.fitted import check_labels, in_terms_of
from emg_llm.experiments.folds import fingerprint
from emg_llm.signal.levels import unless_any
from emg_llm.signal.montage import arrange


def check_personal(dataset, labels, sites):
    """Raise DatasetError or SitesError if an encoder of these labels and sites can't learn it."""
    if dataset.recordings is None:
        raise DatasetError(
            f"{dataset.name} is a feature table, and calibrating an encoder needs recordings; "
            "give recordings."
        )
    people = sorted(set(dataset.subjects) - {None})
    if len(people) > 1:
        raise DatasetError(
            f"{dataset.name} holds recordings of {len(people)} people ({people[0]}, {people[1]}"
            f"{', …' if len(people) > 2 else ''}) and an encoder is calibrated to one; give the "
            "recordings of one person."
        )
    check_labels("The encoder", labels, dataset)
    for recording in dataset.recordings:
        arrange(recording, sites)


def personalise(encoder, dataset, seed=0, progress=True):
    """(the encoder calibrated with all of one person's recordings, results, rows, probabilities).

    `rows`: those scored, all but a neutral recording that is the zero. `probabilities`, float
    (rows, dataset.label_names), and the results are leave-one-out: each recording is scored by an
    encoder calibrated with the others (without copies of it).
    results["before"] is the accuracy of the original encoder.
    """
    config = encoder.config
    check_personal(dataset, config.labels, config.sites)
    dataset = with_known(dataset, unless_any(config.scaling), seed)
    rows, zeros = np.arange(len(dataset)), neutral_rows(dataset)
    targets = np.array([config.labels.index(label) for label in dataset.labels])
    person = np.full(len(rows), next(filter(None, dataset.subjects), "one person"))
    mine, hum = (
        Examples(encoder, encoder_inputs(data, config), targets, person)
        for data in (dataset, Inputs(dataset, rows).noise)
    )

    def calibrated(given):
        inputs = encoder_inputs(dataset, config, given)
        return calibrate(encoder, inputs, targets[given], seed=seed)

    def ask(model, examples):
        return in_terms_of(dataset, config.labels, examples.ask(model))

    scored, before, after, control_p = np.setdiff1d(rows, zeros), ask(encoder, mine), [], []
    content = [recording.signal.tobytes() for recording in dataset.recordings]
    bar = tqdm(scored, desc="calibrating", unit="trial", disable=not (progress and is_main()))
    for i in bar:
        others = [j for j in rows if content[j] != content[i]]
        tuned = calibrated(others)
        after.append(ask(tuned, mine)[i])
        control_p.append(ask(tuned, hum)[i])
    probabilities, truth, person = np.stack(after), dataset.targets[scored], person[scored]
    protocol = {
        "name": "leave_one_trial_out",
        "grouping": "trial",
        "split_hash": fingerprint(dataset),
        "seed": seed,
    } | training_contents(dataset, train=rows)
    about = config.arch, dataset.name, protocol, dataset.label_names
    results = results_of(*about, truth, probabilities, person)
    results["before"] = accuracy_of(truth, before[scored], person)
    results["controls"]["noise_emg"] = control(truth, np.stack(control_p), person)
    personal, source = calibrated(rows), Path(dataset.name).name  # a path stays on this machine
    personal.config.trained_on = f"{config.trained_on}, calibrated with {source}"
    return personal, results, scored, probabilities
