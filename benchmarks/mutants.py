"""Damaged files through every reader, and what opens through quality, features and figures.

    python benchmarks/mutants.py --mutants 20000 --fork
    python benchmarks/mutants.py --endings .c3d .acq --mutants 500 --predict

Each mutant is a small good file of one format with bytes changed, cut, put in, doubled or set to
extremes. It has to become a Recording or a RecordingError of one sentence within the limits of
computing time and memory, and what becomes a Recording has to pass through the rest without NaN or
an exception.
Prints each fault with the seed that makes it again (`--first SEED --mutants 1`), then the counts.
Exits with 1 if there was any fault.
"""

import argparse
import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import emg_llm
from emg_llm.plots import signals as plots
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.readers import SUPPORTED_EXTENSIONS, apart, read_recording
from emg_llm.signal.readers.formats import FORMATS
from emg_llm.signal.recording import RecordingError
from tests.making import RATE, emg, save

SECONDS, MEMORY_MB = 5.0, 500


def good_files(folder: Path, endings) -> dict[str, Path]:
    """A small file of each ending."""
    files = {ending: save(folder / f"good{ending}", emg(200, 3)) for ending in endings}
    for ending in {".csv", ".txt"} & files.keys():
        about = "Sampling rate: 2000 Hz\nTime (s);zyg (mV);cor (mV);trigger\n"
        rows = (f"{k / RATE:.4f};{a:.3f};{b:.3f};0" for k, (a, b) in enumerate(emg(200, 2)))
        files[ending].write_text(about + "\n".join(rows))
    return files


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes of a file with some damage; most of it near the beginning or the end, where the
    structure is."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        kind, n = rng.integers(7), len(data)
        reach = n if rng.random() < 0.4 else min(n, 600)
        at = int(rng.integers(reach))
        at = at if rng.random() < 0.8 else n - 1 - at
        if kind <= 1:
            for place in rng.integers(0, reach, rng.integers(1, 9)):
                data[place] = rng.integers(256)
        elif kind == 2:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 3:
            width = int(rng.choice([1, 2, 4, 8]))
            extremes = bytes(8), b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x80" + bytes(7), b"9" * 8
            extreme = extremes[rng.integers(len(extremes))]
            data[at : at + width] = extreme[:width]
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:at] = rng.bytes(int(rng.integers(1, 40)))
        else:
            length = int(rng.integers(1, 64))
            data[at:at] = data[at : at + length]
        data = data or bytearray(b"\0")
    return bytes(data)


def fault_of(path: Path, pipeline=None):
    """(what became of a file: "opened" or "refused", what is wrong with that or "")."""
    start = computing()
    try:
        recording = read_recording(path, RATE)
    except RecordingError as error:
        words, taken = str(error), computing() - start
        one = "\n" not in words and words.endswith(".") and "Traceback" not in words
        return "refused", _slow(taken) if one else f"no sentence: {words[:200]}"
    taken = computing() - start
    if not np.isfinite(recording.signal).all():
        return "opened", "the signal isn't finite"
    report = assess_quality(recording)
    for make in (emg_llm.feature_table, emg_llm.feature_summary):
        try:
            table = make(recording).select_dtypes("number")
        except RecordingError:  # too short
            continue
        values = table.to_numpy(float)
        gaps = np.isnan(values).any() and emg_llm.clean(recording).gaps is not None
        if not np.isfinite(values[~np.isnan(values)] if gaps else values).all():
            return "opened", f"{make.__name__} holds NaN"
    for figure in (plots.signal_figure, plots.spectrum_figure):
        figure(recording).to_json()
    plots.snr_figure(report).to_json()
    if pipeline is not None:
        try:
            prediction = pipeline(recording)
        except RecordingError:
            return "opened", _slow(taken)
        scores = [p for each in prediction.probabilities.values() for p in each.values()]
        if not np.isfinite(scores).all():
            return "opened", "a probability is NaN"
    return "opened", _slow(taken)


