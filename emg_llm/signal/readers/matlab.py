"""MATLAB .mat files of version 5 to 7: numeric matrices and strings, nothing else.

scipy.io crashes the whole process on some damaged files, which a public upload field can't risk.
The few kinds of element that a recording needs are therefore parsed here, each checked against the
bytes in the file. Format: "MAT-File Format", MathWorks, chapter 1.
"""

import math
import struct
import zlib
from collections.abc import Iterator
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
from emg_llm.signal.readers.single import Single, needs_single, read_single
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
        for content in _matrices(stream, path.stat().st_size, order, name):
            key, flags, dims = _about(content, order)
            kind = flags & 0xFF
            if not key:  # MATLAB keeps the data of objects under an empty name
                continue
            if kind == CHAR:
                texts[key.lower()] = _rows(content, order, dims)
            elif kind not in NUMERIC:
                others[key] = OTHERS.get(kind, "object")
            elif flags & LOGICAL:
                others[key] = "logical array"
            elif flags & COMPLEX:
                check_kind(name, np.dtype(complex))
            else:
                numeric[key] = _array(name, content, order, dims)

    def load(key):
        """In full precision, where it may matter."""
        raw = numeric[key]
        return raw.exact[0] if raw.values.size in map(len, raw.exact.values()) else raw.values

    lower = {key.lower(): load(key) for key in numeric}
    if set(lower) >= LABCHART:
        return _labchart(name, lower, texts)
    if others and not {plain(key) for key in numeric} - set(RATE_KEYS):
        key, kind = next(iter(others.items()))
        raise RecordingError(
            f"{name} holds a MATLAB {kind} ('{key[:40]}') where a signal needs a plain numeric "
            "matrix; save the samples by channels as a variable named 'signal'."
        )
    shapes = {key: raw.values.shape for key, raw in numeric.items()}
    raw = from_variables(name, shapes, load, numeric.__getitem__)
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
            channels.append(parts)
            kept.append(i)
    lengths = [sum(map(len, parts)) for parts in channels]
    rate_of = [float(rates[min(i, len(rates) - 1), 0]) for i in kept]
    if not channels or not all(lengths):
        raise RecordingError(f"{name} holds no samples; export it from LabChart again.")
    rate, length = max(zip(rate_of, lengths, strict=True))
    same = [k for k, n in enumerate(lengths) if (rate_of[k], n) == (rate, length)]
    titles, unit_texts = texts.get("titles", ()), texts.get("unittext", ())
    unit_map = numeric.get("unittextmap")
    names, units = [], []
    for k in same:
        i = kept[k]
        names.append(titles[i] if i < len(titles) else f"channel {i + 1}")
        at = int(unit_map[i, 0]) - 1 if unit_map is not None and i < len(unit_map) else 0
        units.append(unit_texts[at] if 0 <= at < len(unit_texts) else "")
    check_size(name, (length, len(same)))
    single = Single(length, len(same))
    for column, k in enumerate(same):
        start = 0
        for part in channels[k]:
            single.put(start, column, part)
            start += len(part)
    notes = []
    if len(same) < len(channels):
        notes.append(
            f"{len(channels) - len(same)} channels of another rate or length were left out."
        )
    told = _with_units(names, units)
    return Raw(single.values, told, rate or None, notes=notes, exact=single.exact)


def _matrices(stream, length, order, name):
    """The content of each variable behind the header, decompressed within the limit."""
    limit, total, count = unpacked_limit(length), 0, 0
    cut = RecordingError(f"{name} ends too early; it was cut short, so copy or save it again.")

    def unpacked(size):
        nonlocal total
        unpacker = zlib.decompressobj()
        for piece in _pieces(stream, size):
            while piece:
                out = unpacker.decompress(piece, PIECE)
                total += len(out)
                if total > limit:
                    raise bomb(name)
                yield out
                piece = unpacker.unconsumed_tail
        if not unpacker.eof:
            raise cut

    while len(tag := stream.read(8)) == 8:
        kind, size = struct.unpack(order + "II", tag)
        end = stream.tell() + size
        if end > length:
            raise cut
        packed = kind == COMPRESSED
        content = _Content(unpacked(size) if packed else _pieces(stream, size))
        if packed:
            kind, _ = struct.unpack(order + "II", content.read(8))
        if kind == MATRIX:
            count += 1
            yield content
        if count > MAX_VARIABLES:
            raise RecordingError(
                f"{name} holds more than {MAX_VARIABLES} variables; save one trial in each file."
            )
        content.finish()
        stream.seek(end)
    if not count:
        raise RecordingError(f"{name} holds no variables; save the signal again.")


