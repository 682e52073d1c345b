"""What a score means: known cases for every figure in results.json."""

import json

import numpy as np
import pandas as pd
import pytest

from emg_llm.evaluation.calibration import (
    abstention_curve,
    expected_calibration_error,
)
from emg_llm.evaluation.metrics import (
    evaluate,
    log_loss,
)
from emg_llm.evaluation.results import headline, save_results
from emg_llm.experiments import folds
from emg_llm.experiments.folds import FoldStore
from tests.making import one_hot

KEYS = [
    "labels",
    "n_recordings",
    "n_subjects",
    "accuracy",
    "accuracy_ci95",
    "interval_over",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "ece",
    "chance",
    "confusion_matrix",
    "controls",
    "per_class",
    "per_subject",
    "p_above_chance",
    "calibration",
    "conformal",
    "abstention",
]


def test_the_log_loss_is_what_the_true_labels_probability_costs():
    p = np.array([[0.5, 0.5], [0.25, 0.75], [0.0, 1.0]])
    assert log_loss([0, 1], p[:2]) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    # Certain and wrong costs much, but not infinitely much.
    assert log_loss([0], p[2:]) == pytest.approx(np.log(1e6))


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
    assert {*found, "conformal"} == {*KEYS}  # three people are too few for sets
    assert (found["n_recordings"], found["n_subjects"]) == (6, 3)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found["macro_f1"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found["confusion_matrix"] == [[3, 1], [1, 1]]  # rows: true
    assert found["chance"] == 0.5 and found["controls"]["majority"] == pytest.approx(4 / 6)
    low, high = found["accuracy_ci95"]
    assert low <= found["accuracy"] <= high and found["interval_over"] == "people"
    by_construction = found["controls"]["shuffled_emg"]
    assert by_construction == {"accuracy": pytest.approx((4 * 4 + 2 * 2) / 36)}
    anger, fear = found["per_class"]
    assert anger == {"label": "anger", "precision": 0.75, "recall": 0.75, "f1": 0.75, "support": 4}
    assert (fear["recall"], fear["support"]) == (0.5, 2)
    assert found["per_subject"] == [
        {"subject": "b", "n": 2, "accuracy": 0.5},
        {"subject": "c", "n": 2, "accuracy": 0.5},
        {"subject": "a", "n": 2, "accuracy": 1.0},
    ]
    json.dumps(found)


def test_a_label_that_nobody_shows_stays_in_the_matrix_and_out_of_the_f1():
    targets = np.array([0, 0, 2, 2])
    found = evaluate("abc", targets, one_hot(targets, 3), np.arange(4))
    assert np.shape(found["confusion_matrix"]) == (3, 3) and found["macro_f1"] == 1
    assert found["chance"] == pytest.approx(1 / 3)


def test_abstaining_helps_where_confidence_tells_right_from_wrong():
    targets = np.zeros(100, int)
    predicted = np.arange(100) % 2  # half are wrong
    knows = np.where(
        (predicted == 0)[:, None], one_hot(predicted, 2, 0.9), one_hot(predicted, 2, 0.6)
    )
    curve = abstention_curve(targets, knows)
    assert curve["share"][-1] == 1 and curve["accuracy"][-1] == 0.5
    assert curve["accuracy"][9] == 1 and curve["share"][9] == 0.5
    assert curve["area"] == pytest.approx(0.5 + 0.5 * np.log(2), abs=0.01)
    fooled = np.where(
        (predicted == 1)[:, None], one_hot(predicted, 2, 0.9), one_hot(predicted, 2, 0.6)
    )
    assert abstention_curve(targets, fooled)["accuracy"][9] == 0


def test_recordings_of_equal_confidence_count_as_their_mean_whatever_their_order():
    targets = np.array([0] * 30 + [1] * 10)
    curve = abstention_curve(targets, one_hot(np.zeros(40, int), 2, 0.8))
    assert curve["accuracy"] == pytest.approx([0.75] * 20) and curve["area"] == pytest.approx(0.75)


def test_a_fold_is_measured_once_and_again_when_something_it_depends_on_changes(
    tmp_path, monkeypatch
):
    calls = []

    def make():
        calls.append(1)
        return {"probabilities": np.full(3, len(calls))}

    def recall(fresh=False, **changes):
        store = FoldStore(tmp_path / "folds", fresh)
        key = {"model": "svm", "what": "emg", "fold": "aa", "seed": 0, "data": "x"} | changes
        return store.recall(make, **key)["probabilities"][0], len(store.reused)

    assert recall() == (1, 0)
    assert recall() == (1, 1)
    for number, change in enumerate(({"seed": 1}, {"fold": "b"}, {"data": "y"}, {"what": "n"}), 2):
        assert recall(**change) == (number, 0)
    assert recall(fresh=True) == (6, 0) and recall() == (6, 1)
    monkeypatch.setattr(folds, "code_hash", lambda: "other code")
    assert recall() == (7, 0)


def test_an_interrupted_fold_is_not_taken_for_a_finished_one(tmp_path, monkeypatch):
    def broken(path, **arrays):
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    key = {"model": "svm", "what": "emg", "fold": "aa"}
    with monkeypatch.context() as m:
        m.setattr(np, "savez_compressed", broken)
        with pytest.raises(KeyboardInterrupt):
            FoldStore(tmp_path).recall(lambda: {"p": np.zeros(1)}, **key)
    store = FoldStore(tmp_path)
    assert store.recall(lambda: {"p": np.ones(1)}, **key)["p"] == 1 and not store.reused


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
