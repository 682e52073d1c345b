"""The contract of all bridges: recordings, or rows of a feature table, become Readings.

A bridge tells one or more things of a recording, each of which is some fields of its Reading.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import Reading
from emg_llm.data.datasets import Dataset
from emg_llm.encoders.base import EmgEncoder
from emg_llm.signal.features import channel_power
from emg_llm.signal.levels import LevelScale
from emg_llm.signal.recording import Recording


class BridgeError(ValueError):
    """A bridge that can't be built from what was given; the text says what to do."""


class Told(Protocol):
    """Something that is told of some recordings, such as their levels."""

    def fields(
        self,
        k: int,
        rng: np.random.Generator | None = None,
        trials: Sequence[tuple[int, str]] = (),
        other: int | None = None,
    ) -> dict[str, Any]:
        """Fields of the Reading of recording k; the arguments are those of Readings.read."""

    def scores(
        self, dataset: Dataset, rows: np.ndarray
    ) -> tuple[tuple[str, ...], np.ndarray] | None:
        """(labels, probabilities (recordings, labels)) as this alone tells; None if it can't."""


@dataclass(eq=False)
class Bridge(ABC):
    """Turns recordings, or rows of a feature table, into Readings.

    kind: its name. about: what a card says of it, "{codec}" stands for encoder and codebook.
    needs: which of the fields it can't do without. knows_trials: whether it can tell how far a
    person's labelled trials are.
    scale: of the training people's levels. encoder, codebook: what make the codes.
    """

    kind: ClassVar[str]
    about: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    knows_trials: ClassVar[bool] = False

    scale: LevelScale | None = None
    encoder: EmgEncoder | None = None
    codebook: Codebook | None = None

    def __post_init__(self) -> None:
        missing = [name for name in self.needs if getattr(self, name) is None]
        if missing:
            raise BridgeError(
                f"The bridge '{self.kind}' needs the {' and the '.join(missing)}: give "
                f"{' and '.join(f'--{name}' for name in missing)}, or use another bridge."
            )

    @classmethod
    def fit(
        cls,
        dataset: Dataset,
        rows: Sequence[int] | np.ndarray,
        encoder: EmgEncoder | None = None,
        codebook: Codebook | None = None,
        scaling: str = "training",
    ) -> Self:
        """A bridge whose scale comes from the recordings `rows`, the training people's.

        scaling: what a level is measured against: what is typical of the training people, or
        ("person") of each person's own recordings where several are read together.
        """
        scale = _fit_scale(dataset, rows, scaling) if "scale" in cls.needs else None
        return cls.of(scale, encoder, codebook)

    @classmethod
    def of(
        cls, scale: LevelScale | None, encoder: EmgEncoder | None, codebook: Codebook | None
    ) -> Self:
        """A bridge of those of its parts that it needs."""
        parts: dict[str, Any] = {"scale": scale, "encoder": encoder, "codebook": codebook}
        return cls(**{name: part for name, part in parts.items() if name in cls.needs})

    @abstractmethod
    def fields(self, recording: Recording) -> dict[str, Any]:
        """The fields of the Reading of one recording."""

    @abstractmethod
    def told(self, dataset: Dataset, rows: np.ndarray) -> list[Told]:
        """What is told of some recordings of a dataset, measured once."""

    def read(self, recording: Recording) -> Reading:
        """The Reading of one recording. Raises RecordingError."""
        return Reading(**self.fields(recording))

    def readings(self, dataset: Dataset, rows: Sequence[int] | np.ndarray) -> "Readings":
        """What readings of some rows of a dataset, and variants of them, are made from."""
        return Readings(self, self.told(dataset, np.asarray(rows, int)), len(rows))

    def read_dataset(
        self,
        dataset: Dataset,
        rows: Sequence[int] | np.ndarray,
        known: Sequence[int] | np.ndarray | None = None,
    ) -> list[Reading]:
        """The Readings of `rows`.

        Where people are the measure of their levels, those of their recordings among `rows` are.
        known: rows of labelled trials of the same people, told in each reading.
        """
        labelled = np.asarray(() if known is None else known, int)
        every = np.concatenate([np.asarray(rows, int), np.setdiff1d(labelled, rows)])
        readings = self.readings(dataset, every)
        place = {row: k for k, row in enumerate(every)}
        trials = [(place[row], dataset.labels[row]) for row in labelled]
        return [readings.read(k, trials=trials) for k in range(len(rows))]

    def to_dict(self) -> dict[str, Any]:
        """What must be kept to read in the same way again, without encoder and codebook."""
        return {
            "kind": self.kind,
            "needs": list(self.needs),
            "about": self.about,
            "scale": None if self.scale is None else asdict(self.scale),
        }


class Readings:
    """Some recordings, measured once; their Readings and variants are made from that."""

    def __init__(self, bridge: Bridge, told: list[Told], n: int) -> None:
        self.bridge, self.told, self._n = bridge, told, n

    def __len__(self) -> int:
        return self._n

    def read(
        self,
        k: int,
        rng: np.random.Generator | None = None,
        trials: Sequence[tuple[int, str]] = (),
        other: int | None = None,
    ) -> Reading:
        """The Reading of recording `k`; with `rng`, a variant of it for training.

        trials: (place, label) of labelled recordings; those of the same person are told.
        other: a recording of the same label, of whose levels a variant has a random share (mixup,
        Zhang et al. 2018, arXiv:1710.09412, within a label).
        """
        if trials and not self.bridge.knows_trials:
            raise BridgeError(
                f"The bridge '{self.bridge.kind}' can't tell a person's known trials; use one that "
                "reads levels, such as 'text'."
            )
        fields = {}
        for each in self.told:
            fields |= each.fields(k, rng, trials, other)
        return Reading(**fields)

    def scores(
        self, dataset: Dataset, rows: np.ndarray
    ) -> tuple[tuple[str, ...], np.ndarray] | None:
        """(labels, probabilities of the recordings) as the last thing that is told has them."""
        return self.told[-1].scores(dataset, rows)


def powers(item: Recording | np.ndarray) -> np.ndarray:
    """float64 (columns,): the power of each channel of a recording, or a feature row as it is."""
    return channel_power(item) if isinstance(item, Recording) else np.asarray(item, np.float64)


def _fit_scale(dataset, rows, scaling):
    rows = np.asarray(rows, int)
    names = dataset.columns or dataset.recordings[rows[0]].channel_names
    values = np.stack([powers(dataset.item(i)) for i in rows])
    neutral = np.array([dataset.labels[i] == "neutral" for i in rows])
    people = dataset.groups[rows] if scaling == "person" else None
    return LevelScale.fit(values, names, neutral, people)
