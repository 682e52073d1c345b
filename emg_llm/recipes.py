"""How each kind of model is fitted on a split and asked about its test recordings.

A recipe is what `train/evaluate.py` trains afresh in every fold: the SVM, an encoder, or a
language model that reads text.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from emg_llm.baseline import EmotionSVM, dataset_features
from emg_llm.bridge import Bridge
from emg_llm.conversations import build_rows
from emg_llm.datasets import DatasetError
from emg_llm.evaluation import control, evaluate
from emg_llm.hub import resolve
from emg_llm.llms.registry import REGISTRY
from emg_llm.splits import held_out_split

TEXT_VARIANTS = 8


def recipe(name):
    """fit_and_predict(dataset, split, seed) -> float (test recordings, labels)."""
    from emg_llm.encoders import ARCHITECTURES

    if name == "svm":
        return fit_svm
    if name in ARCHITECTURES:
        return lambda dataset, split, seed: fit_encoder_on(name, dataset, split, seed)
    if name in REGISTRY:
        return lambda dataset, split, seed: fit_llm_on(name, dataset, split, seed)
    known = ", ".join(["svm", *ARCHITECTURES, *REGISTRY])
    raise DatasetError(f"{name} is neither a folder of a trained model nor one of {known}.")


def fit_svm(dataset, split, seed):
    features, columns = dataset_features(dataset)
    rows = split.train
    svm = EmotionSVM.fit(
        features[rows], columns, dataset.targets[rows], dataset.groups[rows], dataset.label_names
    )
    return svm.predict_proba(features[split.test])


def encoder_tensors(dataset, config):
    """The encoder's input for every recording of a dataset."""
    if dataset.recordings is None:
        raise DatasetError(
            f"{dataset.name} is a feature table and an encoder reads recordings; use --model svm "
            "or a language model."
        )
    return [config.tensor(r) for r in dataset.recordings]


def noise_like(recording, seed):
    """White noise with the recording's overall power: a control that holds no muscle activity."""
    x = np.random.default_rng(seed).standard_normal(recording.signal.shape)
    return recording.replace(signal=x * recording.signal[recording.valid].std())


def fit_encoder_on(arch, dataset, split, seed):
    import torch

    from emg_llm.encoders import EncoderConfig
    from emg_llm.encoders.training import EncoderTraining, fit_encoder, recording_embeddings

    channels = dataset.recordings[0].n_channels if dataset.recordings else 0
    config = EncoderConfig(
        arch, list(dataset.label_names), n_channels=channels, n_features=channels + 4
    )
    tensors = encoder_tensors(dataset, config)

    def part(rows):
        return [tensors[i] for i in rows], dataset.targets[rows]

    validation = part(split.validation) if len(split.validation) else None
    encoder = fit_encoder(config, *part(split.train), validation, EncoderTraining(seed=seed))
    with torch.inference_mode():
        return encoder.classify(recording_embeddings(encoder, part(split.test)[0]))


def fit_llm_on(name, dataset, split, seed, **training):
    import tempfile

    from emg_llm.llms.finetuning import finetune

    bridge = Bridge.fit("text", dataset, split.train)
    rows = list(build_rows(dataset, split, bridge, TEXT_VARIANTS, n_follow_ups=0, seed=seed))
    with tempfile.TemporaryDirectory() as folder:
        llm = finetune(
            name,
            [r for r in rows if r["split"] == "train"],
            dataset.label_names,
            bridge,
            output_dir=folder,
            seed=seed,
            **training,
        )
    prompts = [r.prompt() for r in bridge.read_dataset(dataset, split.test)]
    return llm.probabilities(prompts)


def measure_recipe(name, dataset, protocol, seed):
    """Train `name` on every fold of a protocol: (results, test rows, probabilities of them)."""
    fit_and_predict = recipe(name)
    splits = list(protocol(dataset, seed))
    probabilities = np.full((len(dataset), len(dataset.label_names)), np.nan)
    for split in tqdm(splits, desc=name, unit="fold", disable=len(splits) == 1):
        probabilities[split.test] = fit_and_predict(dataset, split, seed)
    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    described = splits[0].protocol()
    if len(splits) > 1:
        every = hashlib.sha256("".join(s.hash for s in splits).encode()).hexdigest()[:16]
        described |= {"split_hash": every, "folds": len(splits)}
    return (
        _results(name, dataset, described, rows, probabilities[rows], seed),
        rows,
        probabilities[rows],
    )


