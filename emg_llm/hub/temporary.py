"""Temporary folders for uploads; they are removed even if their process is killed."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

# On Windows the folder of a killed process stays.
fcntl = import_module("fcntl") if os.name == "posix" else None

PREFIX = "emg-llm-staged-"
YOUNG = 2  # seconds; a folder this new may not be locked yet


@contextmanager
def staging_folder() -> Iterator[Path]:
    """A temporary folder; creating one also removes the folders of killed processes."""
    _remove_abandoned()
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        if fcntl is None:
            yield Path(folder)
            return
        lock = os.open(folder, os.O_RDONLY)  # released however the process ends
        with suppress(OSError):  # the disk has no locks, so nothing is removed there
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield Path(folder)
        finally:
            os.close(lock)


@contextmanager
def _ended_in_order():
    """Make SIGTERM raise SystemExit, unless the program already handles it."""
    ours = threading.current_thread() is threading.main_thread()
    ours = ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _remove_abandoned():
    """Remove this user's staging folders that no process holds."""
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                status = os.fstat(lock)
                if status.st_uid == os.getuid() and time.time() - status.st_mtime > YOUNG:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
