"""Language models that were fitted on a fold: what they share, what stands beside and against."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emg_llm.bridge.reading import without_emg
from emg_llm.data.datasets import load_dataset
from emg_llm.data.splits import leave_one_subject_out
from emg_llm.encoders import build_encoder
from emg_llm.encoders.examples import encoder_config
from emg_llm.experiments import language_models as folds
from emg_llm.experiments.fitted import Fitted, FoldTraining
from emg_llm.experiments.language_models import Material, llm_on

LABELS = ("anger", "fear", "happiness")
HOW = FoldTraining(bridge="both", variants=1)


@pytest.fixture(scope="module")
def data():
    return load_dataset("simulated:subjects=3,trials=2,duration=0.5").with_labels(LABELS)


@pytest.fixture(scope="module")
def split(data):
    return next(leave_one_subject_out(data))


@pytest.fixture
def untrained(monkeypatch):
    """Encoders are made and not trained; the seeds they were asked for."""
    asked = []

    def encoder_on(arch, dataset, split, seed, scaling, lead):
        asked.append((arch, split.hash, seed))
        torch.manual_seed(seed)
        config = encoder_config(arch, dataset, embedding_dim=8, width=8)
        return Fitted(arch, dataset.label_names, None, model=build_encoder(config).eval())

    monkeypatch.setattr(folds, "encoder_on", encoder_on)
    return asked


@pytest.fixture
def fitted(data, split, nano_folder, untrained):
    how = replace(HOW, epochs=2)
    return llm_on(str(nano_folder), data, split, how=how, material=Material(), disable_tqdm=True)


@pytest.mark.slow
def test_encoder_and_codebook_of_a_fold_are_fitted_once_and_found_again(
    data, split, untrained, tmp_path
):
    material = Material(tmp_path)
    bridge, rows = material.lessons(HOW, data, split, 0)
    assert material.lessons(HOW, data, split, 0)[1] is rows
    tokens, _ = material.lessons(replace(HOW, bridge="tokens"), data, split, 0)
    assert tokens.encoder is bridge.encoder and len(untrained) == 1
    assert {r["split"] for r in rows} == {"train"}

    again, same_rows = Material(tmp_path).lessons(HOW, data, split, 0)
    assert len(untrained) == 1  # read from its folder
    assert [r["messages"] for r in same_rows] == [r["messages"] for r in rows]
    some = np.arange(len(data))
    assert again.read_dataset(data, some) == bridge.read_dataset(data, some)

    Material(tmp_path).lessons(HOW, data, split, 1)  # another seed is another encoder
    assert [seed for *_, seed in untrained] == [0, 1]


def test_a_model_that_reads_text_needs_no_encoder(data, split, untrained):
    bridge, _ = Material().lessons(replace(HOW, bridge="text"), data, split, 0)
    assert bridge.encoder is None and not untrained


def test_no_row_of_a_tested_person_is_learned(data, split, untrained):
    _, rows = Material().lessons(HOW, data, split, 0)
    assert {data.subjects[i] for i in split.test}.isdisjoint(r["subject"] for r in rows)


def test_controls_know_nothing_and_leave_the_model_as_it_was(fitted, data, split):
    llm = fitted.model
    before = {name: p.detach().clone() for name, p in llm.model.named_parameters()}
    p = fitted.ask(data, split.test)
    found = fitted.ask_controls(data, split.test)
    assert set(found) == {"no_emg", "untrained_adapter", "random_base"}
    draws = found.pop("random_base")
    assert draws.shape == (3, *p.shape) and np.abs(draws[0] - draws[1]).max() > 1e-3
    assert all(q.shape == p.shape for q in found.values())

    assert np.ptp(found["no_emg"], axis=0).max() == 0  # the same answer for all
    readings = llm.bridge.read_dataset(data, split.test)
    bare = without_emg(readings[0])
    np.testing.assert_allclose(found["no_emg"][0], llm.probabilities([bare])[0], atol=1e-6)
    for name, weights in llm.model.named_parameters():
        if "lora_B" in name:
            weights.data.zero_()
    np.testing.assert_allclose(
        found["untrained_adapter"], llm.probabilities(readings), atol=0.02
    )  # the rows of the codes are all that is left of the training
    assert np.abs(draws[0] - p).max() > 1e-3
    for name, weights in llm.model.named_parameters():
        assert "lora_B" in name or torch.equal(weights, before[name]), name


def test_beside_the_model_stand_its_encoder_and_a_probe_on_the_same_embeddings(fitted, data, split):
    found = fitted.beside(data, split.train, split.test)
    assert set(found) == {"encoder", "probe", "lookup"}
    for p in found.values():
        assert p.shape == (len(split.test), 3)
        np.testing.assert_allclose(p.sum(axis=1), 1)
    encoder = fitted.model.bridge.encoder
    for row, i in enumerate(split.test):
        np.testing.assert_allclose(found["encoder"][row], encoder(data.recordings[i]), atol=1e-4)
    none = fitted.beside(data, split.train[:0], split.test)
    assert set(none) == {"encoder", "lookup"}  # a model that was trained on other data


def test_trials_that_the_person_gave_are_told_with_the_recording(
    data, split, nano_folder, untrained
):
    how = replace(HOW, bridge="text")
    fitted = llm_on(str(nano_folder), data, split, how=how, max_steps=1, disable_tqdm=True)
    rows, told = split.test, []
    adapted = fitted.adapt(data, rows[:3], 0)
    probabilities = fitted.model.probabilities
    fitted.model.probabilities = lambda r, *_: told.append(r) or probabilities(r)
    fitted.ask(data, rows[3:])
    adapted.ask(data, rows[3:])
    without, given = told
    assert all("Known trials" in reading.prompt() for reading in given)
    assert not any("Known trials" in reading.prompt() for reading in without)


def test_a_model_that_reads_codes_alone_cannot_be_told_trials(data, split, nano_folder, untrained):
    how = replace(HOW, bridge="tokens")
    fitted = llm_on(str(nano_folder), data, split, how=how, max_steps=1, disable_tqdm=True)
    assert fitted.adapt is None


def test_it_is_trained_as_it_was_asked_and_else_as_the_registry_says(data, split, monkeypatch):
    asked = {}

    def finetune(name, parts, labels, bridge, *_, **training):
        asked.update(training)
        return SimpleNamespace(name=name, labels=labels, bridge=bridge, confidence=None)

    monkeypatch.setattr(folds, "finetune", finetune)
    llm_on("any", data, split, how=replace(HOW, bridge="text", epochs=5, batch_size=64))
    assert asked == {"num_train_epochs": 5, "per_device_train_batch_size": 64}


@pytest.mark.parametrize("spelling", [None, "plain"])
def test_codes_are_spelled_as_it_was_asked(data, split, nano_folder, untrained, spelling):
    how = replace(HOW, bridge="tokens", spelling=spelling)
    fitted = llm_on(str(nano_folder), data, split, how=how, max_steps=1, disable_tqdm=True)
    assert fitted.model.spelling == (spelling or "new")
    trains = {n for n, p in fitted.model.model.named_parameters() if "trainable_tokens" in n}
    assert bool(trains) == (spelling is None)
