import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.splits import PROTOCOLS, held_out_split, leave_one_subject_out
from emg_llm.evaluation.metrics import evaluate
from emg_llm.evaluation.results import save_results
from emg_llm.experiments.language_models import llm_on
from emg_llm.experiments.measure import (
    fitter,
    measure_recipe,
    measure_trained,
)
from emg_llm.experiments.signal_models import svm_on
from emg_llm.experiments.trained import load_fitted
from emg_llm.experiments.unseen import unseen_rows
from emg_llm.svm import EmotionSVM, dataset_features

KEYS = {
    *("model", "data", "protocol", "labels", "n_recordings", "n_subjects", "accuracy"),
    *("accuracy_ci95", "balanced_accuracy", "macro_f1", "ece", "chance", "confusion_matrix"),
    "controls",
}


def write_table(path, **columns):
    """A feature table of four people and three emotions that can be told apart."""
    rng = np.random.default_rng(0)
    labels = ("anger", "fear", "happiness")
    rows = [
        {
            "label": label,
            "subject": f"P{person}",
            "power_cheek": np.exp(i + 0.2 * rng.standard_normal()),
            "power_jaw": np.exp(-i + 0.2 * rng.standard_normal()),
        }
        for person in range(4)
        for i, label in enumerate(labels)
        for _ in range(4)
    ]
    pd.DataFrame(rows).assign(**columns).to_csv(path, index=False)
    return path


@pytest.fixture
def table(tmp_path):
    return load_dataset(write_table(tmp_path / "features.csv"))


@pytest.fixture(scope="module")
def svm_folder(people, tmp_path_factory):
    """An SVM trained on the training people of `people`, saved as train/svm.py does."""
    folder = tmp_path_factory.mktemp("svm")
    split = held_out_split(people, seed=0)
    features, columns = dataset_features(people)
    rows, targets = split.train, people.targets
    # One person is not enough to calibrate probabilities: two more like them.
    doubled = np.concatenate([features[rows], features[rows] + 0.1, features[rows] - 0.1])
    svm = EmotionSVM.fit(
        doubled,
        columns,
        np.tile(targets[rows], 3),
        np.repeat([0, 1, 2], len(rows)),
        people.label_names,
    )
    svm.save_pretrained(folder)
    p = svm.predict_proba(features[split.test])
    figures = evaluate(people.label_names, targets[split.test], p, people.groups[split.test])
    save_results(
        folder,
        {"model": "svm", "data": people.name, "protocol": split.protocol(), **figures},
    )
    return folder


def ask_svm(dataset, split):
    return svm_on(dataset, split).ask(dataset, split.test)


def test_an_unknown_recipe_names_those_that_are_known():
    with pytest.raises(DatasetError, match=r"gpt-9 is neither .* svm, .*cnn.*nano-llama2"):
        fitter("gpt-9")


def test_every_person_is_predicted_by_a_model_that_has_not_seen_them(table):
    results, rows, p = measure_recipe("svm", table, leave_one_subject_out, 0)
    assert rows.tolist() == list(range(len(table)))
    assert set(results) >= KEYS
    assert results["protocol"]["name"] == "leave_one_subject_out"
    assert results["protocol"]["folds"] == 4
    assert results["n_recordings"] == 48 and results["n_subjects"] == 4
    assert results["accuracy"] > 0.9
    np.testing.assert_allclose(p.sum(axis=1), 1)
    for split in leave_one_subject_out(table):
        np.testing.assert_allclose(p[split.test], ask_svm(table, split))


def test_the_hash_of_all_folds_tells_other_folds_apart(table):
    first = measure_recipe("svm", table, PROTOCOLS["leave_one_subject_out"], 0)[0]["protocol"]
    assert measure_recipe("svm", table, PROTOCOLS["leave_one_subject_out"], 0)[0]["protocol"] == (
        first
    )
    fewer = table.take([i for i, s in enumerate(table.subjects) if s != "P3"])
    other = measure_recipe("svm", fewer, PROTOCOLS["leave_one_subject_out"], 0)[0]["protocol"]
    assert other["split_hash"] != first["split_hash"]


def test_labels_and_numbers_of_the_test_people_have_no_part_in_the_fit(table):
    split = next(leave_one_subject_out(table))
    labels = list(table.labels)
    for i in split.test:
        labels[i] = "fear"
    relabelled = replace(table, labels=tuple(labels))
    np.testing.assert_array_equal(ask_svm(relabelled, split), ask_svm(table, split))
    louder = replace(table, table=table.table.copy())
    louder.table[split.test[1:]] *= 100
    np.testing.assert_array_equal(ask_svm(louder, split)[0], ask_svm(table, split)[0])


def test_a_language_model_is_fitted_on_a_fold_of_a_feature_table(table, nano_folder):
    split = next(leave_one_subject_out(table))
    fitted = llm_on(str(nano_folder), table, split, max_steps=2, disable_tqdm=True)
    p = fitted.ask(table, split.test)
    assert p.shape == (12, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.ptp(p, axis=0).max() > 0  # it reads the numbers


def test_a_saved_model_is_asked_about_the_people_it_has_not_seen(people, svm_folder):
    results, rows, p = measure_trained(svm_folder, people)
    split = held_out_split(people, 0)
    np.testing.assert_array_equal(rows, split.test)
    assert results["protocol"] == split.protocol() | {"known": "training"}
    assert set(results) >= KEYS
    assert {"majority", "shuffled_emg", "noise_emg"} <= set(results["controls"])
    trained = json.loads((svm_folder / "results.json").read_text())
    assert results["accuracy"] == trained["accuracy"]
    assert results["confusion_matrix"] == trained["confusion_matrix"]
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_the_columns_follow_the_labels_of_the_data(people, svm_folder):
    """Data with some of a model's labels: the others' share is spread over them."""
    some = people.with_labels(["surprise", "anger", "neutral"])
    renamed = replace(some, name="other data")
    _, rows, p = measure_trained(svm_folder, renamed)
    assert len(rows) == 9
    model = load_fitted(svm_folder)
    order = [model.labels.index(e) for e in ("anger", "neutral", "surprise")]
    full = model.predict(some, rows)[:, order]
    assert renamed.label_names == ("anger", "neutral", "surprise")
    np.testing.assert_allclose(p, full / full.sum(axis=1, keepdims=True))


def test_which_rows_are_unseen(people, svm_folder):
    given = replace(people, name="given", splits=("train",) * 24 + ("test",) * 12)
    rows, protocol = unseen_rows(svm_folder, given)
    assert rows.tolist() == list(range(24, 36)) and protocol["grouping"] == "given"
    with pytest.raises(DatasetError, match="says 'test'"):
        unseen_rows(svm_folder, replace(given, splits=("train",) * 36))
    rows, protocol = unseen_rows(svm_folder, replace(people, name="other"))
    assert len(rows) == 36 and protocol["name"] == "other_data"
    # The same name with other people in it: nobody knows who was trained on.
    renumbered = tuple(f"{i}-again" for i in people.ids)
    with pytest.raises(DatasetError, match="with another split"):
        unseen_rows(svm_folder, replace(people, ids=renumbered))


def test_labels_that_a_model_does_not_know_are_said(people, svm_folder):
    strange = replace(people, name="strange", labels=("boredom", *people.labels[1:]))
    with pytest.raises(DatasetError, match="doesn't know the labels boredom"):
        measure_trained(svm_folder, strange)


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(DatasetError, match=r"no config\.json"):
        load_fitted(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DatasetError, match="no SVM, encoder or adapter"):
        load_fitted(tmp_path)
