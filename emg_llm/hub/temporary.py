"""Temporary folders, for what is published and what is uploaded; the next one that is made removes
those of killed processes."""

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
def staging_folder(prefix: str = PREFIX, place: str | None = None) -> Iterator[Path]:
    """A temporary folder; creating one also removes the folders of killed processes.

    prefix: of its name, by which those are told; place: where it is made, by default where
    temporary folders are.
    """
    place = place or tempfile.gettempdir()
    Path(place).mkdir(parents=True, exist_ok=True)
    _remove_abandoned(prefix, place)
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix=prefix, dir=place) as folder:
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


def sweep(folder: Path, every_s: float, keep_s: float) -> None:
    """From now on, delete the files in a folder that are older than `keep_s`."""

    def run():
        while folder.exists():
            time.sleep(every_s)
            delete_older(folder, keep_s)

    threading.Thread(target=run, daemon=True).start()


def delete_older(folder: Path, age_s: float) -> None:
    """Delete the files in a folder that are older, and the folders that are left empty."""
    before = time.time() - age_s
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):  # somebody else may have deleted it
            if path.lstat().st_ctime >= before:
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # fails where something is in it
            else:
                path.unlink()


def _remove_abandoned(prefix, place):
    """Remove this user's folders of a prefix that no process holds."""
    if fcntl is None:
        return
    for folder in Path(place).glob(f"{prefix}*"):
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                status = os.fstat(lock)
                if status.st_uid == os.getuid() and time.time() - status.st_mtime > YOUNG:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
