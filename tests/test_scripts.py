"""The scripts in train/ as a person runs them: their help, and how they say what is wrong."""

import logging
import os
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emg_llm.signal.recording import RecordingError
from tests import scripts
from tests.scripts import ROOT, SCRIPTS

# What a script says when it is run with `--data nowhere`, or with these flags.
NOWHERE = ["--data", "nowhere"], "--data nowhere: no such folder"
FIRST_MISTAKE = {
    "bundle": ([*NOWHERE[0], "--work_dir", "work"], NOWHERE[1]),  # of its first step
    "certainty": (["--real", "nowhere"], "no such folder"),
    "embeddings": (["--encoder", "nowhere"], "nowhere is not a local folder"),
    "evaluate": (["--model", "svm", *NOWHERE[0]], NOWHERE[1]),
    "nano": (
        ["--tokenizer_conversations", "100", "--start_with", "nowhere"],
        "nowhere can't be loaded",
    ),
    "realism": (["--real", "nowhere"], "no such folder"),
    "simulate": (["--data", "nowhere"], "only 'simulated[:key=value,…]' can be simulated"),
    "sft": (["--llm", "nano-llama2", "--dataset_name", "nowhere"], "train/conversations.py"),
}
# A script, its flags, and what the one line on stderr must tell.
WRONG = {
    "a table for an encoder": ("encoder", ["--data", "{table}"], "is a feature table"),
    "no encoder": (
        "codebook",
        ["--data", "{table}", "--encoder", "nobody/has-this"],
        "nobody/has-this is not a local folder",
    ),
    "tokens without an encoder": (
        "conversations",
        ["--data", "{table}", "--bridge", "tokens"],
        "needs the encoder and the codebook",
    ),
    "a table of one site": ("certainty", ["--real", "{table}"], "the powers of the 8 sites"),
    "no such recipe": ("evaluate", ["--model", "gpt-9", "--data", "{table}"], "gpt-9 is neither"),
    "nothing to resume": (
        "sft",
        ["--llm", "nano-llama2", "--resume_from_checkpoint", "true"],
        "there is no checkpoint",
    ),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "features.csv"
    lines = [f"{label},P{k},{k}" for k in range(4) for label in ("anger", "fear")]
    path.write_text("\n".join(["label,subject,power_jaw", *lines]) + "\n")
    return path


def one_line_of_error(done):
    """The error of a run that ended as a person should see it end."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.rstrip().endswith(line)
    return line


@pytest.mark.slow
@pytest.mark.parametrize("script", ["bundle", "sft"])
def test_a_script_started_in_another_folder_says_a_mistake_in_one_line(script, tmp_path):
    flags, words = FIRST_MISTAKE[script]
    done = subprocess.run(
        [sys.executable, ROOT / "train" / f"{script}.py", *flags, "--output_dir", "out"],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert words in one_line_of_error(done)
    assert "kernel" not in done.stderr  # of bitsandbytes, which is for GPUs
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("script", [s for s in SCRIPTS if s != "bundle"])  # that starts others
def test_a_script_says_a_mistake_in_one_line(run_script, script, tmp_path):
    flags, words = FIRST_MISTAKE.get(script, NOWHERE)
    done = run_script(script, *flags, "--output_dir", tmp_path / "out")
    assert words in one_line_of_error(done)
    assert not (tmp_path / "out").exists()


def test_every_script_has_a_help(run_script):
    for script in SCRIPTS:
        done = run_script(script, "--help")
        assert done.returncode == 0, done.stderr
        assert "--output_dir" in done.stdout and f"{script}.py" in done.stdout


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_said_in_one_line(run_script, table, tmp_path, name):
    script, flags, words = WRONG[name]
    flags = [flag.format(table=table) for flag in flags]
    done = run_script(script, *flags, "--output_dir", tmp_path / "out")
    assert words in one_line_of_error(done)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def script(monkeypatch):
    """A script whose `main` is for the test to set."""
    made = SimpleNamespace(make_parser=lambda: SimpleNamespace(parse_args_and_config=lambda: ()))
    monkeypatch.setattr(scripts, "load_script", lambda name: made)
    return made


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SystemExit(3), 3, ""),
        (SystemExit("No."), 1, "No.\n"),
        (SystemExit(), 0, ""),
        (RecordingError("It is empty."), 2, "error: It is empty.\n"),
        (KeyboardInterrupt(), 1, "Stopped.\n"),
    ],
)
def test_a_script_run_here_ends_as_it_would_alone(script, run_script, error, code, words):
    def main():
        print("I run.")
        raise error

    script.main = main
    done = run_script("any")
    assert (done.returncode, done.stdout, done.stderr) == (code, "I run.\n", words)


def test_an_error_that_nobody_foresaw_shows_where_it_happened(script, run_script):
    script.main = lambda: script.nonsense
    done = run_script("any")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "nonsense" in done.stderr.splitlines()[-1]


def test_a_script_run_here_leaves_the_process_as_it_was(script, run_script):
    def state():
        return (
            *(os.getcwd(), dict(os.environ), sys.argv, logging.getLogger().level),
            *(logging.getLogger().handlers[:], torch.get_num_threads(), random.getstate()),
            *(torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        )

    def main():
        assert state() != before and os.environ["HF_HUB_OFFLINE"] == "1"
        assert sys.argv[1:] == ["--seed", "3"] and not os.listdir()
        os.environ["LEFT_BEHIND"] = "1"
        logging.basicConfig(level=logging.DEBUG, force=True)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        random.seed(1)

    before = state()
    script.main = main
    assert run_script("any", "--seed", 3).returncode == 0
    assert state() == before
