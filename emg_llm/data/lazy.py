"""Sequences of any length that need little memory: items are made on access."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from emg_llm.signal.montage import SitesError, arrange, common_sites, is_named
from emg_llm.signal.recording import Recording, RecordingError

ARRAYS = ("signal", "valid", "gaps")
Item = TypeVar("Item")


class Lazy(Sequence[Item]):
    """`n` items; `make(i)`, 0 <= i < n, makes one on each access."""

    def __init__(self, n: int, make: Callable[[int], Item]) -> None:
        self._n, self._make = n, make

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, i: Any) -> Any:
        place = range(self._n)[i]
        if isinstance(place, range):
            return Lazy(len(place), lambda k: self[place[k]])
        return self._item(place)

    def __iter__(self) -> Iterator[Item]:
        return map(self._item, range(self._n))

    def _item(self, i):
        return self._make(i)


class Spool:
    """Arrays in a temporary file, which disappears with this object or its process.

    They are read, not mapped: mapped pages would count as the process's memory. The environment
    variable TMPDIR selects the disk.
    """

    def __init__(self) -> None:
        self.size = 0  # bytes
        self._file = tempfile.TemporaryFile(prefix="emg-llm-")  # noqa: SIM115, open as long as the Spool
        self._places = []

    def __len__(self) -> int:
        return len(self._places)

    def append(self, array: np.ndarray) -> int:
        """Store an array and return its index. Raises RecordingError if the disk is full."""
        array = np.ascontiguousarray(array)
        try:
            self._file.seek(self.size)
            self._file.write(array.data)
            self._file.flush()
        except OSError as error:
            raise RecordingError(
                f"The folder for temporary files, {tempfile.gettempdir()}, can't store the data "
                f"({error.strerror}); free some space, or set TMPDIR to another folder."
            ) from None
        self._places.append((self.size, array.dtype, array.shape))
        self.size += array.nbytes
        return len(self._places) - 1

    def __getitem__(self, place: int) -> np.ndarray:
        start, dtype, shape = self._places[place]
        array = np.empty(shape, dtype)
        self._file.seek(start)
        self._file.readinto(array.data)
        return array


class KeptRecordings(Lazy[Recording]):
    """Recordings that are made on first access and read from a Spool afterwards.

    They use at most half of the free disk; recordings beyond that are made on every access.
    """

    def __init__(self, n: int, make: Callable[[int], Recording]) -> None:
        super().__init__(n, make)
        self._spool, self._kept = Spool(), {}
        self._room = shutil.disk_usage(tempfile.gettempdir()).free // 2

    def _item(self, i):
        if i in self._kept:
            places, rest = self._kept[i]
            return Recording(**{name: self._spool[p] for name, p in places.items()}, **rest)
        recording = self._make(i)
        if self._spool.size < self._room:
            arrays = [name for name in ARRAYS if getattr(recording, name) is not None]
            rest = {k: v for k, v in vars(recording).items() if k not in arrays}
            places = {name: self._spool.append(getattr(recording, name)) for name in arrays}
            self._kept[i] = places, rest
        return recording


def arranged(
    recordings: Sequence[Recording], names: Sequence[tuple[str, ...]]
) -> Sequence[Recording]:
    """The recordings with the same sites in the same order, if all name their channels.

    names: the channels of each. A site that a recording lacks is silent in it, see `arrange`.
    """
    if not names or not all(map(is_named, names)):
        return recordings
    sites = common_sites(names)
    if set(names) == {sites}:
        return recordings

    def make(i):
        try:
            return arrange(recordings[i], sites)
        except SitesError as error:
            raise SitesError(f"{recordings[i].recording_id}: {error}") from None

    return Lazy(len(recordings), make)
