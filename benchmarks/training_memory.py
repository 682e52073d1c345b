"""Peak memory of training on a small dataset and on one ten times as large.

    python benchmarks/training_memory.py
    python benchmarks/training_memory.py --people 48 --scripts encoder

Each training is a separate process. Prints its peak resident set size and the ratio of the two,
which is about 1 if memory doesn't grow with the data.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLAGS = {"encoder": ("--epochs", "2"), "svm": ()}


def peak(script, people):
    """Peak memory of `train/<script>.py` on `people` simulated people, MB."""
    with tempfile.TemporaryDirectory() as folder:
        data = f"simulated:subjects={people},trials=2"
        command = [sys.executable, ROOT / "train" / f"{script}.py", "--data", data]
        command += ["--output_dir", folder, *FLAGS[script]]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{script} failed on {data}; run train/{script}.py to see why.")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=24, help="people in the small dataset")
    parser.add_argument("--scripts", nargs="+", default=list(FLAGS), choices=list(FLAGS))
    args = parser.parse_args()
    for script in args.scripts:
        small, large = peak(script, args.people), peak(script, 10 * args.people)
        n = args.people * 24
        print(
            f"{script}: {small:.0f} MB for {n:,} recordings, {large:.0f} MB for {10 * n:,}, "
            f"ratio {large / small:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
