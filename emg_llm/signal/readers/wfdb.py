"""WFDB records, as on PhysioNet: a header (.hea) in text, and the samples in a file beside it.

Formats: "header(5)" and "signal(5)" of the WFDB Applications Guide, Moody et al., PhysioNet.
Only the data files that the header names are opened: plain names, beside the header or among the
files that were given with it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.choice import at_one_rate, with_units
from emg_llm.signal.readers.raw import MAX_BYTES, Raw, check_size, refusing
from emg_llm.signal.recording import RecordingError

LONGEST = 2**20  # bytes of a header
MOST_SIGNALS = 1000
DEFAULT_RATE = 250.0  # Hz, of header(5)
# Format -> bits of a sample, and how numpy calls it where it can read it.
STORED = {"16": (16, "<i2"), "61": (16, ">i2"), "24": (24, ""), "32": (32, "<i4"), "212": (12, "")}
RECORD = re.compile(
    r"(?P<name>[^\s/]+)(?P<segments>/\d+)?\s+(?P<n>\d+)(?:\s+(?P<rate>[\d.eE+-]+)\S*)?"
    r"(?:\s+(?P<length>\d+))?(?:\s.*)?"
)
SIGNAL = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d+)(?:x(?P<each>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<start>\d+))?"
    r"(?:\s+(?P<gain>[\d.eE+-]+)(?:\((?P<baseline>[+-]?\d+)\))?(?:/(?P<unit>\S+))?"
    r"(?:\s+(?P<bits>\d+)(?:\s+(?P<zero>[+-]?\d+)(?:\s+(?P<first>[+-]?\d+)"
    r"(?:\s+(?P<sum>[+-]?\d+)(?:\s+\d+(?:\s+(?P<name>.*))?)?)?)?)?)?)?\s*"
)


@dataclass
class Signal:
    """One line of a header. each: samples in a frame. gain: steps per unit, 0 if unknown.
    total: the sum of all samples modulo 2^16, if it is stated."""

    name: str
    unit: str
    gain: float
    baseline: int
    each: int
    total: int | None
    file: tuple[str, str, int]  # name, format, bytes before the samples


def read_wfdb(path: Path, parts: Sequence[Path] | None = None) -> Raw:
    """The signals of a WFDB record that have the EMG's rate, in their units.

    parts: the files in which its data file is, by default those beside it. Raises RecordingError.
    """
    name = path.name
    rate, length, signals = _header(path)
    order = list(dict.fromkeys(s.file for s in signals))
    signals.sort(key=lambda s: order.index(s.file))
    places = list(path.parent.iterdir() if parts is None else parts)
    columns: list[np.ndarray] = []
    for file in order:
        mine = [s for s in signals if s.file == file]
        data = _data_file(name, file[0], places)
        frames = _samples(name, data, file, sum(s.each for s in mine), length)
        ends = np.cumsum([s.each for s in mine])
        # A frame holds some samples of the first signal, then some of the second, and so on.
        for signal, end in zip(mine, ends, strict=True):
            columns.append(frames[:, end - signal.each : end].reshape(-1))  # (frames * each,)
            _check(name, data.name, signal, columns[-1])
    names, units = [s.name for s in signals], [s.unit for s in signals]
    kept, notes = at_one_rate(names, units, [rate * s.each for s in signals])
    values = np.empty((len(columns[kept[0]]), len(kept)), np.float32)
    for place, i in enumerate(kept):
        signal, column = signals[i], columns[i].astype(np.float64)
        column[columns[i] == _missing(signal)] = np.nan
        values[:, place] = (column - signal.baseline) / signal.gain if signal.gain else column
    if not all(signals[i].gain for i in kept):
        notes.append("The header states no gain for some channels; they are in steps as stored.")
    called = with_units([names[i] for i in kept], [units[i] for i in kept])
    return Raw(values, called, rate * signals[kept[0]].each, notes=notes)


def header_of(path: Path, parts: Sequence[Path] | None = None) -> Path:
    """The header of a data file: named as it, beside it or in parts. Raises RecordingError."""
    name = path.name
    places = path.parent.iterdir() if parts is None else parts
    stem = path.stem.lower()
    headers = [p for p in places if p.suffix.lower() == ".hea"]
    for header in headers:
        if header.stem.lower() == stem or (parts is not None and len(headers) == 1):
            return header
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head and b"\0" not in head and re.search(rb"\d", head) and head.isascii():
        raise RecordingError(f"{name} is text; rename it to {path.stem}.txt if it is a table.")
    raise RecordingError(
        f"{name} holds samples without saying what they are; if it is of a WFDB record, give its "
        f"header {path.stem}.hea with it (in the app, upload both together)."
    )


def _header(path):
    """(Hz, number of frames or None, Signals) of a header."""
    name = path.name
    if path.stat().st_size > LONGEST:
        raise RecordingError(f"{name} is too long for a WFDB header; check what it is.")
    with path.open("rb") as stream:
        text = stream.read(LONGEST).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    record = RECORD.fullmatch(lines[0]) if lines else None
    if record is None:
        raise RecordingError(
            f"{name} isn't a WFDB header, whose first line is the record's name, its number of "
            "signals and its rate; export it again."
        )
    if record["segments"]:
        raise RecordingError(
            f"{name} is a record of several segments; upload the header of one of them with its "
            "data file."
        )
    n = int(record["n"][:9])
    if not 0 < n <= MOST_SIGNALS or len(lines) <= n:
        raise RecordingError(
            f"{name} states {n} signals and describes {len(lines) - 1}; copy or export it again."
        )
    with refusing(f"{name} is damaged: a number in it can't be read; copy or export it again."):
        signals = [_signal(name, line, i) for i, line in enumerate(lines[1 : n + 1])]
        rate = float(record["rate"] or DEFAULT_RATE)
        length = int(record["length"] or 0) or None
    return rate, length, signals


def _signal(name, line, i):
    match = SIGNAL.fullmatch(line)
    if match is None:
        raise RecordingError(
            f"{name} describes signal {i + 1} in a way that can't be read ('{line[:40]}'); export "
            "it again."
        )
    if match["format"] not in STORED:
        known = ", ".join(sorted(STORED, key=int))
        raise RecordingError(
            f"{name} stores samples in format {match['format'][:9]}; convert the record to one of "
            f"{known} with wfdb's `xform`."
        )
    gain = float(match["gain"] or 0)
    if not math.isfinite(gain):
        raise ValueError(gain)
    baseline = int(match["baseline"] or match["zero"] or 0)
    if abs(baseline) >= 2**31:
        raise ValueError(baseline)
    first, total = (int(match[key] or 0) for key in ("first", "sum"))
    return Signal(
        name=(match["name"] or "").strip() or f"channel {i + 1}",
        unit=(match["unit"] or "mV") if gain else "",
        gain=gain,
        baseline=baseline,
        each=min(max(int(match["each"] or 1), 1), 2**20),
        total=total if first or total else None,  # zeros were never filled in
        file=(match["file"], match["format"], int(match["start"] or 0)),
    )


def _data_file(name, called, places):
    """The Path of the data file that a header names."""
    if called in ("-", "~", ".", "..") or re.search(r"[/\\:\0]", called):
        raise RecordingError(
            f"{name} names '{called[:40]}' as its data file, which is no plain file name; put both "
            "files into one folder, and the name into the header."
        )
    data = next((p for p in places if p.name == called and p.is_file()), None)
    if data is None:
        raise RecordingError(
            f"{name} is the header of samples that lie in '{called[:60]}'; give both files "
            "together (in the app, upload both at once)."
        )
    return data


def _samples(name, data, file, width, length):
    """Whole numbers (frames, width) of a data file. width: samples in a frame."""
    _, kind, start = file
    size = data.stat().st_size
    if size > MAX_BYTES:
        raise RecordingError(
            f"{data.name} is {size >> 20} MB and the limit is {MAX_BYTES >> 20} MB; cut it into "
            "trials."
        )
    bits, dtype = STORED[kind]
    held = max(0, size - start) * 8 // bits // width  # frames
    if length is None:
        length = held
    if length > held or not length:
        raise RecordingError(
            f"{data.name} ends too early: it holds {held} frames where {name} states {length}; "
            "copy both files again."
        )
    check_size(name, (length, width))
    n = length * width
    with data.open("rb") as stream:
        stream.seek(start)
        stored = stream.read(-(-n * bits // 8))
    if dtype:
        samples = np.frombuffer(stored, dtype, n)
    elif kind == "24":
        samples = _of_24_bits(stored)
    else:
        samples = _of_12_bits(stored, n)
    return samples.reshape(length, width)


def _missing(signal):
    """The number that stands for a missing sample: the lowest of the format."""
    return -(2 ** (STORED[signal.file[1]][0] - 1))


def _of_24_bits(stored):
    parts = np.frombuffer(stored, "u1").reshape(-1, 3).astype(np.int32)
    return parts[:, 0] | parts[:, 1] << 8 | (parts[:, 2] ^ 0x80) - 0x80 << 16


def _of_12_bits(stored, n):
    """Two samples in three bytes: the low bytes, and between them both high halves."""
    parts = np.frombuffer(stored + bytes(-len(stored) % 3), "u1").reshape(-1, 3).astype(np.int16)
    samples = np.empty((len(parts), 2), np.int16)
    samples[:, 0] = parts[:, 0] | (parts[:, 1] & 0x0F) << 8
    samples[:, 1] = parts[:, 2] | (parts[:, 1] & 0xF0) << 4
    return ((samples ^ 0x800) - 0x800).reshape(-1)[:n]


def _check(name, data, signal, column):
    """Raise RecordingError if the samples aren't those that the header was written for."""
    total = int(column.sum(dtype=np.int64))
    if signal.total is not None and (total - signal.total) % 2**16:
        raise RecordingError(
            f"{data} doesn't match {name}: the checksum of '{signal.name[:40]}' differs, so it was "
            "damaged or belongs to another header; copy both files again."
        )
