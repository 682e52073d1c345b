"""Peak memory of reading a file, over that of the float32 array that comes of it, by format.

    python benchmarks/reading_memory.py
    python benchmarks/reading_memory.py --samples 1000000 --endings .csv .npy

Each file is read in a process of its own, which has read a small file of the same kind before; what
it takes beyond that counts, and so does what a reader's own process takes. On Linux only.
Prints a row for each format and exits with 1 if any takes more than three times the array.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from emg_llm.signal.readers import SUPPORTED_EXTENSIONS, apart, read_recording
from emg_llm.signal.readers.formats import FORMATS
from tests.making import RATE, emg, save

MOST = 3.0
SLOW = (".xlsx", ".ods")  # to write, and no format for as many samples


def large_file(path: Path, samples: int, channels: int) -> Path:
    """A recording; text has a column of times and three digits."""
    signal = emg(samples, channels)
    if path.suffix not in (".csv", ".tsv", ".txt"):
        return save(path, signal)
    sign = "," if path.suffix == ".csv" else "\t"
    header = sign.join(["time (s)", *(f"EMG{i} (mV)" for i in range(1, channels + 1))])
    with path.open("w") as stream:
        stream.write(header + "\n")
        for first in range(0, samples, 50_000):
            rows = slice(first, first + 50_000)
            part = np.column_stack([np.arange(samples)[rows] / RATE, signal[rows]])
            np.savetxt(stream, part, fmt=["%.6f", *["%.3f"] * channels], delimiter=sign)
    return path


def peak() -> int:
    """The most bytes that this process took; `ru_maxrss` would begin with the parent's."""
    [line] = [t for t in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in t]
    return 1024 * int(line.split()[1])


def grown(read: Callable[[str], Any], small: str, large: str) -> tuple[int, Any]:
    """(bytes by which the peak grows with the large file, what is read from it)."""
    read(small)
    before = peak()
    result = read(large)
    return peak() - before, result


def measure(small: str, large: str, reader: str) -> None:
    """Print the peak's growth, seconds and the array's bytes, in this process.

    reader: of a format, as it works in its own process; empty for all of `read_recording`.
    """
    start = time.process_time()
    if reader:
        apart._limit = lambda size: None  # of a small file, it would be too little for a large one
        form = next(f for f in FORMATS if f.reader == reader)
        with tempfile.TemporaryDirectory() as folder:
            inside = lambda path: apart.main(reader, ",".join(form.libraries), path, folder)  # noqa: E731
            more, _ = grown(inside, small, large)
        array = 0
    else:
        more, recording = grown(lambda path: read_recording(path, RATE), small, large)
        array = recording.signal.nbytes
    print(more, time.process_time() - start, array)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=300_000)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--endings", nargs="+")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(*args.measure)
        return 0
    endings = args.endings or [e for e in SUPPORTED_EXTENSIONS if e not in SLOW]
    worst = 0.0
    print(
        "| format | array (MB) | here | in the reader's process | seconds |\n|---|---|---|---|---|"
    )
    for ending in endings:
        with tempfile.TemporaryDirectory() as folder:
            small = save(Path(folder) / f"small{ending}", emg(200, args.channels))
            large = large_file(Path(folder) / f"large{ending}", args.samples, args.channels)
            readers = [f.reader for f in FORMATS if f.apart and ending in f.endings]
            told = []
            for reader in ("", *(readers if ending != ".mat" else ())):
                command = [sys.executable, __file__, "--measure", str(small), str(large), reader]
                env = os.environ | (apart.QUIET if reader else {})
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
                told.append([float(word) for word in done.stdout.split()])
        array = told[0][2]
        shares = [more / array for more, _, _ in told]
        worst = max(worst, *shares)
        there = f"{shares[1]:.1f}" if len(shares) > 1 else "–"
        seconds = sum(each[1] for each in told)
        print(f"| {ending} | {array / 2**20:.0f} | {shares[0]:.1f} | {there} | {seconds:.1f} |")
    print(f"At most {worst:.1f} times the array; the aim is {MOST:g}.")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
