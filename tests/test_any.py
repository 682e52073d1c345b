"""Models of scaling "any": one for all that may be known of a person, and told which it is."""

import json
from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import pytest
import torch

from emg_llm.bridge import BRIDGES
from emg_llm.bridge.base import BridgeError
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import ZEROS, without_emg
from emg_llm.chat.conversations import build_rows
from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.known import (
    SEVERAL,
    known_of,
    known_rows,
    neutral_rows,
    with_known,
    without_neutral,
)
from emg_llm.data.splits import held_out_split, leave_one_subject_out
from emg_llm.encoders import load_encoder, training
from emg_llm.encoders.adapting import calibrate
from emg_llm.encoders.examples import encoder_config, encoder_inputs, examples_of
from emg_llm.encoders.training import EncoderTraining, fit_encoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.experiments.fitted import FoldTraining
from emg_llm.experiments.measure import measure_recipe, measure_trained
from emg_llm.experiments.signal_models import known_features
from emg_llm.hub.client import HubError
from emg_llm.llms.model import EmgLLM
from emg_llm.pipeline import EmotionPipeline
from emg_llm.signal.levels import ANY, KNOWN, PRIVILEGES, SHARE, LevelScale
from emg_llm.signal.once import Recent
from emg_llm.svm import EmotionSVM, dataset_features

LABELS = ("anger", "fear", "neutral")
TRAINED, NEW = np.arange(27), np.arange(27, 36)  # three people and another


@pytest.fixture(scope="module")
def people():
    return load_dataset("simulated:subjects=4,trials=3,duration=0.6", LABELS)


@pytest.fixture(scope="module")
def known(people):
    """The people with all that may be known of them."""
    return with_known(people, ANY)


def fit(known, folder=None):
    config = encoder_config("cnn", known, scaling=ANY, width=8, embedding_dim=16, dropout=0.0)
    settings = EncoderTraining(epochs=3, batch_size=8)

    def part(rows):
        return encoder_inputs(known, config, rows), known.targets[rows], known.groups[rows]

    inputs, targets, groups = part(TRAINED[:18])
    more = {"groups": groups, "folder": folder, "calibration": part(NEW)}
    return fit_encoder(config, inputs, targets, part(TRAINED[18:]), settings, False, **more)


@pytest.fixture(scope="module")
def encoder(known):
    return fit(known)


@pytest.fixture(scope="module")
def codebook(known, encoder):
    examples = examples_of(encoder, known, TRAINED).each()
    return Codebook.fit(
        examples.embeddings(encoder),
        encoder.head.weight.detach(),
        2,
        8,
        targets=examples.targets.numpy(),
        labels=LABELS,
        encoder_hash=encoder.fingerprint,
    )


@pytest.fixture(scope="module")
def svm(known):
    features, columns = dataset_features(known, TRAINED)
    of = features, columns, known.targets[TRAINED], known.groups[TRAINED], LABELS
    return EmotionSVM.fit(*of, known_features(known, TRAINED, ANY), ANY)


def given(people, privilege):
    """The recordings that are known of the new person."""
    rows = known_rows(with_known(people, privilege), NEW)
    return [people.recordings[i] for i in rows]


def asked(model, people, privilege):
    """Probabilities of the new person's recordings from an encoder or an SVM."""
    data = with_known(people, privilege)
    if isinstance(model, EmotionSVM):
        features, _ = dataset_features(data, NEW)
        return model.predict_proba(features, data.groups[NEW], known_features(data, NEW, ANY))
    return examples_of(model, data, NEW).ask(model)


def test_several_are_the_same_recordings_of_a_person_drawn_by_seed(people):
    draws = [with_known(people, "several", seed).known["several"] for seed in range(4)]
    for draw in draws:
        for person in np.unique(people.groups):
            [rows] = {draw[i] for i in np.flatnonzero(people.groups == person)}
            assert len(rows) == min(SEVERAL, 9) and set(people.groups[list(rows)]) == {person}
    many = load_dataset("simulated:subjects=2,trials=8,duration=0.5", ["anger", "fear"])
    draws = [with_known(many, "several", seed).known["several"] for seed in range(4)]
    assert len(set(draws)) > 1 and draws[2] == with_known(many, "several", 2).known["several"]
    assert all(len(set(rows)) == SEVERAL for rows in draws[0])
    one = people.take([0, 9, 10, 13])
    with pytest.raises(DatasetError, match="several needs two recordings or more"):
        with_known(one, "several")
    assert with_known(one, ANY).known["several"][0] == ()


