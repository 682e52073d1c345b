"""Intervals cover what they should, and what knows nothing is at chance."""

import numpy as np
import pytest

from emg_llm.evaluation.metrics import control
from emg_llm.evaluation.statistics import (
    above_chance,
    chance_p,
    correlation_interval,
    difference,
    mean_interval,
    share_interval,
)
from tests.scripts import load_script


@pytest.fixture(scope="module")
def simulated():
    return load_script("intervals", "benchmarks")


def generator():
    return np.random.default_rng(0)


def one_hot(classes, n):
    return np.eye(n)[classes]


@pytest.mark.parametrize("people", [8, 12])
@pytest.mark.parametrize(("mean", "spread"), [(0.3, 0.1), (0.6, 0.0), (0.9, 0.06), (0.97, 0.03)])
def test_intervals_of_few_people_cover_the_truth(simulated, mean, spread, people):
    assert 0.92 <= simulated.coverage(mean, spread, people, 1500, generator()) <= 0.98


def test_a_bootstrap_of_percentiles_would_not_pass_that_test(simulated, monkeypatch):
    def percentile(sums, counts):
        drawn = generator().integers(8, size=(200, 8))
        means = sums[:, drawn].sum(-1) / counts[:, drawn].sum(-1)
        return np.percentile(means, (2.5, 97.5), axis=1)

    monkeypatch.setattr(simulated, "share_limits", percentile)
    assert simulated.coverage(0.9, 0.06, 8, 500, generator()) < 0.92


def test_intervals_of_a_difference_cover_none_where_there_is_none(simulated):
    assert 0.92 <= simulated.coverage_of_differences(8, 600, generator()) <= 0.98


@pytest.mark.parametrize("people", [3, 8])
@pytest.mark.parametrize("kind", ["independent", "clusters", "favourites", "knows the person"])
def test_answers_that_know_nothing_are_rarely_above_chance(simulated, kind, people):
    assert simulated.alarms(kind, people, 600, generator()) <= 0.06


def test_answers_alike_within_an_emotion_would_deceive_a_test_of_recordings(simulated):
    counts = simulated.confusions("clusters", 8, 300, generator())
    hits, n = np.einsum("nkll->n", counts), counts.sum((1, 2, 3))
    z = (hits / n - 1 / 12) / np.sqrt(1 / 12 * 11 / 12 / n)
    assert np.mean(z > 1.645) > 0.2


@pytest.mark.parametrize("kind", ["one label", "one label in 70 %", "one in ten"])
def test_a_little_knowledge_is_above_chance(simulated, kind):
    assert simulated.alarms(kind, 8, 200, generator()) > 0.95


def test_one_label_of_twelve_is_found_though_the_total_is_not_much_above_chance():
    rng, people = generator(), np.repeat(np.arange(8), 24)
    targets = np.tile(np.arange(12), 16)
    knows_one = np.where(targets == 0, 0, rng.integers(1, 12, len(targets)))
    figures = control(targets, one_hot(knows_one, 12), people)
    assert figures["accuracy"] == pytest.approx(0.167, abs=0.03) and not figures["at_chance"]
    assert control(targets, one_hot(rng.integers(12, size=192), 12), people)["at_chance"]
    assert control(targets, one_hot(np.full(192, 3), 12), people)["at_chance"]


def test_a_control_that_knows_the_person_is_caught_and_is_no_reading():
    """Each person shows one label mostly, and is answered with it whatever the recording."""
    people, favourite = np.repeat(np.arange(8), 20), np.repeat(np.arange(8) % 4, 20)
    targets = np.where(generator().random(160) < 0.7, favourite, generator().integers(4, size=160))
    assert above_chance(favourite, targets, people, 4) > 0.05
    assert not control(targets, one_hot(favourite, 4), people)["at_chance"]


def test_weights_drawn_at_random_are_judged_over_draws():
    """A random name for each emotion is right for some of them, and then for all people."""
    rng, targets = generator(), np.tile(np.arange(12), 16)
    names = rng.integers(12, size=(3, 12))
    names[0, 0] = 0
    draws = np.repeat(np.arange(3), len(targets))
    predicted = np.concatenate([name[targets] for name in names])
    people = np.repeat(np.arange(8), 24)
    assert not control(targets, one_hot(names[0][targets], 12), people)["at_chance"]
    assert control(np.tile(targets, 3), one_hot(predicted, 12), draws)["at_chance"]


def test_a_single_unit_proves_nothing():
    assert chance_p(np.eye(3)[None] * 50) == 1
    assert share_interval([True], ["P1"]) == [0, 1] and mean_interval([0.5], ["P1"]) == [-1, 1]
    assert difference([1], [0], ["P1"]) == {"gain": 1, "gain_ci95": [-1, 1], "gain_p": 1}


def test_the_interval_is_over_people_and_not_recordings():
    # Two of four people are always right, two always wrong: 400 recordings, four facts.
    correct, people = np.repeat([1, 1, 0, 0], 100), np.repeat(list("abcd"), 100)
    low, high = share_interval(correct, people)
    assert low < 0.1 and high > 0.9
    low, high = share_interval(correct, np.arange(400))
    assert (low, high) == pytest.approx((0.45, 0.55), abs=0.01)


def test_the_interval_weighs_a_person_by_their_recordings():
    # Fifty people with nine right answers each, fifty with a single wrong one: accuracy 0.9.
    people = np.concatenate([np.repeat(np.arange(50), 9), np.arange(50, 100)])
    low, high = share_interval(people < 50, people)
    assert 0.8 < low < 0.9 < high < 0.95


def test_the_recordings_of_a_single_person_still_leave_doubt():
    low, high = share_interval(np.arange(20) % 2 == 0, ["only"] * 20)
    assert low < 0.4 and high > 0.6


def test_people_who_are_all_right_leave_doubt_about_the_next_one():
    low, high = share_interval(np.ones(240), np.repeat(np.arange(8), 30))
    assert 0.95 < low < 0.995 and high == 1
    assert share_interval(np.zeros(240), np.repeat(np.arange(8), 30))[0] == 0


def test_a_difference_is_paired():
    rng, people = generator(), np.repeat(np.arange(8), 30)
    able = np.repeat(rng.uniform(0.3, 0.9, 8), 30)
    luck = rng.random(240)
    before, after = luck < able, luck < able + 0.08  # the same luck, a little more
    found = difference(after, before, people)
    low, high = found["gain_ci95"]
    assert 0 < low < found["gain"] < high < 0.2 and found["gain_p"] < 0.01
    assert difference(before, before, people) == {"gain": 0, "gain_ci95": [0, 0], "gain_p": 1}
    back = difference(before, after, people)
    assert back["gain"] == -found["gain"] and back["gain_p"] == found["gain_p"]


def test_the_interval_of_a_correlation_is_over_people():
    rng, people = generator(), np.repeat(np.arange(8), 30)
    x = rng.standard_normal(240)
    y = x + 0.5 * rng.standard_normal(240)
    low, high = correlation_interval(lambda rows: np.corrcoef(x[rows], y[rows])[0, 1], people)
    assert 0.8 < low < 0.9 < high
    x, y = (np.repeat(rng.standard_normal(8), 30) for _ in range(2))
    low, high = correlation_interval(lambda rows: np.corrcoef(x[rows], y[rows])[0, 1], people)
    assert high - low > 0.8  # 240 recordings, eight facts
