"""NumPy's .npy and .npz, without unpickling and without trusting a size.

Sizes are read from headers and compared with the bytes that are there before anything is
allocated.
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
    from_variables,
    refusing,
    unpacked_limit,
)
from emg_llm.signal.recording import RecordingError


def read_npy(path: Path) -> Raw:
    """Raw of an .npy file: its one array."""
    name = path.name
    with path.open("rb") as stream:
        shape, fortran, dtype = _npy_header(stream, name)
        check_kind(name, dtype)
        return Raw(_npy_body(stream, name, shape, fortran, dtype, path.stat().st_size))


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


def _npy_body(stream, name, shape, fortran, dtype, size):
    """The array after the header; `size`: bytes of header and array together."""
    promised, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if promised > there:
        raise RecordingError(
            f"{name} promises an array of shape {_short(shape)} and ends before it; "
            "it was cut short, so copy or save it again."
        )
    if promised > unpacked_limit(size):
        raise bomb(name)
    with refusing(f"{name} is damaged; copy or save it again."):
        values = np.frombuffer(stream.read(promised), dtype)
        return values.reshape(shape, order="F" if fortran else "C")


def read_npz(path: Path) -> Raw:
    """Raw of an .npz file: its signal and what stands beside it."""
    name = path.name
    damaged = f"{name} is a damaged .npz file; copy it, or save it with np.savez, again."
    with refusing(damaged), zipfile.ZipFile(path) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        if not any(m.filename.endswith(".npy") for m in members.values()):
            raise RecordingError(
                f"{name} is a ZIP file without NumPy arrays in it; upload the recording itself."
            )
        members = {k: m for k, m in members.items() if m.filename.endswith(".npy")}
        if len(members) > MAX_VARIABLES:
            raise RecordingError(
                f"{name} holds {len(members)} arrays; save one trial in each file."
            )
        if sum(m.file_size for m in members.values()) > unpacked_limit(path.stat().st_size):
            raise bomb(name)
        # LZMA may ask for gigabytes of dictionary; np.savez never writes it.
        if any(m.compress_type not in (0, 8) or m.flag_bits & 1 for m in members.values()):
            raise RecordingError(
                f"{name} is encrypted or packed in an unusual way; save it with np.savez."
            )
        headers = {}
        for key, member in members.items():
            with archive.open(member) as stream:
                headers[key] = _npy_header(stream, name)

        def load(key):
            with archive.open(members[key]) as stream:
                _npy_header(stream, name)
                return _npy_body(stream, name, *headers[key], members[key].file_size)

        numeric = {k: shape for k, (shape, _, dtype) in headers.items() if dtype.kind in "iuf"}
        raw = _or_say_why(name, numeric, load, headers)
        small = {k for k, (s, _, d) in headers.items() if d.kind in "US" and math.prod(s) <= 64}
        for key in small & {*TEXT_KEYS, "channel_names"}:
            texts = tuple(_text(t) for t in load(key).reshape(-1))
            if key == "channel_names":
                raw.names = texts
            elif len(texts) == 1:
                raw.texts[key] = texts[0]
        return raw


def _or_say_why(name, numeric, load, headers):
    """As `from_variables`; where no array is numeric, say what there is instead."""
    if not numeric:
        for _, _, dtype in headers.values():
            check_kind(name, dtype)
    return from_variables(name, numeric, load)


def _text(value):
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def _short(shape):
    text = str(tuple(int(n) for n in shape))
    return text if len(text) < 60 else text[:56] + " …)"
