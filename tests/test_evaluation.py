"""What a score means: known cases for every figure in results.json."""

import json

import numpy as np
import pandas as pd
import pytest

from emg_llm.evaluation import (
    bootstrap_interval,
    control,
    evaluate,
    expected_calibration_error,
    headline,
    save_results,
    shuffled_control,
)

KEYS = [
    "labels",
    "n_recordings",
    "n_subjects",
    "accuracy",
    "accuracy_ci95",
    "balanced_accuracy",
    "macro_f1",
    "ece",
    "chance",
    "confusion_matrix",
    "controls",
]


def generator():
    return np.random.default_rng(0)


def one_hot(classes, n, confidence=1.0):
    rest = (1 - confidence) / (n - 1)
    return np.where(np.eye(n, dtype=bool)[classes], confidence, rest)


def test_the_interval_draws_people_and_not_recordings():
    # Two of four people are always right, two always wrong: 400 recordings, four facts.
    correct = np.repeat([True, True, False, False], 100)
    people = np.repeat(list("abcd"), 100)
    low, high = bootstrap_interval(correct, people, generator())
    assert low == 0 and high == 1
    alone_low, alone_high = bootstrap_interval(correct, np.arange(400), generator())
    assert alone_low == pytest.approx(0.45, abs=0.02)
    assert alone_high == pytest.approx(0.55, abs=0.02)


def test_the_interval_weighs_a_person_by_their_recordings():
    # Fifty people with nine right answers each, fifty with a single wrong one: accuracy 0.9.
    people = np.concatenate([np.repeat(np.arange(50), 9), np.arange(50, 100)])
    low, high = bootstrap_interval(people < 50, people, generator())
    assert 0.85 < low < 0.9 < high < 0.95


def test_the_recordings_of_a_single_person_still_leave_doubt():
    low, high = bootstrap_interval(np.arange(20) % 2 == 0, ["only"] * 20, generator())
    assert low < 0.4 and high > 0.6


def test_shuffled_emg_scores_near_chance_and_a_real_reading_far_above():
    targets = np.repeat(np.arange(4), 50)
    perfect = shuffled_control(targets, targets, generator())
    assert perfect["accuracy"] == pytest.approx(0.25, abs=0.01)
    assert perfect["p"] == pytest.approx(1 / 1001)
    low, high = perfect["accuracy_ci95"]
    assert 0.15 < low < 0.25 < high < 0.35


def test_a_constant_answer_is_no_better_than_shuffled_emg():
    targets = np.array([0] * 80 + [1] * 20)
    constant = shuffled_control(np.zeros(100, int), targets, generator())
    assert constant["accuracy"] == pytest.approx(0.8) and constant["p"] == 1


@pytest.mark.parametrize("confidence", [0.6, 0.75, 0.9])
def test_calibration_error_is_zero_where_confidence_is_accuracy(confidence):
    n = 1000
    right = np.arange(n) < round(confidence * n)
    probabilities = one_hot(np.zeros(n, int), 2, confidence)
    assert expected_calibration_error(probabilities, np.where(right, 0, 1)) < 1e-9


def test_calibration_error_of_the_overconfident_is_the_gap():
    targets = np.arange(100) % 2
    sure = one_hot(np.zeros(100, int), 2)
    assert expected_calibration_error(sure, targets) == pytest.approx(0.5)
    timid = one_hot(targets, 2, 0.7)  # always right
    assert expected_calibration_error(timid, targets) == pytest.approx(0.3)


def test_errors_of_opposite_sign_in_different_bins_do_not_cancel():
    targets = np.array([0] * 10 + [1] * 10)
    probabilities = np.vstack([one_hot([0] * 10, 2, 0.6), one_hot([0] * 10, 2, 0.9)])
    assert expected_calibration_error(probabilities, targets) == pytest.approx((0.4 + 0.9) / 2)


def test_the_figures_of_a_known_confusion():
    targets = np.array([0, 0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 0])
    people = np.array(["a", "a", "b", "b", "c", "c"])
    found = evaluate(("anger", "fear"), targets, one_hot(predicted, 2, 0.8), people)
    assert sorted(found) == sorted(KEYS)
    assert (found["n_recordings"], found["n_subjects"]) == (6, 3)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found["macro_f1"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found["confusion_matrix"] == [[3, 1], [1, 1]]  # rows: true
    assert found["chance"] == 0.5 and found["controls"]["majority"] == pytest.approx(4 / 6)
    low, high = found["accuracy_ci95"]
    assert low <= found["accuracy"] <= high
    json.dumps(found)


def test_figures_depend_on_the_seed_alone():
    rng = generator()
    targets, people = rng.integers(4, size=60), np.repeat(np.arange(6), 10)
    probabilities = rng.dirichlet(np.ones(4), 60)
    first, again = (evaluate("abcd", targets, probabilities, people, seed=5) for _ in range(2))
    assert first == again
    assert first != evaluate("abcd", targets, probabilities, people, seed=6)


def test_a_label_that_nobody_shows_stays_in_the_matrix_and_out_of_the_f1():
    targets = np.array([0, 0, 2, 2])
    found = evaluate("abc", targets, one_hot(targets, 3), np.arange(4))
    assert np.shape(found["confusion_matrix"]) == (3, 3) and found["macro_f1"] == 1
    assert found["chance"] == pytest.approx(1 / 3)


def test_a_controls_accuracy_has_an_interval_over_people():
    targets = np.repeat([0, 1], 10)
    found = control(targets, one_hot(np.zeros(20, int), 2), targets)
    assert found == {"accuracy": 0.5, "accuracy_ci95": [0.0, 1.0]}


def test_results_and_predictions_are_written_as_promised(tmp_path):
    targets = np.array([0, 1, 1])
    probabilities = one_hot(np.array([0, 1, 0]), 2, 0.8)
    people = ("P1", "P1", "P2")
    results = {"model": "m"} | evaluate(("anger", "fear"), targets, probabilities, people)
    save_results(tmp_path / "new", results, ("r1", "r2", "r3"), people, targets, probabilities)
    assert json.loads((tmp_path / "new" / "results.json").read_text()) == results
    table = pd.read_csv(tmp_path / "new" / "predictions.csv")
    assert list(table) == ["recording_id", "subject", "label", "predicted", "p_anger", "p_fear"]
    assert list(table["label"]) == ["anger", "fear", "fear"]
    assert list(table["predicted"]) == ["anger", "fear", "anger"]
    assert np.allclose(table["p_fear"], [0.2, 0.8, 0.2])
    line = headline(results)
    assert "m: accuracy 0.667" in line and "3 recordings of 2 people" in line
    assert "chance 0.500" in line