def test_several_are_scored_and_a_neutral_zero_is_not(people, known):
    split = next(leave_one_subject_out(people))
    assert len(without_neutral(with_known(people, "several"), split).test) == 9
    assert len(without_neutral(with_known(people, "neutral"), split).test) == 8
    assert len(without_neutral(known, split).test) == 9
    [zero] = known_rows(with_known(people, "neutral"), split.test)
    assert known.known["neutral"][zero] == ()
    with pytest.raises(DatasetError, match="give --scaling several"):
        known_of(people, "several", [0])


def test_people_without_a_neutral_recording_are_read_with_nothing_known(people, encoder):
    rows = [i for i in range(len(people)) if i not in NEW or people.labels[i] != "neutral"]
    data = with_known(people.take(rows), ANY)
    shifts = examples_of(encoder, data, np.arange(27, 33)).shifts
    assert not shifts[1].any() and shifts[2, :, -1].all()


def test_a_shift_carries_what_is_known(people, known, encoder):
    for k, privilege in enumerate(KNOWN):
        shift = encoder.shift_from(given(people, privilege), privilege)
        assert shift[-2:].tolist() == np.eye(2)[k].tolist() and shift[:-2].any()
        of_data = examples_of(encoder, with_known(people, privilege), NEW).shifts
        assert of_data.shape == (1, 9, encoder.n_shift)
        torch.testing.assert_close(of_data[0, 3], shift)
    assert not examples_of(encoder, people, NEW).shifts.any()
    every = examples_of(encoder, known, NEW)
    assert every.shifts.shape[:2] == (3, 9) and not every.shifts[0].any()
    assert len(every.each()) == 27
    drawn = {tuple(flags) for flags in every.mixed(0).shifts[0, :, -2:].tolist()}
    assert len(drawn) > 1


@pytest.mark.parametrize("kind", ["encoder", "svm"])
def test_a_model_reads_with_each_privilege_and_comes_back_the_same(kind, people, request, tmp_path):
    model = request.getfixturevalue(kind)
    model.save_pretrained(tmp_path)
    again = (load_encoder if kind == "encoder" else EmotionSVM.from_pretrained)(tmp_path)
    assert again.scaling == ANY
    p = {privilege: asked(model, people, privilege) for privilege in PRIVILEGES}
    for privilege in PRIVILEGES:
        np.testing.assert_allclose(asked(again, people, privilege), p[privilege], atol=1e-6)
        recording = people.recordings[NEW[1]]
        one = again.knowing(given(people, privilege), privilege) if privilege in KNOWN else again
        np.testing.assert_allclose(one(recording), p[privilege][1], atol=1e-4)
    assert min(np.abs(p[a] - p[b]).max() for a, b in combinations(PRIVILEGES, 2)) > 1e-4
    assert np.mean([q.argmax(axis=1) == people.targets[NEW] for q in p.values()]) > 0.6


def test_the_network_learns_what_it_is_told(encoder, people):
    assert (encoder.told.abs().amax(dim=1) > 0).all()
    examples = examples_of(encoder, with_known(people, "several"), NEW)
    told = examples.embeddings(encoder)
    examples.shifts[..., -2:] = 0  # the same zero, and nobody says what it is
    assert not torch.allclose(examples.embeddings(encoder), told, atol=1e-4)


def test_a_resumed_training_equals_an_uninterrupted_one(known, encoder, tmp_path, monkeypatch):
    kept = training._Run.keep

    def killed(self, epoch):
        kept(self, epoch)
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Run, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(known, tmp_path)
    assert (tmp_path / "checkpoint.pt").exists()
    monkeypatch.setattr(training._Run, "keep", kept)
    assert fit(known, tmp_path).fingerprint == encoder.fingerprint


