"""C3D files of motion capture, whose header is read by c3d: the analog channels.

Layout of the samples: "The C3D File Format User Guide", Motion Lab Systems, "3D and Analog Data".
"""

import warnings
from pathlib import Path

import numpy as np

from emg_llm.signal.readers.choice import with_units
from emg_llm.signal.readers.raw import Raw, check_size, refusing
from emg_llm.signal.recording import RecordingError

BLOCK = 512  # bytes
MOST_FRAMES = 65535  # that the header can count


def read_c3d(path: Path) -> Raw:
    """The analog channels of a C3D file, scaled. Raises RecordingError."""
    import c3d

    name = path.name
    damaged = f"{name} is damaged, or was cut short; copy it again, or export it anew."
    with refusing(damaged), path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = c3d.Reader(stream)
        n, each = int(reader.analog_used), int(reader.header.analog_per_frame)
        if not n or not each:
            raise RecordingError(
                f"{name} has no analog channels, only markers; export the EMG with them."
            )
        rate = float(reader.point_rate) * each
        raw = Raw(_analog(path, reader, n, each), _names(reader, n), rate)
    return raw


def _analog(path, reader, n, each):
    """float32 (samples, channels). each: samples in a frame of the markers."""
    floats = reader.point_scale < 0
    kind = _kind(reader, floats)
    if reader.header.analog_count != n * each:
        raise ValueError("the header and the parameters differ")
    markers = 4 * int(reader.point_used)
    words = markers + n * each  # of a frame
    start = (int(reader.header.data_block) - 1) * BLOCK
    held = max(0, path.stat().st_size - start) // (words * kind.itemsize)
    stated = int(reader.last_frame) - int(reader.first_frame) + 1
    if stated == MOST_FRAMES:  # and maybe more than can be counted
        stated = held
    if not 0 < stated <= held:
        raise RecordingError(
            f"{path.name} ends too early: it holds {held} frames of {stated}; copy it again."
        )
    check_size(path.name, (stated, words))
    stored = np.fromfile(path, kind, stated * words, offset=start)
    if floats and reader.proc_type == "DEC":
        from c3d import c3d as of_c3d

        stored = of_c3d.DEC_to_IEEE_BYTES(stored.tobytes())
    frames = stored.reshape(stated, words)[:, markers:]
    # (frames, samples of a frame * channels) -> (samples, channels)
    values = np.require(frames.reshape(-1, n), np.float32, "W")  # a copy only where it must be
    general, scales, offsets = reader.get_analog_transform_parameters()
    values -= offsets.astype(np.float32)
    values *= (scales * general).astype(np.float32)
    return values


def _kind(reader, floats):
    order = ">" if reader.proc_type == "MIPS" else "<"
    if floats:
        return np.dtype(order + "f4")
    return np.dtype(order + ("u2" if reader.analog_format_unsigned else "i2"))


def _names(reader, n):
    """The channels' names with their units; () without names."""
    names, units = _texts(reader, "LABELS", n), _texts(reader, "UNITS", n)
    if len(names) < n or not any(names):
        return ()
    return with_units(names[:n], [*units, *[""] * n][:n])


def _texts(reader, key, n):
    """The texts of an analog parameter, which holds at most 255: LABELS, LABELS2, …"""
    texts: list[str] = []
    for more in ("", "2", "3"):
        held = reader.get(f"ANALOG:{key}{more}")
        if held is None or len(texts) >= n:
            break
        if held.num_elements:
            texts += [str(text).strip("\0 ") for text in np.ravel(held.string_array)]
    return texts
