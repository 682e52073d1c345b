"""A cache of the recordings that visitors have open, so that each file is read once."""

import logging
from collections import OrderedDict
from pathlib import Path
from threading import Lock

import emg_llm
from emg_llm.signal.once import Memo, Prepared
from emg_llm.signal.recording import RecordingError
from emg_llm.ui.analysis import NO_RECORDING, Source

log = logging.getLogger(__name__)

MOST = 16  # recordings
MOST_BYTES = 2**28  # of their signals; derived data take a few times as much


class OpenRecordings:
    """Source -> Prepared; drops the least recently used, and those whose file is deleted."""

    def __init__(self) -> None:
        self._lock, self._open, self._bytes = Lock(), OrderedDict(), {}

    def __call__(self, source: Source | None) -> Prepared:
        """The recording. Raises RecordingError with one sentence for the user."""
        if not source:
            raise RecordingError(NO_RECORDING)
        if not all(Path(file).exists() for file in (source.path, *source.parts)):
            raise RecordingError("The upload has expired; upload it again.")
        key = source[:-1]
        with self._lock:
            memo = self._open.setdefault(key, Memo())
            self._open.move_to_end(key)
        recording = memo.once("recording", lambda: read_source(source))
        with self._lock:
            self._bytes[key] = recording.signal.nbytes
            self._forget()
        return recording

    def _forget(self):
        gone = [key for key in self._open if not Path(key[0]).exists()]
        sizes = [self._bytes.get(key, 0) for key in self._open]
        too_many = max(0, len(self._open) - MOST)
        while sum(sizes[too_many:]) > MOST_BYTES and too_many < len(sizes) - 1:
            too_many += 1
        for key in {*gone, *list(self._open)[:too_many]}:
            del self._open[key]
            self._bytes.pop(key, None)


def read_source(source):
    """The recording of a Source, read anew. Raises RecordingError."""
    try:
        path, rate, unit, montage, parts, channels, _ = source
        # Only what was uploaded is read, whatever else lies beside it.
        recording = emg_llm.read_recording(
            path, rate, unit, montage=montage, channels=channels, parts=parts
        )
    except RecordingError:
        raise
    except Exception as error:
        log.exception("A recording could not be read")
        raise RecordingError(
            "This file can't be read as a recording; export it as CSV or NPY and try again."
        ) from error
    return Prepared.of(recording)
