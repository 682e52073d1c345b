"""The scripts that train on the signal: what they write, and how they fail."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from emg_llm.bridge.codebook import Codebook
from emg_llm.data.datasets import load_dataset
from emg_llm.data.splits import held_out_split
from emg_llm.encoders import load_encoder
from emg_llm.experiments.unseen import unseen_rows
from emg_llm.signal.recording import EMOTIONS
from emg_llm.svm import EmotionSVM
from tests.making import emg, save

pytestmark = pytest.mark.slow

DATA = "simulated:subjects=5,trials=1,duration=1"
PROMISED = {
    "model",
    "data",
    "protocol",
    "labels",
    "n_recordings",
    "n_subjects",
    "accuracy",
    "accuracy_ci95",
    "balanced_accuracy",
    "macro_f1",
    "ece",
    "chance",
    "confusion_matrix",
    "controls",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_script):
    """Where each script wrote: svm/, cnn/ and codebook/."""
    folder = tmp_path_factory.mktemp("trained")
    for script, *flags in (
        ("svm", "--output_dir", folder / "svm"),
        ("encoder", "--output_dir", folder / "cnn", "--arch", "cnn", "--epochs", 1),
        (
            "codebook",
            *("--output_dir", folder / "codebook", "--encoder", folder / "cnn"),
            *("--depths", 2, "--codes", 8),
        ),
    ):
        done = run_script(script, "--data", DATA, *flags)
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def feature_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "features.csv"
    rng = np.random.default_rng(0)
    labels, people = np.tile(["anger", "fear"], 30), np.repeat(np.arange(6), 10)
    power = np.where(labels == "fear", 10.0, 1.0) * rng.uniform(0.8, 1.2, 60)
    pd.DataFrame({"label": labels, "subject": people, "power": power}).to_csv(path, index=False)
    return path


def results(folder):
    return json.loads((folder / "results.json").read_text())


def fails_in_one_line(done):
    """The line on stderr of a run that ended as a person should see it end."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert line.startswith("error: ") and done.stderr.strip().endswith(line)
    return line


@pytest.mark.parametrize(
    ("model", "files"),
    [
        (
            "svm",
            {"config.json", "model.skops", "missing.safetensors", "results.json", "predictions.csv"}
            | {"README.md"},
        ),
        (
            "cnn",
            {"config.json", "model.safetensors", "results.json", "predictions.csv", "README.md"},
        ),
        ("codebook", {"config.json", "model.safetensors", "results.json", "README.md"}),
    ],
)
def test_a_script_writes_its_model_its_results_and_a_card_and_nothing_else(folder, model, files):
    assert {p.name for p in (folder / model).iterdir()} == files


@pytest.mark.parametrize("model", ["svm", "cnn"])
def test_results_hold_what_was_promised_on_people_who_were_not_trained_on(folder, model):
    found, split = results(folder / model), held_out_split(load_dataset(DATA))
    assert set(found) >= PROMISED and found["model"] == model
    assert (
        found["protocol"] == split.protocol() | {"known": "training"}
        and found["protocol"]["grouping"] == "subject"
    )
    assert found["labels"] == list(EMOTIONS) and found["chance"] == pytest.approx(1 / 12)
    assert (found["n_recordings"], found["n_subjects"]) == (12, 1)
    assert found["data"].startswith("simulated:subjects=5,trials=1,seed=0")
    assert {"majority", "shuffled_emg"} <= set(found["controls"])
    assert ("noise_emg" in found["controls"]) == (model == "cnn")


@pytest.mark.parametrize("model", ["svm", "cnn"])
def test_predictions_are_one_row_for_each_test_recording_and_give_the_accuracy(folder, model):
    table = pd.read_csv(folder / model / "predictions.csv")
    named = ["recording_id", "subject", "label", "predicted"]
    assert list(table) == named + [f"p_{e}" for e in EMOTIONS]
    data = load_dataset(DATA)
    test = held_out_split(data).test
    assert list(table["recording_id"]) == [data.ids[i] for i in test]
    assert list(table["label"]) == [data.labels[i] for i in test]
    probabilities = table[[f"p_{e}" for e in EMOTIONS]]
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    accuracy = (table["label"] == table["predicted"]).mean()
    assert accuracy == pytest.approx(results(folder / model)["accuracy"])


