"""EDF, EDF+ and BDF, read by edfio."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emg_llm.signal.readers.choice import at_one_rate, with_units
from emg_llm.signal.readers.raw import SHORTER, Raw, check_size, refusing
from emg_llm.signal.recording import RecordingError


def read_edf(path: Path) -> Raw:
    """The signals of an EDF file that have the EMG's rate."""
    import edfio

    return _read(path, edfio.read_edf)


def read_bdf(path: Path) -> Raw:
    """The signals of a BDF file that have the EMG's rate."""
    import edfio

    return _read(path, edfio.read_bdf)


def _read(path: Path, read: Callable[..., Any]) -> Raw:
    name = path.name
    refused = refusing(f"{name} is damaged; copy it again, or export it anew.")
    with refused, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        signals = list(read(path).signals)
        if not signals:
            raise RecordingError(f"{name} holds no signals; export the channels.")
        names = [s.label for s in signals]
        units = [s.physical_dimension for s in signals]
        indices, notes = at_one_rate(names, units, [s.sampling_frequency for s in signals])
        kept = [signals[i] for i in indices]
        check_size(name, (len(kept), max(len(s.digital) for s in kept)))
        values = np.empty((len(kept[0].digital), len(kept)), np.float32)
        for i, signal in enumerate(kept):
            values[:, i] = signal.data
    if any("records" in str(each.message) for each in warned):
        notes.append(SHORTER)
    columns = with_units([names[i] for i in indices], [units[i] for i in indices])
    return Raw(values, columns, round(float(kept[0].sampling_frequency), 6), notes=notes)
