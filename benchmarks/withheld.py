"""How often an encoder finds a recording unlike its training people's, and why.

    python benchmarks/withheld.py
    python benchmarks/withheld.py --forearm forearm/manifest.csv --faces faces/manifest.csv

Prints a table: synthetic signals that are no facial EMG, simulated people who should be accepted,
and, where manifests are given, recordings of other muscles (in the unit stored and in others, as
if the electrodes were on a face) and of faces. A second table has the sentences.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from trl import TrlParser

from emg_llm.data.datasets import load_dataset
from emg_llm.encoders import load_encoder
from emg_llm.hub.client import bundle_folder
from emg_llm.scripts import run
from emg_llm.signal.recording import EMOTIONS, MONTAGE, Recording
from emg_llm.signal.simulation import SimulationConfig, simulate

PEOPLE = SimulationConfig(subjects=10, seed=1234)  # in no training data
LEVELS = 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300  # µV RMS
RATES, SECONDS = (500, 1000, 2000, 5000, 15000), (1, 3)
SCALES = 1.0, 1e-6, 1e-3, 1e3, 1e6


@dataclass
class WithheldArguments:
    """Settings of the benchmark."""

    encoder: str | None = field(
        default=None, metadata={"help": "Encoder (folder, Hub id); the bundle's by default."}
    )
    forearm: str | None = field(default=None, metadata={"help": "Manifest of a forearm's EMG."})
    physical: str | None = field(default=None, metadata={"help": "Manifest of limbs' EMG."})
    faces: str | None = field(default=None, metadata={"help": "Manifest of faces' EMG."})
    most: int = field(default=600, metadata={"help": "Recordings per row, at most."})


def main(args):
    encoder = load_encoder(args.encoder or bundle_folder() / "encoders" / "cnn")
    sentences = {}
    print("| recordings | should be | n | withheld |\n|---|---|---|---|")
    for name, strange, recordings in rows(args):
        found = [encoder.unlike(r) for r in islice(recordings, args.most)]
        share = np.mean([bool(sentence) for sentence in found])
        should = "withheld" if strange else "accepted"
        print(f"| {name} | {should} | {len(found)} | {100 * share:.1f} % |", flush=True)
        sentences[name] = Counter(filter(None, found)).most_common(3)
    print("\n| recordings | n | sentence |\n|---|---|---|")
    for name, common in sentences.items():
        for sentence, n in common:
            print(f"| {name} | {n} | {sentence} |")


def rows(args) -> Iterator[tuple[str, bool, Iterator[Recording]]]:
    """(name, whether it should be withheld, recordings) of every row."""
    rng = np.random.default_rng(0)
    for kind in (white, pink):
        for rms in LEVELS:
            yield f"{kind.__name__} noise of {rms} µV", True, noises(kind, rms, rng)
    yield "sines of 25 to 400 Hz", True, sines(rng)
    yield "hum of 50 and 60 Hz, with amplifier noise", True, hums(rng)
    yield "silence", True, iter([of(np.zeros((6000, 8))), of(np.full((6000, 8), 3.3))])
    yield "one channel on all", True, people(lambda x: np.repeat(x[:, 4:5], 8, axis=1))
    for name, factor in (("V", 1e-6), ("mV", 1e-3), ("nV", 1e3), ("pV", 1e6)):
        yield f"{name} said to be µV", True, people(lambda x, k=factor: k * x)
    for factor in (0.25, 0.5, 2, 4):
        yield f"said to have {factor:g} times its rate", True, people(rate=factor * 2000)
    for name in "forearm", "physical":
        if getattr(args, name):
            recordings = load_dataset(getattr(args, name)).recordings
            for scale in SCALES:
                yield f"{name}, {scale:g} times as stored", True, scaled(recordings, scale)
            yield f"{name}, at 32 µV RMS", True, scaled(recordings, None)
    yield "simulated people", False, simulated()
    for seed, settings in enumerate(
        (
            {"duration": 0.5},
            {"duration": 1.0},
            {"duration": 10.0, "trials": 2},
            {"sampling_rate": 1000.0},
            {"sampling_rate": 15000.0, "trials": 2},
        )
    ):
        name = ", ".join(f"{k} {v:g}" for k, v in settings.items() if k != "trials")
        yield f"simulated people, {name}", False, simulated(seed=2000 + seed, **settings)
    if args.faces:
        yield "faces", False, iter(load_dataset(args.faces, montage="face").recordings)


def of(x, rate=2000.0):
    """A recording in µV of x (samples, 8), as if from a face."""
    return Recording(x, rate, MONTAGE)


def white(n, rng):
    return rng.standard_normal((n, 8))


def pink(n, rng):
    """Noise with equal power in every octave, (n, 8), of unit power."""
    f = np.fft.rfftfreq(n)
    f[0] = f[1]
    x = np.fft.irfft(np.fft.rfft(white(n, rng), axis=0) / np.sqrt(f)[:, None], n, axis=0)
    return x / x.std(axis=0)


def noises(kind, rms, rng):
    for rate in RATES:
        for seconds in SECONDS:
            yield of(rms * kind(rate * seconds, rng), rate)


def sines(rng):
    t = np.arange(6000) / 2000
    for hertz in (25, 40, 70, 100, 150, 250, 400):
        for size in (3, 30, 300):
            wave = np.sin(2 * np.pi * hertz * t[:, None] + rng.uniform(0, 6.3, 8))
            yield of(size * wave + 0.3 * white(len(t), rng))


def hums(rng):
    t = np.arange(6000) / 2000
    for mains in (50, 60):
        for size in (3, 30, 300):
            for noise in (0, 0.3, 1.5, 5):
                wave = np.sin(2 * np.pi * mains * t[:, None] + rng.uniform(0, 6.3, 8))
                yield of(size * wave + noise * white(len(t), rng))


def people(change=lambda x: x, rate=None):
    """Each emotion of each of PEOPLE, the signal changed."""
    for emotion in EMOTIONS:
        for person in range(PEOPLE.subjects):
            recording = simulate(emotion, person, config=PEOPLE)
            yield of(change(recording.signal), rate or recording.sampling_rate)


def scaled(recordings, factor):
    """Times `factor`, or to 32 µV RMS, which is typical of the bundle's training people."""
    for r in recordings:
        x = r.signal[:, :8].astype(np.float64)
        by = factor or 32 / (x - x.mean(axis=0)).std()
        yield of(by * x, r.sampling_rate)


def simulated(**settings):
    config = replace(PEOPLE, **settings)
    for person in range(config.subjects):
        for emotion in EMOTIONS:
            for trial in range(config.trials):
                yield simulate(emotion, person, trial, config)


if __name__ == "__main__":
    run(main, TrlParser((WithheldArguments,)))
