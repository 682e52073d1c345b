"""Calibrating an encoder to one person: what it learns, what is reported, what is refused."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.splits import held_out_split
from emg_llm.encoders import EncoderConfig, build_encoder, load_encoder
from emg_llm.experiments import personal
from emg_llm.experiments.personal import personalise
from emg_llm.experiments.unseen import unseen_rows
from emg_llm.signal.montage import SitesError

LABELS = ["anger", "happiness", "surprise"]
SETTINGS = "trials=2,duration=0.5,seed=4"


@pytest.fixture
def mine():
    return load_dataset(f"simulated:subjects=1,{SETTINGS}", LABELS)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    config = EncoderConfig("cnn", ["anger", "fear", "happiness", "surprise"], width=8,
        embedding_dim=16, trained_on="others")  # fmt: skip
    return build_encoder(config).eval()


@pytest.mark.slow
def test_an_encoder_learns_a_person_and_the_one_that_it_came_from_stays(encoder, mine):
    before = copy.deepcopy(encoder.state_dict())
    tuned, results, rows, probabilities = personalise(encoder, mine, progress=False)
    assert list(rows) == list(range(len(mine)))
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())
    assert not torch.equal(tuned.head.weight, encoder.head.weight)
    assert tuned.config.labels == encoder.config.labels and not tuned.training
    assert tuned.config.trained_on.startswith("others, calibrated with simulated:")
    assert encoder.config.trained_on == "others"
    assert probabilities.shape == (6, 3)  # of the labels that the data has
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert results["accuracy"] > results["before"]["accuracy"]
    assert results["labels"] == LABELS and results["n_subjects"] == 1
    assert results["protocol"]["name"] == "leave_one_trial_out"
    assert {"majority", "shuffled_emg", "noise_emg"} <= set(results["controls"])


@pytest.mark.parametrize("copies", [False, True])
def test_no_recording_nor_its_copy_is_learned_before_it_is_scored(
    encoder, mine, monkeypatch, copies
):
    if copies:  # every recording twice
        mine = mine.take([*range(6), *range(6)])
    taught = []

    def calibrate(encoder, tensors, targets, seed=0):
        taught.append([whole.numpy().tobytes() for _, whole in tensors])
        assert len(targets) == len(tensors)
        return encoder

    monkeypatch.setattr(personal, "calibrate", calibrate)
    personalise(encoder, mine, progress=False)
    of = [encoder.config.front(r)[1].numpy().tobytes() for r in mine.recordings]
    *folds, whole = taught
    assert whole == of and len(folds) == len(mine)
    for own, given in zip(of, folds, strict=True):
        assert own not in given and set(given) == set(of) - {own}


def test_what_cannot_be_learned_from_is_refused_in_words(encoder, mine, tmp_path):
    several = load_dataset(f"simulated:subjects=3,{SETTINGS}", LABELS)
    with pytest.raises(DatasetError, match=r"3 people \(sim4-P001, sim4-P002, …\)"):
        personalise(encoder, several)
    unknown = load_dataset(f"simulated:subjects=1,{SETTINGS}", ["anger", "pride"])
    with pytest.raises(DatasetError, match="The encoder doesn't know the labels pride"):
        personalise(encoder, unknown)
    (tmp_path / "t.csv").write_text("label,x\nanger,1\nfear,2\n")
    with pytest.raises(DatasetError, match=r"t\.csv is a feature table"):
        personalise(encoder, load_dataset(tmp_path / "t.csv"))
    encoder.config.sites = ["biceps", "triceps"]
    with pytest.raises(SitesError, match=r"This recording, with the channels .* has none"):
        personalise(encoder, mine)


def test_a_calibrated_encoder_names_the_file_of_its_recordings_without_its_folder(
    encoder, mine, monkeypatch
):
    monkeypatch.setattr(personal, "calibrate", lambda encoder, *_, **__: copy.deepcopy(encoder))
    calibrated, *_ = personalise(encoder, replace(mine, name="/home/me/real.csv"), progress=False)
    assert calibrated.config.trained_on == "others, calibrated with real.csv"


@pytest.mark.slow
def test_the_script_calibrates_what_it_trained_and_what_was_trained_before(run_script, tmp_path):
    data = ("--data", "simulated:subjects=4,trials=1,duration=0.5", "--epochs", 1)
    me = ("--calibrate_with", f"simulated:subjects=1,{SETTINGS}", "--output_dir", tmp_path)
    done = run_script("encoder", *data, "--labels", *LABELS, *me)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Before calibration: accuracy" in done.stdout
    files = {p.name for p in tmp_path.iterdir()}
    assert {p.name for p in (tmp_path / "personal").iterdir()} == files - {"personal"}
    first = load_encoder(tmp_path / "personal")
    assert "not trained on" not in (tmp_path / "personal" / "README.md").read_text()
    results = json.loads((tmp_path / "personal" / "results.json").read_text())
    assert results["data"].startswith("simulated:subjects=1") and "before" in results

    # It is not asked about recordings that it, or the encoder before it, has learned.
    with pytest.raises(DatasetError, match="has learned all of simulated:subjects=1"):
        unseen_rows(tmp_path / "personal", load_dataset(me[1], LABELS))
    others = load_dataset(data[1], LABELS)
    rows, protocol = unseen_rows(tmp_path / "personal", others)
    assert list(rows) == list(held_out_split(others).test) and protocol["name"] == "held_out"

    done = run_script("encoder", "--encoder", tmp_path, "--labels", *LABELS, *me)
    assert done.returncode == 0, done.stderr[-3000:]
    again = load_encoder(tmp_path / "personal")
    results = json.loads((tmp_path / "personal" / "results.json").read_text())
    assert results["calibrated_from"]["data"] == others.name
    assert torch.allclose(first.head.weight, again.head.weight, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--encoder", "."), "give --calibrate_with too"),
        (
            ("--encoder", ".", "--calibrate_with", f"simulated:subjects=1,{SETTINGS}"),
            "holds no encoder",
        ),
        (("--calibrate_with", "no/such/place"), "no such folder"),
        (("--report_to", "nowhere"), "no such tracker"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(run_script, tmp_path, flags, words):
    data = "simulated:subjects=3,trials=1,duration=0.5"
    done = run_script("encoder", "--data", data, "--output_dir", tmp_path / "out", *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert words in done.stderr.splitlines()[-1] and not (tmp_path / "out").exists()