def _pieces(stream, size):
    """The next `size` bytes, some at a time."""
    while size:
        piece = stream.read(min(size, PIECE))
        size -= len(piece)
        yield piece


class _Content:
    """The bytes of a variable, read in order, of which only some are in memory at a time."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, n: int) -> bytes:
        """The next `n` bytes. Raises ValueError if there are fewer."""
        parts, missing = [self._rest], n - len(self._rest)
        while missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                raise ValueError("an element is longer than its variable")
            parts.append(piece)
            missing -= len(piece)
        content = b"".join(parts)
        self._rest = content[n:]
        return content[:n]

    def finish(self) -> None:
        """Read what is left, so that it is checked."""
        for _ in self._pieces:
            pass


def _about(content, order):
    """(name, flags, dimensions) of a variable."""
    flags = struct.unpack_from(order + "I", _element(content, order))[0]
    if flags & 0xFF > 16:  # opaque objects have another layout
        return "object", flags, ()
    dims = np.frombuffer(_element(content, order), order + "i4").tolist()
    if any(n < 0 for n in dims):
        raise ValueError("negative dimension")
    return _element(content, order).decode("ascii", "replace"), flags, dims


def _tag(content, order):
    """(kind, size, bytes of padding, the bytes if they are in the tag) of the next element."""
    kind, size = struct.unpack(order + "II", tag := content.read(8))
    if not kind >> 16:
        return kind, size, -size % 8, None
    kind, size = kind & 0xFFFF, kind >> 16  # up to four bytes are packed into the tag
    if size > 4:
        raise ValueError("an element is longer than its tag")
    return kind, size, 0, tag[4 : 4 + size]


def _element(content, order):
    """The bytes of the next element."""
    _, size, padding, held = _tag(content, order)
    return content.read(size + padding)[:size] if held is None else held


def _array(name, content, order, dims):
    """The Raw of the real part of a numeric variable, of a large one in single precision."""
    if not math.prod(dims):
        return Raw(np.empty(dims))
    kind, size, _, held = _tag(content, order)
    dtype = np.dtype(order + STORED[kind])
    if size != math.prod(dims) * dtype.itemsize:
        raise ValueError("an array is longer or shorter than its dimensions")
    if held is None and needs_single(tuple(dims), dtype):
        check_size(name, dims)
        read = lambda n: np.frombuffer(content.read(n * dtype.itemsize), dtype)  # noqa: E731
        values, exact = read_single(tuple(dims), True, read)
        return Raw(values, exact=exact)
    stored = content.read(size) if held is None else held
    return Raw(np.frombuffer(stored, dtype).reshape(dims, order="F"))


def _rows(content, order, dims):
    """The rows of a char matrix, stripped. Raises ValueError, LookupError."""
    if not math.prod(dims):
        return ()
    kind, size, _, held = _tag(content, order)
    if not 0 < size <= 2**16:  # too long for a unit, a label or a name
        return ()
    stored = content.read(size) if held is None else held
    if kind in ENCODINGS:
        suffix = "" if kind == 16 else "-le" if order == "<" else "-be"
        text = stored.decode(ENCODINGS[kind] + suffix, "replace")
    else:
        text = "".join(map(chr, np.frombuffer(stored, order + STORED[kind]).tolist()))
    if len(dims) != 2 or math.prod(dims) != len(text):
        return (text.strip(),)
    return tuple(text[i :: dims[0]].strip() for i in range(dims[0]))
