"""A reader in a process of its own: a C library that crashes there takes nothing else with it.

    python -m emg_llm.signal.readers.apart MODULE.FUNCTION FILE FOLDER

Writes the Raw of FILE to FOLDER: arrays as .npy, the rest as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

from emg_llm.signal.readers.raw import Raw
from emg_llm.signal.recording import RecordingError

TIMEOUT = 120  # s
MOST_BYTES = 8 * 2**30  # of the process's address space
PACKAGE = Path(__file__).parents[3]


def read_apart(reader: str, path: Path) -> Raw:
    """The Raw that a reader makes of a file. Raises RecordingError, also where it crashes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", __name__, reader, str(path.resolve()), folder]
        try:
            places = str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])
            env = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, env=env)
        except subprocess.TimeoutExpired:
            done = None
        told = Path(folder) / "raw.json"
        if done is None or done.returncode or not told.exists():
            raise RecordingError(f"{path.name} is damaged; copy it again, or export it anew.")
        about = json.loads(told.read_text(encoding="utf-8"))
        if "error" in about:
            raise RecordingError(about["error"])
        values = np.load(Path(folder) / "values.npy", allow_pickle=False)
        clock = Path(folder) / "time.npy"
        time = np.load(clock, allow_pickle=False) if clock.exists() else None
    about["names"] = tuple(about["names"])
    return Raw(values, time=time, **about)


def read(reader: str, path: Path) -> Raw:
    """The Raw that a reader makes of a file, in this process."""
    module, _, function = reader.partition(".")
    return getattr(import_module(f"emg_llm.signal.readers.{module}"), function)(path)


def main(reader: str, path: str, folder: str) -> None:
    """Write what `read_apart` reads."""
    about: dict[str, Any] = {}
    place = Path(folder)
    if resource is not None:  # what unpacks without end ends here
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    try:
        raw = read(reader, Path(path))
        np.save(place / "values.npy", raw.values, allow_pickle=False)
        if raw.time is not None:
            np.save(place / "time.npy", raw.time, allow_pickle=False)
        about = {"names": raw.names, "rate": raw.rate, "texts": raw.texts, "notes": raw.notes}
    except RecordingError as error:
        about = {"error": str(error)}
    (place / "raw.json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
