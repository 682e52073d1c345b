"""What a score means: known cases for every figure in results.json."""

import json

import numpy as np
import pandas as pd
import pytest

from emg_llm.evaluation.calibration import (
    abstention_curve,
    calibrations,
    expected_calibration_error,
    others_first,
)
from emg_llm.evaluation.calibration import calibration_figures as figures_of
from emg_llm.evaluation.calibration import conformal_figures as sets_of
from emg_llm.evaluation.confidence import Confidence, conformal_threshold
from emg_llm.evaluation.metrics import (
    evaluate,
    log_loss,
)
from emg_llm.evaluation.results import headline, save_results
from emg_llm.experiments import folds
from emg_llm.experiments.folds import FoldStore

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


def generator():
    return np.random.default_rng(0)


def one_hot(classes, n, confidence=1.0):
    rest = (1 - confidence) / (n - 1)
    return np.where(np.eye(n, dtype=bool)[classes], confidence, rest)


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


def sure(n_people=10, each=60, temperature=1.0, seed=1):
    """(targets, probabilities, people) of a model whose confidence is true at temperature 1."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(4, 0.5), n_people * each)
    targets = np.array([rng.choice(4, p=p) for p in true])
    seen = Confidence(1 / temperature).probabilities(np.log(true))
    return targets, seen, np.repeat(np.arange(n_people), each)


def calibration_figures(targets, p, people, confidence=None):
    return figures_of(targets, p, calibrations(targets, p, people, confidence))


def conformal_figures(targets, p, people, confidence=None):
    return sets_of(targets, calibrations(targets, p, people, confidence))


def test_temperature_scaling_mends_a_model_that_is_too_sure():
    found = calibration_figures(*sure(temperature=3.0))
    assert found["temperature"] == pytest.approx(3, rel=0.15)
    assert found["ece"] > 0.1 and found["ece_scaled"] < 0.07
    assert sum(b["n"] for b in found["bins"]) == sum(b["n"] for b in found["bins_scaled"]) == 600


def test_what_is_fitted_for_a_person_never_sees_that_person():
    people = sure(5)[2]
    folds = others_first(people)
    assert sorted(np.concatenate([rows for _, rows in folds])) == list(range(len(people)))
    assert all(not set(people[o]) & set(people[rows]) for o, rows in folds)
    # One of six people is always read wrongly: were they in their own calibration, each set would
    # hold two labels, as do those of the others, which are fitted on them too.
    targets, people = np.zeros(120, int), np.repeat(np.arange(6), 20)
    p = one_hot(np.where(people == 0, 1, 0), 3, 0.9)
    covered, _ = conformal_figures(targets, p, people)
    assert covered[people > 0].all() and not covered[people == 0].any()


def test_many_people_are_left_out_twenty_folds_at_a_time():
    people = np.repeat(np.arange(70), 2)
    folds = others_first(people)
    assert len(folds) == 20
    assert all(not set(people[o]) & set(people[rows]) for o, rows in folds)


def test_a_models_own_confidence_is_judged_as_it_is():
    others, p, theirs = sure(12, temperature=3.0, seed=2)
    own = Confidence.fit(np.log(p), others, theirs, "calibration people")
    targets, p, people = sure(2, temperature=3.0)
    calibrated = own.probabilities(np.log(p))
    found = calibration_figures(targets, calibrated, people, own)
    assert (found["fitted_on"], found["n_fitted_on"]) == ("calibration people", 12)
    assert found["temperature"] == own.temperature == pytest.approx(3, rel=0.15)
    assert found["ece"] < calibration_figures(targets, p, people)["ece"] - 0.05
    _, sets = conformal_figures(targets, calibrated, people, own)
    assert sets["fitted_on"] == "calibration people" and sets["coverage"] > 0.8


def test_sets_hold_the_label_as_often_as_they_promise_and_are_never_empty():
    targets, p, people = sure(12, 200)
    covered, found = conformal_figures(targets, p, people)
    assert covered.mean() == found["coverage"] == pytest.approx(0.9, abs=0.02)
    assert 1 < found["mean_size"] < 4 and found["level"] == 0.9
    assert found["one_label_accuracy"] > np.mean(p.argmax(axis=1) == targets) + 0.1
    # A model that knows nothing must name nearly all labels to hold the promise.
    _, blind = conformal_figures(targets, np.full((2400, 4), 0.25), people)
    assert blind["coverage"] == 1 and blind["mean_size"] == 4
    _, perfect = conformal_figures(targets, one_hot(targets, 4, 0.97), people)
    assert perfect["coverage"] == perfect["mean_size"] == 1
    sets = Confidence(threshold=0.0, level=0.9).sets(p)
    assert (sets.sum(axis=1) == 1).all() and (sets.argmax(axis=1) == p.argmax(axis=1)).all()


@pytest.mark.parametrize("alike", [0.3, 2.0])
def test_sets_cover_new_people_though_recordings_of_a_person_resemble_each_other(alike):
    def people(n, rng, each=24, labels=6):
        """Each person confuses the labels in a way of their own, `alike` in all recordings."""
        own = 2 * np.eye(labels) + alike * rng.standard_normal((n, labels, labels))
        targets = np.tile(np.arange(each) % labels, n)
        scores = own[np.repeat(np.arange(n), each), targets]
        return scores + rng.standard_normal(scores.shape), targets, np.repeat(np.arange(n), each)

    covered = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        own = Confidence.fit(*people(10, rng), "calibration people")
        scores, targets, _ = people(40, rng)
        sets = own.sets(own.probabilities(scores))
        covered.append(sets[np.arange(len(targets)), targets].mean())
    assert 0.88 <= np.mean(covered) <= 0.93


def test_the_threshold_of_people_who_are_each_alike_is_that_of_one_recording_each():
    scores, people = np.sort(np.random.default_rng(0).random(500)), np.repeat(np.arange(10), 50)
    assert scores[460] < conformal_threshold(scores, people, 0.9) <= scores[-1]
    mixed = np.random.default_rng(1).permutation(people)
    assert conformal_threshold(scores, mixed, 0.9) == pytest.approx(scores[450], abs=0.02)


def test_fewer_people_promise_less_and_very_few_nothing():
    def level(n):
        fitted = Confidence.fit(np.zeros((n, 3)), np.zeros(n, int), np.arange(n), "few")
        return fitted.level, fitted.threshold is None

    assert [level(n) for n in (3, 4, 8, 9)] == [(None, True), *[(0.8, False)] * 2, (0.9, False)]
    targets = np.array([0, 1, 0, 1])
    assert conformal_figures(targets, one_hot(targets, 2, 0.9), np.arange(4)) == (None, None)


def test_a_label_that_a_model_likes_too_much_loses_by_its_prior():
    rng = np.random.default_rng(0)
    targets = np.arange(300) % 3
    scores = 2 * np.eye(3)[targets] + rng.standard_normal((300, 3))
    fair = Confidence.fit(scores, targets, np.arange(300) % 10, "people")
    liked = Confidence.fit(scores + np.array([0, 0, 1.5]), targets, np.arange(300) % 10, "people")
    assert np.ptp(fair.prior) < 0.2 and liked.prior[2] - liked.prior[0] > 0.5
    alone = Confidence.fit(np.zeros((1, 3)), np.zeros(1, int), np.zeros(1), "one recording")
    assert np.ptp(alone.prior) < 0.7


def test_a_set_names_the_likeliest_labels_until_they_hold_enough():
    p = {"anger": 0.2, "fear": 0.7, "pride": 0.1}
    sets = {t: Confidence(threshold=t, level=0.9).label_set(p) for t in (0.5, 0.75, 0.95)}
    assert sets[0.5] == ("fear",) and sets[0.75] == ("fear", "anger")
    assert sets[0.95] == ("fear", "anger", "pride") and Confidence().label_set(p) == ()


def test_a_confidence_survives_its_file_and_reads_older_ones():
    fitted = Confidence(1.5, (0.1, -0.1), 0.93, 0.9, "calibration people", 10, (1.2, 1.5))
    assert Confidence.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted
    assert Confidence.from_dict({"arch": "cnn", "temperature": 0.5}) == Confidence(0.5)
    scores = np.array([[2.0, 1.0]])
    full, *fewer = (fitted.probabilities(scores, n).max() for n in (0, 1, 2, 3))
    assert full > fewer[0] > fewer[1] == fewer[2]


def test_a_single_person_is_neither_scaled_nor_given_sets():
    targets, p, people = sure(1)
    found = evaluate("abcd", targets, p, people)
    assert "ece_scaled" not in found["calibration"] and "conformal" not in found


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


def test_what_is_known_of_a_person_has_a_temperature_of_its_own():
    targets, p, people = sure(12, temperature=3.0)
    known = np.array(["", "several"] * len(p))[: len(p)]
    scores = np.log(p) * np.where(known == "", 1.0, 0.5)[:, None]
    fitted = Confidence.fit(scores, targets, people, "calibration people", known=known)
    calibrated = fitted.probabilities(scores, known=known)
    assert fitted.temperature == pytest.approx(3, rel=0.2)
    assert fitted.known[1] == pytest.approx(0.5, rel=0.2)
    for one in ("", "several"):
        rows = known == one
        assert np.mean(calibrated[rows].max(axis=1)) == pytest.approx(
            np.mean(calibrated[rows].argmax(axis=1) == targets[rows]), abs=0.06
        )
    again = Confidence.from_dict(fitted.to_dict())
    assert np.array_equal(again.probabilities(scores, known=known), calibrated)
    # A model that was not told reads on as before.
    assert Confidence.fit(scores, targets, people, "people").known == ()
