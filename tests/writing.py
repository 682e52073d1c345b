"""Files of rarer formats, written with the format's own library, or by hand where it only reads."""

import struct
from xml.sax.saxutils import escape

import numpy as np

# --- WFDB, by hand ------------------------------------------------------------------------------


def write_wfdb(
    path, digital, rate, gain=1000.0, names=None, unit="mV", form="16", baseline=0, each=None
):
    """A header at `path` and `<stem>.dat` beside it. digital: whole numbers, (samples, channels),
    or with `each` a list of columns, of which channel i has each[i] samples in a frame."""
    columns = list(np.asarray(digital).T) if each is None else digital
    each = each or [1] * len(columns)
    frames = len(columns[0]) // each[0]
    rows = np.hstack([np.reshape(c, (frames, k)) for c, k in zip(columns, each, strict=True)])
    names = names or [f"channel {i + 1}" for i in range(len(columns))]
    lines = [f"{path.stem} {len(columns)} {rate:g} {frames}"]
    for column, name, k in zip(columns, names, each, strict=True):
        many, total = f"x{k}" * (k > 1), int(np.sum(column)) % 2**16
        total -= 2**16 * (total >= 2**15)
        start, gained = int(column[0]), f"{gain:g}({baseline})/{unit}"
        lines.append(f"{path.stem}.dat {form}{many} {gained} 16 0 {start} {total} 0 {name}")
    path.write_text("\n".join([*lines, "# made for a test"]) + "\n")
    path.with_suffix(".dat").write_bytes(_stored(rows.reshape(-1), form))
    return path


def _stored(samples, form):
    if form in ("16", "32", "61"):
        return samples.astype({"16": "<i2", "32": "<i4", "61": ">i2"}[form]).tobytes()
    if form == "24":
        return samples.astype("<i4").view("u1").reshape(-1, 4)[:, :3].tobytes()
    samples = np.append(samples, [0] * (len(samples) % 2)).astype(int) & 0xFFF  # 212
    a, b = samples[::2], samples[1::2]
    return np.stack([a & 0xFF, a >> 8 | b >> 8 << 4, b & 0xFF], axis=1).astype("u1").tobytes()


# --- XDF, by hand: pyxdf only reads ---------------------------------------------------------------

XDF_TYPES = {"f8": "double64", "f4": "float32", "i2": "int16", "i4": "int32"}


