"""MATLAB .mat files of version 5 to 7: numeric matrices and strings, nothing else.

scipy.io crashes the whole process on some damaged files, which a public upload field can't risk.
The few kinds of element that a recording needs are therefore parsed here, each checked against the
bytes in the file. Format: "MAT-File Format", MathWorks, chapter 1.
"""

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.raw import (
    MAX_VARIABLES,
    TEXT_KEYS,
    Raw,
    bomb,
    check_kind,
    refusing,
    unpacked_limit,
)
from emg_llm.signal.readers.units import TIME_UNITS, unit_key
from emg_llm.signal.readers.variables import RATE_KEYS, from_variables, plain
from emg_llm.signal.recording import RecordingError

MATRIX, COMPRESSED = 14, 15  # kinds of element
PIECE = 2**20  # bytes that are unpacked at a time
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
          13: "u8"}  # fmt: skip
ENCODINGS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
CHAR, NUMERIC = 4, range(6, 16)
OTHERS = {1: "cell array", 2: "struct", 3: "object", 5: "sparse matrix", 16: "function"}
COMPLEX, LOGICAL = 0x800, 0x200
LABCHART = {"data", "datastart", "dataend"}


def read_mat(path: Path) -> Raw:
    """The signal of a .mat file and the variables beside it. Raises RecordingError."""
    name = path.name
    numeric, texts, others = {}, {}, {}
    damaged = f"{name} is a damaged .mat file; copy it again, or save it again in MATLAB."
    with refusing(damaged), path.open("rb") as stream:
        order = "<" if stream.read(128)[126:] == b"IM" else ">"
        for body in _matrices(stream, path.stat().st_size, order, name):
            key, flags, dims, stored = _matrix(body, order)
            kind = flags & 0xFF
            if not key:  # MATLAB keeps the data of objects under an empty name
                continue
            if kind == CHAR:
                texts[key.lower()] = _rows(order, dims, *stored)
            elif kind not in NUMERIC:
                others[key] = OTHERS.get(kind, "object")
            elif flags & LOGICAL:
                others[key] = "logical array"
            elif flags & COMPLEX:
                check_kind(name, np.dtype(complex))
            else:
                kind, content = stored
                numeric[key] = np.frombuffer(content, order + STORED[kind]).reshape(dims, order="F")
    lower = {key.lower(): value for key, value in numeric.items()}
    if set(lower) >= LABCHART:
        return _labchart(name, lower, texts)
    if others and not {plain(key) for key in numeric} - set(RATE_KEYS):
        key, kind = next(iter(others.items()))
        raise RecordingError(
            f"{name} holds a MATLAB {kind} ('{key[:40]}') where a signal needs a plain numeric "
            "matrix; save the samples by channels as a variable named 'signal'."
        )
    raw = from_variables(name, {k: v.shape for k, v in numeric.items()}, numeric.__getitem__)
    names = texts.get("channel_names") or texts.get("labels", ())
    if names:
        raw.names = _with_units(names, texts.get("units", ()))
    if raw.rate is None and lower.get("isi", np.empty(0)).size == 1:  # of AcqKnowledge
        step = TIME_UNITS.get(unit_key((texts.get("isi_units") or ("ms",))[0]))
        isi = float(lower["isi"].reshape(-1)[0])
        raw.rate = round(1 / (isi * step), 6) if step and isi > 0 else None
    raw.texts = {k: texts[k][0] for k in TEXT_KEYS if len(texts.get(k, ())) == 1}
    return raw


def _with_units(names, units):
    """Names with their units in brackets, where there is a unit for each."""
    if len(units) != len(names):
        return tuple(names)
    return tuple(
        f"{name} ({unit})" if unit else name for name, unit in zip(names, units, strict=True)
    )


