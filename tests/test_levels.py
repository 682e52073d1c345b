import json
from dataclasses import asdict

import numpy as np
import pytest

from emg_llm.signal.levels import LIMIT, LevelScale, whole


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


def test_against_their_own_recordings_people_of_any_loudness_read_alike(two_people):
    powers, people, _ = two_people
    plain = LevelScale.fit(powers, "abc")
    scale = LevelScale.fit(powers, "abc", people=people)
    x = scale.of_people(powers, people)
    assert np.allclose(np.median(x[:40], axis=0), 0) and np.allclose(np.median(x[40:], axis=0), 0)
    # The wider person is drawn in by half, on the logarithmic scale, and the narrower one out.
    assert x[40:].std() / x[:40].std() == pytest.approx(2**0.5, rel=1e-6)
    louder = powers * np.where(people == "b", 100, 1)[:, None]
    np.testing.assert_allclose(scale.of_people(louder, people), x, atol=1e-9)
    assert not np.allclose(plain.of_people(louder), plain.of_people(powers))


def test_one_recording_alone_is_measured_against_the_training_people(two_people):
    powers, people, _ = two_people
    scale = LevelScale.fit(powers, "abc", people=people)
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
    scale = LevelScale.fit(powers, "abc", neutral, people)
    again = LevelScale.from_dict(json.loads(json.dumps(asdict(scale))))
    assert again.__dict__ == scale.__dict__ and scale.width > 0 and LIMIT == 40
