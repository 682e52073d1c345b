"""One neutral recording of each person is drawn, and neither learned nor scored."""

import numpy as np
import pytest

from emg_llm.bridge import BRIDGES
from emg_llm.data.datasets import Dataset, DatasetError, load_dataset
from emg_llm.data.known import known_of, neutral_rows, with_known, without_neutral
from emg_llm.data.splits import leave_one_subject_out
from emg_llm.encoders import build_encoder
from emg_llm.encoders.base import EncoderConfig
from emg_llm.encoders.examples import encoder_inputs, recording_embeddings
from emg_llm.evaluation.results import headline
from emg_llm.experiments.fitted import FoldTraining
from emg_llm.experiments.measure import measure_recipe
from emg_llm.experiments.results import led_by


@pytest.fixture(scope="module")
def people():
    return load_dataset("simulated:subjects=3,trials=3,duration=0.6", ["anger", "fear", "neutral"])


def drawn(people, seed):
    return tuple(row for (row,) in with_known(people, "neutral", seed).known["neutral"])


def test_each_persons_zero_is_one_of_their_own_neutral_recordings_drawn_by_seed(people):
    draws = [drawn(people, seed) for seed in range(8)]
    for draw in draws:
        assert all(people.labels[i] == "neutral" for i in draw)
        assert (people.groups[list(draw)] == people.groups).all() and len(set(draw)) == 3
    assert len(set(draws)) > 1 and draws[3] == drawn(people, 3)
    assert with_known(people, "person") is people


def test_a_zero_is_in_no_part_of_a_split(people):
    known = with_known(people, "neutral")
    for split in leave_one_subject_out(known):
        kept = without_neutral(known, split)
        assert len(kept.train) == 16 and len(kept.test) == 8 and kept.hash == split.hash
        assert not np.isin(neutral_rows(known), np.r_[kept.train, kept.test]).any()


def test_people_without_a_neutral_recording_are_named_in_one_sentence(people):
    rows = [
        i
        for i in range(len(people))
        if (people.subjects[i], people.labels[i]) != ("sim0-P002", "neutral")
    ]
    with pytest.raises(DatasetError, match="none of sim0-P002; add one, or choose another"):
        with_known(people.take(rows), "neutral")
    with pytest.raises(DatasetError, match="give --scaling neutral"):
        known_of(people, "neutral", [0])


def test_encoder_and_bridge_take_a_given_neutral_recording_as_they_take_a_datasets(people):
    known = with_known(people, "neutral")
    config = EncoderConfig("cnn", list(people.label_names), width=8, embedding_dim=16)
    config.scaling = "neutral"
    encoder, row = build_encoder(config).eval(), 5
    zero = people.recordings[known.known["neutral"][row][0]]
    together = recording_embeddings(
        encoder, encoder_inputs(known, config, [row]), known.groups[[row]]
    )
    covariance, whole = config.front(people.recordings[row])
    alone = encoder.body(*encoder.inputs(covariance, whole, encoder.shift_from([zero]))).mean(dim=0)
    np.testing.assert_allclose(alone.detach(), together[0], atol=1e-4)
    assert not np.allclose(encoder.embedding(people.recordings[row]), together[0], atol=1e-2)

    bridge = BRIDGES["text"].fit(known, range(len(known)), scaling="neutral")
    at_zero = bridge.read_dataset(known, [known.known["neutral"][row][0]])[0].levels
    assert bridge.scaling == "neutral"
    assert (
        at_zero != bridge.read(zero).levels
        and np.abs(at_zero).max() <= np.abs(bridge.read(zero).levels).max()
    )


@pytest.mark.parametrize("scaling", ["training", "neutral", "person"])
def test_what_is_known_of_a_person_is_what_the_svm_learns_from(scaling):
    # A person's own loudness is far greater than what the labels differ by.
    rng, n = np.random.default_rng(0), 120
    people, targets = np.repeat(np.arange(6), 20), np.tile(np.arange(2), 60)
    level = rng.uniform(-4, 4, (6, 1))[people] + targets[:, None] * [1, -1]
    table = 10 ** (level + 0.1 * rng.standard_normal((n, 2)))
    labels = tuple(np.array(["neutral", "fear"])[targets])
    names = tuple(map(str, range(n))), labels, tuple(f"p{p}" for p in people)
    data = Dataset("made here", *names, table=table, columns=("a", "b"))
    how = FoldTraining(scaling=scaling)
    results, rows, _ = measure_recipe("svm", data, leave_one_subject_out, 0, how=how)
    assert len(rows) == n - 6 * (scaling == "neutral")
    assert results["accuracy"] > 0.9


def test_a_readout_alone_and_the_paths_of_an_encoder_are_measured_under_their_own_names(people):
    how = FoldTraining(scaling="neutral")
    alone, *_ = measure_recipe("power-readout", people, leave_one_subject_out, 0, how=how)
    assert alone["model"] == "power-readout" and "paths" not in alone
    assert headline(alone).startswith("power-readout: ")
    results = {"model": "cnn", "lead": led_by(["network", "network", "combination"]), **FIGURES}
    assert headline(results).startswith(
        "cnn (network in 2 of 3 folds, combination in 1 of 3 folds)"
    )


FIGURES = {"accuracy": 0.5, "accuracy_ci95": (0.4, 0.6), "chance": 0.25} | {
    "n_recordings": 20,
    "n_subjects": 4,
}
