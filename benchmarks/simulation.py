"""How much faster than real time the simulator is, on one core, and how its memory grows.

    python benchmarks/simulation.py

Prints, for several rates, seconds of signal for each second of computing, beside those of white
noise with as many samples in the same run.
"""

import resource
import time
from dataclasses import dataclass, field

import numpy as np
from trl import TrlParser

from emg_llm.scripts import run
from emg_llm.signal.recording import EMOTIONS, MONTAGE
from emg_llm.signal.simulation import Person, SimulationConfig

RATES = 1000.0, 2000.0, 15000.0  # Hz


@dataclass
class SimulationArguments:
    """Settings of the benchmark."""

    people: int = field(default=6, metadata={"help": "People, of whom each shows all emotions."})


def main(args):
    print("| conditions | rate (Hz) | times real time | white noise | peak memory (MB) |")
    print("|---|---|---|---|---|")
    for conditions, rate in [("laboratory", r) for r in RATES] + [("varied", 0.0)]:
        config = SimulationConfig(sampling_rate=rate or 2000.0, conditions=conditions)
        seconds, took, noise = 0.0, 0.0, 0.0
        for index in range(args.people):
            person = Person(index, config)
            for emotion in EMOTIONS:
                started = time.process_time()
                recording = person.record(emotion, 0)
                took += time.process_time() - started
                seconds += recording.n_samples / recording.sampling_rate
                started = time.process_time()
                np.random.default_rng(0).standard_normal((recording.n_samples, len(MONTAGE)))
                noise += time.process_time() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shown = f"{rate:g}" if rate else "500–4000"
        times = f"{seconds / took:.0f} | {seconds / noise:.0f}"
        print(f"| {conditions} | {shown} | {times} | {peak:.0f} |", flush=True)


def make_parser():
    return TrlParser((SimulationArguments,))


if __name__ == "__main__":
    run(main, make_parser())
