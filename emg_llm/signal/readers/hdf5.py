"""HDF5 files, MATLAB's of version 7.3 among them."""

from pathlib import Path

import numpy as np

from emg_llm.signal.readers.raw import (
    MAX_VARIABLES,
    TEXT_KEYS,
    Raw,
    bomb,
    check_size,
    unpacked_limit,
)
from emg_llm.signal.readers.single import needs_single, read_single
from emg_llm.signal.readers.variables import RATE_KEYS, from_variables, plain
from emg_llm.signal.recording import RecordingError

LONGEST = 2**16  # characters of a text


def read_hdf5(path: Path) -> Raw:
    """The signal of an HDF5 file, and the rate and names beside it or in its attributes."""
    import h5py

    name, found, texts = path.name, {}, {}
    with path.open("rb") as stream:
        turned = stream.read(10) == b"MATLAB 7.3"  # stores columns first
    with h5py.File(path, "r") as file:

        def visit(place, item):
            if not isinstance(item, h5py.Dataset) or len(found) > MAX_VARIABLES:
                return
            if item.is_virtual or item.external:  # they would open other files
                return
            key = place.rpartition("/")[2]
            if item.attrs.get("MATLAB_class", b"") == b"char":
                if item.size <= LONGEST:
                    texts[key.lower()] = "".join(map(chr, np.asarray(item).reshape(-1)))
            elif item.dtype.kind in "iuf":
                found[key if key not in found else place] = item

        file.visititems(visit)
        if not found:
            raise RecordingError(f"{name} holds no array of numbers; save the samples by channels.")

        loaded = []  # the signal first

        def load(key):
            loaded.append(key)
            check_size(name, found[key].shape)
            if found[key].nbytes > unpacked_limit(path.stat().st_size):
                raise bomb(name)
            values = np.asarray(found[key][()])
            return values.T if turned else values

        def load_table(key):
            item = found[key]
            if item.nbytes > unpacked_limit(path.stat().st_size) or not needs_single(
                item.shape, item.dtype
            ):
                return Raw(load(key))
            loaded.append(key)
            check_size(name, item.shape)
            shape = item.shape[::-1] if turned else item.shape
            values, exact = read_single(shape, turned, _in_order(item))
            return Raw(values, exact=exact)

        shapes = {k: v.shape[::-1] if turned else v.shape for k, v in found.items()}
        raw = from_variables(name, shapes, load, load_table)
        attributes = dict(file.attrs) | dict(found[loaded[0]].attrs)
        for key, value in attributes.items():
            single = np.asarray(value).reshape(-1)
            if raw.rate is None and plain(key) in RATE_KEYS and single.dtype.kind in "iuf":
                raw.rate = float(single[0]) if single.size == 1 else None
            if key.lower() in TEXT_KEYS and isinstance(value, str | bytes):
                raw.texts[key.lower()] = value.decode() if isinstance(value, bytes) else value
            if plain(key) in ("channelnames", "channels", "columns") and single.dtype.kind in "OSU":
                raw.names = tuple(v.decode() if isinstance(v, bytes) else str(v) for v in single)
        raw.texts |= {k: texts[k] for k in TEXT_KEYS if k in texts}
    return raw


def _in_order(item):
    """n -> the next n values of a stored table: some of one row, or some rows."""
    at, width = 0, item.shape[1]

    def read(n):
        nonlocal at
        row, column = divmod(at, width)
        at += n
        if column or n < width:
            return item[row, column : column + n]
        return item[row : row + n // width].reshape(-1)

    return read
