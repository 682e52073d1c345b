"""--refit: what is saved has learned from everybody, and its figures are of a model that hadn't."""

import json
from types import SimpleNamespace

import datasets
import pytest

from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.splits import held_out_split
from emg_llm.encoders import load_encoder
from emg_llm.experiments.unseen import unseen
from emg_llm.svm import EmotionSVM
from tests.scripts import load_script

pytestmark = pytest.mark.slow

DATA = "simulated:subjects=4,trials=2,duration=0.5,sampling_rate=1000"
FEW = ("--data", DATA, "--labels", "anger", "happiness", "surprise", "--refit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_script):
    """Where each script wrote: svm/, cnn/, codebook/ and conversations/."""
    folder = tmp_path_factory.mktemp("refit")
    codec = "--encoder", folder / "cnn", "--codebook", folder / "codebook"
    for script, name, *flags in (
        ("svm", "svm"),
        ("encoder", "cnn", "--epochs", 3, "--batch_size", 4),
        ("codebook", "codebook", *codec[:2], "--depths", 2, "--codes", 4),
        ("conversations", "conversations", *codec, "--bridge", "both", "--variants", 1),
    ):
        done = run_script(script, *FEW, "--output_dir", folder / name, *flags)
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("model", ["svm", "cnn", "codebook"])
def test_the_figures_are_those_of_the_model_in_measured(folder, model):
    saved, measured = results(folder / model), results(folder / model / "measured")
    refit = {"refit": True, "refit_people": 4, "refit_recordings": 24}
    assert saved == measured | refit and "refit" not in measured
    assert saved["n_recordings"] == 6
    assert "learned from all 4 people" in (folder / model / "README.md").read_text()


def test_an_svm_learns_everybody_and_stays_as_sure_as_it_was_measured(folder):
    saved, measured = (EmotionSVM.from_pretrained(folder / "svm" / p) for p in (".", "measured"))
    assert saved.confidence == measured.confidence and saved.confidence.fitted_on
    assert saved.scale.center != measured.scale.center


def test_an_encoder_learns_everybody_for_as_many_epochs_with_its_classifier_and_confidence(folder):
    saved, measured = (load_encoder(folder / "cnn" / p) for p in (".", "measured"))
    assert saved.config == measured.config and saved.config.confidence.n_people == 1
    assert 1 <= results(folder / "cnn")["epochs"] <= 3
    assert not saved.center.equal(measured.center)  # the mean over who was learned from


def test_conversations_of_everybody_come_with_those_to_measure_with(folder):
    def parts(folder):
        files = sorted((folder / "data").glob("*.parquet"))
        return {f.stem: datasets.Dataset.from_parquet(str(f)).num_rows for f in files}

    assert parts(folder / "conversations") == {"train": 24}
    measured = folder / "conversations" / "measured"
    assert parts(measured) == {"test": 6, "train": 12, "validation": 6}
    infos = [json.loads((f / "bridge.json").read_text()) for f in (measured.parent, measured)]
    assert infos[0]["protocol"] == infos[1]["protocol"] and infos[0]["refit"]


def test_finetuning_measures_with_the_training_people_and_then_learns_from_everybody(folder):
    def lessons(source, **flags):
        of = {"dataset_name": str(source), "dataset_revision": None, "refit": True} | flags
        return load_script("sft").lessons(SimpleNamespace(**of))

    rows, _, (everybody, info) = lessons(folder / "conversations")
    assert {p: len(r) for p, r in rows.items()} == {"test": 6, "train": 12, "validation": 6}
    assert len(everybody["train"]) == 24 and info["refit"]
    # Conversations without --refit have one row for each of the other people's recordings.
    *_, (everybody, _) = lessons(folder / "conversations" / "measured")
    assert len(everybody["train"]) == 24
    assert lessons(folder / "conversations" / "measured", refit=False)[2] is None
    with pytest.raises(DatasetError, match="give --refit too"):
        lessons(folder / "conversations", refit=False)


def test_nobody_in_the_data_is_unseen_by_a_refitted_model_but_by_the_measured_one(folder):
    data = load_dataset(DATA, list(FEW[3:6]))
    with pytest.raises(DatasetError, match=r"learned all of simulated.*in its folder 'measured'"):
        unseen(folder / "cnn", data)
    split, rows, _ = unseen(folder / "cnn" / "measured", data)
    assert split.hash == held_out_split(data).hash and len(rows) == 6
    others = load_dataset(DATA + ",seed=5", list(FEW[3:6]))
    assert len(unseen(folder / "cnn", others)[1]) == len(others)


def test_what_is_made_with_a_refitted_encoder_must_be_refitted_too(folder, run_script, tmp_path):
    flags = "--data", DATA, "--encoder", folder / "cnn", "--output_dir", tmp_path
    done = run_script("codebook", *flags)
    assert done.returncode == 2 and "give --refit too, or" in done.stderr