def _labchart(name, numeric, texts):
    """A LabChart export: the channels lie one after the other, each block of each as `datastart`
    and `dataend` say."""
    starts, ends = (np.atleast_2d(numeric[k]).astype(int) for k in ("datastart", "dataend"))
    samples, rates = numeric["data"].reshape(-1), numeric.get("samplerate", np.zeros((1, 1)))
    channels, kept = [], []
    for i, (first, last) in enumerate(zip(starts, ends, strict=True)):
        parts = [samples[a - 1 : b] for a, b in zip(first, last, strict=True) if 0 < a <= b]
        if parts:
            channels.append(np.concatenate(parts))
            kept.append(i)
    rate_of = [float(rates[min(i, len(rates) - 1), 0]) for i in kept]
    if not channels or not all(map(len, channels)):
        raise RecordingError(f"{name} holds no samples; export it from LabChart again.")
    rate, length = max(zip(rate_of, map(len, channels), strict=True))
    same = [k for k, c in enumerate(channels) if (rate_of[k], len(c)) == (rate, length)]
    titles, unit_texts = texts.get("titles", ()), texts.get("unittext", ())
    unit_map = numeric.get("unittextmap")
    names, units = [], []
    for k in same:
        i = kept[k]
        names.append(titles[i] if i < len(titles) else f"channel {i + 1}")
        at = int(unit_map[i, 0]) - 1 if unit_map is not None and i < len(unit_map) else 0
        units.append(unit_texts[at] if 0 <= at < len(unit_texts) else "")
    values = np.column_stack([channels[k] for k in same])
    notes = []
    if len(same) < len(channels):
        notes.append(
            f"{len(channels) - len(same)} channels of another rate or length were left out."
        )
    return Raw(values, _with_units(names, units), rate or None, notes=notes)


def _matrices(stream, length, order, name):
    """The bytes of each variable behind the header, decompressed within the limit."""
    limit, total, count = unpacked_limit(length), 0, 0
    cut = RecordingError(f"{name} ends too early; it was cut short, so copy or save it again.")
    while len(tag := stream.read(8)) == 8:
        kind, size = struct.unpack(order + "II", tag)
        if size > length - stream.tell():
            raise cut
        if kind == COMPRESSED:
            body, whole = _unpacked(stream, size, limit - total)
            total += len(body)
            if total > limit:
                raise bomb(name)
            if not whole:
                raise cut
            kind, size = struct.unpack_from(order + "II", body)
            body = memoryview(body)[8 : 8 + size]
        else:
            body = memoryview(stream.read(size))
        if kind == MATRIX:
            count += 1
            yield body
        if count > MAX_VARIABLES:
            raise RecordingError(
                f"{name} holds more than {MAX_VARIABLES} variables; save one trial in each file."
            )
    if not count:
        raise RecordingError(f"{name} holds no variables; save the signal again.")


def _unpacked(stream, size, limit):
    """(the bytes that `size` compressed ones unpack to, at most one more than `limit`; whether they
    are complete), read in pieces: both at once would take the memory of both."""
    unpacker, body = zlib.decompressobj(), bytearray()
    while size and len(body) <= limit:
        piece = stream.read(min(size, PIECE))
        size -= len(piece)
        while piece and len(body) <= limit:
            body += unpacker.decompress(piece, min(PIECE, limit + 1 - len(body)))
            piece = unpacker.unconsumed_tail
    stream.seek(size, 1)
    return body, unpacker.eof


def _matrix(body, order):
    """(name, flags, dimensions, (kind, bytes) of the real part) of one variable."""
    elements = _elements(body, order)
    flags = struct.unpack_from(order + "I", next(elements)[1])[0]
    if flags & 0xFF > 16:  # opaque objects have another layout
        return "object", flags, (), None
    dims = np.frombuffer(next(elements)[1], order + "i4").tolist()
    if any(n < 0 for n in dims):
        raise ValueError("negative dimension")
    key = bytes(next(elements)[1]).decode("ascii", "replace")
    return key, flags, dims, next(elements, (9, b""))


def _elements(body, order):
    """(kind, bytes) of each element in a variable."""
    at = 0
    while at + 8 <= len(body):
        kind, size = struct.unpack_from(order + "II", body, at)
        start = at + 8
        if kind >> 16:  # up to four bytes are packed into the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if size > (4 if start == at + 4 else len(body) - start):
            raise ValueError("an element is longer than its variable")
        yield kind, body[start : start + size]
        at = start + size + -(start + size) % 8


def _rows(order, dims, kind, content):
    """The rows of a char matrix, stripped. Raises ValueError, LookupError."""
    if not 0 < len(content) <= 2**16:  # too long for a unit, a label or a name
        return ()
    if kind in ENCODINGS:
        suffix = "" if kind == 16 else "-le" if order == "<" else "-be"
        text = bytes(content).decode(ENCODINGS[kind] + suffix, "replace")
    else:
        text = "".join(map(chr, np.frombuffer(content, order + STORED[kind]).tolist()))
    if len(dims) != 2 or math.prod(dims) != len(text):
        return (text.strip(),)
    return tuple(text[i :: dims[0]].strip() for i in range(dims[0]))
