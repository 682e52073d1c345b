"""For each control a cheat that it catches, and the honest model that it lets pass."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.data.splits import PROTOCOLS
from emg_llm.evaluation.metrics import control
from emg_llm.experiments import measure
from emg_llm.experiments.controls import Inputs, noise_like, others
from emg_llm.experiments.extras import Extras
from emg_llm.experiments.fitted import Fitted
from emg_llm.experiments.language_models import llm_controls
from emg_llm.experiments.measure import measure_recipe
from emg_llm.signal.features import channel_power
from emg_llm.signal.recording import Recording
from tests.making import of, rows

LABELS = ("anger", "fear", "pride")
SWAPS = "noise", "same_person", "other_person"
RATE = 1000


def recordings(people=6, each=2):
    """People whose cheek, jaw or neither is active; length, offset and hum tell the label too.

    The first half of each person's recordings is in the order of the labels. Person p shows label
    p % 3 four times as often as the others, and has a gain that tells who it is.
    """
    rng, made = np.random.default_rng(0), []
    for person in range(people):
        shown = [t for t in range(3) for _ in range(4 * each if t == person % 3 else each)]
        for k, target in enumerate(shown):
            signal = rng.standard_normal((300 + 30 * target, 3)) * 2.0**person
            if target:
                signal[:, target - 1] *= 3
            time = np.arange(len(signal)) / RATE
            signal += 50 * target + 20 * target * np.sin(2 * np.pi * 50 * time)[:, None]
            made.append(
                Recording(
                    *(signal, RATE, ("cheek", "jaw", "chin")),
                    label=LABELS[target],
                    subject=f"P{person}",
                    recording_id=f"P{person}-{LABELS[target]}-{k}",
                )
            )
    return of(made)


@pytest.fixture(scope="module")
def data():
    return recordings()


def honest(recording, dataset, i):
    power = channel_power(recording)
    active = power > 4 * power[2]
    return 1 if active[0] else 2 if active[1] else 0


def by_length(recording, dataset, i):
    return (recording.n_samples - 300) // 30


def by_name(recording, dataset, i):
    return LABELS.index(recording.recording_id.split("-")[1])


def by_order(recording, dataset, i):
    first = dataset.subjects.index(dataset.subjects[i])
    return dataset.targets[i] if (i - first) < 11 else 0


def by_person(recording, dataset, i):
    person = round(np.log(np.sqrt(channel_power(recording).min())) / np.log(2))
    return int(np.clip(person, 0, 5)) % 3


@pytest.fixture(scope="module")
def versions(data):
    """{name: the data as it is, or in a control's version}, each recording prepared once."""
    inputs = Inputs(data, np.arange(len(data)))
    every = {name: getattr(inputs, name) for name in ("dataset", *SWAPS, "powers_alone")}
    return {name: replace(d, recordings=list(d.recordings)) for name, d in every.items()}


def asked(reader, dataset):
    """Probabilities of reader(recording, dataset, i)."""
    answers = [reader(recording, dataset, i) for i, recording in enumerate(dataset.recordings)]
    return np.eye(3)[answers]


def accuracy(reader, dataset):
    return np.mean(asked(reader, dataset).argmax(axis=1) == dataset.targets)


def caught(reader, versions):
    """The names of the controls that aren't at chance."""
    controls = {
        name: control(d.targets, asked(reader, d), d.groups)
        for name, d in versions.items()
        if name in SWAPS
    }
    return {name for name, figures in controls.items() if not figures["at_chance"]}


def test_a_model_that_reads_muscles_passes_all_of_its_controls(versions):
    assert accuracy(honest, versions["dataset"]) > 0.95
    assert caught(honest, versions) == set()
    # It reads powers, so noise with the recording's own powers is all that it needs.
    assert accuracy(honest, versions["powers_alone"]) > 0.95


@pytest.mark.parametrize(
    ("cheat", "by"),
    [
        (by_length, {"noise"}),
        (by_name, {"noise", "same_person", "other_person"}),
        (by_order, {"noise", "same_person", "other_person"}),
        (by_person, {"same_person"}),
    ],
)
def test_each_cheat_is_caught(versions, cheat, by):
    assert accuracy(cheat, versions["dataset"]) > 0.6
    assert caught(cheat, versions) == by


def table_results(monkeypatch, reader, protocol="leave_one_subject_out"):
    """results.json of a model of a feature table that answers reader(dataset, rows)."""
    labels = np.array(LABELS)[np.tile([0, 1, 2], 24)]
    table = rows(np.arange(72)[:, None], labels, [f"P{k // 12}" for k in range(72)])

    def predict(dataset, rows):
        return np.eye(3)[reader(dataset, rows)]

    fitted = Fitted("reader", LABELS, predict)
    monkeypatch.setattr(measure, "fitter", lambda *a: lambda *b: fitted)
    return measure_recipe("reader", table, PROTOCOLS[protocol], 0, Extras(controls=True))[0]


def test_a_model_that_has_seen_the_test_labels_still_knows_them_after_learning_others(monkeypatch):
    controls = table_results(monkeypatch, lambda data, rows: data.targets[rows])["controls"]
    assert controls["shuffled_labels"] == {
        "accuracy": 1,
        "accuracy_ci95": controls["shuffled_labels"]["accuracy_ci95"],
        "log_loss": 0,
        "p": pytest.approx(0, abs=1e-4),
        "at_chance": False,
        "draws": 6,
        "sd": 0,
    }
    # It asks the place and not the signal, so it knows them of other recordings too.
    assert not controls["same_person"]["at_chance"] and not controls["other_person"]["at_chance"]
    # What is left of chance when signals are shuffled follows from the counts alone.
    assert controls["shuffled_emg"] == {"accuracy": pytest.approx(1 / 3)}


def test_a_control_of_shuffled_labels_has_three_draws_where_there_is_one_fold(monkeypatch):
    def first(data, rows):
        return np.zeros(len(rows), int)

    controls = table_results(monkeypatch, first, "held_out")["controls"]
    assert controls["shuffled_labels"]["draws"] == 3 and controls["shuffled_labels"]["at_chance"]


def test_other_recordings_are_of_the_person_or_not_and_have_other_labels(data):
    every = np.arange(len(data))
    same, other = (others(data, every, of_person) for of_person in (True, False))
    assert (data.groups[same] == data.groups).all() and (data.targets[same] != data.targets).all()
    assert (data.groups[other] != data.groups).all()
    drawn = np.bincount(data.targets[other]) / len(data)
    np.testing.assert_allclose(drawn, 1 / 3, atol=0.15)
    alone = data.groups == data.groups[0]
    assert others(data, every[alone], of_person=False) is None  # one person
    unknown = data.take([*np.flatnonzero(alone & (data.targets == 0)), 30])
    assert others(unknown, np.arange(len(unknown)), of_person=True) is None  # one label each


def test_another_signal_stands_under_the_recordings_own_name(data, versions):
    swapped, own = versions["other_person"].recordings[3], versions["dataset"].recordings[3]
    assert (swapped.recording_id, swapped.label) == (own.recording_id, own.label)
    assert swapped.signal.shape != own.signal.shape or not np.allclose(swapped.signal, own.signal)


def test_noise_replaces_muscles_and_leaves_all_else(data):
    recording, power = data.recordings[14], np.array([9.0, 1.0, 4.0])
    assert recording.label == "fear"  # with hum
    noise = noise_like(recording, power, 3)
    assert noise.signal.shape == recording.signal.shape
    np.testing.assert_allclose(channel_power(noise), power, rtol=0.25)  # the notches cost some
    quiet = noise_like(data.recordings[12], power, 3)
    np.testing.assert_allclose(channel_power(quiet), power, rtol=0.1)
    np.testing.assert_allclose(noise.signal.mean(axis=0), recording.signal.mean(axis=0), rtol=0.01)
    one, two, own = (r.signal[:, 0] for r in (noise, noise_like(recording, power, 4), recording))
    assert min(np.corrcoef(one, two)[0, 1], np.corrcoef(one, own)[0, 1]) > 0.9  # the hum
    assert abs(np.corrcoef(quiet.signal[:, 0], data.recordings[12].signal[:, 0])[0, 1]) < 0.2
    np.testing.assert_array_equal(noise_like(recording, power, 3).signal, noise.signal)


def test_a_text_without_emg_tells_on_data_whose_sites_differ_by_emotion():
    """A language model that knows the emotion by which sites there are needs no EMG."""
    targets = np.tile([0, 1], 30)
    readings = [Reading(("cheek", "jaw")[: t + 1], (3, -2)[: t + 1], "dB") for t in targets]

    def answers(some):
        return np.eye(2)[[len(r.sites) - 1 for r in some]]

    model = SimpleNamespace(disable_adapter=nullcontext, is_loaded_in_4bit=True)
    found = llm_controls(SimpleNamespace(model=model, probabilities=answers), readings)
    people = np.repeat(np.arange(6), 10)
    assert not control(targets, found["no_emg"], people)["at_chance"]
    same = [Reading(("cheek",), (int(t),), "dB", quality="good") for t in targets]
    found = llm_controls(SimpleNamespace(model=model, probabilities=answers), same)
    assert control(targets, found["no_emg"], people)["at_chance"]
