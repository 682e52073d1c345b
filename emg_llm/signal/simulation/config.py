"""The settings of simulated data, and the names of what is in it."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from emg_llm.signal.recording import EMOTIONS

LABORATORY, VARIED = CONDITIONS = ("laboratory", "varied")
POSED, HELD = COURSES = ("posed", "held")


@dataclass(frozen=True)
class SimulationConfig:
    """The settings of `--data simulated:subjects=12,seed=3,…`."""

    subjects: int = 24
    trials: int = 5  # of each person and emotion
    seed: int = 0
    sampling_rate: float = 2000.0  # Hz
    duration: float = 3.0  # seconds
    intensity: float = 1.0  # amplitude of the expressions, relative to what people pose
    severity: float = 0.0  # of ALS, from 0 (none) to 1
    diversity: float = 1.0  # how much people differ, relative to real ones
    noise: float = 0.9  # µV RMS of the amplifier
    sessions: int = 1  # trials are spread over them; electrodes are placed anew for each
    course: str = POSED  # with rest before and after, or held all the time
    # Varied ones draw rate, course, noise, filters and faults for each session, and the duration
    # for each recording.
    conditions: str = LABORATORY

    @classmethod
    def parse(cls, data: str) -> Self:
        """The settings in `simulated:key=value,…`. Raises ValueError with a sentence."""
        kind, _, settings = data.partition(":")
        types: dict[str, Any] = {f.name: type(f.default) for f in fields(cls)}
        values: dict[str, Any] = {}
        if kind != "simulated":
            raise ValueError("only 'simulated[:key=value,…]' can be simulated.")
        for pair in filter(None, settings.split(",")):
            key, _, value = pair.partition("=")
            try:
                values[key] = types[key](value)
            except (KeyError, ValueError):
                raise ValueError(
                    f"can't use {pair!r}; settings are key=value with the keys {', '.join(types)}."
                ) from None
        if problem := (config := cls(**values)).problem():
            raise ValueError(f"{problem}.")
        return config

    def problem(self) -> str:
        """What is wrong with the settings, in one sentence, or ""."""
        if not (self.sampling_rate >= 200 and self.duration >= 0.25):  # also of NaN
            return "sampling_rate must be at least 200 (Hz) and duration 0.25 (s)"
        if min(self.subjects, self.trials, self.sessions) < 1 or self.seed < 0:
            return "subjects, trials and sessions must be at least 1, and seed 0"
        if self.conditions not in CONDITIONS:
            return f"conditions must be one of {', '.join(CONDITIONS)}"
        if self.course not in COURSES:
            return f"course must be one of {', '.join(COURSES)}"
        if not 0 <= self.severity <= 1:
            return "severity must be from 0 to 1"
        if not (0 < self.intensity <= 10 and 0 <= self.diversity <= 5 and 0 <= self.noise <= 1e4):
            return "intensity must be up to 10, diversity up to 5 and noise up to 10000 (µV)"
        return ""


def trials(config: SimulationConfig) -> list[tuple[str, int, int]]:
    """(emotion, subject, trial) of every recording of a configuration: arguments of `simulate`."""
    people, times = range(config.subjects), range(config.trials)
    return [(e, person, time) for person in people for e in EMOTIONS for time in times]


def person_name(config: SimulationConfig, subject: int) -> str:
    return f"sim{config.seed}-P{subject + 1:03d}"


def recording_name(config: SimulationConfig, emotion: str, subject: int, trial: int) -> str:
    return f"{person_name(config, subject)}_{emotion}_{trial + 1}"


def describe(config: SimulationConfig) -> str:
    """The configuration in one line, for results files."""
    # `:g` alone would round a long seed.
    settings = asdict(config).items()
    return "simulated:" + ",".join(
        f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in settings
    )


def is_simulated(data: str) -> bool:
    """Whether a value of `--data`, or the data named in a results file, is simulated here."""
    return data.partition(":")[0] == "simulated"
