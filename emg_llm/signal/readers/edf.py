"""EDF, EDF+ and BDF, read by edfio."""

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emg_llm.signal.readers.choice import at_one_rate, with_units
from emg_llm.signal.readers.raw import SHORTER, Raw, check_size, refusing
from emg_llm.signal.recording import RecordingError

LARGE, PIECE = 2**22, 2**18  # bytes


def read_edf(path: Path) -> Raw:
    """The signals of an EDF file that have the EMG's rate."""
    import edfio

    return _read(path, lambda file: iter([edfio.read_edf(file)]))


def read_bdf(path: Path) -> Raw:
    """The signals of a BDF file that have the EMG's rate."""
    import edfio

    return _read(path, lambda _: _in_pieces(path, edfio.read_bdf))


def _in_pieces(path: Path, read: Callable[..., Any]) -> Iterator[Any]:
    """The file, or some records at a time of a large one: edfio unpacks all of a BDF at once, which
    takes five times the memory of the samples."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(256)
        head, records = int(start[184:192]), int(start[236:244])
        length = (size - head) // max(records, 1)
        if size < LARGE or head + records * length != size or length <= 0:
            yield read(path)
            return
        stream.seek(0)
        header, each = stream.read(head), max(1, PIECE // length)
        for first in range(0, records, each):
            n = min(each, records - first)
            part = header[:236] + b"%-8d" % n + header[244:] + stream.read(n * length)
            yield read(io.BytesIO(part))


def _read(path: Path, read: Callable[[Path], Iterator[Any]]) -> Raw:
    name, blocks, kept = path.name, [], []
    refused = refusing(f"{name} is damaged; copy it again, or export it anew.")
    with refused, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for piece in read(path):
            signals = list(piece.signals)
            if not signals:
                raise RecordingError(f"{name} holds no signals; export the channels.")
            if not kept:
                names = [s.label for s in signals]
                units = [s.physical_dimension for s in signals]
                rates = [s.sampling_frequency for s in signals]
                kept, notes = at_one_rate(names, units, rates)
            chosen = [signals[i] for i in kept]
            check_size(name, (len(kept), max(len(s.digital) for s in chosen)))
            blocks.append(np.empty((len(chosen[0].digital), len(kept)), np.float32))
            for i, signal in enumerate(chosen):
                blocks[-1][:, i] = signal.data
        values = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    if any("records" in str(each.message) for each in warned):
        notes.append(SHORTER)
    columns = with_units([names[i] for i in kept], [units[i] for i in kept])
    return Raw(values, columns, round(float(rates[kept[0]]), 6), notes=notes)
