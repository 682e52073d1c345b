"""What all readers share: every format gives the same signal, and nothing hostile gets in."""

import csv
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emg_llm.signal.readers import SUPPORTED_EXTENSIONS, read_recording
from emg_llm.signal.readers.formats import FORMATS
from emg_llm.signal.readers.raw import MAX_BYTES
from emg_llm.signal.recording import MONTAGE, RecordingError
from tests.making import RATE, emg, notes, refusal, save, text

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EMG_LLM_DATA", ROOT.parent / "shared" / "data"))


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
def test_every_format_gives_the_same_signal(tmp_path, extension):
    signal = emg()
    recording = read_recording(save(tmp_path / f"trial{extension}", signal), RATE, "uV")
    assert recording.signal.dtype == np.float32
    step = {".edf": 0.01, ".bdf": 1e-4, ".hea": 1e-4}.get(extension, 0)  # of whole numbers
    np.testing.assert_allclose(recording.signal, signal, rtol=1e-5, atol=step)
    assert recording.sampling_rate == RATE and recording.unit == "uV"
    assert recording.channel_names[0] == "channel 1" and recording.valid.all()
    assert recording.recording_id == "trial"
    assert recording.notes == ()
    named = read_recording(tmp_path / f"trial{extension}", RATE, "uV", montage="face")
    assert named.channel_names == MONTAGE and (named.signal == recording.signal).all()


def test_what_the_caller_says_about_a_recording_goes_into_it(tmp_path):
    path = save(tmp_path / "a.npz", emg(), label="fear", subject="S9")
    recording = read_recording(path, RATE, label="anger", session="2", recording_id="x")
    assert recording.label == "anger" and recording.subject == "S9"
    assert recording.session == "2" and recording.recording_id == "x"


@pytest.mark.parametrize("extension", [".npz", ".mat"])
@pytest.mark.parametrize("key", ["sampling_rate", "fs", "rate", "sfreq"])
def test_rate_unit_and_names_stored_beside_the_signal_are_used(tmp_path, extension, key):
    names = np.array(["zyg", "cor"])
    more = {key: 1500.0, "unit": "mV", "channel_names": names, "label": "fear"}
    recording = read_recording(save(tmp_path / f"a{extension}", emg(channels=2), **more))
    np.testing.assert_allclose(recording.signal, emg(channels=2) * 1000, rtol=1e-5)
    assert recording.sampling_rate == 1500 and recording.unit == "uV"
    assert recording.channel_names == ("zyg", "cor") and recording.label == "fear"


def test_a_single_channel_can_be_read(tmp_path):
    assert read_recording(save(tmp_path / "a.npy", emg()[:, 0]), RATE).n_channels == 1
    assert read_recording(text(tmp_path / "a.txt", emg()[:, :1]), RATE).n_channels == 1


def test_channels_stored_as_rows_are_turned_round_and_it_is_said(tmp_path):
    for path in (save(tmp_path / "a.npy", emg().T), text(tmp_path / "a.csv", emg().T)):
        recording = read_recording(path, RATE, "uV")
        np.testing.assert_allclose(recording.signal, emg(), rtol=1e-3, atol=1e-5)
        assert "transposed" in notes(recording)


def test_files_that_are_not_there_or_not_files_are_refused(tmp_path):
    assert "doesn't exist" in refusal(tmp_path / "a.csv")
    assert "folder" in refusal(tmp_path)
    for nothing in (None, 3, b"x"):
        with pytest.raises(RecordingError, match="choose a recording"):
            read_recording(nothing)
    for odd in ("", "a\0.csv", "x" * 5000 + ".csv"):
        with pytest.raises(RecordingError):
            read_recording(odd)


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
def test_empty_files_are_refused(tmp_path, extension):
    (tmp_path / f"a{extension}").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / f"a{extension}")


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(200), pickle.dumps([1, 2]), b"%PDF-1.7 x", bytes(500),
     bytes(range(1, 256)) * 9, b"PK\x05\x06" + bytes(18), b"\n\n\n", b"hello world, it is me\n"],
    ids=["png", "pickle", "pdf", "zeros", "binary", "empty zip", "blank", "prose"],
)  # fmt: skip
def test_other_content_is_refused_under_every_ending(tmp_path, extension, content):
    (tmp_path / f"a{extension}").write_bytes(content)
    refusal(tmp_path / f"a{extension}")


