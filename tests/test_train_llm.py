"""The scripts that make language models: what they write, and that it can be gone on with."""

import json
import re
import shutil

import datasets
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from emg_llm.chat.turns import from_share_gpt
from emg_llm.signal.recording import EMOTIONS

pytestmark = pytest.mark.slow

LLMS = "nano-llama2", "nano-phi3", "nano-llama3"
RESULT_KEYS = {
    *("model", "data", "protocol", "labels", "n_recordings", "n_subjects", "accuracy"),
    *("accuracy_ci95", "balanced_accuracy", "macro_f1", "ece", "chance", "confusion_matrix"),
    "controls",
}
ROW_KEYS = {
    "conversations",
    "messages",
    "label",
    "subject",
    "recording_id",
    "split",
    "missing",
    "zero",
}
MEASURED = re.compile(
    r">, above the eye [+-]\d+, .+, jaw [+-]\d+, SNR [+-]\d+, quality \w+, against neutral [+-]\d+"
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A feature table: four people, three emotions, four trials each."""
    rng = np.random.default_rng(0)
    rows = [
        {"label": label, "subject": f"P{person}", "power_cheek": cheek, "power_jaw": jaw}
        for person in range(4)
        for i, label in enumerate(("anger", "fear", "happiness"))
        for cheek, jaw in np.exp([i, -i] + 0.2 * rng.standard_normal((4, 2)))
    ]
    path = tmp_path_factory.mktemp("table") / "features.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def read_results(folder):
    results = json.loads((folder / "results.json").read_text())
    predictions = pd.read_csv(folder / "predictions.csv")
    return results, predictions


def check_measured(folder, model, n):
    """results.json and predictions.csv hold what DESIGN promises, and agree with each other."""
    results, predictions = read_results(folder)
    assert set(results) >= RESULT_KEYS
    assert {"name", "grouping", "split_hash", "seed"} <= set(results["protocol"])
    assert results["model"] == model and results["n_recordings"] == len(predictions) == n
    columns = [f"p_{label}" for label in results["labels"]]
    expected = ["recording_id", "subject", "label", "predicted", *columns]
    assert list(predictions.columns) == expected
    np.testing.assert_allclose(predictions[columns].sum(axis=1), 1, atol=1e-4)
    assert results["accuracy"] == pytest.approx((predictions.label == predictions.predicted).mean())
    assert results["chance"] == 1 / len(results["labels"])
    assert {"majority", "shuffled_emg"} <= set(results["controls"])
    return results, predictions


@pytest.mark.parametrize("llm", LLMS)
def test_the_nano_script_makes_a_base_that_loads(quick_bundle, llm):
    from emg_llm.llms.loading import load_base

    folder = quick_bundle.work / "base" / llm
    model, tokenizer = load_base(str(folder))
    assert model.config.vocab_size >= len(tokenizer)
    results = json.loads((folder / "results.json").read_text())
    assert results["n_parameters"] == sum(p.numel() for p in model.parameters())
    assert results["steps"] == 3 and np.isfinite(results["loss"])


def test_conversations_of_recordings_with_codes_and_levels(quick_bundle):
    folder = quick_bundle.work / "conversations"
    parts = datasets.load_dataset("parquet", data_dir=str(folder / "data"))  # as its card says
    assert {part: len(t) for part, t in parts.items()} == {
        "train": 36,
        "validation": 12,
        "test": 12,
    }
    people = [set(t["subject"]) for t in parts.values()]
    assert sum(map(len, people)) == len(set.union(*people)) == 5
    for part, saved in parts.items():
        assert set(saved.column_names) == ROW_KEYS
        lines = [json.loads(line) for line in (folder / f"{part}.jsonl").read_text().splitlines()]
        assert lines == list(saved)
        for row in saved:
            assert row["split"] == part and row["label"] in EMOTIONS
            assert from_share_gpt(row["conversations"]) == row["messages"]
            prompt, answer = row["messages"][0]["content"], row["messages"][1]["content"]
            assert prompt.count("<emg_") == 4
            assert MEASURED.search(prompt)
            assert answer == f"Emotion: {row['label']}"
    prompts = [r["messages"][0]["content"] for t in parts.values() for r in t]
    assert len(set(prompts)) == len(prompts)
    bridge = json.loads((folder / "bridge.json").read_text())
    assert bridge["labels"] == list(EMOTIONS) and bridge["bridge"]["kind"] == "both"
    assert bridge["protocol"]["grouping"] == "subject"


def test_conversations_of_a_feature_table(run_script, table, tmp_path):
    done = run_script("conversations", "--data", table, "--variants", 2, "--output_dir", tmp_path)
    assert done.returncode == 0, done.stderr
    parts = datasets.load_dataset("parquet", data_dir=str(tmp_path / "data"))
    assert {part: len(t) for part, t in parts.items()} == {
        "train": 48,
        "validation": 12,
        "test": 12,
    }
    row = parts["test"][0]
    assert row["messages"][0]["content"].startswith("EMG features: cheek ")
    assert "<emg_" not in row["messages"][0]["content"]
    assert "user: EMG features: " in done.stdout and "assistant: Emotion: " in done.stdout


@pytest.mark.parametrize("llm", LLMS)
def test_fine_tuning_writes_adapter_tokenizer_card_and_results(quick_bundle, llm):
    folder = quick_bundle.work / "adapters" / llm
    files = {f.name for f in folder.iterdir()}
    assert files >= {
        *("adapter_model.safetensors", "adapter_config.json", "config.json", "README.md"),
        *("tokenizer.json", "tokenizer_config.json", "results.json", "predictions.csv"),
    }
    assert not any(f.endswith(".bin") for f in files)
    results, _ = check_measured(folder, llm, 12)
    assert {"no_emg"} <= set(results["controls"])
    config = json.loads((folder / "config.json").read_text())
    assert config["labels"] == list(EMOTIONS) and config["bridge"]["kind"] == "both"


@pytest.mark.parametrize("llm", LLMS)
def test_a_trained_model_is_measured_as_its_training_measured_it(quick_bundle, llm):
    trained, told = read_results(quick_bundle.work / "adapters" / llm)
    results, predictions = check_measured(quick_bundle.work / "evaluation" / llm, llm, 12)
    assert results["protocol"] == trained["protocol"]
    assert "noise_emg" in results["controls"]
    pd.testing.assert_frame_equal(predictions, told, atol=1e-3)


def test_a_recipe_is_measured_by_leaving_each_person_out(run_script, table, tmp_path):
    done = run_script(
        *("evaluate", "--model", "svm", "--data", table),
        *("--protocol", "leave_one_subject_out", "--output_dir", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    results, predictions = check_measured(tmp_path, "svm", 48)
    assert results["protocol"]["name"] == "leave_one_subject_out"
    assert results["protocol"]["folds"] == results["n_subjects"] == 4
    assert sorted(predictions.subject.unique()) == ["P0", "P1", "P2", "P3"]
    assert results["accuracy"] > 0.9
    assert "svm: accuracy" in done.stdout


def test_an_interrupted_fine_tuning_goes_on_where_it_stopped(
    run_script, quick_bundle, nano_folder, tmp_path
):
    """From the first of two checkpoints it comes to the same adapter as without interruption."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    flags = [
        *("--model_name_or_path", nano_folder),
        *("--dataset_name", quick_bundle.work / "conversations"),
        *("--max_steps", 2, "--save_strategy", "steps", "--save_steps", 1),
        *("--save_total_limit", 2, "--logging_steps", 1, "--per_device_train_batch_size", 4),
    ]
    first = run_script("sft", *flags, "--output_dir", whole)
    assert first.returncode == 0, first.stderr
    shutil.copytree(whole / "checkpoint-1", resumed / "checkpoint-1")
    second = run_script("sft", *flags, "--output_dir", resumed, "--resume_from_checkpoint", "true")
    assert second.returncode == 0, second.stderr

    one, two = (load_file(f / "adapter_model.safetensors") for f in (whole, resumed))
    start = load_file(whole / "checkpoint-1" / "adapter_model.safetensors")
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], atol=1e-6, err_msg=name)
    assert any(not np.allclose(start[name], two[name], atol=1e-6) for name in start)


def test_a_bundle_that_is_built_already_is_not_trained_again(run_script, quick_bundle, tmp_path):
    done = run_script(
        *("bundle", "--quick", "--data", "simulated:subjects=5,trials=1,duration=1"),
        *("--work_dir", quick_bundle.work, "--output_dir", tmp_path / "again"),
    )
    assert done.returncode == 0, done.stderr
    assert "$ python" not in done.stdout and done.stdout.count("already exists") == 14
    assert (tmp_path / "again" / "config.json").read_text() == (
        quick_bundle.folder / "config.json"
    ).read_text()
