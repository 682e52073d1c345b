"""XDF files of the Lab Streaming Layer, read by pyxdf: the stream that is EMG."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from emg_llm.signal.readers.choice import MAYBE, OTHER, SURE, likeness, with_units
from emg_llm.signal.readers.raw import MIN_SAMPLES, Raw, check_size, refusing
from emg_llm.signal.readers.single import PIECE, Single
from emg_llm.signal.recording import RecordingError

EMG_RATE = 200  # Hz; of several unnamed streams the only one above may be EMG
LOST = 0.02  # of the rate, by which time stamps may differ from it
KINDS = {"emg": SURE, "exg": SURE, "eeg": OTHER, "markers": OTHER, "marker": OTHER, "gaze": OTHER}
KINDS |= {"mocap": OTHER, "audio": OTHER, "video": OTHER, "videoraw": OTHER, "nirs": OTHER}


def read_xdf(path: Path) -> Raw:
    """The EMG stream of an XDF file. Raises RecordingError, which lists the streams, without."""
    import pyxdf

    name = path.name
    damaged = f"{name} is damaged, or was cut short; copy it again."
    faults = _Faults()
    logging.getLogger("pyxdf").addHandler(faults)
    with refusing(damaged):
        streams, _ = pyxdf.load_xdf(
            path, synchronize_clocks=False, dejitter_timestamps=False, on_chunk=_keeper(path)
        )
        if faults.seen:  # pyxdf leaves out what it can't read
            raise RecordingError(damaged)
        streams = [_Stream(each) for each in streams]
    stream, notes = _chosen(name, streams)
    check_size(name, stream.values.shape)
    rate, more = _rate(stream)
    raw = Raw(stream.values, stream.names, rate, notes=[*notes, *more], exact=stream.exact)
    if rate is None:
        raw.time = stream.time - stream.time[0]
    return raw


class _Faults(logging.Handler):
    """Whether an error was logged."""

    seen = False

    def emit(self, record):
        self.seen = self.seen or record.levelno >= logging.ERROR


class _Samples:
    """The samples of a stream so far, in single precision; small chunks are joined before."""

    def __init__(self, most: int, width: int) -> None:
        self.single, self.rows = Single(most, width), 0
        self.chunks: list[np.ndarray] = []
        self.waiting = 0  # values in `chunks`

    def add(self, chunk: np.ndarray) -> None:
        self.chunks.append(chunk)
        self.waiting += chunk.size
        if self.waiting >= PIECE:
            self.finish()

    def finish(self) -> None:
        if not self.waiting:
            return
        block, self.chunks, self.waiting = np.concatenate(self.chunks), [], 0
        for i, column in enumerate(block.T):
            self.single.put(self.rows, i, column)
        self.rows += len(block)


def _keeper(path):
    """What keeps the numbers of each chunk and leaves pyxdf none: it would hold them as stored, and
    once more when it joins them."""
    size = path.stat().st_size

    def keep(values, times, stream, _):
        if isinstance(values, np.ndarray):
            width = values.shape[1]
            if "samples" not in stream:
                most = size // (values.itemsize * width + 1)
                stream["samples"] = _Samples(most, width)
            stream["samples"].add(values)
            values = np.empty((0, width))
        return values, times, stream

    return keep


class _Stream:
    """name, kind: as stated. values: float32 (samples, channels), empty for words. exact: see
    `Raw`. time: s, (samples,)."""

    def __init__(self, stream: dict[str, Any]) -> None:
        info = stream["info"]
        self.name, self.kind = _text(info, "name") or "unnamed", _text(info, "type")
        self.rate = float(_text(info, "nominal_srate") or 0)
        self.values, self.exact = np.empty((0, 0), np.float32), {}
        if samples := stream.get("samples"):
            samples.finish()
            self.values = samples.single.values[: samples.rows]
            self.exact = {i: c[: samples.rows] for i, c in samples.single.exact.items()}
        self.time = np.asarray(stream["time_stamps"], float)
        labels, units = _channels(info)
        n = self.values.shape[1]
        self.labels = labels if len(labels) == n else []
        self.units = units if len(units) == n else [""] * n
        self.names = with_units(self.labels, self.units) if self.labels else ()

    def __str__(self) -> str:
        kind = f" ({self.kind[:20]})" if self.kind else ""
        samples, channels = self.values.shape
        return f"'{self.name[:30]}'{kind}, {channels} × {samples} at {self.rate:g} Hz"

    @property
    def likeness(self) -> int:
        """How far the stream is EMG; below OTHER if it can't be any signal."""
        if len(self.values) < MIN_SAMPLES:
            return OTHER - 1
        told = KINDS.get(self.kind.lower(), likeness(self.kind))
        if told == SURE:
            return SURE
        of_channels = [likeness(*each) for each in zip(self.labels, self.units, strict=False)]
        named = max([likeness(self.name), *of_channels])
        if named == SURE or told == OTHER:
            return max(told, named if named == SURE else OTHER)
        return OTHER if likeness(self.name) == OTHER else max(MAYBE, named)


def _chosen(name, streams):
    """(the stream that is EMG, notes)."""
    listed = "; ".join(map(str, streams[:6])) or "none"
    alike = [stream.likeness for stream in streams]
    best = max(alike, default=OTHER - 1)
    if best < OTHER:
        raise RecordingError(f"{name} has no stream of a signal (its streams: {listed}).")
    candidates = [s for s, like in zip(streams, alike, strict=True) if like == best]
    if len(candidates) > 1:
        fast = [s for s in candidates if s.rate >= EMG_RATE]
        candidates = fast if best < SURE and len(fast) == 1 else candidates
    if len(candidates) > 1:
        raise RecordingError(
            f"{name} has several streams that may be EMG; save one of them alone: {listed}."
        )
    [stream] = candidates
    notes = []
    others = [s for s in streams if s is not stream]
    if others:
        called = ", ".join(f"'{s.name[:30]}'" for s in others[:4])
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        notes.append(f"The stream '{stream.name[:40]}' was read, and not {called}{more}.")
    if best == OTHER:
        kind = f" of type {stream.kind[:20]}" if stream.kind else ""
        notes.append(f"By its name, the stream '{stream.name[:40]}'{kind} isn't EMG; check it.")
    return stream, notes


def _rate(stream):
    """(Hz or None if only the time stamps say it, notes)."""
    if stream.rate <= 0 or not np.isfinite(stream.rate):
        return None, []
    steps, notes = np.diff(stream.time), []
    gaps = steps > max(0.1, 10 / stream.rate)
    span = float(steps[~gaps].sum())
    implied = (~gaps).sum() / span if span > 0 else stream.rate
    if abs(implied / stream.rate - 1) > LOST:
        notes.append(
            f"The time stamps imply {implied:.4g} Hz; the stated {stream.rate:g} Hz was used."
        )
    if gaps.any():
        notes.append(
            f"Samples are missing: the time stamps have {gaps.sum()} gaps, "
            f"{steps[gaps].sum():.3g} s in all, which were closed."
        )
    return stream.rate, notes


def _text(info, key):
    held = info.get(key) or [""]
    return held[0] if isinstance(held[0], str) else ""


def _channels(info):
    """(labels, units) of the channels that a stream describes."""
    try:
        channels = info["desc"][0]["channels"][0]["channel"]
        pairs = [(_text(c, "label") or _text(c, "name"), _text(c, "unit")) for c in channels]
    except (KeyError, IndexError, TypeError, AttributeError):
        return [], []
    if not all(label for label, _ in pairs):
        return [], []
    return [label for label, _ in pairs], [unit for _, unit in pairs]
