"""The SVM and the encoders under the contract of `fitted`."""

import numpy as np

from emg_llm.encoders.examples import encoder_config, encoder_inputs
from emg_llm.experiments.fitted import Fitted
from emg_llm.svm import EmotionSVM, dataset_features


def svm_on(dataset, split, seed=0):
    """An SVM; adapting it weights a new person's recordings as much as all others together."""
    labels = dataset.label_names

    def fit(data, rows, groups):
        features, columns = dataset_features(data, rows)
        return EmotionSVM.fit(features, columns, data.targets[rows], groups, labels)

    def adapt(data, rows, seed):
        weight = max(1, round(len(split.train) / len(rows)))
        given = np.repeat(rows, weight)
        # Each trial is a group of its own: as in use, the probabilities of this person's trials
        # are calibrated by SVMs that have seen the person's other trials.
        groups = [*data.groups[split.train], *(f"trial {i}" for i in given)]
        adapted = fit(data, np.concatenate([split.train, given]), np.array(groups))
        adapted.confidence = svm.confidence
        return _svm(adapted)

    svm = fit(dataset, split.train, dataset.groups[split.train])
    rows, fitted_on = split.calibrating
    if len(rows):
        features, _ = dataset_features(dataset, rows)
        svm.calibrate(features, dataset.targets[rows], dataset.groups[rows], fitted_on)
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


def _svm(svm, adapt=None):
    def predict(dataset, rows):
        return svm.predict_proba(dataset_features(dataset, rows)[0])

    return Fitted("svm", svm.labels, predict, adapt, svm, svm.confidence)


def _encoder(encoder):
    from emg_llm.encoders.examples import recording_embeddings

    config = encoder.config

    def predict(dataset, rows):
        inputs = encoder_inputs(dataset, config, rows)
        return encoder.classify(recording_embeddings(encoder, inputs, dataset.groups[rows]))

    def adapt(dataset, rows, seed):
        from emg_llm.encoders.adapting import calibrate

        targets = np.array([config.labels.index(dataset.labels[i]) for i in rows])
        return _encoder(
            calibrate(encoder, encoder_inputs(dataset, config, rows), targets, seed=seed)
        )

    labels = tuple(config.labels)
    return Fitted(config.arch, labels, predict, adapt, encoder, config.confidence)
