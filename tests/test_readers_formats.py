"""XDF, C3D, BIOPAC .acq and WFDB: what is written is read back, and what isn't EMG is left out."""

import struct

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from emg_llm.signal import readers
from emg_llm.signal.readers import one_recording, read_recording
from emg_llm.signal.readers.formats import FORMATS
from emg_llm.signal.recording import RecordingError
from tests.making import emg, notes, refusal, save
from tests.writing import WHOLE, write_acq, write_c3d, write_wfdb, write_xdf, xdf_stream

NAMES = ["zyg", "cor"]
WORDS = ["start"] * 3


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4"])
def test_an_xdf_stream_is_read_back_with_its_rate_names_and_unit(tmp_path, dtype):
    x = np.round(emg(900, 2)) if dtype[0] == "i" else emg(900, 2)
    stream = xdf_stream(x, 1200.0, labels=NAMES, units=["microvolts"] * 2, dtype=dtype)
    found = read_recording(write_xdf(tmp_path / "a.xdf", stream))
    np.testing.assert_allclose(found.signal, x, rtol=1e-6)
    assert (found.sampling_rate, found.unit, found.notes) == (1200, "uV", ())
    assert found.channel_names == ("zyg", "cor")


def test_of_several_xdf_streams_the_emg_is_read_and_named(tmp_path):
    x = emg(900, 2)
    others = [
        xdf_stream(WORDS, 0, "Marks", "Markers"),
        xdf_stream(emg(900, 3), 1000, "Cap", "EEG"),
        xdf_stream(emg(100, 3), 50, "wrist", "Accelerometer"),
    ]
    named = xdf_stream(x, 1000, "muscles", "EMG")
    found = read_recording(write_xdf(tmp_path / "a.xdf", *others, named))
    np.testing.assert_allclose(found.signal, x, rtol=1e-6)
    assert "The stream 'muscles' was read, and not 'Marks', 'Cap', 'wrist'." in found.notes
    labelled = xdf_stream(x, 1000, "amplifier", "", labels=["EMG left", "EMG right"])
    found = read_recording(write_xdf(tmp_path / "b.xdf", *others, labelled))
    assert found.channel_names == ("EMG left", "EMG right") and "'amplifier'" in notes(found)
    slow, fast = xdf_stream(emg(90, 1), 100, "one", ""), xdf_stream(x, 1000, "two", "")
    assert "'two' was read" in notes(read_recording(write_xdf(tmp_path / "c.xdf", slow, fast)))


def test_xdf_streams_that_nothing_tells_apart_are_listed(tmp_path):
    streams = [xdf_stream(emg(900, 2), 1000, name, "EMG") for name in ("left", "right")]
    words = refusal(write_xdf(tmp_path / "a.xdf", *streams))
    assert "several streams" in words and "'left' (EMG), 2 × 900 at 1000 Hz" in words
    words = refusal(write_xdf(tmp_path / "b.xdf", xdf_stream(WORDS, 0, "Marks", "Markers")))
    assert "no stream of a signal" in words and "'Marks'" in words
    doubtful = read_recording(
        write_xdf(tmp_path / "c.xdf", xdf_stream(emg(900, 2), 500, "obci", "EEG"))
    )
    assert "isn't EMG; check it" in notes(doubtful)


def test_xdf_time_stamps_say_the_rate_where_nothing_else_does_and_where_samples_lack(tmp_path):
    x, at = emg(900, 2), 5 + np.arange(900) / 800
    found = read_recording(write_xdf(tmp_path / "a.xdf", xdf_stream(x, 0, at=at)))
    assert found.sampling_rate == pytest.approx(800, rel=1e-3)
    at[450:] += 2
    found = read_recording(write_xdf(tmp_path / "b.xdf", xdf_stream(x, 800, at=at)))
    assert "1 gaps, 2 s in all" in notes(found) and found.sampling_rate == 800
    at = np.arange(900) / 400
    found = read_recording(write_xdf(tmp_path / "c.xdf", xdf_stream(x, 800, at=at)))
    assert "imply 400 Hz" in notes(found)