def write_xdf(path, *streams):
    """streams: of `xdf_stream`."""
    chunks = [_chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")]
    for i, (header, samples) in enumerate(streams, start=1):
        number = struct.pack("<I", i)
        chunks.append(_chunk(2, number + header))
        chunks += [_chunk(3, number + part) for part in samples]
        chunks.append(_chunk(6, number + b"<?xml version='1.0'?><info></info>"))
    path.write_bytes(b"XDF:" + b"".join(chunks))
    return path


def xdf_stream(
    values, rate, name="EMG", kind="EMG", labels=(), units=(), dtype="f8", at=None, block=100
):
    """(header, blocks of samples) of a stream. values: (samples, channels), or a list of words.

    at: seconds of each sample; by default only the first has a time stamp."""
    words = isinstance(values, list)
    n = 1 if words else values.shape[1]
    labels = labels or [""] * n
    units = units or [""] * len(labels)
    channels = "".join(
        f"<channel><label>{escape(label)}</label><unit>{escape(unit)}</unit></channel>"
        for label, unit in zip(labels, units, strict=True)
    )
    header = (
        f"<?xml version='1.0'?><info><name>{escape(name)}</name><type>{escape(kind)}</type>"
        f"<channel_count>{n}</channel_count><nominal_srate>{rate}</nominal_srate>"
        f"<channel_format>{'string' if words else XDF_TYPES[dtype]}</channel_format>"
        f"<desc><channels>{channels}</channels></desc></info>"
    )
    stamped = [100.0] + [None] * (len(values) - 1) if at is None else at
    rows = []
    for value, time in zip(values, stamped, strict=True):
        stamp = b"\0" if time is None else b"\x08" + struct.pack("<d", time)
        data = value.encode() if words else np.asarray(value, f"<{dtype}").tobytes()
        rows.append(stamp + (_length(len(data)) + data if words else data))
    blocks = [rows[i : i + block] for i in range(0, len(rows), block)]
    return header.encode(), [_length(len(rows)) + b"".join(rows) for rows in blocks]


def _length(n):
    return b"\x01" + bytes([n]) if n < 256 else b"\x04" + struct.pack("<I", n)


def _chunk(tag, content):
    return _length(len(content) + 2) + struct.pack("<H", tag) + content


# --- C3D, by c3d ----------------------------------------------------------------------------------


def write_c3d(path, values, rate, names=None, units=(), markers=2, frame_rate=100.0, scale=None):
    """values: (samples, analog channels). scale: of whole numbers; floats are stored without."""
    import c3d

    each = round(rate / frame_rate)
    point_scale = -1.0 if scale is None else 0.1
    writer = c3d.Writer(point_rate=frame_rate, analog_rate=rate, point_scale=point_scale)
    points = np.zeros((markers, 5), np.float32)
    points[:, :3] = 100
    blocks = np.split(values, len(values) // each)
    frames = np.empty((len(blocks), 2), object)  # lists of arrays would be stacked
    for k, block in enumerate(blocks):
        frames[k, 0], frames[k, 1] = points, np.ascontiguousarray(block.T)
    writer.add_frames(frames)
    n = values.shape[1]
    if markers:
        writer.set_point_labels([f"M{i}" for i in range(markers)])
    if n:
        writer.set_analog_labels(list(names or [f"channel {i + 1}" for i in range(n)]))
        writer.set_analog_scales([scale or 1.0] * n)
        writer.set_analog_offsets([0 if scale is None else 3] * n)
    if units:
        text, longest = c3d.Writer.pack_labels(units)
        writer.analog_group.add_str("UNITS", "Units.", text, longest, n)
    with path.open("wb") as stream:
        writer.write(stream)
    return path


# --- BIOPAC, in the structures of bioread ---------------------------------------------------------

WHOLE = 0.01  # of a step, where whole numbers are stored


def write_acq(path, columns, rate, names=None, units=None, dividers=None, revision=38, whole=False):
    """columns: samples of each channel, of which one with divider d has every d-th."""
    from bioread import headers as h

    def made(kind, **fields):
        header = kind.for_revision(revision, "<")
        held = header._struct_class()
        for key, value in fields.items():
            setattr(held, key, value)
        return bytes(held)

    def size(kind):
        return h.ctypes.sizeof(kind.for_revision(revision, "<")._struct_class)

    n = len(columns)
    dividers, units = dividers or [1] * n, units or ["uV"] * n
    names = names or [f"channel {i + 1}" for i in range(n)]
    parts = [
        made(
            h.GraphHeader,
            nItemHeaderLen=2,
            lVersion=revision,
            lExtItemHeaderLen=size(h.GraphHeader),
            nChannels=n,
            dSampleTime=1000 / rate,
        )
    ]
    for i, column in enumerate(columns):
        about = {"lBufLength": len(column), "dAmplScale": WHOLE, "dAmplOffset": 0.5}
        about |= {"szCommentText": names[i].encode(), "szUnitsText": units[i].encode()}
        about |= {"nChanOrder": i, "nVarSampleDivider": dividers[i]}
        parts.append(made(h.ChannelHeader, lChanHeaderLen=size(h.ChannelHeader), **about))
    parts.append(struct.pack("<hh", 4, 0) if revision < 61 else struct.pack("<i", 4))
    parts += [made(h.ChannelDTypeHeader, nSize=2, nType=2) if whole else
              made(h.ChannelDTypeHeader, nSize=8, nType=1)] * n  # fmt: skip
    stored = [
        np.round((c - 0.5) / WHOLE).astype("<i2") if whole else c.astype("<f8") for c in columns
    ]
    longest = max(len(c) * d for c, d in zip(columns, dividers, strict=True))
    for k in range(longest):
        for column, divider in zip(stored, dividers, strict=True):
            if k % divider == 0 and k // divider < len(column):
                parts.append(column[k // divider].tobytes())
    markers = {"lMarkers": 0} if revision < 61 else {"lMarkersExtra": 1}
    parts.append(made(h.MarkerHeader, lLength=size(h.MarkerHeader), **markers))
    if revision < 61:
        parts.append(made(h.JournalHeader, tag=(0x44, 0x33, 0x22, 0x11), lJournalLen=0))
    else:
        parts.append(struct.pack("<i", 4))
    path.write_bytes(b"".join(parts))
    return path
