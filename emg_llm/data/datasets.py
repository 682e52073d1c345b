"""`--data` -> recordings or feature rows, with their labels and people.

`--data` is `simulated[:key=value,…]`, a folder of `<label>/<recording>` files, a manifest (a CSV
with a `path` column), a feature table (a CSV or Parquet without one), or a folder saved by
`datasets`.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from emg_llm.data.conventions import (
    DatasetError,
    split_column,
    texts_of,
    told,
    why_no_feature,
)
from emg_llm.data.folders import files_of
from emg_llm.data.lazy import KeptRecordings, Lazy, arranged
from emg_llm.data.manifests import TABLES, labelled, manifest_in, reader_of
from emg_llm.signal.montage import montage_sites
from emg_llm.signal.once import Memo
from emg_llm.signal.recording import EMOTIONS, Recording, RecordingError
from emg_llm.signal.simulation import (
    SimulationConfig,
    describe,
    is_simulated,
    person_name,
    recording_name,
    simulate,
    trials,
)

PARTS = ("train", "validation", "test", "calibration")
Rows = Sequence[int] | np.ndarray
PER_RECORDING = "ids", "labels", "subjects", "splits", "sessions"
META_COLUMNS = ("label", "subject", "session", "split", "recording_id")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Recordings, or rows of a feature table, with their labels and people.

    name: for messages and results files. ids, labels, subjects: one per recording; an unknown
    subject is None. splits: the data's own split column, or None. sessions: one per recording,
    None if unknown, or None if no recording has one.
    recordings: a sequence of Recording that loads each one on access; None for a feature table.
    table: float64 (recordings, columns), or None; columns: their names.
    known: privilege -> for each recording the rows known of its person, see `data.known`.
    """

    name: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    subjects: tuple[str | None, ...]
    splits: tuple[str, ...] | None = None
    recordings: Sequence[Recording] | None = None
    table: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    sessions: tuple[str | None, ...] | None = None
    known: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    _memo: Memo = field(default_factory=Memo, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.ids:
            raise DatasetError(f"{self.name} holds no recordings; choose other data.")
        if len(set(self.labels)) < 2:
            raise DatasetError(
                f"{self.name} has a single label, {self.labels[0]!r}, so there is nothing to "
                "classify; add recordings with another label."
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels: emotions in the order of EMOTIONS, then all others sorted."""
        present = set(self.labels)
        emotions = [e for e in EMOTIONS if e in present]
        return tuple(emotions + sorted(present - set(emotions)))

    @property
    def targets(self) -> np.ndarray:
        """int (recordings,): each label's index in `label_names`."""
        index = {label: i for i, label in enumerate(self.label_names)}
        return np.array([index[label] for label in self.labels])

    @property
    def groups(self) -> np.ndarray:
        """(recordings,): the group that a split keeps whole, the subject or else the recording."""
        pairs = zip(self.ids, self.subjects, strict=True)
        return np.array([subject or f"recording {i}" for i, subject in pairs])

    def item(self, i: int) -> Recording | np.ndarray:
        """The Recording, or the feature row, at index i."""
        return cast(np.ndarray, self.table)[i] if self.recordings is None else self.recordings[i]

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of make(), cached under `key` for the lifetime of the dataset."""
        return self._memo.once(key, make)

    def with_labels(self, labels: Sequence[str]) -> Self:
        """Only the recordings with one of these labels."""
        unknown = sorted(set(labels) - set(self.labels))
        if unknown:
            raise DatasetError(
                f"{self.name} has no recordings labelled {', '.join(unknown)}; it has "
                f"{', '.join(self.label_names)}."
            )
        return self.take([i for i, label in enumerate(self.labels) if label in labels])

    def take(self, rows: Rows) -> Self:
        """Only the recordings in `rows`, in that order."""
        rows, recordings = list(rows), self.recordings

        def pick(values):
            return None if values is None else tuple(values[i] for i in rows)

        return replace(
            self,
            **{name: pick(getattr(self, name)) for name in PER_RECORDING},
            recordings=recordings and Lazy(len(rows), lambda i: recordings[rows[i]]),
            table=None if self.table is None else self.table[rows],
            known={},
        )


def load_dataset(
    data: str | Path,
    labels: Sequence[str] | None = None,
    montage: str | Sequence[str] | None = None,
) -> Dataset:
    """The Dataset for any value of `--data`. Raises DatasetError or RecordingError.

    montage: the site of each channel, see `read_recording`, for recordings in files that no column
    `montage` assigns. Recordings whose channels have names are arranged into the same order.
    """
    data = str(data)
    if is_simulated(data):
        dataset = _simulated(data)
    else:
        path = Path(data).expanduser()
        if path.is_dir() and (path / "dataset_info.json").exists():
            dataset = _saved(path, montage)
        elif path.is_dir():
            dataset = _folder(path, montage)
        elif path.suffix.lower() in TABLES and path.is_file():
            dataset = _table_or_manifest(path, montage)
        else:
            raise DatasetError(
                f"--data {data}: no such folder, manifest or feature table. Use 'simulated', a "
                "folder of <label>/<recording> files, or a CSV with a 'label' column."
            )
    return dataset.with_labels(labels) if labels else dataset


def _simulated(data):
    try:
        config = SimulationConfig.parse(data)
    except ValueError as error:
        raise DatasetError(f"--data {data}: {error}") from None
    each = trials(config)
    return Dataset(
        describe(config),
        tuple(recording_name(config, *trial) for trial in each),
        tuple(emotion for emotion, _, _ in each),
        tuple(person_name(config, subject) for _, subject, _ in each),
        recordings=KeptRecordings(len(each), lambda i: simulate(*each[i], config)),
    )


def _of_recordings(name, n, make, splits=None):
    """A Dataset of the recordings that make(i), 0 <= i < n, reads.

    Reads every recording once and releases it: a file may name its subject, and it is better to
    report an unusable file now than after hours of training.
    """
    recordings = KeptRecordings(n, make)
    meta = [(r.recording_id, r.label, r.subject, r.session, r.channel_names) for r in recordings]
    ids, labels, subjects, sessions, names = zip(*meta, strict=True) if meta else ((),) * 5
    recordings = arranged(recordings, names)
    return Dataset(name, ids, labels, subjects, splits, recordings, sessions=texts_of(sessions))


def _folder(path, montage):
    from emg_llm.signal.readers import SUPPORTED_EXTENSIONS, read_recording

    if manifest := manifest_in(path):
        return _table_or_manifest(manifest, montage)
    files = files_of(path, SUPPORTED_EXTENSIONS)

    def make(i):
        about = vars(files[i])
        named = {k: v for k, v in about.items() if k != "path" and v is not None}
        return read_recording(about["path"], montage=montage, **named)

    return _of_recordings(path.name, len(files), make)


def _table_or_manifest(path, montage):
    table = labelled(path)
    if "path" in table:
        make, splits = reader_of(path, table, montage), split_column(table, PARTS)
        return _of_recordings(f"{path.parent.name}/{path.name}", len(table), make, splits)
    return _feature_table(path.name, table)


def _feature_table(name, table):
    numbers = [
        c for c in table.select_dtypes("number").columns if c not in META_COLUMNS and c != "path"
    ]
    labels = table["label"].tolist()
    why = {c: why_no_feature(c, table[c].tolist(), labels) for c in numbers}
    for what in dict.fromkeys(filter(None, why.values())):
        left_out = ", ".join(str(c) for c in numbers if why[c] == what)
        told(f"{name}: {left_out} {what} and are no features.")
    columns = [c for c in numbers if not why[c]]
    if not columns:
        raise DatasetError(f"{name} has no numeric feature columns; add at least one.")
    values = table[columns].to_numpy(np.float64)
    if not np.isfinite(values).all():
        bad = [c for c, ok in zip(columns, np.isfinite(values).all(axis=0), strict=True) if not ok]
        raise DatasetError(
            f"{name} has empty or infinite values in {', '.join(bad[:3])}; fix them."
        )
    ids = table.get("recording_id", [f"row {i + 1}" for i in table.index])
    subjects = texts_of(table["subject"]) if "subject" in table else None
    return Dataset(
        name,
        tuple(map(str, ids)),
        tuple(table["label"].astype(str)),
        subjects or (None,) * len(table),
        split_column(table, PARTS),
        table=values,
        columns=tuple(columns),
        sessions=texts_of(table["session"]) if "session" in table else None,
    )


def _saved(path, montage):
    import datasets

    saved = datasets.load_from_disk(str(path))
    if not isinstance(saved, datasets.Dataset) or "label" not in saved.column_names:
        raise DatasetError(f"{path.name} isn't a single table with a 'label' column; save one.")
    if "signal" not in saved.column_names:
        return _feature_table(path.name, saved.to_pandas())
    if "sampling_rate" not in saved.column_names:
        raise DatasetError(f"{path.name} needs a 'sampling_rate' column beside 'signal'.")

    def make(i):
        row = saved[i]
        name = row.get("recording_id") or f"row {i + 1}"
        try:
            signal, names = np.asarray(row["signal"]), row.get("channel_names") or ()
            assigned = row.get("montage") or montage
            return Recording(
                signal,
                row["sampling_rate"],
                montage_sites(assigned, signal.shape[-1]) if assigned else tuple(names),
                label=str(row["label"]),
                subject=row.get("subject"),
                session=row.get("session"),
                recording_id=name,
            )
        except (RecordingError, TypeError, ValueError) as error:
            raise DatasetError(f"{path.name}, {name}: {error}") from None

    splits = split_column(saved.remove_columns("signal").to_pandas(), PARTS)
    return _of_recordings(path.name, len(saved), make, splits)