@pytest.mark.parametrize("scale", [None, 0.05])
@pytest.mark.parametrize("markers", [0, 3])
def test_the_analog_channels_of_a_c3d_file_are_read_back(tmp_path, scale, markers):
    x = emg(900, 2)
    about = {"names": NAMES, "units": ["mV", "mV"], "markers": markers, "scale": scale}
    found = read_recording(write_c3d(tmp_path / "a.c3d", x, 1000, **about))
    np.testing.assert_allclose(found.signal, 1000 * x, rtol=1e-5, atol=1000 * (scale or 1e-6))
    assert (found.sampling_rate, found.unit, found.notes) == (1000, "uV", ())
    assert found.channel_names == ("zyg", "cor")
    forces = {"names": ["EMG 1", "Force.Fx1"], "units": ["V", "N"]}
    found = read_recording(write_c3d(tmp_path / "b.c3d", x, 1000, **forces))
    assert found.channel_names == ("EMG 1",) and "Force.Fx1" in notes(found)


def test_what_c3d_itself_reads_is_what_is_read(tmp_path):
    import c3d

    path = write_c3d(tmp_path / "a.c3d", emg(900, 3), 1000, scale=0.05)
    with path.open("rb") as stream:
        theirs = np.hstack([analog for _, _, analog in c3d.Reader(stream).read_frames()]).T
    np.testing.assert_allclose(read_recording(path, unit="uV").signal, theirs, rtol=1e-6)


def test_a_c3d_file_without_analog_channels_or_cut_short_is_refused(tmp_path):
    path = write_c3d(tmp_path / "a.c3d", emg(900, 2), 1000)
    path.write_bytes(path.read_bytes()[:5000])
    assert "ends too early" in refusal(path)
    assert "no analog channels" in refusal(write_c3d(tmp_path / "b.c3d", np.empty((900, 0)), 1000))


@pytest.mark.parametrize("revision", [38, 45, 68, 84, 124])
@pytest.mark.parametrize("whole", [False, True])
def test_an_acq_file_is_read_back(tmp_path, revision, whole):
    x = emg(900, 2)
    about = {"names": NAMES, "units": ["mV", "mV"], "revision": revision, "whole": whole}
    found = read_recording(write_acq(tmp_path / "a.acq", list(x.T), 1250, **about))
    np.testing.assert_allclose(found.signal, 1000 * x, rtol=1e-5, atol=600 * WHOLE * whole)
    assert (found.sampling_rate, found.unit, found.notes) == (1250, "uV", ())
    assert found.channel_names == ("zyg", "cor")


def test_of_acq_channels_at_several_rates_those_of_the_emg_are_read(tmp_path):
    x, slow = emg(900, 1)[:, 0], emg(225, 1)[:, 0]
    about = {"names": ["EDA", "EMG zyg", "Resp"], "units": ["microsiemens", "mV", "V"]}
    path = write_acq(tmp_path / "a.acq", [slow, x, slow], 2000, dividers=[4, 1, 4], **about)
    found = read_recording(path)
    np.testing.assert_allclose(found.signal[:, 0], 1000 * x, rtol=1e-5)
    assert found.sampling_rate == 2000 and found.channel_names == ("EMG zyg",)
    assert "other rates than 2000 Hz were left out: EDA, Resp." in notes(found)
    path = write_acq(tmp_path / "b.acq", [x, slow, x], 2000, dividers=[1, 4, 1], **about)
    assert read_recording(path).sampling_rate == 500  # the EMG's, though others are faster


@pytest.mark.parametrize(("form", "bits"), [("16", 16), ("24", 24), ("32", 32), ("212", 12)])
def test_a_wfdb_record_is_read_back(tmp_path, form, bits):
    x = np.random.default_rng(1).integers(2 - 2 ** (bits - 1), 2 ** (bits - 1), (901, 3))
    gain = 2.0 ** (bits - 2)
    about = {"names": ["zyg", "cor", "EMG fro 3"], "form": form, "baseline": 7}
    path = write_wfdb(tmp_path / "a.hea", x, 2048, gain, **about)
    found = read_recording(path)
    np.testing.assert_allclose(found.signal, 1000 * (x - 7) / gain, rtol=1e-5, atol=1e-3)
    assert (found.sampling_rate, found.unit, found.notes) == (2048, "uV", ())
    assert found.channel_names == ("zyg", "cor", "EMG fro 3")
    assert found.recording_id == "a"
    named = read_recording(tmp_path / "a.dat")  # its header lies beside it
    assert (named.signal == found.signal).all() and named.format == ".hea"


