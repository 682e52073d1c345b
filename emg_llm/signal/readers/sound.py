"""WAV files, in which some amplifiers store their channels."""

import warnings
from pathlib import Path

from emg_llm.signal.readers.raw import SHORTER, Raw, check_size, refusing


def read_wav(path: Path) -> Raw:
    """The channels of a WAV file, in the numbers that are stored."""
    from scipy.io import wavfile

    refused = refusing(f"{path.name} is damaged, or no WAV of plain samples; export it again.")
    with refused, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        rate, values = wavfile.read(path)
    check_size(path.name, values.shape)
    notes = [SHORTER] if any("EOF" in str(each.message) for each in warned) else []
    return Raw(values, rate=float(rate), notes=notes)