def test_a_wrong_ending_is_named(tmp_path):
    save(tmp_path / "a.npy", emg()).rename(tmp_path / "a.mat")
    assert "rename it to a.npy" in refusal(tmp_path / "a.mat")
    save(tmp_path / "b.mat", emg()).rename(tmp_path / "b.csv")
    assert "rename it to b.mat" in refusal(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    assert "PNG picture" in refusal(tmp_path / "c.csv")
    (tmp_path / "d.edf2").write_bytes(b"0       ")
    assert "export the recording as .csv" in refusal(tmp_path / "d.edf2")
    (tmp_path / "e.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(99))
    assert "old Excel file" in refusal(tmp_path / "e.xlsx")


def test_a_reader_that_crashes_takes_nothing_with_it(tmp_path, monkeypatch):
    path = save(tmp_path / "a.h5", emg())
    assert read_recording(path, RATE).n_samples == len(emg())
    (tmp_path / "sitecustomize.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # now the process dies as it starts
    assert "damaged" in refusal(path)


def test_no_file_opens_another_one_or_unpacks_without_end(tmp_path):
    import h5py
    import pandas as pd

    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["emg"] = emg()
    layout = h5py.VirtualLayout((len(emg()), 8), "f8")
    layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "emg", (len(emg()), 8))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("emg", layout)
        file["b"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "emg")
    assert "no array" in refusal(tmp_path / "a.h5", RATE)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("emg", (1000, 2**20), "i8", chunks=(1000, 64), compression="gzip")
    assert "million values" in refusal(tmp_path / "b.h5", RATE)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("emg", (2**24, 8), "i8", chunks=(2**16, 8), compression="gzip")
    assert "unpacks to more" in refusal(tmp_path / "c.h5", RATE)
    table = pd.DataFrame({"emg": np.zeros(30_000_000, np.int64)})
    table.to_parquet(tmp_path / "d.parquet", compression="gzip", use_dictionary=False)
    assert refusal(tmp_path / "d.parquet", RATE)


def test_what_is_said_beside_the_signal_is_read_from_each_format(tmp_path):
    import edfio
    import h5py
    import pandas as pd

    x = emg(2000, 3)
    signals = [
        edfio.EdfSignal(x[:, i], 1000, label=f"EMG {i}", physical_dimension="mV") for i in (0, 1)
    ]
    signals.append(edfio.EdfSignal(x[:200, 2], 100, label="Acc"))
    edfio.Edf(signals).write(tmp_path / "a.edf")
    found = read_recording(tmp_path / "a.edf")
    assert found.sampling_rate == 1000 and found.channel_names == ("EMG 0", "EMG 1")
    assert found.unit == "uV" and "Acc" in notes(found)
    np.testing.assert_allclose(found.signal, 1000 * x[:, :2], atol=5)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw/emg"] = x
        file["raw/emg"].attrs["sampling_rate"] = 1500.0
        file["raw/emg"].attrs["unit"] = "mV"
        file["raw/emg"].attrs["channel_names"] = ["a", "b", "c"]
        file["raw/z_acc"] = x[:100]
        file["raw/z_acc"].attrs["sampling_rate"] = 100.0
    found = read_recording(tmp_path / "a.h5")
    assert (found.sampling_rate, found.unit, found.channel_names) == (1500, "uV", ("a", "b", "c"))
    table = pd.DataFrame(
        {"Time (s)": np.arange(2000) / 1000, "zyg (uV)": x[:, 0], "acc_x": x[:, 1]}
    )
    table.to_parquet(tmp_path / "a.parquet")
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        pd.DataFrame({"note": ["about"]}).to_excel(book, sheet_name="Info", index=False)
        table.to_excel(book, sheet_name="Data", index=False)
    for name in ("a.parquet", "a.xlsx"):
        found = read_recording(tmp_path / name)
        assert found.sampling_rate == 1000 and found.channel_names == ("zyg",), name
        np.testing.assert_allclose(found.signal[:, 0], x[:, 0], atol=1e-4)
    assert "'Data'" in notes(read_recording(tmp_path / "a.xlsx"))


class Trap:
    """Unpickling this would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_is_unpickled(tmp_path):
    mark, trap = tmp_path / "unpickled", np.array([Trap(tmp_path / "unpickled")], dtype=object)
    for name in ("a.pkl", "a.npy"):
        (tmp_path / name).write_bytes(pickle.dumps(trap))
        assert "pickle" in refusal(tmp_path / name)
    np.save(tmp_path / "b.npy", trap, allow_pickle=True)
    assert "never unpickled" in refusal(tmp_path / "b.npy")
    np.savez(tmp_path / "c.npz", signal=trap)
    assert "never unpickled" in refusal(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", signal=emg(), label=trap)
    assert read_recording(tmp_path / "d.npz", RATE).label is None
    assert not mark.exists()


def test_files_too_large_are_refused_unread(tmp_path):
    with (tmp_path / "a.edf").open("wb") as stream:
        stream.write(b"0       ")
        stream.truncate(MAX_BYTES + 1)
    assert "the limit is 512 MB" in refusal(tmp_path / "a.edf")
    with (tmp_path / "a.csv").open("wb") as stream:  # its length tells how many rows there are
        stream.write(b"1.5,2.5,-3.5,4.5\n" * 400_000)
        stream.truncate(4 * MAX_BYTES)
    assert "holds 505 million values" in refusal(tmp_path / "a.csv")


@pytest.mark.parametrize("extension", [".npy", ".npz", ".mat"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_files_cut_short_are_refused(tmp_path, extension, share):
    path = save(tmp_path / f"a{extension}", emg())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refusal(path)


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
def test_damaged_files_never_raise_anything_but_a_recording_error(tmp_path, extension):
    rng = np.random.default_rng(7)
    more = {"fs": 2000, "unit": "mV", "label": "fear"} if extension in (".npz", ".mat") else {}
    path = save(tmp_path / f"a{extension}", emg(60, 3), **more)
    good = path.read_bytes()
    outcomes = []
    slow = any(extension in form.endings and form.apart for form in FORMATS[5:])
    for i in range(
        6 if slow or extension in (".h5", ".hdf5") else 60
    ):  # a process for each of the former
        data = bytearray(good)
        # The structure is mostly in the first and the last bytes.
        reach = len(data) if i % 3 else min(400, len(data))
        for place in rng.integers(0, reach, rng.integers(1, 12)):
            data[place if i % 2 else -1 - place] = rng.integers(256)
        if i % 7 == 0:
            data = data[: rng.integers(1, len(data))]
        if i % 11 == 0:
            at = rng.integers(len(data))
            data[at:at] = rng.bytes(rng.integers(1, 40))
        path.write_bytes(data)
        try:
            outcomes.append(np.isfinite(read_recording(path, 1000).signal).all())
        except RecordingError as error:
            outcomes.append(str(error))
    assert all(o is np.True_ or path.name in o for o in outcomes)
    assert any(isinstance(o, str) for o in outcomes)


def test_importing_the_readers_loads_neither_pandas_nor_scipy():
    code = (
        "import sys, emg_llm.signal.readers; print({'pandas', 'scipy', 'torch'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def real_files():
    """A few recordings of each folder of the real data, with the rate of their manifest."""
    rates = {}
    for manifest in sorted(DATA.rglob("manifest.csv")):
        with manifest.open() as stream:
            rows = list(csv.DictReader(stream))
        rates |= {manifest.parent / row["path"]: float(row["sampling_rate"]) for row in rows}
    files = [p for p in sorted(DATA.rglob("*")) if p.suffix in SUPPORTED_EXTENSIONS]
    arrays = [p for p in files if p.suffix == ".npy"]
    files = [p for p in files if p.suffix != ".npy"] + arrays[:: max(1, len(arrays) // 12)]
    return [pytest.param(p, rates.get(p), id=str(p.relative_to(DATA))) for p in files]


@pytest.mark.parametrize(("path", "rate"), real_files())
def test_real_files_open_where_they_are_recordings(path, rate):
    if path.name in ("manifest.csv", "features.csv") or path.suffix == ".mat":
        assert "--data" in refusal(path, rate)
    elif rate is None and path.parent.name == "csv":
        assert "sampling rate" in refusal(path, rate)
    else:
        recording = read_recording(path, rate)
        assert recording.n_channels in (2, 8) and recording.duration > 2
        assert recording.valid.mean() > 0.9 and recording.sampling_rate == (rate or 2000)
