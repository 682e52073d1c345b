"""train/simulate.py writes what is streamed; train/realism.py tells real from simulated,
and train/certainty.py learns from real people how sure a model may be."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from emg_llm.data.datasets import load_dataset
from emg_llm.evaluation.confidence import Confidence
from emg_llm.signal.levels import PRIVILEGES
from emg_llm.signal.recording import EMOTIONS, MONTAGE
from emg_llm.signal.simulation import simulate
from emg_llm.signal.simulation.anatomy import ANATOMY
from tests.scripts import ROOT, load_script

DATA = "simulated:subjects=2,trials=2,duration=0.5,seed=5"


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def written(run_script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "data"
    done = run_script("simulate", "--data", DATA, "--workers", "1", "--output_dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_files_are_the_recordings_that_are_streamed(written):
    manifest, streamed = load_dataset(str(written / "manifest.csv")), load_dataset(DATA)
    assert len(manifest) == len(streamed) == 2 * 2 * 12
    by = {(s, y, r.signal.tobytes()) for s, y, r in zip(
        streamed.subjects, streamed.labels, streamed.recordings, strict=True)}  # fmt: skip
    for s, y, r in zip(manifest.subjects, manifest.labels, manifest.recordings, strict=True):
        assert (s, y, r.signal.tobytes()) in by
        assert r.sampling_rate == 2000 and r.unit == "uV" and r.channel_names == MONTAGE
    with open(written / "truth.csv", newline="") as file:
        truth = list(csv.DictReader(file))
    assert len(truth) == 48 and all(0 < float(t["onset"]) < float(t["apex"]) for t in truth)


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(written, tmp_path):
    command = sys.executable, ROOT / "train" / "simulate.py", "--data", DATA, "--workers", "2"
    subprocess.run([*command, "--output_dir", tmp_path], check=True, capture_output=True)
    assert files(tmp_path) == files(written)


def test_an_interrupted_run_is_completed_and_other_settings_are_refused(run_script, written):
    before = files(written)
    (written / "fear" / "fear_2.npy").unlink()
    (written / "manifest.csv").unlink()
    again = "--workers", "1", "--output_dir", written
    assert run_script("simulate", "--data", DATA, *again).returncode == 0
    assert files(written) == before
    other = run_script("simulate", "--data", DATA.replace("seed=5", "seed=6"), *again)
    assert other.returncode and "holds recordings of other settings" in other.stderr
    assert files(written) == before


def test_files_like_the_originals_have_sentinels_and_noise_of_their_own(run_script, tmp_path):
    data = "simulated:subjects=2,trials=1,sampling_rate=15000,seed=5"
    flags = "--data", data, "--original", "--workers", "1", "--output_dir", tmp_path
    assert run_script("simulate", *flags).returncode == 0
    noises = []
    for subject, name in ((0, "fear/fear_1.npy"), (1, "fear/fear_2.npy"), (0, "anger/anger_1.npy")):
        volts = np.load(tmp_path / name)
        assert volts.shape == (45000, 8) and (volts[:1500] == -1000).all()
        recording = simulate(name.split("/")[0], subject, 0, sampling_rate=15000.0, seed=5)
        noises.append((1e6 * volts - recording.signal)[1500:])
        # The signal holds other noise, hum and motion, too.
        assert -4 < 10 * np.log10(np.mean(recording.signal**2) / np.mean(noises[-1] ** 2)) < 3
    for a, b in ((0, 1), (0, 2)):
        assert abs(np.corrcoef(noises[a][:, 0], noises[b][:, 0])[0, 1]) < 0.05
    read = load_dataset(str(tmp_path / "manifest.csv")).recordings[0]
    assert read.unit == "uV" and not read.valid[:1500].any() and read.valid[1500:].all()


def features(path, powers, labels, people):
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["subject", "label", *(f"power_{i}" for i in range(8))])
        table.writerows([p, y, *x] for p, y, x in zip(people, labels, powers, strict=True))


def test_realism_finds_simulated_people_alike_and_others_unlike(run_script, tmp_path):
    realism = load_script("realism")
    config = realism.SimulationConfig(subjects=8, seed=3, duration=1.0, course="held")
    decibel, labels, people = realism.simulated(config, ["anger", "happiness", "neutral"], 5)
    people = [f"P{p}" for p in people]
    features(tmp_path / "like.csv", 10 ** (decibel / 10), labels, people)
    features(tmp_path / "unlike.csv", 10 ** (3 * decibel / 10), labels, people)
    unlike = {}
    for name in ("like", "unlike"):
        flags = "--real", tmp_path / f"{name}.csv", "--output_dir", tmp_path / name
        done = run_script("realism", *flags, "--subjects", "8")
        assert done.returncode == 0, done.stderr
        unlike[name] = done.stdout.count("| unlike |")
        figures = json.loads((tmp_path / name / "realism.json").read_text())
        assert figures["real"].keys() == figures["simulated"].keys()
    assert unlike["like"] <= 3 < 5 <= unlike["unlike"]


def test_each_person_is_left_out_of_the_simulator_that_reads_them(monkeypatch, tmp_path):
    certainty, of = load_script("certainty"), []
    powers = 10 ** np.random.default_rng(0).normal(2, 0.3, (12, len(MONTAGE)))
    features(tmp_path / "real.csv", powers, ["anger", "neutral"] * 6, np.repeat(list("ABC"), 4))
    args = certainty.CertaintyArguments(real=str(tmp_path / "real.csv"), repeats=1)
    names, means = certainty.mean_powers(load_dataset(args.real))
    targets = np.arange(100) % 2
    sure = np.where(np.arange(100)[:, None] < 70, 0.99, 0.01)  # right 70 times of 100
    p = np.where(targets[:, None] == [0, 1], sure, 1 - sure)

    def read(anatomy, dataset, draw):
        of.append((set(dataset.groups), anatomy.powers() - ANATOMY.powers()))
        return dict.fromkeys(PRIVILEGES, (p, targets))

    monkeypatch.setattr(certainty, "train", lambda config, anatomy, columns: anatomy)
    monkeypatch.setattr(certainty, "read", read)
    found = certainty.measured(args)
    assert [people for people, _ in of[:: certainty.DRAWS]] == [{name} for name in names]
    for k, (_, moved) in enumerate(of[:: certainty.DRAWS]):
        change = np.delete(means, k, axis=0).mean(axis=0) - means.mean(axis=0)
        rows = [EMOTIONS.index(e) for e in ("anger", "neutral")]
        assert np.corrcoef(moved[rows].ravel(), change.ravel())[0, 1] > 0.7
    for figures in found["privileges"].values():
        assert figures["factor"] > 3 and figures["ece_scaled"] < 0.05 < 0.25 < figures["ece"]


def test_the_factors_of_real_people_go_into_saved_models(run_script, tmp_path):
    (tmp_path / "svm").mkdir()
    config = {"kind": "emg-svm", "confidence": Confidence(1.2).to_dict()}
    (tmp_path / "svm" / "config.json").write_text(json.dumps(config))
    found = {
        "privileges": {p: {"factor": f} for p, f in zip(PRIVILEGES, (1, 1.2, 1.5), strict=True)}
    }
    (tmp_path / "certainty.json").write_text(json.dumps(found))
    flags = "--factors", tmp_path / "certainty.json", "--models"
    done = run_script("certainty", *flags, tmp_path / "svm")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "svm" / "config.json").read_text())
    assert config["kind"] == "emg-svm"
    assert Confidence.from_dict(config["confidence"]) == Confidence(1.2, real=(1, 1.2, 1.5))
    refused = run_script("certainty", *flags, tmp_path / "nowhere")
    assert refused.returncode and "no trained model" in refused.stderr
