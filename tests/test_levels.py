import json
from dataclasses import asdict

import numpy as np
import pytest

from emg_llm.signal.levels import LIMIT, SHARE, LevelScale, whole


@pytest.fixture
def two_people():
    """(powers, person, neutral): the second person is 10 dB louder and varies twice as much."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 4, (40, 3))
    powers = 10 ** (np.concatenate([x, 10 + 2 * x]) / 10)
    return powers, np.repeat(["a", "b"], 40), np.tile(np.arange(40) < 8, 2)


def test_levels_of_powers_are_decibels_above_the_training_peoples_median():
    rng = np.random.default_rng(0)
    scale = LevelScale.fit(rng.uniform(1, 100, (50, 3)) * [1, 10, 1e4], "abc")
    typical = 10 ** (np.array(scale.center) / 10)
    assert scale.is_power == (True, True, True)
    assert np.array_equal(
        levels(scale, [typical, 10 * typical, typical / 1000]), [[0] * 3, [10] * 3, [-30] * 3]
    )


def test_levels_of_signed_columns_are_tenths_of_the_interquartile_range():
    x = np.arange(-50.0, 51.0)[:, None]
    scale = LevelScale.fit(x, ["a"])
    assert scale.is_power == (False,)
    assert np.array_equal(levels(scale, [[0.0], [50.0], [-25.0]]), [[0], [10], [-5]])


def test_levels_stay_within_their_limit_and_nothing_breaks_on_zero_or_nan():
    scale = LevelScale.fit(np.random.default_rng(0).uniform(1, 2, (9, 1)), ["a"])
    found = levels(scale, [[1e30], [0.0], [np.nan]])
    assert found.tolist() == [[40], [-40], [0]]


def levels(scale, values):
    return whole(scale.continuous(values))


@pytest.mark.parametrize("scaling", ["neutral", "person"])
def test_a_persons_own_loudness_is_taken_off_as_far_as_the_share(two_people, scaling):
    powers, people, _ = two_people
    zeros = powers[[0] * 40 + [40] * 40][:, None]  # one of each person
    scale = LevelScale.fit(powers, "abc", people=people, known={"neutral": zeros}, scaling=scaling)
    x, louder = (
        scale.of_people(powers, people, {"neutral": zeros}),
        np.where(people == "b", 100, 1)[:, None],
    )
    y = scale.of_people(louder * powers, people, {"neutral": louder[:, None] * zeros})
    np.testing.assert_allclose(y[:40], x[:40], atol=1e-9)
    np.testing.assert_allclose(y[40:], x[40:] + (1 - SHARE) * 20, atol=1e-9)
    # What is taken off recordings together is what the person's measure takes off one.
    known = powers[:1] if scaling == "neutral" else powers[:40]
    one = scale.continuous(powers[5], scale.measure(known))
    np.testing.assert_allclose(one, x[5], atol=1e-9)


@pytest.mark.parametrize("scaling", ["training", "neutral", "person"])
def test_without_what_it_needs_a_level_is_measured_against_the_training_people(two_people, scaling):
    powers, people, _ = two_people
    scale = LevelScale.fit(
        powers, "abc", people=people, known={"neutral": powers[:, None]}, scaling=scaling
    )
    alone = scale.of_people(powers[:1], people[:1])
    np.testing.assert_allclose(alone, scale.continuous(powers[:1]))


def test_the_neutral_level_is_the_median_of_the_neutral_recordings(two_people):
    powers, _, neutral = two_people
    scale = LevelScale.fit(powers, "abc", neutral)
    x = scale.continuous(powers)
    np.testing.assert_allclose(scale.neutral, np.median(x[neutral], axis=0))
    assert LevelScale.fit(powers, "abc", np.zeros(80, bool)).neutral == ()


def test_a_scale_comes_back_from_json(two_people):
    powers, people, neutral = two_people
    scale = LevelScale.fit(powers, "abc", neutral, people, scaling="person")
    again = LevelScale.from_dict(json.loads(json.dumps(asdict(scale))))
    assert again.__dict__ == scale.__dict__ and scale.neutral and LIMIT == 40
    older = {k: v for k, v in asdict(scale).items() if k != "scaling"}
    assert LevelScale.from_dict(older | {"width": 4.0}).scaling == "person"
    assert LevelScale.from_dict(older | {"width": 0.0}).scaling == "training"
