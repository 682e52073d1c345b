"""What a language model's answers depend on: one input of its Readings changed at a time."""

from dataclasses import replace

import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.data.datasets import Dataset
from emg_llm.data.splits import PROTOCOLS
from emg_llm.experiments import measure
from emg_llm.experiments.extras import Extras
from emg_llm.experiments.fitted import Fitted
from emg_llm.experiments.inputs import changed_readings, donors_of
from emg_llm.experiments.measure import measure_recipe

LABELS = ("anger", "fear", "pride")
SITES = ("cheek", "jaw", "forehead")
TARGETS = np.arange(60) % 3
LEVELLED = [Reading(SITES, (3 * t, k, -k), "dB", snr=k, neutral=k) for k, t in enumerate(TARGETS)]
READINGS = [replace(r, codes=(int(TARGETS[k]), k)) for k, r in enumerate(LEVELLED)]


def changed(readings=READINGS):
    rng = np.random.default_rng(0)
    donors = donors_of(TARGETS, rng)
    return changed_readings(readings, donors, rng), donors


def test_codes_and_levels_come_from_a_recording_with_another_label():
    every, donors = changed()
    assert (TARGETS[donors] != TARGETS).all()
    for k, donor in enumerate(donors):
        own, other = READINGS[k], READINGS[donor]
        assert every["codes of another recording"][k] == replace(own, codes=other.codes)
        assert every["levels of another recording"][k] == replace(
            own, levels=other.levels, neutral=other.neutral
        )
        assert every["codes removed"][k] == replace(own, codes=())
        assert every["levels removed"][k].prompt() == f"EMG features: {''.join(own.tokens)}"
    assert donors_of(np.zeros(2, int), np.random.default_rng(0)).tolist() == [0, 1]


def test_sites_swap_names_or_values_and_never_stay_as_they_are():
    every, _ = changed()
    for k, own in enumerate(READINGS):
        names = every["names of sites permuted"][k]
        assert names.levels == own.levels and names.sites != own.sites
        assert sorted(names.sites) == sorted(own.sites)
        values = every["values of sites permuted"][k]
        assert values.sites == own.sites and sorted(values.levels) == sorted(own.levels)


def test_only_what_is_read_is_changed():
    text, _ = changed(LEVELLED)
    assert set(text) == {
        *("levels of another recording", "names of sites permuted", "values of sites permuted")
    }
    tokens, _ = changed([Reading(codes=r.codes) for r in READINGS])
    assert set(tokens) == {"codes of another recording"}


@pytest.fixture
def reader(monkeypatch):
    """A kind of model that reads the first code alone: a name for `measure_recipe`."""

    def predict(readings):
        first = [r.codes[0] if r.codes else 0 for r in readings]
        return np.eye(3)[first] * 0.7 + 0.1

    def scored(dataset, rows):
        return predict([READINGS[i] for i in rows])

    def change(dataset, rows, some, seed):
        rng = np.random.default_rng(seed)
        donors = donors_of(dataset.targets[some], rng)
        every = changed_readings([READINGS[i] for i in some], donors, rng)
        return {name: predict(r) for name, r in every.items()} | {"donors": some[donors]}

    def beside(dataset, train, rows):
        other = np.roll(np.eye(3), 1, axis=1)[dataset.targets[rows]]
        return {"encoder": scored(dataset, rows), "lookup": other}

    model = Fitted("reader", LABELS, scored, changed=change, beside=beside)
    monkeypatch.setattr(
        measure, "fitter", lambda name, how=None, material=None: lambda data, split, seed: model
    )
    return "reader"


@pytest.fixture
def data():
    return Dataset(
        "made here",
        tuple(f"row {i}" for i in range(60)),
        tuple(LABELS[t] for t in TARGETS),
        subjects=tuple(f"P{i // 15}" for i in range(60)),
        table=np.ones((60, 1)),
        columns=("a",),
    )


def test_what_a_model_reads_changes_its_labels_and_all_else_does_not(reader, data):
    loso = PROTOCOLS["leave_one_subject_out"]
    results, *_ = measure_recipe(reader, data, loso, 0, Extras(inputs=10))
    rows = {row["input"]: row for row in results["inputs"]}
    assert {row["n_recordings"] for row in rows.values()} == {40}  # ten of each fold
    assert rows["as it is"]["accuracy"] == 1 and "changed" not in rows["as it is"]
    codes = rows.pop("codes of another recording")
    assert (codes["accuracy"], codes["changed"], codes["as_the_other"]) == (0, 1, 1)
    assert codes["log_loss"] == pytest.approx(-np.log(0.1))
    removed = rows.pop("codes removed")
    assert removed["changed"] == pytest.approx(1 - removed["accuracy"])
    assert removed["changed"] > 0.5
    for row in rows.values():
        assert row["accuracy"] == 1 and row.get("changed", 0) == 0
    assert rows["levels of another recording"]["as_the_other"] == 0


def test_agreement_is_the_share_of_equal_labels_and_the_distance_of_probabilities(reader, data):
    loso = PROTOCOLS["leave_one_subject_out"]
    results, *_ = measure_recipe(reader, data, loso, 0)
    encoder, lookup = results["encoder"], results["lookup"]
    assert (encoder["agreement"], encoder["agreement_ci95"][1]) == (1, 1)
    assert encoder["distance"] == pytest.approx(0)
    assert (lookup["agreement"], lookup["gain"]) == (0, 1)
    assert lookup["distance"] == pytest.approx(0.9)
    assert encoder["log_loss"] < lookup["log_loss"] == pytest.approx(np.log(1e6))
