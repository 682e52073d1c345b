"""Simulated recordings: settings with bounds, the recording as a file, and the truth behind it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emg_llm.signal.recording import EMOTIONS, Recording, RecordingError
from emg_llm.signal.simulation import Person, SimulationConfig, Truth
from emg_llm.signal.simulation.config import COURSES, HELD, POSED

SEED = 4242  # its people are in no training, calibration or test data
FADED = 1e-9  # of an expression's strength


@dataclass(frozen=True)
class Bound:
    """The values of one setting; `step` 1 means whole numbers."""

    label: str
    least: float
    most: float
    default: float
    step: float
    unit: str = ""

    @property
    def name(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def checked(self, value: Any) -> float:
        """The value as a number. Raises RecordingError for any that is out of bounds."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            whole = self.step != 1 or value == value // 1
            if self.least <= value <= self.most and whole:  # False of NaN
                return int(value) if self.step == 1 else float(value)
        kind = "whole number" if self.step == 1 else "number"
        unit = f" {self.unit}" if self.unit else ""
        raise RecordingError(
            f"{self.label} must be a {kind} from {self.least:g} to {self.most:g}{unit}."
        )


BOUNDS = {
    "person": Bound("Person", 1, 9999, 1, 1),
    "intensity": Bound("Intensity", 0.2, 2, 1, 0.1),
    "severity": Bound("ALS severity", 0, 1, 0, 0.05),
    "noise": Bound("Noise", 0, 30, 0.9, 0.1, "µV"),
    "sampling_rate": Bound("Sampling rate", 500, 15000, 2000, 1, "Hz"),
    "duration": Bound("Duration", 1, 10, 3, 0.5, "s"),
    "take": Bound("Take", 1, 999, 1, 1),
}
DEFAULT = {name: bound.default for name, bound in BOUNDS.items()}


@dataclass(frozen=True)
class Simulated:
    """A recording with the settings that made it, by the names in `make`, and its truth."""

    recording: Recording
    truth: Truth
    settings: dict[str, Any]

    @property
    def conditions(self) -> str:
        """The settings in one line, without the emotion."""
        s = self.settings
        return (
            f"person {s['person']}, take {s['take']}, intensity {s['intensity']:g}, "
            f"ALS severity {s['severity']:g}, noise {s['noise']:g} µV, {s['course']}"
        )

    @property
    def call(self) -> str:
        """The line of Python that makes the same recording."""
        s = self.settings
        names = ("intensity", "severity", "noise", "course", "sampling_rate", "duration")
        rest = "".join(f", {name}={s[name]!r}" for name in names)
        who = f'"{s["emotion"]}", {s["person"] - 1}, {s["take"] - 1}, seed={SEED}'
        return f"emg_llm.simulate({who}{rest})".replace("'", '"')

    @property
    def times(self) -> dict[str, float | None]:
        """Seconds at which the expression begins, is full, fades and ends.

        None where it does not: a neutral face, a held expression, or one that the recording's end
        cuts off.
        """
        course = self.truth.course
        if course.onset is None or self.settings["emotion"] == "neutral":
            return dict.fromkeys(("begins", "full", "fades", "ends"))
        last = int(np.flatnonzero(course.strength > FADED)[-1]) + 1
        n = len(course.strength)
        ends = last * self.recording.duration / n if last < n else None
        found = {"begins": course.onset, "full": course.apex, "fades": course.offset, "ends": ends}
        return {name: None if at is None else round(at, 3) for name, at in found.items()}

    @property
    def sentence(self) -> str:
        """When the expression begins and ends."""
        if self.settings["emotion"] == "neutral":
            return "A neutral face: no expression begins or ends."
        if self.settings["course"] == HELD:
            return "The expression is held from the first sample to the last."
        t = self.times
        end = "is still fading when the recording ends"
        if t["ends"] is not None:
            end = f"is over at {t['ends']:.2f} s"
        return (
            f"The expression begins at {t['begins']:.2f} s, is full from {t['full']:.2f} s, "
            f"fades from {t['fades']:.2f} s and {end}."
        )

    def as_json(self) -> dict[str, Any]:
        """The response of `/simulate` beside the file."""
        return {
            "simulated": True,
            **self.settings,
            "expression": self.times,
            "summary": self.sentence,
            "python": self.call,
        }


def make(emotion: Any, course: Any = POSED, **numbers: Any) -> Simulated:
    """The recording of some settings, always the same for the same ones.

    numbers: by the names of BOUNDS. Raises RecordingError, one sentence, for any other value.
    """
    if emotion not in EMOTIONS:
        raise RecordingError(f"Choose an emotion: {', '.join(EMOTIONS)}.")
    if course not in COURSES:
        raise RecordingError(f"The expression must be {' or '.join(COURSES)}.")
    numbers = {name: BOUNDS[name].checked(v) for name, v in (DEFAULT | numbers).items()}
    config = SimulationConfig(
        seed=SEED,
        sampling_rate=float(numbers["sampling_rate"]),
        duration=numbers["duration"],
        intensity=numbers["intensity"],
        severity=numbers["severity"],
        noise=numbers["noise"],
        course=course,
    )
    recording, truth = Person(numbers["person"] - 1, config).perform(emotion, numbers["take"] - 1)
    return Simulated(recording, truth, {"emotion": emotion, "course": course, **numbers})


def save(simulated: Simulated, cache: str) -> str:
    """The path of an .npz file of the recording, in a folder of its own in Gradio's cache.

    The file says what an upload can say, and that it is simulated. Its note leaves the emotion
    out, which is the label.
    """
    Path(cache).mkdir(parents=True, exist_ok=True)
    folder, recording = tempfile.mkdtemp(dir=cache), simulated.recording
    s = simulated.settings
    path = Path(folder) / f"simulated_{s['emotion']}_person{s['person']}_take{s['take']}.npz"
    note = f"This recording is simulated: {simulated.conditions}."
    np.savez(
        path,
        signal=recording.signal,
        sampling_rate=recording.sampling_rate,
        unit=recording.unit,
        channel_names=np.array(recording.channel_names),
        label=str(recording.label),
        subject=str(recording.subject),
        notes=np.array([note]),
    )
    return str(path)
