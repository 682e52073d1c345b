"""A running app for the benchmarks of it."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
START_S = 600


@contextmanager
def served(url, folder):
    """(address, process) of an app that is started here and ended, or (url, None) of a given one.

    folder: for its uploads and its log.
    """
    if url:
        yield url, None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": folder}
    log = (Path(folder) / "log.txt").open("w")
    app = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log
    )
    try:
        end = time.monotonic() + START_S
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if app.poll() is not None or time.monotonic() > end:
                raise SystemExit((Path(folder) / "log.txt").read_text())
            time.sleep(1)
        yield f"http://127.0.0.1:{port}/", psutil.Process(app.pid)
    finally:
        app.terminate()
        app.wait(60)
