"""What the benchmarks compare is what they say; their figures are nothing to assert."""

import json
import re
from dataclasses import asdict, fields

import numpy as np
import pytest

from emg_llm.encoders.augmentation import Augmentation
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
