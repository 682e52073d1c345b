"""How sure a model is: temperature, prior, sets of labels, and what is known of a person."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emg_llm.evaluation.calibration import calibration_figures as figures_of
from emg_llm.evaluation.calibration import (
    calibrations,
    others_first,
)
from emg_llm.evaluation.calibration import conformal_figures as sets_of
from emg_llm.evaluation.confidence import Confidence, conformal_threshold
from emg_llm.evaluation.metrics import (
    evaluate,
)
from tests.making import one_hot


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


def test_real_people_flatten_probabilities_by_what_is_known_and_enlarge_sets():
    p = np.array([[0.6, 0.3, 0.1]])
    known = ["", "neutral", "several"]
    plain = Confidence(known=(0.8, 0.7), threshold=0.9, level=0.9)
    real = replace(plain, real=(1.0, 1.5, 2.0))
    scores = np.log(np.repeat(p, 3, axis=0))
    before, after = (c.probabilities(scores, known=known) for c in (plain, real))
    flattened = before ** (1 / np.array([[1.0], [1.5], [2.0]]))
    assert np.allclose(after, flattened / flattened.sum(axis=1, keepdims=True))
    assert plain.sets(before).sum(axis=1)[2] < real.sets(after).sum(axis=1)[2]
    assert Confidence.from_dict(json.loads(json.dumps(real.to_dict()))) == real
