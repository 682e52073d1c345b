"""What the benchmarks compare is what they say; their figures are nothing to assert."""

import json
import re
import sys
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from emg_llm.encoders.augmentation import Augmentation
from emg_llm.signal.bank.table import bank_features
from emg_llm.signal.preprocessing import Segments
from emg_llm.ui.busy import BUSY
from tests.scripts import load_script


@pytest.fixture(scope="module")
def benchmark():
    return load_script("augmentation", "benchmarks")


def test_every_augmentation_is_tried_alone_and_left_out_or_added(benchmark):
    default = asdict(Augmentation())
    found = {name: asdict(settings) for name, settings in benchmark.variants().items()}
    assert found.pop("default") == default and not any(found.pop("none").values())
    for f in fields(Augmentation):
        alone = found.pop(f"{f.name} alone")
        assert [name for name, amount in alone.items() if amount] == [f.name]
        word = "without" if default[f.name] else "with"
        changed = found.pop(f"default {word} {f.name}")
        assert {k for k in default if changed[k] != default[k]} == {f.name}
        assert bool(changed[f.name]) == (word == "with")
        assert {type(amount) for amount in (alone[f.name], changed[f.name])} == {type(f.default)}
    assert not found


def test_differences_are_paired_over_people(benchmark):
    people = np.repeat(np.arange(10), 6)
    hard = np.random.default_rng(0).random((10, 1)) < 0.5
    default = np.broadcast_to(hard, (10, 6)).flatten() * 1.0
    better = np.maximum(default, np.tile([1, 0, 0, 0, 0, 0], 10))
    _, row = benchmark.comparison({"default": default, "better": better}, people)
    assert row["gain"] == pytest.approx((better - default).mean())
    assert row["gain_high"] - row["gain_low"] < 0.15 < 0.4 < row["high"] - row["low"]


def test_the_table_is_written_and_a_second_run_trains_nothing(benchmark, tmp_path, monkeypatch):
    nothing = Augmentation(overall_db=0.0, gain_db=0.0, mixup=0.0)
    monkeypatch.setattr(benchmark, "variants", lambda: {"default": Augmentation(), "none": nothing})
    data = benchmark.SmallData(data="simulated:subjects=2,trials=1,duration=1")
    args = benchmark.AugmentationArguments(folds=2, epochs=1, output_dir=str(tmp_path))
    benchmark.main(data, args)
    table = (tmp_path / "augmentation.md").read_text()
    assert "| default |" in table and "| none |" in table
    monkeypatch.setattr(benchmark, "fit_encoder", lambda *a, **k: pytest.fail("trained again"))
    benchmark.main(data, args)
    assert (tmp_path / "augmentation.md").read_text() == table


def test_both_trainers_learn_the_same_conversations(nano_folder, tmp_path, capsys):
    finetuning = load_script("finetuning", "benchmarks")
    turns = [
        {"role": "user", "content": "EMG features: jaw +3, cheek -2"},
        {"role": "assistant", "content": "Emotion: fear"},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text((json.dumps({"messages": turns}) + "\n") * 8)
    base = {"model_name_or_path": str(nano_folder), "dataset_name": str(file)}
    finetuning.main(finetuning.BenchmarkArguments(**base, rows=8, repeats=1))
    told = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"nano-llama2, 8 conversations: [\d,]+ tokens/s, TRL's own trainer", told)


def test_without_libemg_the_default_features_are_timed_and_a_sentence_says_what_to_install(
    monkeypatch, capsys
):
    features = load_script("features", "benchmarks")
    monkeypatch.setitem(sys.modules, "libemg", None)
    with pytest.raises(SystemExit, match=r"pip install 'libemg==2\.0\.\*'"):
        features.main(features.make_parser().parse_args(["--segments", "60", "--repeats", "1"]))
    assert re.search(r"\(60, 128, 8\).*\n.*default features .* copies", capsys.readouterr().out)


def test_what_libemg_computes_otherwise_is_computed_from_our_features():
    features = load_script("features", "benchmarks")
    x = np.random.default_rng(0).normal(0, 20, (9, 128, 3)).astype(np.float32)
    rate, cut = features.RATE, Segments(x, np.zeros(9), features.RATE)
    power = np.abs(np.fft.rfft(x, axis=1) / 128)[:, :-1] ** 2
    f = np.fft.rfftfreq(128, 1 / rate)[:-1, None]
    expected = {
        "MNF": (f * power).sum(1) / power.sum(1),
        "MNP": power.mean(1),
        "SM": (f**2 * power).sum(1),
        "TM": (np.abs(x) ** 3).mean(1),
        "MFL": np.log10(np.abs(np.diff(x, axis=1)).sum(1)),
        "MAVFD": np.abs(np.diff(x, axis=1)).mean(1),
        "MOB": np.sqrt(np.square(np.diff(x, axis=1)).sum(1) / np.square(x).sum(1)),
    }
    for shared in features.SHARED:
        values = bank_features(cut, shared.ours)
        if shared.theirs in expected:
            same = shared.same(values, x)
            assert features.agreement(expected[shared.theirs], same) == 1, shared.theirs
            assert features.agreement(1.01 * expected[shared.theirs], same) < 1
            assert shared.reason
        assert shared.reason or shared.same


def test_a_crowd_notices_an_answer_about_another_file_and_counts_busy_models():
    crowd = load_script("crowd", "benchmarks")
    tally, stated = crowd.Tally(), [{"id": "duration", "value": 2.05}]
    answer = {"recording": "person_1", "statements": stated, "probabilities": {"svm": {}}}
    answer["warnings"] = [BUSY]
    crowd.check(answer, Path("person_1.npy"), 2.05, tally)
    assert not tally.trouble and tally.busy == 1
    crowd.check(answer, Path("person_1.npy"), 2.1, tally)
    crowd.check(answer, Path("person_2.npy"), 2.05, tally)
    assert tally.trouble == {"a prediction of another file": 2}


def test_each_wait_on_the_page_is_told_beside_its_limit():
    page = load_script("page", "benchmarks")
    lines = list(page.told({step: [0.2, 0.7, 0.4] for step in page.LIMITS}))
    assert all("median 0.40 s, worst 0.70 s" in line for line in lines)
    limits = [line.rpartition("limit ")[2] for line in lines[:4]]
    assert limits == ["1.0 s", "1.5 s", "0.3 s", "0.3 s"]
    assert not any("limit" in line for line in lines[4:])


def test_an_upload_on_the_page_is_of_the_original_form_and_new(tmp_path):
    page = load_script("page", "benchmarks")
    a, b = (np.load(page.write_new(tmp_path / f"{k}.npy", 0)) for k in range(2))
    assert a.shape == (45_000, 8) and a.dtype == np.float32
    assert not np.array_equal(a, b)