def measure_trained(folder_or_id, dataset, seed=0, encoder=None, codebook=None):
    """Measure a saved model of any kind: (results, test rows, probabilities of them).

    It is asked about the test people of its own training split when the data is the same,
    about the rows marked `test` where the data has a split column, otherwise about all.
    """
    folder = resolve(folder_or_id)
    name, labels, predict = load_predictor(folder, encoder, codebook)
    if set(dataset.label_names) - set(labels):
        extra = ", ".join(sorted(set(dataset.label_names) - set(labels)))
        raise DatasetError(
            f"{name} doesn't know the labels {extra} of {dataset.name}; it knows "
            f"{', '.join(labels)}. Choose recordings with --labels."
        )
    rows, protocol = unseen_rows(folder, dataset)
    order = [labels.index(label) for label in dataset.label_names]

    def ask(asked):
        p = predict(asked, rows)[:, order]
        return p / p.sum(axis=1, keepdims=True)

    probabilities = ask(dataset)
    results = _results(name, dataset, protocol, rows, probabilities, seed)
    if dataset.recordings is not None:
        noise = replace(
            dataset,
            recordings=tuple(noise_like(r, i) for i, r in enumerate(dataset.recordings)),
        )
        results["controls"]["noise_emg"] = control(
            dataset.targets[rows], ask(noise), dataset.groups[rows], seed
        )
    return results, rows, probabilities


def unseen_rows(folder, dataset):
    """(rows that a saved model was not trained on, the protocol that says so)."""
    path = Path(folder) / "results.json"
    trained = json.loads(path.read_text()) if path.exists() else {}
    seed = trained.get("protocol", {}).get("seed", 0)
    if dataset.splits is not None:
        rows = np.flatnonzero(np.array(dataset.splits) == "test")
        if not len(rows):
            raise DatasetError(f"{dataset.name}: no row of the 'split' column says 'test'.")
        return rows, {"name": "held_out", "grouping": "given", "split_hash": None, "seed": seed}
    if trained.get("data") == dataset.name:
        split = held_out_split(dataset, seed)
        if split.hash == trained["protocol"].get("split_hash"):
            return split.test, split.protocol()
        raise DatasetError(
            f"The model was trained on {dataset.name} with another split, so nobody can tell which "
            "people it has seen; train it again on this data."
        )
    rows = np.arange(len(dataset))
    return rows, {"name": "other_data", "grouping": "all", "split_hash": None, "seed": seed}


def load_predictor(folder, encoder=None, codebook=None):
    """(name, labels, predict(dataset, rows) -> probabilities) of a saved model of any kind."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise DatasetError(f"{folder} holds no trained model: there is no config.json in it.")
    config = json.loads(path.read_text())
    if config.get("kind") == "emg-svm":
        svm = EmotionSVM.from_pretrained(folder)
        return (
            "svm",
            svm.labels,
            lambda data, rows: svm.predict_proba(dataset_features(data.take(rows))[0]),
        )
    if "arch" in config:
        from emg_llm.encoders import load_encoder
        from emg_llm.encoders.training import recording_embeddings

        loaded = load_encoder(folder)
        return (
            config["arch"],
            loaded.config.labels,
            lambda data, rows: loaded.classify(
                recording_embeddings(loaded, encoder_tensors(data.take(rows), loaded.config))
            ),
        )
    if config.get("kind") == "emg-llm-adapter":
        from emg_llm.llms.model import EmgLLM

        llm = EmgLLM.from_pretrained(folder, encoder, codebook)
        if llm.bridge is None:
            raise DatasetError(f"{folder} doesn't say how a recording becomes its prompt.")
        return (
            llm.name,
            llm.labels,
            lambda data, rows: llm.probabilities(
                [r.prompt() for r in llm.bridge.read_dataset(data, rows)], progress=True
            ),
        )
    raise DatasetError(f"{folder} holds a model of a kind that is not known here.")


def _results(name, dataset, protocol, rows, probabilities, seed):
    return {
        "model": name,
        "data": dataset.name,
        "protocol": protocol,
        **evaluate(
            dataset.label_names, dataset.targets[rows], probabilities, dataset.groups[rows], seed
        ),
    }