def test_a_calibrated_encoder_keeps_the_persons_shift(encoder, people):
    data = with_known(people, "neutral")
    inputs = encoder_inputs(data, encoder.config, NEW)
    tuned = calibrate(encoder, inputs, people.targets[NEW])
    assert tuned.scaling == "training" and tuned.told is None and encoder.told is not None
    fronts = encoder.config.front(people.recordings[NEW[4]])
    shift = encoder.shift_from(given(people, "neutral"), "neutral")
    torch.testing.assert_close(tuned.inputs(*fronts)[0], encoder.inputs(*fronts, shift)[0])


def test_levels_and_features_take_the_same_share_of_a_persons_zero_off(people, known, svm):
    bridge = BRIDGES["text"].fit(known, TRAINED, scaling=ANY)
    scale = LevelScale.from_dict(json.loads(json.dumps(asdict(bridge.scale))))
    assert asdict(scale) == asdict(bridge.scale)
    data = with_known(people, "several")
    [levels] = bridge.told(data, NEW)
    [plain] = bridge.told(people, NEW)
    zeros = plain.levels[np.searchsorted(NEW, data.known["several"][NEW[0]])]
    taken = SHARE * (np.median(zeros, axis=0) - scale.typical["several"])
    np.testing.assert_allclose(plain.levels - levels.levels, np.tile(taken, (9, 1)), atol=1e-9)
    assert set(svm.told) == set(KNOWN)
    assert [svm.told[p].scaling for p in KNOWN] == list(KNOWN)
    # On the whole, people are where they were: levels mean the same whatever is known.
    [ways] = bridge.told(known, TRAINED)
    middle = ways.ways.mean(axis=(1, 2))
    assert np.ptp(middle) < 1.5


def test_a_prompt_says_what_its_levels_are_against(people, known):
    bridge = BRIDGES["text"].fit(known, TRAINED, scaling=ANY)
    recording, prompts = people.recordings[NEW[0]], set()
    for privilege in PRIVILEGES:
        [reading] = bridge.read_dataset(with_known(people, privilege), NEW[:1])
        told = bridge.knowing(given(people, privilege), privilege) if privilege in KNOWN else bridge
        assert told.read(recording) == reading
        assert reading.zero == (privilege if privilege in KNOWN else "")
        assert ("zero: " in reading.prompt()) == bool(reading.zero)
        assert ZEROS.get(reading.zero, "EMG") in reading.prompt()
        assert without_emg(reading).zero == reading.zero
        prompts.add(reading.prompt())
    assert len(prompts) == 3
    [fixed] = (
        BRIDGES["text"]
        .fit(with_known(people, "neutral"), TRAINED, scaling="neutral")
        .read_dataset(with_known(people, "neutral"), NEW[:1])
    )
    assert fixed.zero == ""


def test_codes_and_levels_of_one_reading_know_the_same(people, known, encoder, codebook):
    bridge = BRIDGES["both"].fit(known, TRAINED, encoder, codebook, scaling=ANY)
    every = bridge.readings(known, NEW)
    assert every.ways == 3
    for way, privilege in enumerate(PRIVILEGES):
        alone = bridge.read_dataset(with_known(people, privilege), NEW)
        zeros = neutral_rows(with_known(people, privilege))
        for k, row in enumerate(NEW):
            assert (every.read(k, way=way) == alone[k]) == (row not in zeros)
        if privilege in KNOWN:
            told = bridge.knowing(given(people, privilege), privilege)
            assert told.read(people.recordings[NEW[2]]) == alone[2]
    with pytest.raises(BridgeError, match="use one for both"):
        BRIDGES["both"].fit(known, TRAINED, encoder, codebook, scaling="training")


def test_conversations_draw_what_is_known_but_for_the_test(known):
    split = without_neutral(known, held_out_split(known))
    bridge = BRIDGES["text"].fit(known, split.train, scaling=ANY)
    counts = Counter()
    for row in build_rows(known, split, bridge, variants=6):
        prompt = row["messages"][0]["content"]
        zero = next((z for z, words in ZEROS.items() if words in prompt), "")
        counts[row["split"] == "test", zero] += 1
    assert {zero for test, zero in counts if test} == {""}
    drawn = [n for (test, _), n in counts.items() if not test]
    assert len(drawn) == 3 and min(drawn) > 0.2 * sum(drawn)