def _slow(seconds):
    return f"took {seconds:.1f} s" if seconds > SECONDS else ""


def computing() -> float:
    """Seconds of computing, of this process and of readers apart: others may slow both down."""
    return sum(os.times()[:4])


def fork_readers():
    """Let readers apart begin as a copy of this process, in which their libraries are loaded: a
    tenth of a second instead of one. What they do, and their limits, stay."""
    for form in FORMATS:
        for module in (*form.libraries, f"emg_llm.signal.readers.{form.reader.split('.')[0]}"):
            import_module(module)
    import_module("pyarrow.parquet")
    import_module("pyarrow.feather")

    def run(command, timeout, **_):
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException), open(os.devnull, "w") as nowhere:
                with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                    apart.main(*command[3:])
                os._exit(0)
            os._exit(1)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return SimpleNamespace(returncode=status)
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise subprocess.TimeoutExpired(command, timeout)

    apart.subprocess = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)


def memory_mb() -> tuple[float, float]:
    """The most that this process and any reader of its own took so far."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    own, others = (resource.getrusage(each).ru_maxrss / 1024 for each in who)
    return own, others


def run(folder: Path, endings, seeds, predict=False, tell=print) -> tuple[Counter, list[str]]:
    """({(ending, outcome): count}, faults) of mutants, which take the endings in turn."""
    pipeline = emg_llm.EmotionPipeline.from_pretrained() if predict else None
    files = good_files(folder, endings)
    counts, faults = Counter(), []
    fault_of(next(iter(files.values())), pipeline)  # what is imported isn't measured
    own, others = memory_mb()
    for seed in seeds:
        ending = endings[seed % len(endings)]
        rng = np.random.default_rng([7, seed])
        path = files[ending].with_name(f"mutant{ending}")
        source = files[ending]
        data = source.with_suffix(".dat")
        if ending == ".hea":  # either of its two files
            path = source.with_name("good2.hea")
            of_data = rng.random() < 0.3
            text = source.read_bytes().replace(b"good.dat", b"good2.dat")
            path.write_bytes(text if of_data else mutant(text, rng))
            stored = data.read_bytes()
            path.with_suffix(".dat").write_bytes(mutant(stored, rng) if of_data else stored)
        else:
            path.write_bytes(mutant(source.read_bytes(), rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outcome, fault = fault_of(path, pipeline)
        except Exception as error:  # what the program lets through
            outcome, fault = "opened", f"{type(error).__name__}: {error}"
        more = [now - before for now, before in zip(memory_mb(), (own, others), strict=True)]
        if max(more) > MEMORY_MB:
            fault = fault or f"took {max(more):.0f} MB more than before"
            own, others = memory_mb()
        counts[ending, outcome] += 1
        if fault:
            faults.append(f"seed {seed}, {ending}: {fault}")
            tell(faults[-1], flush=True)
    return counts, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=20_000, help="how many in all")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--endings", nargs="+", default=SUPPORTED_EXTENSIONS, help="of the files")
    parser.add_argument("--predict", action="store_true", help="also predict, with all models")
    parser.add_argument("--fork", action="store_true", help="much faster, on Linux")
    args = parser.parse_args()
    if args.fork:
        fork_readers()
    end = time.monotonic() + 60 * (args.minutes or 1e6)

    def seeds():
        for seed in range(args.first, args.first + args.mutants):
            if time.monotonic() > end:
                return
            yield seed

    with tempfile.TemporaryDirectory() as folder:
        counts, faults = run(Path(folder), tuple(args.endings), seeds(), args.predict)
    print("| ending | opened | refused |\n|---|---|---|")
    for ending in args.endings:
        print(f"| {ending} | {counts[ending, 'opened']} | {counts[ending, 'refused']} |")
    own, others = memory_mb()
    print(
        f"{counts.total()} mutants, {len(faults)} faults; at most {own:.0f} MB here and "
        f"{others:.0f} MB in a reader's process"
    )
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
