"""Sending to the Hub and loading from it over HTTP, when all goes well and when it doesn't."""

import json
import os

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

from emg_llm.hub import client as hub
from emg_llm.hub import publish
from emg_llm.hub.client import HubError, push, resolve
from emg_llm.hub.temporary import PREFIX
from tests.hub_server import TOKEN

ID = "somebody/model"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# A model\n")
    (folder / "config.json").write_text(json.dumps({"kind": "made"}))
    save_file({"w": np.arange(5000.0)}, folder / "model.safetensors")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    return folder


def same(here, there):
    names = {p.relative_to(there).as_posix() for p in there.rglob("*") if p.is_file()}
    assert names == set(hub.uploaded(here))
    return all((here / n).read_bytes() == (there / n).read_bytes() for n in names)


def test_what_was_pushed_is_loaded_again(server, folder):
    pushed = push(folder, ID)
    assert (pushed.repo_id, pushed.url) == (ID, f"{server.url}/{ID}")
    assert pushed.revision == server.repo(ID).branches["main"]
    assert same(folder, resolve(ID))
    assert "training_args.bin" not in server.repo(ID).files


def test_all_comes_in_one_commit_and_nothing_twice(server, folder):
    first = push(folder, ID)
    assert len(server.repo(ID).commits) == 2  # the empty one, and ours
    uploads = server.asked("PUT", "/lfs/")
    assert push(folder, ID) == first  # nothing changed
    assert len(server.repo(ID).commits) == 2 and server.asked("PUT", "/lfs/") == uploads
    (folder / "config.json").unlink()
    (folder / "new.json").write_text("{}")
    second = push(folder, ID)
    assert second.revision != first.revision
    assert set(server.repo(ID).files) == {"README.md", "model.safetensors", "new.json"}


def test_a_revision_is_what_it_was(server, folder):
    first = push(folder, ID)
    (folder / "config.json").write_text("{}")
    push(folder, ID)
    assert (resolve(ID) / "config.json").read_text() == "{}"
    assert json.loads((resolve(ID, first.revision) / "config.json").read_text()) == {"kind": "made"}
    with pytest.raises(HubError, match="no such revision"):
        resolve(ID, "v7")


@pytest.mark.parametrize(
    ("method", "path", "how"),
    [
        ("POST", "/api/repos/create", {"status": 500}),
        ("POST", "/api/repos/create", {"status": 429, "headers": {"Retry-After": "1"}}),
        ("POST", "/preupload/", {"status": 503, "times": 2}),
        ("POST", "/objects/batch", {"status": 500}),
        ("PUT", "/lfs/", {"status": 500}),
        ("PUT", "/lfs/", {"drop": True}),
        ("POST", "/commit/", {"status": 502}),
        ("POST", "/commit/", {"drop": True}),
        ("POST", "/commit/", {"drop": True, "after": True}),  # done, but nobody is told
        ("POST", "/commit/", {"delay": 0.3}),
        ("GET", "/api/models/", {"status": 500}),
    ],
)
def test_a_fault_that_passes_is_outlived(server, folder, method, path, how):
    fault = server.fail(method, path, **how)
    pushed = push(folder, ID)
    assert fault.met == fault.times
    assert pushed.revision == server.repo(ID).branches["main"]
    assert len(server.repo(ID).commits) == 2
    assert same(folder, resolve(ID))


@pytest.mark.parametrize(
    ("method", "path", "how", "words"),
    [
        ("PUT", "/lfs/", {"status": 500}, "the Hub failed with status"),
        ("PUT", "/lfs/", {"drop": True}, "connection to the Hub failed"),
        ("PUT", "/lfs/", {"status": 403}, "lacks permission"),
        ("POST", "/commit/", {"status": 500}, "the Hub failed with status"),
        ("POST", "/commit/", {"status": 429, "headers": {"Retry-After": "9"}}, "too many requests"),
        ("POST", "/commit/", {"drop": True}, "connection to the Hub failed"),
        ("POST", "/api/repos/create", {"status": 401}, "hf auth login"),
    ],
)
def test_a_fault_that_stays_is_one_sentence_and_the_next_run_completes(
    server, folder, method, path, how, words
):
    fault = server.fail(method, path, times=1000, **how)
    with pytest.raises(HubError) as caught:
        push(folder, ID)
    text = str(caught.value)
    assert words in text and "\n" not in text and TOKEN not in text
    if ("model", ID) in server.repos:
        assert server.repo(ID).files == {}  # nothing is half there
    fault.times = 0
    push(folder, ID)
    assert same(folder, resolve(ID))