def test_a_saved_model_gives_figures_for_each_privilege(people, svm, tmp_path):
    svm.save_pretrained(tmp_path)
    new, p = people.take(NEW), {}
    for privilege in PRIVILEGES:
        results, rows, p[privilege] = measure_trained(tmp_path, new, scaling=privilege)
        assert results["protocol"]["known"] == privilege
        assert len(rows) == 9 - (privilege == "neutral")
    assert np.abs(p["training"] - p["several"]).max() > 1e-3
    with pytest.raises(DatasetError, match="--scaling training, neutral, several"):
        measure_trained(tmp_path, new, scaling="person")


def test_a_recipe_of_any_is_measured_with_each_privilege(people):
    how = FoldTraining(scaling=ANY)
    results, rows, _ = measure_recipe("svm", people, leave_one_subject_out, 0, how=how)
    assert len(rows) == 36 and results["protocol"]["known"] == "training"
    assert set(results["known"]) == set(KNOWN)
    assert [results["known"][p]["n_recordings"] for p in KNOWN] == [32, 36]
    assert all(0.5 < of["accuracy"] <= 1 for of in results["known"].values())


def test_the_flag_of_an_evaluation_says_what_is_known(run_script, people, svm, tmp_path):
    svm.save_pretrained(tmp_path / "svm")
    data = "simulated:subjects=2,trials=2,duration=0.6,seed=5"
    n = {}
    for privilege in ("neutral", "several"):
        flags = "--model", tmp_path / "svm", "--data", data, "--labels", *LABELS
        out = tmp_path / privilege
        done = run_script("evaluate", *flags, "--scaling", privilege, "--output_dir", out)
        assert done.returncode == 0, done.stderr[-3000:]
        results = json.loads((out / "results.json").read_text())
        n[results["protocol"]["known"]] = results["n_recordings"]
    assert n == {"neutral": 10, "several": 12}


def pipeline_of(encoder, codebook, svm, bridge, nano_folder):
    """A pipeline of a few models in memory."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(nano_folder)
    tokenizer = AutoTokenizer.from_pretrained(nano_folder)
    pipeline = object.__new__(EmotionPipeline)
    pipeline.config, pipeline.labels = {"llms": ["nano"]}, LABELS
    pipeline.mean, pipeline.svm, pipeline.encoders = Confidence(), svm, {"cnn": encoder}
    pipeline._llms = {"nano": EmgLLM("nano", model, tokenizer, LABELS, bridge)}
    pipeline._memo, pipeline.profile = Recent(8), None
    return pipeline


def test_a_pipeline_that_knows_a_person_reads_them_otherwise_and_nothing_leaks(
    people, known, encoder, codebook, svm, nano_folder
):
    bridge = BRIDGES["both"].fit(known, TRAINED, encoder, codebook, scaling=ANY)
    plain = pipeline_of(encoder, codebook, svm, bridge, nano_folder)
    recording = people.recordings[NEW[1]]
    before = plain(recording)
    pipelines = {p: plain.knowing(**{p: given(people, p)}) for p in KNOWN}
    for privilege, one in pipelines.items():
        prediction = one(recording)
        for model in ("svm", "cnn", "nano"):
            assert prediction.probabilities[model] != before.probabilities[model], model
        assert ZEROS[privilege] in prediction.prompts["nano"]
        assert one.encoders["cnn"].head.weight is encoder.head.weight
        assert "".join(one.chat(recording, "Why?"))
    assert "zero" not in before.prompts["nano"]
    assert plain(recording) == before
    fresh = pipeline_of(encoder, codebook, svm, bridge, nano_folder)(recording)
    assert fresh.probabilities == before.probabilities
    for wrong in ({}, {"several": given(people, "several")[:1]}):
        with pytest.raises(ValueError, match="at least two"):
            plain.knowing(**wrong)


def test_a_pipeline_without_such_models_says_so(people, encoder, codebook, svm, nano_folder):
    other = replace(svm, scale=replace(svm.scale, scaling="training"))
    bridge = BRIDGES["text"].fit(people, TRAINED)
    plain = pipeline_of(encoder, codebook, other, bridge, nano_folder)
    plain.encoders = {}
    with pytest.raises(ValueError, match="none was trained with --scaling any") as caught:
        plain.knowing(neutral=given(people, "neutral"))
    assert str(caught.value).count(".") == 1 and not isinstance(caught.value, HubError)
