"""Folders on their way to the Hub are gone in the end, however a process ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emg_llm.hub import client, temporary
from emg_llm.hub.temporary import staging_folder

HOLD = """
import time
from emg_llm.hub.temporary import staging_folder
with staging_folder() as folder:
    (folder / "model").write_text("0")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    """Where temporary folders are made, of these tests alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(temporary, "YOUNG", 0)
    return tmp_path


@pytest.fixture
def other():
    """Another process that holds a staging folder: (process, folder)."""
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def test_a_process_that_is_terminated_removes_its_folder(other):
    process, folder = other
    assert folder.is_dir()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_the_next_time_and_nothing_else(other, place):
    process, folder = other
    theirs, link = place / "emg-llm-results", place / f"{temporary.PREFIX}link"
    theirs.mkdir()
    link.symlink_to(theirs)
    with staging_folder():
        assert folder.is_dir()  # its process runs
    process.kill()
    process.wait(20)
    with staging_folder() as mine:
        assert {*place.iterdir()} == {mine, theirs, link}


def test_a_folder_that_was_made_just_now_is_left_alone(place, monkeypatch):
    monkeypatch.setattr(temporary, "YOUNG", 60)
    young = place / f"{temporary.PREFIX}young"
    young.mkdir()
    with staging_folder():
        assert young.is_dir()


def test_whoever_handles_sigterm_goes_on_doing_so(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, handler := lambda *_: None)
        with staging_folder():
            os.kill(os.getpid(), signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_end_that_was_asked_for_is_not_taken_for_a_fault_that_passes():
    import httpx2

    calls = []

    def call():
        calls.append(1)
        try:
            raise httpx2.ConnectError("broken")
        except httpx2.ConnectError:
            sys.exit(143)  # as a signal does while the client waits to try again

    with pytest.raises(SystemExit):
        client.patiently(call)
    assert len(calls) == 1
