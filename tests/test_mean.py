"""The mean of the language models, measured as a model of its own."""

import numpy as np
import pytest

from emg_llm.evaluation.confidence import Confidence
from emg_llm.experiments.mean import mean_of
from emg_llm.experiments.results import Measured
from tests.making import rows

LABELS = np.tile(["anger", "fear", "pride"], 40)


@pytest.fixture
def data():
    return rows(np.zeros((120, 1)), LABELS, np.repeat([f"P{i}" for i in range(20)], 6))


def measured(data, seed, calibrated=True):
    """A model that reads half of the labels right, another half than with another seed."""
    rng = np.random.default_rng(seed)
    right = np.eye(3)[data.targets] * (rng.random((120, 1)) < 0.5)
    p = 0.7 * right + 0.1 * rng.random((120, 3)) + 0.05
    found, test = Measured(data, 0), np.arange(60, 120)
    found.add("emg", test, {"probabilities": p[test] / p[test].sum(axis=1, keepdims=True)})
    if calibrated:
        found.confidence = Confidence(fitted_on="calibration people", n_people=10)
        found.calibrating = np.arange(60), p[:60] / p[:60].sum(axis=1, keepdims=True)
    return found


def test_the_mean_is_right_more_often_and_as_sure_as_it_is_right_on_calibration_people(data):
    models = [measured(data, seed) for seed in range(3)]
    results = mean_of(models).results("mean", {"name": "held_out"})
    alone = [m.results("one", {"name": "held_out"})["accuracy"] for m in models]
    assert results["accuracy"] > max(alone) + 0.1
    plain = np.mean([m.scored[1] for m in models], axis=0)
    assert (mean_of(models).scored[1].argmax(axis=1) == plain.argmax(axis=1)).all()
    assert (results["conformal"]["fitted_on"], results["conformal"]["n_fitted_on"]) == (
        "calibration people",
        10,
    )
    assert results["calibration"]["temperature"] != 1


def test_without_calibration_people_the_mean_is_the_plain_mean(data):
    models = [measured(data, seed, calibrated=False) for seed in range(2)]
    mean = mean_of(models)
    np.testing.assert_allclose(mean.scored[1], (models[0].scored[1] + models[1].scored[1]) / 2)
    assert mean.confidence is None
    results = mean.results("mean", {"name": "held_out"})
    assert results["calibration"]["fitted_on"] == "other test people"
