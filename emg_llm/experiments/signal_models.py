"""The SVM and the encoders under the contract of `fitted`."""

from dataclasses import replace

import numpy as np

from emg_llm.data.known import known_values
from emg_llm.encoders.examples import encoder_config, encoder_inputs, examples_of
from emg_llm.encoders.readouts import NAMES
from emg_llm.experiments.fitted import Fitted
from emg_llm.svm import EmotionSVM, dataset_features

READOUTS = {"power-readout": "power", "pattern-readout": "pattern"}  # name -> path


def svm_on(dataset, split, seed=0, scaling="training"):
    """An SVM; adapting it weights a new person's recordings as much as all others together."""
    labels = dataset.label_names

    def fit(data, rows, groups, settings=None):
        features, columns = dataset_features(data, rows)
        about = features, columns, data.targets[rows], groups, labels
        return EmotionSVM.fit(*about, known_features(data, rows, scaling), scaling, settings)

    def adapt(data, rows, seed):
        weight = max(1, round(len(split.train) / len(rows)))
        given = np.repeat(rows, weight)
        # Each trial is a group of its own: as in use, the probabilities of this person's trials
        # are calibrated by SVMs that have seen the person's other trials.
        groups = [*data.groups[split.train], *(f"trial {i}" for i in given)]
        adapted = fit(data, np.concatenate([split.train, given]), np.array(groups), svm.settings)
        adapted.confidence = svm.confidence
        return _svm(adapted)

    svm = fit(dataset, split.train, dataset.groups[split.train])
    rows, fitted_on = split.calibrating
    if len(rows):
        features, _ = dataset_features(dataset, rows)
        known = dataset.groups[rows], known_features(dataset, rows, scaling)
        svm.calibrate(features, dataset.targets[rows], *known, fitted_on)
    return _svm(svm, adapt)


def encoder_on(arch, dataset, split, seed=0, scaling="training", lead="auto"):
    """An encoder at its best epoch on the validation people, if the split has any."""
    from emg_llm.encoders.training import EncoderTraining, fit_encoder

    config = encoder_config(arch, dataset, scaling=scaling)

    def part(rows):
        return encoder_inputs(dataset, config, rows), dataset.targets[rows], dataset.groups[rows]

    validation = part(split.validation) if len(split.validation) else None
    inputs, targets, groups = part(split.train)
    training = EncoderTraining(seed=seed, lead=lead)
    rows, fitted_on = split.calibrating
    calibration = part(rows) if len(rows) else None
    more = {"groups": groups, "calibration": calibration, "fitted_on": fitted_on}
    return _encoder(fit_encoder(config, inputs, targets, validation, training, **more))


def readout_on(name, dataset, split, seed=0, scaling="training"):
    """One of READOUTS, on an encoder's front end without its network."""
    from emg_llm.encoders import build_encoder
    from emg_llm.encoders.examples import Examples
    from emg_llm.encoders.training import fit_readouts

    config, rows = encoder_config("cnn", dataset, scaling=scaling), split.train
    inputs = encoder_inputs(dataset, config, rows)
    people = dataset.targets[rows], dataset.groups[rows]
    examples = Examples(build_encoder(config), inputs, *people)
    encoder = fit_readouts(config, examples, READOUTS[name], seed)
    return replace(_encoder(encoder), name=name, lead="", paths=None)


def _svm(svm, adapt=None):
    scaling = svm.scale.scaling

    def predict(dataset, rows):
        features, known = dataset_features(dataset, rows)[0], known_features(dataset, rows, scaling)
        return svm.predict_proba(features, dataset.groups[rows], known)

    return Fitted("svm", svm.labels, predict, adapt, svm, svm.confidence, scaling)


def known_features(dataset, rows, scaling):
    """The features of what is known of each one's person, see LevelScale.of_people."""
    return known_values(dataset, scaling, rows, lambda some: dataset_features(dataset, some)[0])


def named_paths(encoder, embeddings):
    """{name of a path: probabilities float (n, labels)} of embeddings (n, d)."""
    from scipy.special import softmax

    scores = encoder.ways(embeddings)
    return {NAMES[path]: softmax(s.cpu().numpy(), axis=1) for path, s in scores.items()}


def _encoder(encoder):
    config = encoder.config

    def predict(dataset, rows):
        return examples_of(encoder, dataset, rows).ask(encoder)

    def paths(dataset, rows):
        return named_paths(encoder, examples_of(encoder, dataset, rows).embeddings(encoder))

    def adapt(dataset, rows, seed):
        from emg_llm.encoders.adapting import calibrate

        targets = np.array([config.labels.index(dataset.labels[i]) for i in rows])
        return _encoder(
            calibrate(encoder, encoder_inputs(dataset, config, rows), targets, seed=seed)
        )

    about = config.arch, tuple(config.labels), predict, adapt, encoder
    return Fitted(*about, config.confidence, config.scaling, NAMES[config.lead], paths)
