"""Small real things that several tests share; each is made once for a whole run."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

# Everything here is small: a second thread for each of several processes only slows all down.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from filelock import FileLock
from huggingface_hub import constants, hf_api
from transformers.utils import hub as transformers_hub

from emg_llm.data.datasets import load_dataset
from emg_llm.hub import client
from tests import scripts

SMALL_DATA = "simulated:subjects=5,trials=1,duration=1"
LONGEST = "test_publish.py", "test_families.py", "test_demo.py", "test_scripts.py"


def pytest_collection_modifyitems(items):
    """The longest modules first, so that no worker is left alone with one at the end."""
    place = {name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session")
def run_script(tmp_path_factory):
    """Run `train/<script>.py` from another folder, without network: a CompletedProcess."""
    return partial(scripts.run_script, folder=tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def launch(tmp_path):
    """Run a script in two processes of `accelerate launch`, on the CPU: a CompletedProcess."""

    def run(script, *flags):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        path = [str(scripts.ROOT), os.environ.get("PYTHONPATH", "")]
        launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
        launcher += ["--num_processes", "2", "--main_process_port", port, script, *flags]
        return subprocess.run(
            [*map(str, launcher)],
            cwd=tmp_path,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(path)},
            capture_output=True,
            text=True,
            timeout=500,
        )

    return run


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def serving():
    """serving(cache): a HubServer that the Hub's client in this process talks to while open."""
    from tests.hub_server import TOKEN, HubServer

    @contextmanager
    def serving(cache):
        with HubServer() as server, pytest.MonkeyPatch.context() as patch:
            files = server.url + "/{repo_id}/resolve/{revision}/{filename}"
            patch.setattr(constants, "ENDPOINT", server.url)
            for api in (hf_api.api, transformers_hub.hf_api()):  # they keep their first endpoint
                patch.setattr(api, "endpoint", server.url)
            patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
            patch.setattr(constants, "HF_HUB_CACHE", str(cache))
            patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
            patch.setenv("HF_TOKEN", TOKEN)
            patch.setattr(client, "LONGEST_WAIT", 0.05)
            # The client's own patience, without the waiting.
            patch.setattr(time, "sleep", lambda _: None)
            yield server

    return serving


@pytest.fixture
def server(serving, tmp_path):
    """A HubServer with an empty cache."""
    with serving(tmp_path / "cache") as server:
        yield server


@pytest.fixture(scope="session")
def people():
    """Three simulated people, one recording of each emotion from each."""
    return load_dataset("simulated:subjects=3,trials=1,duration=1.5")


@pytest.fixture(scope="session")
def independent():
    """Recordings of two people, 3 s each: none has anything to do with another."""
    return list(load_dataset("simulated:subjects=2,trials=1").recordings)


@pytest.fixture(scope="session")
def nano_folder(tmp_path_factory):
    """A very small nano model, its weights random, its tokenizer a real one."""
    from emg_llm.llms.nano import build_model, build_tokenizer, corpus

    conversations = corpus(400, np.random.default_rng(0))
    tokenizer = build_tokenizer("nano-llama2", [m["content"] for c in conversations for m in c])
    folder = tmp_path_factory.mktemp("nano")
    build_model("nano-llama2", tokenizer, width=32, layers=2, heads=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def quick_bundle(tmp_path_factory, run_script):
    """What `train/bundle.py --quick` makes: .folder, and .work, where its steps wrote.

    One worker makes it for all of them.
    """
    here = tmp_path_factory.getbasetemp()
    place = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "quick"
    with FileLock(f"{place}.lock"):
        if not (place / "bundle" / "results.json").exists():  # written last
            _build_quick_bundle(place, run_script)
    return SimpleNamespace(folder=place / "bundle", work=place / "work")


def _build_quick_bundle(place, run_script):
    flags = ["--quick", "--data", SMALL_DATA, "--work_dir", place / "work"]

    def run_step(script, *flags):
        done = run_script(script, *flags)
        print(done.stdout, done.stderr, sep="\n")
        return done.returncode

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts.load_script("bundle"), "run_step", run_step)
        done = run_script("bundle", *flags, "--output_dir", place / "bundle")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.fixture(scope="session")
def pipeline(quick_bundle):
    from emg_llm.pipeline import EmotionPipeline

    return EmotionPipeline.from_pretrained(quick_bundle.folder)
