"""NumPy's .npy and .npz, without unpickling and without trusting a size.

The sizes in headers are compared with the bytes in the file before anything is allocated.
"""

import math
import zipfile
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.raw import (
    MAX_VARIABLES,
    TEXT_KEYS,
    Raw,
    bomb,
    check_kind,
    check_size,
    refusing,
    unpacked_limit,
)
from emg_llm.signal.readers.single import needs_single, read_single
from emg_llm.signal.readers.variables import from_variables
from emg_llm.signal.recording import RecordingError

MOST_NOTES, LONGEST_NOTE = 4, 300  # of characters


def read_npy(path: Path) -> Raw:
    """The one array of an .npy file."""
    name = path.name
    with path.open("rb") as stream:
        shape, fortran, dtype = _npy_header(stream, name)
        check_kind(name, dtype)
        _check_body(stream, name, shape, dtype, path.stat().st_size)
        return _table(stream, name, shape, fortran, dtype)


def _npy_header(stream, name):
    with refusing(f"{name} has a damaged NumPy header; save it again with np.save."):
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(stream)
        if any(n < 0 for n in shape):
            raise ValueError(shape)
        return shape, fortran, dtype


def _check_body(stream, name, shape, dtype, size):
    """Refuse an array that is larger than its file; `size`: bytes of header and array together."""
    needed, available = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if needed > available:
        raise RecordingError(
            f"{name} ends before its array of shape {_short(shape)} is complete; it was cut short, "
            "so copy or save it again."
        )
    check_size(name, shape)
    if needed > unpacked_limit(size):
        raise bomb(name)


def _npy_body(stream, name, shape, fortran, dtype):
    """The array after the header."""
    with refusing(f"{name} is damaged; copy or save it again."):
        values = np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype)
        return values.reshape(shape, order="F" if fortran else "C")


def _table(stream, name, shape, fortran, dtype):
    """The Raw of the array after the header, of a large one in single precision."""
    if not needs_single(shape, dtype):
        return Raw(_npy_body(stream, name, shape, fortran, dtype))
    with refusing(f"{name} is damaged; copy or save it again."):
        read = lambda n: np.frombuffer(stream.read(n * dtype.itemsize), dtype, n)  # noqa: E731
        values, exact = read_single(shape, fortran, read)
        return Raw(values, exact=exact)


def read_npz(path: Path) -> Raw:
    """The signal of an .npz file and the variables beside it."""
    name = path.name
    damaged = f"{name} is a damaged .npz file; copy it again, or save it again with np.savez."
    with refusing(damaged), zipfile.ZipFile(path) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        if not any(m.filename.endswith(".npy") for m in members.values()):
            raise RecordingError(
                f"{name} is a ZIP file without NumPy arrays; upload the recording itself."
            )
        members = {k: m for k, m in members.items() if m.filename.endswith(".npy")}
        if len(members) > MAX_VARIABLES:
            raise RecordingError(
                f"{name} holds {len(members)} arrays; save one trial in each file."
            )
        if sum(m.file_size for m in members.values()) > unpacked_limit(path.stat().st_size):
            raise bomb(name)
        # LZMA may need gigabytes for its dictionary; np.savez never uses it.
        if any(m.compress_type not in (0, 8) or m.flag_bits & 1 for m in members.values()):
            raise RecordingError(
                f"{name} is encrypted or compressed in an unusual way; save it with np.savez."
            )
        headers = {}
        for key, member in members.items():
            with archive.open(member) as stream:
                headers[key] = _npy_header(stream, name)

        def load(key, make=_npy_body):
            with archive.open(members[key]) as stream:
                shape, fortran, dtype = _npy_header(stream, name)
                _check_body(stream, name, shape, dtype, members[key].file_size)
                return make(stream, name, shape, fortran, dtype)

        numeric = {k: shape for k, (shape, _, dtype) in headers.items() if dtype.kind in "iuf"}
        if not numeric:
            for _, _, dtype in headers.values():
                check_kind(name, dtype)
        raw = from_variables(name, numeric, load, lambda key: load(key, _table))
        small = {k for k, (s, _, d) in headers.items() if d.kind in "US" and math.prod(s) <= 64}
        for key in small & {*TEXT_KEYS, "channel_names", "notes"}:
            texts = tuple(_text(t) for t in load(key).reshape(-1))
            if key == "channel_names":
                raw.names = texts
            elif key == "notes":
                raw.notes += [f"The file says: {t[:LONGEST_NOTE]}" for t in texts[:MOST_NOTES] if t]
            elif len(texts) == 1:
                raw.texts[key] = texts[0]
        return raw


def _text(value):
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def _short(shape):
    text = str(tuple(int(n) for n in shape))
    return text if len(text) < 60 else text[:56] + " …)"
