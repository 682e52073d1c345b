"""File -> Recording: the only place that reads the bytes of recordings.

A file's content must agree with its extension, no size that it states is trusted, and nothing is
unpickled. Any fault raises a RecordingError of one sentence.

    recording = read_recording("trial.csv", sampling_rate=2000, unit="mV")
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.raw import MAX_BYTES, refusing
from emg_llm.signal.recording import Recording, RecordingError

TEXT_EXTENSIONS = (".csv", ".tsv", ".txt")
SUPPORTED_EXTENSIONS = (".npy", ".npz", *TEXT_EXTENSIONS, ".mat")
# A file's first bytes, their kind (a supported extension, "hdf5" or None) and its description.
SIGNATURES = (
    (b"\x93NUMPY", ".npy", "a NumPy array (.npy)"),
    (b"PK\x03\x04", ".npz", "a ZIP file, such as .npz or an Excel workbook"),
    (b"PK\x05\x06", ".npz", "an empty ZIP file"),
    (b"MATLAB 5.0", ".mat", "a MATLAB file (.mat)"),
    (b"MATLAB 7.3", "hdf5", "a MATLAB v7.3 file"),
    (b"\x89HDF\r\n\x1a\n", "hdf5", "an HDF5 file"),
    (b"\x89PNG", None, "a PNG picture"),
    (b"\xff\xd8\xff", None, "a JPEG picture"),
    (b"GIF8", None, "a GIF picture"),
    (b"%PDF", None, "a PDF document"),
    (b"RIFF", None, "a sound or video file"),
    (b"\x1f\x8b", None, "a gzip archive"),
    (b"\xd0\xcf\x11\xe0", None, "an old Excel or Word file"),
    (b"PAR1", None, "a Parquet table"),
    (b"\xffBIOSEMI", None, "a BDF recording"),
    *((b"\x80" + bytes([n]), None, "a Python pickle, which is never opened") for n in range(2, 6)),
)
ENDINGS = ".csv, .tsv, .txt, .npy, .npz or .mat"


def read_recording(
    path: str | Path,
    sampling_rate: float | str | None = None,
    unit: str | None = None,
    *,
    montage: str | Sequence[str] | None = None,
    channels: str | Sequence[str | int] | None = None,
    label: str | None = None,
    subject: str | None = None,
    session: str | None = None,
    recording_id: str | None = None,
) -> Recording:
    """One file as a Recording: float32 (samples, channels), in microvolts if the unit is known.

    path: .npy, .npz, .csv, .tsv, .txt, or .mat up to version 7.
    sampling_rate: Hz; required if the file has neither a rate nor a time column, except for the
        original project's (45000, 8), which is 15 kHz.
    unit: "V", "mV", "uV", "nV" or "a.u."; by default the file's unit, else volts if the values
        are that small, else "a.u.".
    montage: the site of each channel, in the channels' order: a list of names (or one string with
        commas), or "face" for the eight of MONTAGE; by default the names in the file, or else
        "channel 1", "channel 2", …
    channels: the columns that are the signal, by name or by number from 1: a list, or one string
        with commas. By default they are told by names, units and values, and `notes` says what was
        left out.
    label, subject, session: override those in the file. recording_id: by default the file's stem.

    `notes` lists what was assumed or repaired. Raises only RecordingError, whatever the file; the
    message names the file and what to do.
    """
    try:
        path = Path(path)
    except TypeError:
        raise RecordingError("No file was given; choose a recording.") from None
    name = path.name or "This"
    try:
        read = _reader(_kind(path, name))
    except (OSError, ValueError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(
            f"{name[:80]} can't be opened; check that it exists and is readable."
        ) from None
    about = {"channels": channels, "label": label, "subject": subject, "session": session}
    about |= {"recording_id": recording_id or path.stem, "format": path.suffix.lower()}
    sentence = f"{name} can't be parsed; export it again as CSV or .npy."
    # The result of an overflow is checked later, so numpy needn't warn.
    with refusing(sentence), np.errstate(all="ignore"):
        from emg_llm.signal.readers.assembly import assemble

        return assemble(name, read(path), sampling_rate, unit, montage, **about)


def _reader(kind):
    if kind in TEXT_EXTENSIONS:
        from emg_llm.signal.readers.text import read_text

        return read_text
    if kind == ".mat":
        from emg_llm.signal.readers.matlab import read_mat

        return read_mat
    from emg_llm.signal.readers.arrays import read_npy, read_npz

    return {".npy": read_npy, ".npz": read_npz}[kind]


def _kind(path, name):
    """The file's extension, if its content agrees. Raises RecordingError, OSError."""
    extension = path.suffix.lower()
    if path.is_dir():
        raise RecordingError(
            f"{name} is a folder; choose a recording in it, or train on it with --data."
        )
    if not path.exists():
        raise RecordingError(f"{name} doesn't exist; check the name and the folder.")
    if not path.is_file():
        raise RecordingError(f"{name} isn't a file; choose a recording.")
    size = path.stat().st_size
    if extension in (".pkl", ".pickle", ".joblib"):
        raise RecordingError(
            f"{name} is a Python pickle, which is never opened because it can run code; "
            "save the array with np.save."
        )
    if extension not in SUPPORTED_EXTENSIONS:
        raise RecordingError(
            f"{name} isn't in a supported format; export the recording as {ENDINGS}."
        )
    if size == 0:
        raise RecordingError(f"{name} is empty; export or copy it again.")
    if size > MAX_BYTES:
        raise RecordingError(
            f"{name} is {size >> 20} MB and the limit is {MAX_BYTES >> 20} MB; cut it into trials."
        )
    with path.open("rb") as stream:
        head = stream.read(128)
    content, description = _sniff(head)
    if content == "hdf5" and extension == ".mat":
        raise RecordingError(
            f"{name} is a MATLAB v7.3 file, which isn't supported; save it in MATLAB with "
            "save(…, '-v7')."
        )
    if content == extension or (content == "text" and extension in TEXT_EXTENSIONS):
        return extension
    if content == "text":
        raise RecordingError(
            f"{name} doesn't contain {extension} data; save it again, or give it the extension of "
            "its real format."
        )
    rename = f"export the recording as {ENDINGS}"
    if content in (".npy", ".mat"):
        rename = f"rename it to {path.stem}{content}"
    raise RecordingError(f"{name} is actually {description}, not a {extension} file; {rename}.")


def _sniff(head):
    """(kind, description) of a file's first bytes, as in SIGNATURES, or twice "text"."""
    for start, kind, description in SIGNATURES:
        if head.startswith(start):
            return kind, description
    if head[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        return ".mat", "a MATLAB file (.mat)"
    return "text", "text"
