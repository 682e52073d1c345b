"""Half-written, damaged and mixed-up files are never read as if they were whole."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from peft import get_peft_model
from safetensors.torch import save_file

from emg_llm.bridge import BRIDGES, BridgeError, load_bridge
from emg_llm.bridge.codebook import Codebook, CodebookConfig
from emg_llm.chat import parts
from emg_llm.chat.parts import OWNED, write_parts
from emg_llm.data.whole import HEADS, UNFINISHED, whole
from emg_llm.encoders import CnnEncoder, EncoderConfig, load_encoder
from emg_llm.encoders.adapting import calibrate
from emg_llm.experiments.folds import FoldStore
from emg_llm.experiments.trained import load_fitted
from emg_llm.hub.client import HubError
from emg_llm.llms.checkpoints import checkpoint_to_resume
from emg_llm.llms.finetuning import lora_config
from emg_llm.llms.loading import LlmError, load_base
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.sft_data import load_rows
from emg_llm.pipeline import EmotionPipeline
from emg_llm.svm import EmotionSVM

FILES = "a.bin", "deeper/b.bin", *HEADS


def fill(folder, content):
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture
def older(tmp_path):
    """A folder with an older result and somebody's files."""
    folder = tmp_path / "out"
    fill(folder, "old")
    for name in ("notes.txt", "checkpoint-3/state.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    return folder


def contents(folder):
    return {
        f.relative_to(folder).as_posix(): f.read_text() for f in folder.rglob("*.*") if f.is_file()
    }


MINE = {"notes.txt": "mine", "checkpoint-3/state.json": "mine"}


def test_a_result_replaces_the_older_one_and_nothing_else(older):
    with whole(older) as beside:
        assert beside.name == older.name  # as cards say it
        fill(beside, "new")
        assert contents(older).items() >= dict.fromkeys(FILES, "old").items()
    assert contents(older) == dict.fromkeys(FILES, "new") | MINE
    assert not (older / UNFINISHED).exists()


def stopped(folder, error):
    with whole(folder) as beside:
        (beside / "results.json").write_text("new")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_error_while_writing_leaves_everything_as_it_was(older, error):
    before = contents(older)
    for folder in (older, older.parent / "fresh"):
        with pytest.raises(error):
            stopped(folder, error)
    assert contents(older) == before and not (older.parent / "fresh").exists()


@pytest.mark.parametrize("after", range(len(FILES)))
def test_an_interrupt_while_the_files_move_leaves_no_result(older, monkeypatch, after):
    moved, replace = [], os.replace

    def move(source, target):
        if len(moved) == after:
            raise KeyboardInterrupt
        moved.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", move)
    with pytest.raises(KeyboardInterrupt), whole(older) as beside:
        fill(beside, "new")
    found = contents(older)
    assert found.items() >= MINE.items()
    assert "results.json" not in found
    assert all(found[name] == "new" for name in HEADS if name in found)
    if "config.json" in found:
        assert found["a.bin"] == found["deeper/b.bin"] == "new"


def test_a_killed_process_leaves_the_older_result_and_the_next_run_cleans_up(older):
    script = (
        "import os, sys\nfrom emg_llm.data.whole import whole\n"
        "with whole(sys.argv[1]) as beside:\n"
        "    (beside / 'results.json').write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(older)])
    assert done.returncode == -signal.SIGKILL and (older / UNFINISHED).exists()
    assert (older / "results.json").read_text() == "old"
    with whole(older) as beside:
        assert not any(beside.iterdir())
        fill(beside, "new")
    assert contents(older) == dict.fromkeys(FILES, "new") | MINE


def test_files_of_an_older_result_that_has_more_are_removed(older):
    with whole(older, owns=["deeper/*", "a.bin"], keeps=["notes.txt"]) as beside:
        (beside / "results.json").write_text("new")
        (beside / "notes.txt").write_text("not mine")
    assert {*contents(older)} == {*HEADS, *MINE} and not (older / "deeper").exists()
    assert (older / "notes.txt").read_text() == "mine"


# Conversations


def conversations(folder, split_hash="1", label="fear"):
    turns = [{"role": "user", "content": "EMG: 3"}, {"role": "assistant", "content": label}]
    rows = {p: [{"messages": turns, "label": label, "split": p}] * 2 for p in ("train", "test")}
    info = {"labels": [label], "bridge": None, "data": "x", "protocol": {"split_hash": split_hash}}
    with whole(folder, owns=OWNED) as beside:
        write_parts(beside, rows, info)
    return folder


MIXED = {
    "another split": ("data/test.parquet", {"split_hash": "2"}),
    "other settings": ("data/test.parquet", {"label": "pride"}),
    "other rows": ("bridge.json", {"label": "pride"}),
}


@pytest.mark.parametrize("case", MIXED)
def test_parts_of_two_runs_are_not_read_as_one_set(tmp_path, case):
    name, other = MIXED[case]
    folder, other = conversations(tmp_path / "a"), conversations(tmp_path / "b", **other)
    load_rows(folder)
    shutil.copy(other / name, folder / name)
    with pytest.raises(LlmError, match=r"parquet is of another run than bridge\.json"):
        load_rows(folder)


@pytest.mark.parametrize("name", ["bridge.json", "data/test.parquet"])
@pytest.mark.parametrize("how", ["missing", "empty", "cut", "random"])
def test_an_incomplete_set_of_conversations_is_refused_in_one_sentence(tmp_path, name, how):
    path = conversations(tmp_path / "a") / name
    damaged(path, how)
    with pytest.raises(LlmError, match="no whole set of conversations") as caught:
        load_rows(tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_a_jsonl_file_of_another_run_is_refused_beside_its_bridge_and_taken_elsewhere(tmp_path):
    folder = conversations(tmp_path / "a")
    assert load_rows(folder / "train.jsonl")[0]
    (folder / "train.jsonl").write_text((folder / "train.jsonl").read_text() * 2)
    with pytest.raises(LlmError, match="isn't the one that bridge"):
        load_rows(folder / "train.jsonl")
    shutil.copy(folder / "train.jsonl", tmp_path / "train.jsonl")
    assert len(load_rows(tmp_path / "train.jsonl")[0]["train"]) == 4


def test_stopped_conversations_leave_the_older_ones(tmp_path, monkeypatch):
    folder, write = conversations(tmp_path / "a"), parts.write_parquet

    def killed(table, path, about):
        write(table, path, about)
        if path.stem == "test":
            raise KeyboardInterrupt

    monkeypatch.setattr(parts, "write_parquet", killed)
    with pytest.raises(KeyboardInterrupt):
        conversations(folder, label="pride")
    rows, info = load_rows(folder)
    assert {r["label"] for part in rows.values() for r in part} == {"fear"} == {*info["labels"]}


# Models


def damaged(path, how):
    whole_file = path.read_bytes()
    path.unlink()
    if how != "missing":
        noise = np.random.default_rng(0).bytes(len(whole_file))
        half = whole_file[: len(whole_file) // 2]
        path.write_bytes({"empty": b"", "cut": half, "random": noise}[how])


def an_encoder(seed=0):
    torch.manual_seed(seed)
    config = EncoderConfig("cnn", ["fear", "pride"], width=8, embedding_dim=8, segment_length=128)
    return CnnEncoder(config).eval()


def a_codebook(encoder_hash="", width=8):
    config = CodebookConfig(width, depths=2, codes=4, encoder_hash=encoder_hash)
    return Codebook(config).eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory, nano_folder):
    """A folder with a saved model of every kind, and a bundle's configuration."""
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    x, targets, people = rng.random((12, 3)), np.arange(12) % 2, np.arange(12) // 4
    EmotionSVM.fit(x, "abc", targets, people, ("fear", "pride")).save_pretrained(folder / "svm")
    an_encoder().save_pretrained(folder / "encoder")
    a_codebook().save_pretrained(folder / "codebook")
    shutil.copytree(nano_folder, folder / "base")
    model, tokenizer = load_base(str(nano_folder))
    model = get_peft_model(model, lora_config(model, tokenizer))
    llm = EmgLLM("nano", model, tokenizer, ("fear", "pride"), None)
    llm.save_adapter(folder / "adapter", base=str(nano_folder))
    (folder / "bundle").mkdir()
    (folder / "bundle" / "config.json").write_text('{"labels": [], "trained_on": ""}')
    return folder


LOADERS = {
    "svm": (EmotionSVM.from_pretrained, "config.json", "model.skops"),
    "encoder": (load_encoder, "config.json", "model.safetensors"),
    "codebook": (Codebook.from_pretrained, "config.json", "model.safetensors"),
    "adapter": (
        EmgLLM.from_pretrained,
        *("config.json", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"),
    ),
    "base": (load_base, "config.json", "model.safetensors", "tokenizer.json"),
    "bundle": (EmotionPipeline.from_pretrained, "config.json"),
}


@pytest.mark.parametrize("how", ["empty", "cut", "random"])
@pytest.mark.parametrize(
    ("kind", "file"), [(kind, file) for kind, (_, *files) in LOADERS.items() for file in files]
)
def test_a_damaged_file_of_a_model_ends_in_one_sentence(saved, tmp_path, offline, kind, file, how):
    folder = tmp_path / kind
    shutil.copytree(saved / kind, folder)
    damaged(folder / file, how)
    with pytest.raises((HubError, LlmError)) as caught:
        LOADERS[kind][0](str(folder))
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)
    if kind in ("svm", "encoder", "adapter") and file == "config.json":
        with pytest.raises((HubError, LlmError)):
            load_fitted(folder)


def test_a_network_that_can_not_be_saved_leaves_the_older_one(tmp_path, monkeypatch):
    older = an_encoder()
    older.save_pretrained(tmp_path)
    (tmp_path / "README.md").write_text("my card")

    def stop(self, folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CnnEncoder, "_save_pretrained", stop)
        with pytest.raises(KeyboardInterrupt):
            an_encoder(1).save_pretrained(tmp_path)
    assert load_encoder(tmp_path).fingerprint == older.fingerprint
    an_encoder(1).save_pretrained(tmp_path)
    assert load_encoder(tmp_path).fingerprint == an_encoder(1).fingerprint != older.fingerprint
    assert (tmp_path / "README.md").read_text() == "my card"


def test_a_bridge_takes_only_a_codebook_that_was_fitted_to_its_encoder():
    encoder, tokens = an_encoder(), BRIDGES["tokens"]
    bridge = tokens.of(None, encoder, a_codebook(encoder.fingerprint))
    tokens.of(None, encoder, a_codebook())  # from before codebooks said so
    for other in (a_codebook(an_encoder(1).fingerprint), a_codebook(width=9)):
        with pytest.raises(BridgeError, match="fitted to another encoder"):
            tokens.of(None, encoder, other)
    again = load_bridge(bridge.to_dict(), encoder, bridge.codebook)
    assert again.to_dict() == bridge.to_dict()
    other = a_codebook(encoder.fingerprint)
    other.center += 1
    with pytest.raises(BridgeError, match="made with another codebook"):
        load_bridge(bridge.to_dict(), encoder, other)
    with pytest.raises(BridgeError, match="made with another encoder"):
        load_bridge(bridge.to_dict(), an_encoder(1), a_codebook())
    older = {k: v for k, v in bridge.to_dict().items() if k != "codec"}
    load_bridge(older, encoder, a_codebook())


def test_a_calibrated_encoder_belongs_to_the_codebook_of_its_original(tmp_path):
    encoder, rng = an_encoder(), np.random.default_rng(0)
    trials = [torch.from_numpy(rng.random((1, 128, 12), np.float32)) for _ in range(4)]
    tuned = calibrate(encoder, trials, np.array([0, 1, 0, 1]))
    tuned.save_pretrained(tmp_path)
    BRIDGES["tokens"].of(None, load_encoder(tmp_path), a_codebook(encoder.fingerprint))
    assert not torch.equal(tuned.head.weight, encoder.head.weight)


# What an interrupted run goes on from


def checkpoint(folder, step):
    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    save_file({"lora": torch.zeros(99)}, place / "adapter_model.safetensors")
    (place / "adapter_config.json").write_text("{}")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.save({"state": torch.zeros(99)}, place / name)
    (place / "trainer_state.json").write_text(f'{{"global_step": {step}}}')
    return place


@pytest.mark.parametrize("how", ["missing", "empty", "cut", "random"])
@pytest.mark.parametrize(
    "name",
    [
        *("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt"),
        *("rng_state.pth", "trainer_state.json"),
    ],
)
def test_fine_tuning_goes_on_from_the_newest_whole_checkpoint(tmp_path, capsys, name, how):
    older, newer = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    assert checkpoint_to_resume("true", tmp_path) == str(newer)
    damaged(newer / name, how)
    assert checkpoint_to_resume("true", tmp_path) == str(older)
    told = capsys.readouterr().out
    assert "checkpoint-10 is skipped" in told and name in told and told.count("\n") == 1
    with pytest.raises(LlmError, match=name):
        checkpoint_to_resume(str(newer), tmp_path)


def test_a_checkpoint_of_another_step_or_with_a_damaged_best_one_is_not_whole(tmp_path):
    best, last = checkpoint(tmp_path, 1), checkpoint(tmp_path, 2)
    (last / "trainer_state.json").write_text('{"global_step": 1}')
    with pytest.raises(LlmError, match="of another checkpoint"):
        checkpoint_to_resume(str(last), tmp_path)
    state = f'{{"global_step": 2, "best_model_checkpoint": "{best}"}}'
    (last / "trainer_state.json").write_text(state)
    assert checkpoint_to_resume("true", tmp_path) == str(last)
    damaged(best / "adapter_model.safetensors", "cut")
    with pytest.raises(LlmError, match="checkpoint-1 is not whole"):
        checkpoint_to_resume("true", tmp_path)


@pytest.mark.parametrize("how", ["empty", "cut", "random", "foreign"])
def test_a_damaged_fold_is_measured_again_and_said_so(tmp_path, capsys, how):
    def recall(value, seed=0):
        store = FoldStore(tmp_path)
        kept = store.recall(
            lambda: {"p": np.array(value)}, model="m", what="emg", fold="a", seed=seed
        )
        return kept, len(store.reused)

    recall(1)
    [path] = tmp_path.iterdir()
    assert recall(2) == ({"p": 1}, 1)
    if how == "foreign":
        recall(3, seed=1)
        [other] = {*tmp_path.iterdir()} - {path}
        other.replace(path)
    else:
        damaged(path, how)
    assert recall(4) == ({"p": 4}, 0)
    assert f"{path.name} is damaged or of another measurement" in capsys.readouterr().out
    assert recall(5) == ({"p": 4}, 1)