def test_what_was_saved_predicts_what_was_written(folder):
    data = load_dataset(DATA)
    first = data.recordings[held_out_split(data).test[0]]
    for model, load in (("svm", EmotionSVM.from_pretrained), ("cnn", load_encoder)):
        written = pd.read_csv(folder / model / "predictions.csv").filter(like="p_").iloc[0]
        assert np.allclose(load(folder / model)(first), written, atol=1e-4)


def test_an_encoder_knows_what_it_was_trained_on(folder):
    config = load_encoder(folder / "cnn").config
    assert config.trained_on.startswith("simulated:") and config.labels == list(EMOTIONS)


def test_noise_in_place_of_emg_tells_no_emotion_by_its_strength(run_script, tmp_path):
    # Strength is all that tells these emotions apart, and noise as strong would tell it too.
    rows = []
    for person in range(6):
        for trial in range(8):
            label, scale = ("anger", 80.0) if trial % 2 else ("fear", 10.0)
            file = f"{person}-{trial}.npy"
            save(tmp_path / file, emg(samples=2000, scale=scale, seed=8 * person + trial))
            rows.append((file, label, f"S{person}", 2000, "uV"))
    columns = ["path", "label", "subject", "sampling_rate", "unit"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "manifest.csv", index=False)
    data, out = tmp_path / "manifest.csv", tmp_path / "out"
    done = run_script("encoder", "--data", data, "--epochs", 1, "--output_dir", out)
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((out / "results.json").read_text())
    assert results["accuracy"] == 1 and results["protocol"]["contents"]["train"]
    assert results["controls"]["noise_emg"]["accuracy"] == pytest.approx(0.5, abs=0.15)


def test_the_codebooks_results_say_what_each_depth_keeps(folder):
    found = results(folder / "codebook")
    assert [d["depth"] for d in found["depths"]] == [1, 2]
    assert found["protocol"] == results(folder / "cnn")["protocol"]  # the same people left out
    assert found["encoder_accuracy"] == pytest.approx(results(folder / "cnn")["accuracy"])
    book = Codebook.from_pretrained(folder / "codebook")
    assert (book.config.depths, book.config.codes) == (2, 8)


def test_a_feature_table_trains_an_svm(run_script, feature_file, tmp_path):
    done = run_script("svm", "--data", feature_file, "--output_dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path)["accuracy"] == 1 and results(tmp_path)["labels"] == ["anger", "fear"]
    again = shutil.copy(feature_file, tmp_path / "again.csv")
    assert len(unseen_rows(tmp_path, load_dataset(again))[0]) == results(tmp_path)["n_recordings"]


def test_a_feature_table_for_an_encoder_is_refused_in_words(run_script, feature_file, tmp_path):
    done = run_script("encoder", "--data", feature_file, "--output_dir", tmp_path / "out")
    assert "features.csv is a feature table" in fails_in_one_line(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("script", "flags", "words"),
    [
        ("svm", ("--data", "no/such/place"), "no such folder"),
        ("svm", ("--data", "simulated:subjects=2,trials=1,duration=0.5"), "2 people"),
        ("encoder", ("--data", "simulated:people=3"), "key=value"),
        ("codebook", ("--data", DATA, "--encoder", "no/such/encoder/at/all"), "not a local folder"),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_no_traceback(
    run_script, tmp_path, script, flags, words
):
    done = run_script(script, *flags, "--output_dir", tmp_path / "out")
    assert words in fails_in_one_line(done)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_none_is_told_in_words_and_left(run_script, tmp_path):
    (tmp_path / "checkpoint.pt").write_text("half a download")
    done = run_script("encoder", "--data", DATA, "--output_dir", tmp_path)
    assert "checkpoint.pt is damaged" in fails_in_one_line(done)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_configuration_file_says_what_flags_would(run_script, tmp_path):
    config = tmp_path / "svm.yaml"
    config.write_text(f"data: {DATA}\nlabels: [anger, neutral]\noutput_dir: {tmp_path / 'out'}\n")
    done = run_script("svm", "--config", config)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out")["labels"] == ["anger", "neutral"]
