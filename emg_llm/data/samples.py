"""The recordings that the demo opens with: simulated, of people that no model has seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emg_llm.signal.montage import FACE
from emg_llm.signal.recording import Recording
from emg_llm.signal.simulation import simulate

SAMPLE_SEED = 1000  # these people are in no training data
# Sample -> what it was made as, which visitors of the demo guess: names and files don't tell.
SAMPLES = {
    "Person 1": "happiness",  # of channels without names
    "Person 2: hard": "anger",
    "Person 3": "surprise",
    "Person 4: broken": "contempt",
}
FILES = "person1.npy", "person2.csv", "person3.npz", "person4.npz"
MONTAGES = {next(iter(SAMPLES)): FACE}


def write_samples(folder: Path, unlike: Callable[[Recording], Any]) -> dict[str, str]:
    """Write the recordings, in three formats: {name: file}.

    unlike: tells, by an encoder of the bundle, whether a recording is unlike its training people;
    the next person takes the place of such a one.
    """
    folder.mkdir(parents=True)

    def simulated(person, **settings):
        emotion = list(SAMPLES.values())[person]
        people = (simulate(emotion, k, seed=SAMPLE_SEED, **settings) for k in range(person, 100))
        return next(recording for recording in people if not unlike(recording))

    first, second, third, fourth = (folder / file for file in FILES)
    # The original project's layout: (45000, 8) volts at 15 kHz, starting with sentinel rows.
    volts = (simulated(0, sampling_rate=15000.0).signal * 1e-6).astype(np.float32)
    volts[:1500] = -1000.0
    np.save(first, volts)
    _save_csv(second, simulated(1))
    _save_npz(third, simulated(2))
    _save_npz(fourth, _broken(simulated(3)))
    return dict(zip(SAMPLES, FILES, strict=True))


def _broken(recording: Recording) -> Recording:
    """The recording with a lead that fell off the cheek, and mains hum on the forehead."""
    x, names = recording.signal.copy(), recording.channel_names
    phase = 2 * np.pi * 50 * np.arange(len(x)) / recording.sampling_rate
    x[:, names.index("cheek")] = 0
    x[:, names.index("forehead")] += 120 * np.sin(phase) + 40 * np.sin(3 * phase)  # µV
    return recording.replace(signal=x)


def _save_csv(path, recording):
    time = np.arange(recording.n_samples) / recording.sampling_rate
    np.savetxt(
        path,
        np.column_stack([time, recording.signal]),
        fmt=["%.4f"] + ["%.1f"] * recording.n_channels,
        delimiter=",",
        header=",".join(["time (s)", *(f"{name} (uV)" for name in recording.channel_names)]),
        comments="",
    )


def _save_npz(path, recording):
    np.savez_compressed(
        path,
        signal=recording.signal.round(1),
        sampling_rate=recording.sampling_rate,
        unit="uV",
        channel_names=np.array(recording.channel_names),
    )
