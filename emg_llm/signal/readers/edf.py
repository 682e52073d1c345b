"""EDF, EDF+ and BDF, read by edfio."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emg_llm.signal.readers.columns import EMG
from emg_llm.signal.readers.raw import Raw, check_size, refusing
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
    with refusing(f"{name} is damaged; copy it again, or export it anew."):
        signals = list(read(path).signals)
        if not signals:
            raise RecordingError(f"{name} holds no signals; export the channels.")
        rates = [round(float(s.sampling_frequency), 6) for s in signals]
        emg = [r for s, r in zip(signals, rates, strict=True) if EMG.search(s.label.lower())]
        count = Counter(emg or rates)
        rate = max(count, key=lambda r: (count[r], r))
        kept = [s for s, r in zip(signals, rates, strict=True) if r == rate]
        check_size(name, (len(kept), max(len(s.digital) for s in kept)))
        values = np.stack([np.asarray(s.data, np.float32) for s in kept], axis=1)
    names = [
        f"{s.label} ({s.physical_dimension})" if s.physical_dimension else s.label for s in kept
    ]
    notes = []
    if len(kept) < len(signals):
        others = ", ".join(s.label for s in signals if s not in kept)[:80]
        notes.append(f"Channels at other rates than {rate:g} Hz were left out: {others}.")
    return Raw(values, tuple(names), rate, notes=notes)
