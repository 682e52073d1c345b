"""File -> Recording: the only place that reads the bytes of recordings.

A file's content must agree with its extension, no size that it states is trusted, and nothing is
unpickled. Any fault raises a RecordingError of one sentence.

    recording = read_recording("trial.csv", sampling_rate=2000, unit="mV")
"""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.formats import (
    COMMON,
    COMPANIONS,
    EXTENSIONS,
    FORMATS,
    TEXT,
    expected,
    found,
)
from emg_llm.signal.readers.raw import check_bytes, refusing
from emg_llm.signal.recording import Recording, RecordingError

SUPPORTED_EXTENSIONS = EXTENSIONS
UPLOADED_EXTENSIONS = EXTENSIONS + COMPANIONS


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
    parts: Sequence[str | Path] | None = None,
) -> Recording:
    """One file as a Recording: float32 (samples, channels), in microvolts if the unit is known.

    path: a file with one of SUPPORTED_EXTENSIONS.
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
    parts: the files in which the samples of a header (.hea) may lie; by default those beside it.
        Only what the header names is opened.

    `notes` lists what was assumed or repaired. Raises only RecordingError, whatever the file; the
    message names the file and what to do.
    """
    try:
        path = Path(path)
    except TypeError:
        raise RecordingError("No file was given; choose a recording.") from None
    name = path.name or "This"
    try:
        given = None if parts is None else [Path(part) for part in parts]
        file = _header(path, given)
        name = file.name or "This"
        form = _format(file, name)
    except (OSError, ValueError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(
            f"{name[:80]} can't be opened; check that it exists and is readable."
        ) from None
    about = {"channels": channels, "label": label, "subject": subject, "session": session}
    about |= {"recording_id": recording_id or file.stem, "format": file.suffix.lower()}
    sentence = f"{name} can't be parsed; export it again as CSV or .npy."
    # The result of an overflow is checked later, so numpy needn't warn.
    with refusing(sentence), np.errstate(all="ignore"):
        from emg_llm.signal.readers.apart import read, read_apart
        from emg_llm.signal.readers.assembly import assemble

        if form.apart:
            raw = read_apart(form, file)
        elif form.companions:
            raw = read(form.reader, file, given)
        else:
            raw = read(form.reader, file)
        return assemble(name, raw, sampling_rate, unit, montage, **about)


def one_recording(paths: Iterable[str | Path]) -> tuple[Path, tuple[Path, ...]]:
    """(the file to read, the parts that belong to it) of files that were given together.

    Raises RecordingError if they aren't one recording.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise RecordingError("No file was given; choose a recording.")
    if len(files) == 1:
        return files[0], ()
    mains = [f for f in files if any(f.suffix.lower() in each.endings for each in FORMATS)]
    headers = [f for f in mains if any(f.suffix.lower() in _with_parts(each) for each in FORMATS)]
    if len(mains) == 1 == len(headers):
        return headers[0], tuple(f for f in files if f is not headers[0])
    names = ", ".join(f.name[:40] for f in files[:4])
    raise RecordingError(
        f"{len(files)} files were given ({names}); choose one recording at a time: only a WFDB "
        "header (.hea) and its data files (.dat) belong together."
    )


def _with_parts(form):
    return form.endings if form.companions else ()


def _header(path, parts):
    """The file that says how to read a file: itself, or the header of samples alone."""
    if path.suffix.lower() not in COMPANIONS or not path.is_file() or not path.stat().st_size:
        return path
    from emg_llm.signal.readers.wfdb import header_of

    return header_of(path, parts)


def _format(path, name):
    """The file's Format, if its content agrees with its ending. Raises RecordingError, OSError."""
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
    if extension not in UPLOADED_EXTENSIONS:
        raise RecordingError(
            f"{name} isn't in a supported format; export the recording as {COMMON}."
        )
    if size == 0:
        raise RecordingError(f"{name} is empty; export or copy it again.")
    if extension not in TEXT.endings:  # of text, the values are counted
        check_bytes(name, size)
    with path.open("rb") as stream:
        head = stream.read(128)
    if form := expected(extension, head):
        if form.optional and find_spec(form.libraries[0]) is None:
            raise RecordingError(
                f"{name} is {form.words}, which needs a library that isn't installed: run `pip "
                f"install {form.libraries[0]}` where this program runs, or export it as {COMMON}."
            )
        return form
    content, description = found(head)
    if content is TEXT:
        raise RecordingError(
            f"{name} doesn't contain {extension} data; save it again, or give it the extension of "
            "its real format."
        )
    rename = f"export the recording as {COMMON}"
    if content is not None and len(content.endings) == 1 and content.endings[0] != ".npz":
        rename = f"rename it to {path.stem}{content.endings[0]}"
    raise RecordingError(f"{name} is actually {description}, not a {extension} file; {rename}.")
