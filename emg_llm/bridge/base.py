"""The contract of all bridges: they turn recordings, or rows of a feature table, into Readings.

A Reading combines the fields of one or more sources, such as levels and codes.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import Reading
from emg_llm.data.datasets import Dataset
from emg_llm.data.known import known_values
from emg_llm.encoders.base import EmgEncoder
from emg_llm.signal.features import channel_power, is_dead
from emg_llm.signal.levels import ANY, Known, LevelScale, alternatives
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import Recording, RecordingError


class BridgeError(ValueError):
    """A bridge that can't be built or used as requested; the text says what to do."""


class Told(Protocol):
    """One source of Reading fields for some recordings, such as their levels."""

    def fields(
        self,
        k: int,
        rng: np.random.Generator | None = None,
        trials: Sequence[tuple[int, str]] = (),
        other: int | None = None,
        missing: Sequence[int] = (),
        way: int = 0,
    ) -> dict[str, Any]:
        """Fields for the Reading of recording k; arguments as in Readings.read."""

    def scores(
        self, dataset: Dataset, rows: np.ndarray
    ) -> tuple[tuple[str, ...], np.ndarray] | None:
        """(labels, probabilities (recordings, labels)) from this source alone, if possible."""


@dataclass(eq=False)
class Bridge(ABC):
    """Turns recordings, or rows of a feature table, into Readings.

    kind: the bridge's name. about: its description in a card, where "{codec}" stands for encoder
    and codebook. needs: the required fields. knows_trials: whether its Readings can hold the
    distances to a person's labelled trials.
    scale: of the training people's levels. encoder, codebook: the source of the codes. known: what
    the scale knows of the person of single recordings, see `knowing`.
    """

    kind: ClassVar[str]
    about: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    knows_trials: ClassVar[bool] = False

    scale: LevelScale | None = None
    encoder: EmgEncoder | None = None
    codebook: Codebook | None = None
    known: Known = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [name for name in self.needs if getattr(self, name) is None]
        if missing:
            raise BridgeError(
                f"The bridge '{self.kind}' needs the {' and the '.join(missing)}: give "
                f"{' and '.join(f'--{name}' for name in missing)}, or use another bridge."
            )
        if self.encoder is not None and self.codebook is not None:
            check_pair(self.encoder, self.codebook)
        if self.encoder is not None and self.scale is not None:
            scalings = self.scale.scaling, self.encoder.config.scaling
            if ANY in scalings and len(set(scalings)) > 1:
                raise BridgeError(
                    f"The levels have --scaling {scalings[0]} and the encoder was trained with "
                    f"{scalings[1]}, so they would know different things of a person; use one for "
                    "both."
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
        """A bridge whose scale is fitted on the training people's recordings `rows`.

        scaling: one of SCALINGS, what is known of each person.
        """
        scale = _fit_scale(dataset, rows, scaling) if "scale" in cls.needs else None
        return cls.of(scale, encoder, codebook)

    @classmethod
    def of(
        cls, scale: LevelScale | None, encoder: EmgEncoder | None, codebook: Codebook | None
    ) -> Self:
        """A bridge from those of the parts that it needs."""
        parts: dict[str, Any] = {"scale": scale, "encoder": encoder, "codebook": codebook}
        return cls(**{name: part for name, part in parts.items() if name in cls.needs})

    @property
    def scaling(self) -> str:
        """One of SCALINGS: what the bridge knows of the person whose recording it reads."""
        if self.scale is not None:
            return self.scale.scaling
        return "training" if self.encoder is None else self.encoder.config.scaling

    @abstractmethod
    def fields(self, recording: Recording) -> dict[str, Any]:
        """The fields of the Reading of one recording."""

    @abstractmethod
    def told(self, dataset: Dataset, rows: np.ndarray) -> list[Told]:
        """The sources of some recordings of a dataset, which measure them once."""

    def read(self, recording: Recording) -> Reading:
        """The Reading of one recording. Raises RecordingError."""
        return Reading(**self.fields(recording))

    def readings(self, dataset: Dataset, rows: Sequence[int] | np.ndarray) -> "Readings":
        """Some rows of a dataset, measured once for Readings and variants of them."""
        ways = len(alternatives(self.scaling, dataset.known))
        return Readings(self, self.told(dataset, np.asarray(rows, int)), len(rows), ways)

    def knowing(self, recordings: Sequence[Recording], privilege: str) -> Self:
        """The bridge for single recordings of a person of whom `recordings` are known.

        privilege: which of KNOWN they are. Raises SitesError.
        """
        encoder = self.encoder and self.encoder.knowing(recordings, privilege)
        scale = self.scale
        values = None if scale is None else powers_there(recordings, scale.names)
        return self.against(encoder, values, privilege)

    def against(
        self, encoder: EmgEncoder | None, values: np.ndarray | None, privilege: str
    ) -> Self:
        """The bridge for a person's single recordings, with an encoder that knows the person.

        values: the powers (n, sites) of the known recordings, NaN at a site without a signal.
        Parts that the bridge lacks are None.
        """
        bridge = copy.copy(self)
        bridge.encoder = encoder
        if values is not None and privilege:
            bridge.known = {privilege: [values]}
        return bridge

    def read_dataset(
        self,
        dataset: Dataset,
        rows: Sequence[int] | np.ndarray,
        known: Sequence[int] | np.ndarray | None = None,
    ) -> list[Reading]:
        """The Readings of `rows`.

        With "person" scaling, the reference is a person's recordings in `rows` and `known`.
        known: rows of labelled trials of the same people, for the field `known`.
        """
        labelled = np.asarray(() if known is None else known, int)
        every = np.concatenate([np.asarray(rows, int), np.setdiff1d(labelled, rows)])
        readings = self.readings(dataset, every)
        place = {row: k for k, row in enumerate(every)}
        trials = [(place[row], dataset.labels[row]) for row in labelled]
        return [readings.read(k, trials=trials) for k in range(len(rows))]

    @property
    def n_sites(self) -> int:
        """How many sites it reads; 0 if it reads no single ones."""
        if self.scale is not None:
            return len(self.scale.names)
        return 0 if self.encoder is None else self.encoder.config.n_channels

    def to_dict(self) -> dict[str, Any]:
        """The settings that reproduce the bridge, given its encoder and codebook."""
        return {
            "kind": self.kind,
            "needs": list(self.needs),
            "about": self.about,
            "scale": None if self.scale is None else asdict(self.scale),
            "codec": {
                name: part.fingerprint
                for name in ("encoder", "codebook")
                if (part := getattr(self, name)) is not None
            },
        }


def check_pair(encoder: EmgEncoder, codebook: Codebook) -> None:
    """Raise BridgeError if a codebook was fitted to another encoder."""
    made_from = codebook.config.encoder_hash or encoder.fingerprint
    width = codebook.config.embedding_dim
    if made_from != encoder.fingerprint or width != encoder.config.embedding_dim:
        raise BridgeError(
            "This codebook was fitted to another encoder, so its codes would mean nothing: give "
            "the encoder that it was made from, or fit one to this encoder with train/codebook.py."
        )


class Readings:
    """Some recordings, measured once for their Readings and variants of them.

    ways: with how many of PRIVILEGES each can be read.
    """

    def __init__(self, bridge: Bridge, told: list[Told], n: int, ways: int = 1) -> None:
        self.bridge, self.told, self._n, self.ways = bridge, told, n, ways

    def __len__(self) -> int:
        return self._n

    def read(
        self,
        k: int,
        rng: np.random.Generator | None = None,
        trials: Sequence[tuple[int, str]] = (),
        other: int | None = None,
        missing: Sequence[int] = (),
        way: int = 0,
    ) -> Reading:
        """The Reading of recording `k`; with `rng`, a variant of it for training.

        trials: (place, label) of labelled recordings; the Reading uses those of the same person.
        other: a recording of the same label, whose levels a variant mixes in at random (mixup,
        Zhang et al. 2018, arXiv:1710.09412, within a label). missing: indices of sites
        to leave out. way: an index of `ways`, the same for all that is read.
        """
        if trials and not self.bridge.knows_trials:
            raise BridgeError(
                f"The bridge '{self.bridge.kind}' can't use a person's known trials; use one that "
                "reads levels, such as 'text'."
            )
        fields = {}
        for each in self.told:
            fields |= each.fields(k, rng, trials, other, missing, way)
        return Reading(**fields)

    def scores(
        self, dataset: Dataset, rows: np.ndarray
    ) -> tuple[tuple[str, ...], np.ndarray] | None:
        """(labels, probabilities of the recordings) from the last source."""
        return self.told[-1].scores(dataset, rows)


def powers(item: Recording | np.ndarray, sites: Sequence[str]) -> np.ndarray:
    """float64 (sites,): the power at each of a scale's sites; a feature row unchanged.

    Raises SitesError if the recording doesn't have them, RecordingError for another row's columns.
    """
    if isinstance(item, Recording):
        return channel_power(arrange(clean(item), sites))
    if len(item) != len(sites):
        raise RecordingError(
            f"This model reads {len(sites)} columns ({', '.join(sites[:3])}, …) and this row has "
            f"{len(item)}; give it a table with the same columns."
        )
    return np.asarray(item, np.float64)


def known_powers(dataset: Dataset, rows: np.ndarray, sites: Sequence[str], scaling: str) -> Known:
    """The powers of what is known of each one's person, see LevelScale.of_people."""

    def measure(some):
        return powers_there([dataset.item(int(i)) for i in some], sites)

    return known_values(dataset, scaling, rows, measure)


def powers_there(items: Sequence[Recording | np.ndarray], sites: Sequence[str]) -> np.ndarray:
    """float64 (items, sites): the `powers` of each, NaN at a site without a signal."""
    values = [powers(item, sites) for item in items]
    signals = [isinstance(item, Recording) for item in items]
    dead = [is_dead(x) & signal for x, signal in zip(values, signals, strict=True)]
    return np.where(dead, np.nan, values)


def _fit_scale(dataset, rows, scaling):
    rows = np.asarray(rows, int)
    names = dataset.columns or dataset.recordings[rows[0]].channel_names
    values = np.stack([powers(dataset.item(i), names) for i in rows])
    neutral = np.array([dataset.labels[i] == "neutral" for i in rows])
    known = known_powers(dataset, rows, names, scaling)
    return LevelScale.fit(values, names, neutral, dataset.groups[rows], known, scaling)
