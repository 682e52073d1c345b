"""A running demo, a browser, and files to open."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client

import emg_llm

ROOT = Path(__file__).parents[2]
START_S = 180
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """The address of a running demo without network access to the Hub."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}/", tmp_path_factory.mktemp("demo") / "log.txt"
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(tmp_path_factory.mktemp("uploads")),
        "HF_HUB_OFFLINE": "1",
    }
    with log.open("w") as output:
        demo = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
        try:
            _wait_until_served(url, demo, log)
            yield url
            assert "Traceback" not in log.read_text()
        finally:
            demo.terminate()
            demo.wait(20)


def _wait_until_served(url, demo, log):
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert demo.poll() is None, log.read_text()
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    pytest.fail(f"The demo did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def client(url):
    return Client(url, verbose=False)


@pytest.fixture(scope="session")
def trial(tmp_path_factory):
    """A CSV file as a person would export it."""
    recording = emg_llm.simulate("happiness", subject=3)
    path = tmp_path_factory.mktemp("files") / "my_trial.csv"
    time_s = np.arange(recording.n_samples) / recording.sampling_rate
    np.savetxt(
        path,
        np.column_stack([time_s, recording.signal]),
        fmt="%.6g",
        delimiter=",",
        header=",".join(["time", *(f"{name} (uV)" for name in recording.channel_names)]),
        comments="",
    )
    return path


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """A file that is no recording."""
    path = tmp_path_factory.mktemp("files") / "words.csv"
    path.write_text("dear diary,\ntoday I smiled a lot\n")
    return path


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        path = _chromium(p.chromium.executable_path)
        browser = p.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def _chromium(of_playwright):
    names = ("chromium", "chromium-browser", "google-chrome")
    found = (os.environ.get("CHROMIUM"), *map(shutil.which, names), of_playwright)
    for path in found:
        if path and os.path.exists(path):
            return path
    message = "There is no Chromium for the browser tests; `make browser` installs one."
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
