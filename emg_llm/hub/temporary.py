"""Folders for what is on its way to the Hub; none outlives its process, not even a killed one."""

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

# On Windows, what a killed process left stays.
fcntl = import_module("fcntl") if os.name == "posix" else None

PREFIX = "emg-llm-staged-"
YOUNG = 2  # seconds; such a folder may not be locked yet


@contextmanager
def staging_folder() -> Iterator[Path]:
    """A temporary folder. The next one removes what a killed process left behind."""
    _remove_abandoned()
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        if fcntl is None:
            yield Path(folder)
            return
        lock = os.open(folder, os.O_RDONLY)  # the system lets go of it however the process ends
        with suppress(OSError):  # a disk without locks; nothing is removed there
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield Path(folder)
        finally:
            os.close(lock)


@contextmanager
def _ended_in_order():
    """Let SIGTERM raise SystemExit, where nobody else handles it."""
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
            there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                known = os.fstat(there)
                if known.st_uid == os.getuid() and time.time() - known.st_mtime > YOUNG:
                    fcntl.flock(there, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(there)
