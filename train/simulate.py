"""Write simulated facial EMG as files, in the original layout, with a manifest.

    python train/simulate.py --data simulated:subjects=12,trials=5 --output_dir runs/simulated
    python train/simulate.py --data simulated:sampling_rate=15000 --original --output_dir runs/old

Writes OUTPUT_DIR/<emotion>/<emotion>_<i>.npy, float32 (samples, 8) in microvolts, manifest.csv,
which every script takes as --data, and truth.csv: when each expression began and ended, and the
signal-to-noise ratio of each site. With --original, files look like the original project's: volts,
after rows of -1000, with so much noise that the signal-to-noise ratio is -2 dB. The recordings are
those that `--data simulated:…` streams, whatever the number of workers. Files that an interrupted
run has written are kept.
"""

import csv
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm
from trl import TrlParser

from emg_llm.data.datasets import DatasetError
from emg_llm.scripts import run
from emg_llm.signal.recording import EMOTIONS, MONTAGE
from emg_llm.signal.simulation import Person, SimulationConfig, describe, trials

SENTINEL, SENTINEL_S = -1000.0, 0.1  # value, and seconds at the start of an original file
ORIGINAL_SNR = -2.0  # dB
ORIGINAL = 1  # sets the seeds of this noise apart from those of the signal
COLUMNS = "path", "label", "subject", "session", "sampling_rate", "unit", "montage"
TRUTH = "path", "held", "onset", "apex", "offset", *(f"snr {site}" for site in MONTAGE)


@dataclass
class SimulateArguments:
    """What is written."""

    data: str = field(default="simulated", metadata={"help": "'simulated[:subjects=12,seed=3,…]'."})
    output_dir: str = field(default="runs/simulated", metadata={"help": "Output folder."})
    original: bool = field(
        default=False, metadata={"help": "Files like the original project's: volts, sentinel rows."}
    )
    workers: int = field(default=0, metadata={"help": "Processes (0: one for each processor)."})


def main(args):
    try:
        config = SimulationConfig.parse(args.data)
    except ValueError as error:
        raise DatasetError(f"--data {args.data}: {error}") from None
    folder, every = Path(args.output_dir), trials(config)
    settings = folder / "settings.txt"
    line = f"{describe(config)}{' --original' if args.original else ''}\n"
    if settings.exists() and settings.read_text() != line:
        raise DatasetError(
            f"{folder} holds recordings of other settings ({settings.read_text().strip()}); choose "
            "another --output_dir."
        )
    folder.mkdir(parents=True, exist_ok=True)
    settings.write_text(line)
    jobs = [(e, p, t, f"{e}/{e}_{p * config.trials + t + 1}.npy") for e, p, t in every]
    workers = min(args.workers or os.cpu_count() or 1, len(jobs))
    of_person = [[job for job in jobs if job[1] == p] for p in range(config.subjects)]
    write = partial(write_person, config, folder, args.original)
    rows = []
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        done = pool.map(write, of_person) if workers > 1 else map(write, of_person)
        for some in tqdm(done, total=config.subjects, desc="simulating", unit="person"):
            rows += some
    for name, columns, k in (("manifest.csv", COLUMNS, 0), ("truth.csv", TRUTH, 1)):
        partial_file = folder / f"{name}.partial"
        with open(partial_file, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(columns)
            table.writerows(row[k] for row in rows)
        partial_file.replace(folder / name)
    print(f"{len(rows)} recordings of {config.subjects} simulated people in {folder}")


def write_person(config, folder, original, jobs):
    """Write one person's recordings: their rows of the manifest and of the truth."""
    person, rows = Person(jobs[0][1], config), []
    for emotion, _, trial, name in jobs:
        recording, truth = person.perform(emotion, trial)
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            signal = recording.signal
            if original:
                # Noise of its own: recordings that share it could be told apart by it.
                seed = config.seed, person.index, EMOTIONS.index(emotion), trial, ORIGINAL
                signal = original_file(signal, truth, recording.sampling_rate, seed)
            beside = path.with_suffix(".partial")
            with open(beside, "wb") as file:
                np.save(file, signal)
            beside.replace(path)
        rate = f"{recording.sampling_rate:g}"
        unit = "V" if original else "uV"
        about = name, emotion, recording.subject, recording.session or ""
        course = truth.course
        times = [
            "" if v is None else f"{v:.3f}" for v in (course.onset, course.apex, course.offset)
        ]
        snr = [f"{v:.1f}" for v in truth.snr_db]
        rows.append(
            ((*about, rate, unit, "face"), (name, int(truth.conditions.held), *times, *snr))
        )
    return rows


def original_file(signal, truth, rate, seed):
    """Volts (samples, channels) with noise of ORIGINAL_SNR, and SENTINEL rows at the start."""
    rng = np.random.default_rng(seed)
    power = np.square(truth.signal).mean(axis=0) / 10 ** (ORIGINAL_SNR / 10)
    noisy = signal + np.sqrt(power) * rng.standard_normal(signal.shape, np.float32)
    volts = (1e-6 * noisy).astype(np.float32)
    volts[: round(SENTINEL_S * rate)] = SENTINEL
    return volts


def make_parser():
    return TrlParser((SimulateArguments,))


if __name__ == "__main__":
    run(main, make_parser())
