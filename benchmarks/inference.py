"""Time from a recording's file to probabilities, on one core.

    python benchmarks/inference.py
    python benchmarks/inference.py --sampling_rate 2000 --hum 0 --repeats 101

The recording is simulated, with hum, which is the slower case. Files are in a temporary folder, so
they are read from the system's cache. Stages alternate, so that other load on the machine affects
all of them.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch load

import tempfile
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import torch
from scipy import signal as sps
from scipy.io import savemat
from trl import TrlParser

from emg_llm.data.datasets import Dataset
from emg_llm.encoders import load_encoder
from emg_llm.hub.client import bundle_folder
from emg_llm.pipeline import EmotionPipeline
from emg_llm.scripts import run
from emg_llm.signal.preprocessing import BAND, clean, detect_mains, resample
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.readers import read_recording
from emg_llm.signal.simulation import simulate
from emg_llm.signal.spectrum import HARMONICS


@dataclass
class InferenceArguments:
    """Settings of the benchmark."""

    encoder: str | None = field(
        default=None, metadata={"help": "Encoder (folder, Hub id); the bundle's by default."}
    )
    sampling_rate: float = field(
        default=15000.0, metadata={"help": "Sampling rate of the recording, Hz."}
    )
    seconds: float = field(default=3.0, metadata={"help": "Length of the recording, s."})
    hum: float = field(default=50.0, metadata={"help": "Amplitude of 50 Hz hum, µV."})
    repeats: int = field(default=51, metadata={"help": "Runs; the table has their median."})


def main(args):
    torch.set_num_threads(1)
    encoder = load_encoder(args.encoder or bundle_folder() / "encoders" / "cnn")
    recording = with_hum(args.sampling_rate, args)
    cleaned = clean(recording)
    prepared = resample(cleaned, encoder.config.sampling_rate)
    tensor = encoder.config.tensor(prepared)
    slow = with_hum(1000.0, args)
    pipeline = EmotionPipeline.from_pretrained()
    # The pipeline caches what it has read, so each call gets a different recording.
    others = (recording.replace(signal=recording.signal + k) for k in count(start=0, step=1e-3))
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(recording, Path(folder))

        def opened(ending):
            return read_recording(files[ending], args.sampling_rate, "uV")

        times = medians(
            {
                **{f"read {ending}": lambda e=ending: opened(e) for ending in files},
                "clean": lambda: clean(recording),
                "resample": lambda: resample(cleaned, encoder.config.sampling_rate),
                "tensor": lambda: encoder.config.tensor(prepared),
                "encoder": lambda: encoder.classify(encoder.encode(tensor)),
                **{f"all, from {ending}": lambda e=ending: encoder(opened(e)) for ending in files},
                "clean, one filter after the other": lambda: one_by_one(recording),
                "clean, resample, tensor, encoder": lambda: encoder(recording),
                "the same of a recording at 1 kHz": lambda: encoder(slow),
                "all models, step by step": lambda: step_by_step(pipeline, next(others)),
                "all models, in one pass": lambda: pipeline(next(others)),
            },
            args.repeats,
        )
    print(f"{args.seconds:g} s, {args.sampling_rate:g} Hz, {recording.n_channels} channels\n")
    print("| stage | median, ms |\n|---|---|")
    for stage, seconds in times.items():
        print(f"| {stage} | {1e3 * seconds:.1f} |")
    filters = times["clean, one filter after the other"] / times["clean"]
    rates = times["clean, resample, tensor, encoder"] / times["the same of a recording at 1 kHz"]
    print(f"\nOne filter after the other takes {filters:.1f} times as long as all at once.")
    print(f"{args.sampling_rate:g} Hz takes {rates:.1f} times as long as 1 kHz.")
    once = times["all models, in one pass"] / times["all models, step by step"]
    print(f"One pass over a recording takes {once:.2f} of the time of all models step by step.")


def with_hum(rate, args):
    recording = simulate("fear", sampling_rate=rate, duration=args.seconds)
    hum = args.hum * np.sin(2 * np.pi * 50.02 * np.arange(recording.n_samples) / rate)
    return recording.replace(signal=recording.signal + hum[:, None])


def write_files(recording, folder):
    """Write the recording in several formats: {ending: path}."""
    x, files = recording.signal, {e: folder / f"trial{e}" for e in (".npy", ".npz", ".mat", ".csv")}
    np.save(files[".npy"], x)
    np.savez(files[".npz"], signal=x)
    savemat(files[".mat"], {"signal": x})
    np.savetxt(files[".csv"], x, delimiter=",", fmt="%.3f")
    return files


def one_by_one(recording):
    """The same filters as `clean`, applied one after the other."""
    x, rate = recording.signal.astype(np.float64), recording.sampling_rate
    high = min(BAND[1], 0.45 * rate)
    x = sps.sosfiltfilt(
        sps.butter(4, (BAND[0], high), "bandpass", fs=rate, output="sos"), x, axis=0
    )
    mains, _ = detect_mains(recording)
    for harmonic in np.arange(mains, high, mains)[:HARMONICS] if mains else ():
        x = sps.filtfilt(*sps.iirnotch(harmonic, Q=30, fs=rate), x, axis=0)
    return x


def step_by_step(pipeline, recording):
    """Everything in a prediction, with each model starting from the cleaned recording."""
    cleaned = clean(recording)
    for model in (pipeline.svm, *pipeline.encoders.values()):
        model(cleaned)
    llms = [pipeline.llm(name) for name in pipeline.llms]
    [reading] = llms[0].bridge.read_dataset(_dataset(recording), [0])  # as for training
    for llm in llms:
        llm.probabilities([reading])
    return assess_quality(recording)


def _dataset(recording):
    about = ("first", "second"), ("anger", "fear"), (None, None)
    return Dataset("one recording", *about, recordings=(recording, recording))


def medians(calls, repeats):
    """Median over `repeats` rounds: {name: seconds}."""
    times = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {
        name: float(np.median(t[1:])) for name, t in times.items()
    }  # the first round is warm-up


if __name__ == "__main__":
    run(main, TrlParser((InferenceArguments,)))
