"""A reader in a process of its own: a C library that crashes there takes nothing else with it.

    python -m emg_llm.signal.readers.apart MODULE.FUNCTION LIBRARIES FILE FOLDER

Writes the Raw of FILE to FOLDER: arrays as .npy, the rest as JSON. What a file may take of time and
memory grows with its size, so that a small one that is damaged ends soon.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

from emg_llm.signal.readers.formats import Format
from emg_llm.signal.readers.raw import Raw
from emg_llm.signal.recording import RecordingError

TIMEOUT = 120  # s, of a large file
SECONDS, SECONDS_PER_MB = 3, 1  # of computing, after the libraries were loaded
MOST_BYTES = 8 * 2**30  # of the process's address space
BYTES, BYTES_PER_BYTE = 256 * 2**20, 40  # of it, beyond what the libraries take
PACKAGE = Path(__file__).parents[3]
# Each thread would take address space, and so would an allocator that reserves it, or that keeps
# what was given back: of large blocks it does unless their size is set.
QUIET = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(2**18),
}


def read_apart(form: Format, path: Path) -> Raw:
    """The Raw that a format's reader makes of a file. Raises RecordingError, also where it crashes
    or doesn't end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", __name__, form.reader, ",".join(form.libraries)]
        try:
            places = str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])
            env = os.environ | QUIET | {"PYTHONPATH": os.pathsep.join(places)}
            command += [str(path.resolve()), folder]
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
        exact = {i: np.load(Path(folder) / f"{i}.npy") for i in about.pop("exact")}
    about["names"] = tuple(about["names"])
    return Raw(values, time=time, exact=exact, **about)


def read(reader: str, path: Path, *more: Any) -> Raw:
    """The Raw that a reader makes of a file, in this process."""
    module, _, function = reader.partition(".")
    return getattr(import_module(f"emg_llm.signal.readers.{module}"), function)(path, *more)


def _limit(size):
    """Let this process take no more than a file of `size` bytes needs: what unpacks without end, or
    loops, ends here."""
    if resource is None:
        return
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = min(MOST_BYTES, taken + BYTES + BYTES_PER_BYTE * size)
    except OSError:  # not on Linux
        most = MOST_BYTES
    seconds = math.ceil(process_time()) + SECONDS + SECONDS_PER_MB * (size >> 20)
    for kind, limit in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CPU, seconds)):
        with suppress(ValueError, OSError):  # a lower limit was set from outside
            resource.setrlimit(kind, (limit, limit))


def main(reader: str, libraries: str, path: str, folder: str) -> None:
    """Write what `read_apart` reads."""
    about: dict[str, Any] = {}
    place = Path(folder)
    for library in libraries.split(","):
        import_module(library)
    _limit(Path(path).stat().st_size)
    try:
        raw = read(reader, Path(path))
        np.save(place / "values.npy", raw.values, allow_pickle=False)
        if raw.time is not None:
            np.save(place / "time.npy", raw.time, allow_pickle=False)
        for i, column in raw.exact.items():
            np.save(place / f"{i}.npy", column, allow_pickle=False)
        about = {"names": raw.names, "rate": raw.rate, "texts": raw.texts, "notes": raw.notes}
        about["exact"] = [*raw.exact]
    except RecordingError as error:
        about = {"error": str(error)}
    (place / "raw.json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
