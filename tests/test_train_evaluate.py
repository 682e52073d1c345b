"""train/evaluate.py as a person runs it: what it writes, what it keeps, what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.scripts import ROOT, load_script

pytestmark = pytest.mark.slow

TABLES = {"per_class", "per_subject", "learning_curve", "few_shot", "channels"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A feature table of five people in two sessions, whose emotions can be told apart."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "label": label,
            "subject": f"P{person}",
            "session": day,
            "power_cheek": np.exp(i + 0.3 * rng.standard_normal()),
            "power_jaw": np.exp(-i + 0.3 * rng.standard_normal()),
        }
        for person in range(5)
        for day in (1, 2)
        for i, label in enumerate(("anger", "fear", "happiness"))
        for _ in range(3)
    ]
    path = tmp_path_factory.mktemp("data") / "features.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_everything_is_measured_written_and_kept_for_the_next_run(run_script, table, tmp_path):
    flags = [
        *("evaluate", "--model", "svm", "--data", table, "--output_dir", tmp_path),
        *("--protocol", "grouped_k_fold", "--folds", 3, "--controls", "--channels"),
        *("--learning_curve", "--few_shot", 1, 2, "--draws", 2),
    ]
    done = run_script(*flags)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "earlier run" not in done.stdout
    found = results(tmp_path)
    assert found["protocol"]["name"] == "grouped_k_fold" and found["protocol"]["folds"] == 3
    names = {"majority", "shuffled_emg", "shuffled_labels", "same_person", "other_person"}
    assert names == set(found["controls"])
    assert [p["trials"] for p in found["few_shot"]] == [0, 1, 2]
    assert [c["channel"] for c in found["channels"]] == ["power_cheek", "power_jaw"]
    assert {p.name for p in tmp_path.iterdir()} == {f"{name}.csv" for name in TABLES} | {
        *("results.json", "predictions.csv", "results.md", "report.html", "folds")
    }
    again = run_script(*flags)
    assert again.returncode == 0 and "3 folds are taken from" in again.stdout
    assert results(tmp_path) == found
    fresh = run_script(*flags, "--fresh")
    assert fresh.returncode == 0 and "earlier run" not in fresh.stdout
    assert results(tmp_path) == found  # the same seed, the same figures


def test_a_person_met_again_is_told_from_a_new_one(run_script, table, tmp_path):
    done = run_script(
        *("evaluate", "--model", "svm", "--data", table, "--output_dir", tmp_path),
        *("--protocol", "held_out_sessions"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert results(tmp_path)["protocol"]["grouping"] == "session"
    assert results(tmp_path)["protocol"]["folds"] == 2
    assert "no score for new people" in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--protocol", "grouped_k_fold", "--folds", 9), "between 2 and 5"),
        (("--protocol", "leave_one_subject_out", "--few_shot", 6), "have 6"),
        (("--protocol", "held_out_sessions", "--learning_curve"), "another protocol"),
    ],
)
def test_what_cannot_be_measured_is_one_line(run_script, table, tmp_path, flags, words):
    out = tmp_path / "out"
    done = run_script("evaluate", "--model", "svm", "--data", table, "--output_dir", out, *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("error: ") and words in line
    assert not out.exists()


def test_a_split_column_that_shares_a_person_is_one_line(run_script, table, tmp_path):
    data = pd.read_csv(table)
    data["split"] = np.resize(["train", "train", "test"], len(data))
    data.to_csv(tmp_path / "torn.csv", index=False)
    for script in ("svm", "evaluate"):
        more = ("--model", "svm") if script == "evaluate" else ()
        done = run_script(
            script, *more, "--data", tmp_path / "torn.csv", "--output_dir", tmp_path / "out"
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert "P0, P1, P2 and 2 more in more than one part" in done.stderr


def test_language_models_come_once_a_bridge_and_all_else_once(tmp_path):
    script = load_script("evaluate")
    trained = str(tmp_path)
    one = script.named_jobs(["svm", "nano-phi3"], ["tokens"])
    assert one == [("svm", "svm", "tokens"), ("nano-phi3", "nano-phi3", "tokens")]
    both = script.named_jobs(["svm", "nano-phi3", trained], ["text", "both", "text"])
    assert both == [
        ("svm", "svm", "text"),
        ("nano-phi3-text", "nano-phi3", "text"),
        (tmp_path.name, trained, "text"),
        ("nano-phi3-both", "nano-phi3", "both"),
    ]


def test_questions_are_put_to_an_adapter_in_the_chat(quick_bundle, run_script, tmp_path):
    """Whether they are answered is no matter here: the adapter has hardly been trained."""
    some = (ROOT / "tests" / "questions.jsonl").read_text(encoding="utf-8").splitlines()[:3]
    (tmp_path / "q.jsonl").write_text("\n".join(some))
    parts = quick_bundle.work
    codec = "--encoder", parts / "encoders" / "cnn", "--codebook", parts / "codebook"
    flags = "--questions", tmp_path / "q.jsonl", "--answers", 0, "--inputs", 0
    done = run_script(
        *("evaluate", "--model", parts / "adapters" / "nano-llama2", *codec, *flags),
        *("--data", "simulated:subjects=2,trials=1,duration=1,seed=9"),
        *("--output_dir", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    asked = json.loads((tmp_path / "out" / "results.json").read_text())["questions"]
    assert asked["n"] == 3 and 0 <= asked["answered"] <= asked["quoted"] == 1
    assert "of 3 questions" in (tmp_path / "out" / "results.md").read_text()
