"""WAV files, in which some amplifiers store their channels."""

from pathlib import Path

from emg_llm.signal.readers.raw import Raw, check_size, refusing


def read_wav(path: Path) -> Raw:
    """The channels of a WAV file, in the numbers that are stored."""
    from scipy.io import wavfile

    with refusing(f"{path.name} is damaged, or no WAV of plain samples; export it again."):
        rate, values = wavfile.read(path)
    check_size(path.name, values.shape)
    return Raw(values, rate=float(rate))
