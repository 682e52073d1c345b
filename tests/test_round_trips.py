"""Every format, written by its own library: the same signal, rate, names and unit come back.

Only readers exist for .acq and, without another dependency, for XDF and WFDB; `writing` writes
these by their specifications.
"""

import numpy as np
import pandas as pd
import pytest

from emg_llm.signal.readers import SUPPORTED_EXTENSIONS, read_recording
from tests.making import emg
from tests.writing import write_acq, write_c3d, write_wfdb, write_xdf, xdf_stream

RATE, SAMPLES, NAMES = 1000, 600, ["zygomaticus", "corrugator", "frontalis"]
STEPS = 2**15 / 100  # of a millivolt, where whole numbers are stored


def table(x):
    columns = {"time (s)": np.arange(len(x)) / RATE}
    return pd.DataFrame(columns | {f"{n} (mV)": c for n, c in zip(NAMES, x.T, strict=True)})


def text(path, x):
    table(x).to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")


def npz(path, x):
    np.savez(path, signal=x, fs=RATE, channel_names=NAMES, unit="mV")


def mat(path, x):
    from scipy.io import savemat

    savemat(path, {"signal": x, "fs": RATE, "channel_names": np.array(NAMES), "unit": "mV"})


def hdf5(path, x):
    import h5py

    with h5py.File(path, "w") as file:
        file["signal"] = x
        file["signal"].attrs.update({"fs": RATE, "channel_names": NAMES, "unit": "mV"})


def edf(path, x):
    import edfio

    kind, file = {
        ".edf": (edfio.EdfSignal, edfio.Edf),
        ".bdf": (edfio.BdfSignal, edfio.Bdf),
    }[path.suffix]
    about = {"physical_dimension": "mV", "physical_range": (-100.0, 100.0)}
    signals = [kind(c, RATE, label=n, **about) for c, n in zip(x.T, NAMES, strict=True)]
    file(signals, data_record_duration=0.1).write(path)


def sheet(path, x):
    table(x).to_excel(path, index=False, engine="odf" if path.suffix == ".ods" else "openpyxl")


def arrow(path, x):
    table(x).to_parquet(path) if path.suffix == ".parquet" else table(x).to_feather(path)


def wav(path, x):
    from scipy.io import wavfile

    wavfile.write(path, RATE, x.astype(np.float32))


def wfdb(path, x):
    write_wfdb(path, np.round(x * STEPS).astype(int), RATE, STEPS, NAMES)


WRITERS = {
    ".npy": np.save,
    ".npz": npz,
    **dict.fromkeys((".csv", ".tsv", ".txt"), text),
    ".mat": mat,
    **dict.fromkeys((".h5", ".hdf5"), hdf5),
    **dict.fromkeys((".edf", ".bdf"), edf),
    **dict.fromkeys((".xlsx", ".ods"), sheet),
    **dict.fromkeys((".parquet", ".feather"), arrow),
    ".wav": wav,
    ".xdf": lambda path, x: write_xdf(
        path, xdf_stream(x, RATE, labels=NAMES, units=["mV"] * len(NAMES))
    ),
    ".c3d": lambda path, x: write_c3d(path, x, RATE, NAMES, ["mV"] * len(NAMES)),
    ".acq": lambda path, x: write_acq(path, list(x.T), RATE, NAMES, ["mV"] * len(NAMES)),
    ".hea": wfdb,
}
BARE = {".npy": {"sampling_rate": RATE, "unit": "mV"}, ".wav": {"unit": "mV"}}  # what these lack


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
def test_what_was_written_is_read_back(tmp_path, extension):
    x = emg(SAMPLES, len(NAMES), scale=3.0)
    path = tmp_path / f"a{extension}"
    WRITERS[extension](path, x)
    recording = read_recording(path, **BARE.get(extension, {}))
    coarse = {".edf": 200 / 2**16, ".hea": 1 / STEPS, ".bdf": 200 / 2**24}.get(extension, 1e-5)
    np.testing.assert_allclose(recording.signal, 1000 * x, rtol=1e-5, atol=1000 * coarse)
    assert (recording.sampling_rate, recording.unit) == (RATE, "uV")
    assert recording.valid.all() and recording.gaps is None
    if extension not in BARE:
        assert recording.channel_names == tuple(NAMES)


def test_every_format_has_a_round_trip():
    assert {*WRITERS} == {*SUPPORTED_EXTENSIONS}