class Made(hub.Pushable):
    def save_pretrained(self, folder):
        (folder / "config.json").write_text(json.dumps({"kind": "made"}))


def test_a_failure_says_only_what_is_still_there_or_what_to_do(
    server, folder, monkeypatch, tmp_path
):
    def space(repo_id, bundle_id, folder, revision):
        (folder / "README.md").write_text("sdk: gradio")

    monkeypatch.setattr(publish, "space", space)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(publish, "write_card", lambda *_, **__: None)
    monkeypatch.setattr("emg_llm.hub.cards.write_card", lambda *_: None)
    server.fail("POST", "/commit/", status=500, times=1000)
    item = publish.Item(ID, "model", "svm", lambda folder, pins: Made().save_pretrained(folder))
    for send, told in (
        (lambda: push(folder, ID), f"still in {folder}."),
        (lambda: publish.share(folder, ID), f"still in {folder}."),
        (lambda: Made().push_to_hub(ID), "Call push_to_hub again"),
        (lambda: publish.publish([item]), "Run the same command again"),
        (lambda: publish.deploy_space(f"{ID}-demo", ID), "Run the same command again"),
    ):
        with pytest.raises(HubError, match="the Hub failed with status") as caught:
            send()
        assert told in str(caught.value) and PREFIX not in str(caught.value)


@pytest.mark.parametrize(
    "how",
    [
        {"status": 500},
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"drop": True},
        {"wrong": True},
        {"delay": 0.3},
    ],
)
def test_a_download_that_breaks_once_is_done_again(server, folder, how):
    push(folder, ID)
    fault = server.fail("GET", "/resolve/.*safetensors", **how)
    assert same(folder, resolve(ID))
    assert fault.met == 1


def test_a_download_that_is_always_damaged_is_said_and_not_kept(server, folder):
    push(folder, ID)
    fault = server.fail("GET", "/resolve/.*safetensors", wrong=True, times=2)
    with pytest.raises(HubError, match=r"damaged in two downloads \(model.safetensors"):
        resolve(ID)
    assert fault.met == 2
    assert same(folder, resolve(ID))


def test_a_gated_model_says_where_its_licence_is(server, folder):
    push(folder, ID)
    server.repo(ID).gated = True
    with pytest.raises(HubError, match=f"gated: accept its licence at {server.url}/{ID}"):
        resolve(ID)


def test_what_is_private_is_not_shown_to_others(server, folder, monkeypatch, tmp_path):
    push(folder, ID, private=True)
    assert server.repo(ID).private and same(folder, resolve(ID))
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "theirs"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", os.devnull)
    with pytest.raises(HubError, match="private: log in"):
        resolve(ID, "main")
    with pytest.raises(HubError, match="hf auth login"):
        push(folder, ID)


def test_what_is_public_is_not_taken_for_private(server, folder):
    push(folder, ID)
    (folder / "secret.json").write_text("{}")
    with pytest.raises(HubError, match="public already, so nothing was sent"):
        push(folder, ID, private=True)
    assert "secret.json" not in server.repo(ID).files


def test_nobody_pushes_into_another_namespace(server, folder):
    with pytest.raises(HubError, match="lacks permission"):
        push(folder, "another/model")


def test_without_the_hub_what_is_here_is_used_and_else_it_is_said(server, folder, monkeypatch):
    push(folder, ID)
    resolve(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(server.requests)
    assert same(folder, resolve(ID))
    assert len(server.requests) == before
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        resolve("somebody/other")


def test_a_gated_language_model_says_where_its_licence_is(server, folder):
    from emg_llm.llms.loading import LlmError, load_base

    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    push(folder, ID)
    server.repo(ID).gated = True
    with pytest.raises(LlmError, match=f"gated: accept its licence at {server.url}/{ID}") as caught:
        load_base(ID)
    assert "\n" not in str(caught.value)


def test_a_language_model_that_is_only_a_pickle_is_not_loaded(server, folder, nano_folder):
    import shutil

    import torch
    from transformers import AutoModelForCausalLM

    from emg_llm.llms.loading import LlmError, load_model

    shutil.copytree(nano_folder, folder, dirs_exist_ok=True)
    (folder / "model.safetensors").unlink()
    model = AutoModelForCausalLM.from_pretrained(nano_folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(LlmError, match="safetensors"):
        load_model(str(folder))