def test_missing_samples_and_unknown_gains_of_wfdb_are_said(tmp_path):
    x = np.round(emg(900, 2)).astype(int)
    x[100:110] = -(2**15)
    found = read_recording(write_wfdb(tmp_path / "a.hea", x, 1000))
    assert (~found.valid).sum() == 10
    path = write_wfdb(tmp_path / "b.hea", x, 1000, gain=0)
    assert "states no gain" in notes(read_recording(path)) and read_recording(path).unit == "a.u."


def test_wfdb_signals_at_several_rates_or_in_several_files_are_read(tmp_path):
    fast, slow = np.round(emg(1000, 1)[:, 0]).astype(int), np.arange(500)
    about = {"names": ["ECG", "EMG 1", "EMG 2"], "each": [1, 2, 2]}
    path = write_wfdb(tmp_path / "a.hea", [slow, fast, -fast], 500, gain=1, unit="uV", **about)
    found = read_recording(path)
    assert found.sampling_rate == 1000 and "ECG" in notes(found)
    np.testing.assert_allclose(found.signal, np.stack([fast, -fast], axis=1))
    for name in ("one", "two"):
        write_wfdb(tmp_path / f"{name}.hea", fast[:, None], 500, 1, [name], unit="uV")
    lines = [(tmp_path / f"{name}.hea").read_text().splitlines()[1] for name in ("two", "one")]
    (tmp_path / "both.hea").write_text("\n".join(["both 2 500 1000", *lines]))
    found = read_recording(tmp_path / "both.hea")
    assert found.channel_names == ("two", "one") and found.signal.shape == (1000, 2)


def test_a_wfdb_header_opens_no_other_file(tmp_path):
    outside = write_wfdb(tmp_path / "a.hea", np.round(emg(900, 2)).astype(int), 1000)
    inside = tmp_path / "in"
    inside.mkdir()
    about = outside.read_text()
    for named in ("../a.dat", str(tmp_path / "a.dat"), "-", "..", "C:\\a.dat"):
        (inside / "b.hea").write_text(about.replace("a.dat", named))
        assert "no plain file name" in refusal(inside / "b.hea")
    (inside / "b.hea").write_text(about)
    assert "give both files together" in refusal(inside / "b.hea")
    found = read_recording(inside / "b.hea", parts=[tmp_path / "a.dat"])
    assert found.signal.shape == (900, 2)
    assert "together" in refusal(outside, parts=[])
    assert "together" in refusal(outside, parts=[outside])
    assert "its header a.hea" in refusal(tmp_path / "a.dat", parts=[])
    assert read_recording(tmp_path / "a.dat", parts=[inside / "b.hea", tmp_path / "a.dat"])


def test_wfdb_files_that_do_not_belong_together_are_refused(tmp_path):
    x = np.round(emg(900, 2)).astype(int)
    path = write_wfdb(tmp_path / "a.hea", x, 1000)
    data = (tmp_path / "a.dat").read_bytes()
    (tmp_path / "a.dat").write_bytes(data[:400] + b"\x55" + data[401:])
    assert "checksum" in refusal(path)
    (tmp_path / "a.dat").write_bytes(data[:-10])
    assert "holds 897 frames where a.hea states 900" in refusal(path)
    for old, new, words in (
        (" 16 ", " 310 ", "format 310"),
        ("a 2 ", "a/3 2 ", "several segments"),
        ("a 2 ", "a 9 ", "states 9 signals"),
        ("a.dat 16", "a.dat sixteen", "can't be read"),
        ("a 2 1000", "hello world", "isn't a WFDB header"),
    ):
        (tmp_path / "b.hea").write_text(path.read_text().replace(old, new))
        assert words in refusal(tmp_path / "b.hea")
    (tmp_path / "c.dat").write_text("1 2 3\n" * 50)
    assert "rename it to c.txt" in refusal(tmp_path / "c.dat")


def test_files_given_together_are_one_recording_or_refused(tmp_path):
    header, data, other = (tmp_path / name for name in ("a.hea", "a.dat", "b.csv"))
    assert one_recording([other]) == (other, ())
    assert one_recording([str(data), str(header)]) == (header, (data,))
    for several in ([other, header], [other, tmp_path / "c.csv"], [data, data], [header, header]):
        with pytest.raises(RecordingError, match="one recording at a time"):
            one_recording(several)


@pytest.mark.parametrize("form", [f for f in FORMATS if f.optional], ids=lambda f: f.endings[0])
def test_without_its_library_a_file_is_refused_with_what_to_install(tmp_path, monkeypatch, form):
    path = save(tmp_path / f"a{form.endings[0]}", emg())
    monkeypatch.setattr(readers, "find_spec", lambda name: None)
    assert f"pip install {form.libraries[0]}" in refusal(path)


@pytest.mark.parametrize("ending", [".xdf", ".c3d", ".acq"])
def test_rarer_formats_are_known_by_their_content(tmp_path, ending):
    path = save(tmp_path / f"a{ending}", emg())
    for wrong in (".csv", ".npy", ".edf"):
        path = path.rename(tmp_path / f"a{wrong}")
        assert f"rename it to a{ending}" in refusal(path)
    (tmp_path / f"b{ending}").write_text("1,2\n" * 90)
    assert f"doesn't contain {ending} data" in refusal(tmp_path / f"b{ending}")


def test_a_reader_that_does_not_end_or_takes_all_memory_is_stopped(tmp_path):
    path = write_xdf(tmp_path / "a.xdf", xdf_stream(emg(900, 2), 1000))
    data = path.read_bytes()
    at = data.index(b"</info>") + 7  # then: length, tag and number of the first samples
    for count in (2**31, 2**40):
        bad = b"\x08" + struct.pack("<Q", 30) + b"\x03\0\x01\0\0\0\x08" + struct.pack("<Q", count)
        path.write_bytes(data[:at] + data[at : data.index(b"</info>", at) + 7] + bad + data[at:])
        assert "damaged" in refusal(path)


@pytest.mark.parametrize("ending", [".npz", ".mat", ".h5"])
def test_of_several_arrays_the_emg_is_read_and_named_or_they_are_listed(tmp_path, ending):
    def held(**arrays):
        path = tmp_path / f"a{ending}"
        if ending == ".h5":
            with h5py.File(path, "w") as file:
                for key, array in arrays.items():
                    file[key] = array
        else:
            (np.savez if ending == ".npz" else savemat_of)(path, **arrays)
        return path

    def savemat_of(path, **arrays):
        savemat(path, arrays)

    x, acc = emg(900, 4), emg(450, 3)
    for arrays in (
        {"emg_raw": x, "acc": acc, "labels": np.ones((900, 1))},
        {"trial_1": x, "gyro": acc, "mvc": np.ones((2, 4))},
        {"signal": x, "other": acc},
    ):
        key = next(iter(arrays))
        found = read_recording(held(**arrays), 1000, "uV")
        np.testing.assert_allclose(found.signal, x, rtol=1e-6)
        assert f"The array '{key}' was read, and not '{[*arrays][1]}'." in found.notes
    words = refusal(held(first=x, second=x), 1000)
    assert "first (900 × 4), second (900 × 4)" in words
    found = read_recording(held(zyg=x[:, 0], cor=x[:, 1], fs=1000.0), unit="uV")
    np.testing.assert_allclose(found.signal[:, list(found.channel_names).index("cor")], x[:, 1])
    assert set(found.channel_names) == {"zyg", "cor"}


def test_of_several_sheets_the_one_called_emg_is_read(tmp_path):
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        for name, values in (("IMU", emg(400, 6)), ("EMG", emg(400, 2)), ("Notes", emg(3, 2))):
            pd.DataFrame(values).to_excel(book, sheet_name=name, index=False, header=False)
    found = read_recording(tmp_path / "a.xlsx", 1000, "uV")
    assert found.n_channels == 2
    assert "The sheet 'EMG' was read, which is called EMG, and not 'IMU', 'Notes'." in found.notes
