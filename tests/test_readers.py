"""Reading recordings: what opens, what is assumed, and what is refused in which words."""

import csv
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from emg_llm import readers
from emg_llm.readers import SUPPORTED_EXTENSIONS, read_recording
from emg_llm.recording import MONTAGE, RecordingError, default_channel_names

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EMG_LLM_DATA", ROOT.parent / "shared" / "data"))
N, RATE = 400, 2000


def emg(samples=N, channels=8, scale=20.0, seed=0):
    """float64 (samples, channels): noise of `scale`."""
    return np.random.default_rng(seed).normal(0, scale, (samples, channels))


def save(path, array, **more):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, signal=array, **more)
    elif path.suffix == ".mat":
        savemat(path, {"signal": array, **more}, do_compression=True)
    else:
        np.savetxt(path, array, delimiter="\t" if path.suffix == ".tsv" else ",")
    return path


def text(path, table, header=None, sep=",", decimal=".", encoding="utf-8", before="", form=".6f"):
    lines = [sep.join(format(v, form).replace(".", decimal) for v in row) for row in table]
    lines = [sep.join(header), *lines] if header else lines
    path.write_bytes((before + "\n".join(lines) + "\n").encode(encoding))
    return path


def refusal(path, sampling_rate=RATE, **more):
    """The one sentence with which a file is refused, checked for what every such text must be."""
    with pytest.raises(RecordingError) as caught:
        read_recording(path, sampling_rate, **more)
    words = str(caught.value)
    assert Path(path).name in words
    assert str(Path(path).parent) not in words
    assert "\n" not in words and words.endswith(".") and len(words) < 400
    assert "Traceback" not in words and "Error" not in words
    return words


def notes(recording):
    return " ".join(recording.notes)


# What opens


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
def test_every_format_gives_the_same_signal(tmp_path, extension):
    signal = emg()
    recording = read_recording(save(tmp_path / f"trial{extension}", signal), RATE, "uV")
    assert recording.signal.dtype == np.float32
    np.testing.assert_allclose(recording.signal, signal, rtol=1e-5)
    assert recording.sampling_rate == RATE and recording.unit == "uV"
    assert recording.channel_names == MONTAGE and recording.valid.all()
    assert recording.recording_id == "trial"
    # What the format can't say is assumed aloud.
    assumed = "The channels have no names; the eight facial electrodes were assumed."
    assert set(recording.notes) <= {assumed}


@pytest.mark.parametrize("dtype", ["int16", ">i4", "uint16", "float32", ">f8", "float16"])
def test_every_number_type_is_read(tmp_path, dtype):
    signal = np.abs(emg()).astype(dtype)
    recording = read_recording(save(tmp_path / "a.npy", signal), RATE, "uV")
    np.testing.assert_allclose(recording.signal, signal.astype(float), rtol=1e-6)


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


def test_the_only_table_in_a_mat_file_is_the_signal_whatever_its_name(tmp_path):
    savemat(tmp_path / "a.mat", {"trial7": emg(), "fs": 1000, "comment": "posed"})
    assert read_recording(tmp_path / "a.mat").sampling_rate == 1000


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "int32", "int64"])
@pytest.mark.parametrize("compressed", [True, False])
def test_every_number_type_of_a_mat_file_is_read(tmp_path, dtype, compressed):
    signal = np.abs(emg()).astype(dtype)
    more = {"a": {"b": "struct"}, "unit": "mV", "fs": np.uint16(1000)}
    savemat(tmp_path / "a.mat", {**more, "emg": signal}, do_compression=compressed)
    recording = read_recording(tmp_path / "a.mat")
    np.testing.assert_allclose(recording.signal, signal.astype(float) * 1000, rtol=1e-6)
    assert recording.sampling_rate == 1000


def test_a_time_vector_beside_the_signal_gives_the_rate(tmp_path):
    savemat(tmp_path / "a.mat", {"x": emg(), "t": np.arange(N) / 1000})
    assert read_recording(tmp_path / "a.mat").sampling_rate == 1000


def test_a_single_channel_can_be_read(tmp_path):
    assert read_recording(save(tmp_path / "a.npy", emg()[:, 0]), RATE).n_channels == 1
    assert read_recording(text(tmp_path / "a.txt", emg()[:, :1]), RATE).n_channels == 1


def test_channels_stored_as_rows_are_turned_round_and_it_is_said(tmp_path):
    for path in (save(tmp_path / "a.npy", emg().T), text(tmp_path / "a.csv", emg().T)):
        recording = read_recording(path, RATE, "uV")
        np.testing.assert_allclose(recording.signal, emg(), rtol=1e-3, atol=1e-5)
        assert "turned round" in notes(recording)


# Text


@pytest.mark.parametrize("sep", [",", "\t", ";", " ", "   ", ", "])
@pytest.mark.parametrize("header", [None, ["a", "b", "c"]])
def test_delimiters_and_headers_are_found_out(tmp_path, sep, header):
    recording = read_recording(text(tmp_path / "a.txt", emg(channels=3), header, sep), RATE)
    np.testing.assert_allclose(recording.signal, emg(channels=3), atol=1e-5)
    assert recording.channel_names == (tuple(header) if header else default_channel_names(3))


@pytest.mark.parametrize("sep", [";", "\t"])
def test_decimal_commas_are_understood(tmp_path, sep):
    path = text(tmp_path / "a.csv", emg(channels=2), ["a", "b"], sep, decimal=",")
    np.testing.assert_allclose(read_recording(path, RATE).signal, emg(channels=2), atol=1e-5)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_exporting_programs_are_understood(tmp_path, encoding):
    path = text(tmp_path / "a.csv", emg(channels=2), ["zyg (µV)", "cor (µV)"], encoding=encoding)
    recording = read_recording(path, RATE)
    assert recording.channel_names == ("zyg", "cor") and recording.unit == "uV"
    assert recording.n_samples == N


def test_comments_are_skipped_and_may_state_the_rate(tmp_path):
    before = "# Export of 2024\n# Sampling rate: 1.5 kHz\n\n"
    recording = read_recording(text(tmp_path / "a.txt", emg(channels=2), before=before))
    assert recording.sampling_rate == 1500 and recording.n_samples == N


def test_a_header_that_numpy_wrote_as_a_comment_names_the_channels(tmp_path):
    np.savetxt(tmp_path / "a.csv", emg(channels=2), delimiter=",", header="zyg,cor")
    assert read_recording(tmp_path / "a.csv", RATE).channel_names == ("zyg", "cor")


def test_column_numbers_that_pandas_wrote_as_a_header_are_no_sample(tmp_path):
    path = text(tmp_path / "a.csv", emg(channels=4), list("0123"))
    assert read_recording(path, RATE).n_samples == N


def test_units_in_headers_are_converted_for_each_channel(tmp_path):
    path = text(tmp_path / "a.csv", emg(channels=3), ["EMG1 (mV)", "EMG2 [uV]", "EMG3_μV"])
    recording = read_recording(path, RATE)
    np.testing.assert_allclose(recording.signal, emg(channels=3) * [1000, 1, 1], rtol=1e-3, atol=1)
    assert recording.channel_names == ("EMG1", "EMG2", "EMG3") and recording.unit == "uV"


def test_columns_that_are_no_voltages_are_left_out(tmp_path):
    path = text(tmp_path / "a.csv", emg(channels=3), ["EMG (mV)", "ACC X (g)", "EMG2 (mV)"])
    recording = read_recording(path, RATE)
    assert recording.channel_names == ("EMG", "EMG2") and "ACC X" in notes(recording)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("time", 1), ("Time (s)", 1), ("t", 1), ("seconds", 1), ("", 1), ("X", 1),
        ("ms", 1e3), ("time_ms", 1e3), ("Timestamp [ms]", 1e3), ("time", 1e3), ("us", 1e6),
        ("time (µs)", 1e6), (None, 1), (None, 1e3),
    ],
)  # fmt: skip
def test_a_time_column_gives_the_rate_and_is_no_channel(tmp_path, name, step):
    table = np.column_stack([np.arange(N) / RATE * step, emg(channels=2)])
    path = text(tmp_path / "a.csv", table, None if name is None else [name, "zyg", "cor"])
    recording = read_recording(path)
    assert recording.sampling_rate == RATE and recording.n_channels == 2
    np.testing.assert_allclose(recording.signal, emg(channels=2), atol=1e-5)


def test_a_rounded_clock_still_gives_the_right_rate(tmp_path):
    table = np.column_stack([np.arange(9000) / 15000, emg(9000, 2)])
    assert (
        read_recording(text(tmp_path / "a.csv", table, ["time", "a", "b"])).sampling_rate == 15000
    )


def test_gaps_in_the_time_column_are_said_and_do_not_lower_the_rate(tmp_path):
    time = np.arange(N) / RATE + 0.5 * (np.arange(N) > 100)
    table = np.column_stack([time, emg(channels=2)])
    recording = read_recording(text(tmp_path / "a.csv", table, ["time", "a", "b"]))
    assert recording.sampling_rate == RATE and "jumps 1 time" in notes(recording)


def test_a_stated_rate_goes_before_the_time_column_and_it_is_said(tmp_path):
    table = np.column_stack([np.arange(N) / RATE, emg(channels=2)])
    recording = read_recording(text(tmp_path / "a.csv", table, ["time", "a", "b"]), 1000)
    assert recording.sampling_rate == 1000 and "2000 Hz" in notes(recording)


@pytest.mark.parametrize("name", ["sample", "index", "", None])
def test_a_sample_counter_is_no_channel_and_no_clock(tmp_path, name):
    table = np.column_stack([np.arange(N), emg(channels=2)])
    path = text(tmp_path / "a.csv", table, None if name is None else [name, "zyg", "cor"])
    assert read_recording(path, RATE).n_channels == 2
    assert "sampling rate" in refusal(path, None)


def test_a_column_of_event_marks_is_no_channel(tmp_path):
    table = np.column_stack([emg(channels=2), np.arange(N) // 100])
    recording = read_recording(text(tmp_path / "a.csv", table, ["zyg", "cor", "trigger"]), RATE)
    assert recording.channel_names == ("zyg", "cor") and "'trigger'" in notes(recording)


# Missing samples


def test_missing_numbers_become_invalid_and_hold_zero(tmp_path):
    signal = emg()
    signal[10:20] = np.nan
    signal[50, 3] = np.nan
    for path in (save(tmp_path / "a.npy", signal), save(tmp_path / "a.csv", signal)):
        recording = read_recording(path, RATE)
        assert (~recording.valid).nonzero()[0].tolist() == [*range(10, 20), 50]
        assert not recording.signal[~recording.valid].any()
        assert "11 samples (0.0055 s) with missing values" in notes(recording)


def test_a_text_file_may_begin_with_missing_numbers(tmp_path):
    signal = emg()
    signal[:150] = np.nan
    for header in (None, list("abcdefgh")):
        recording = read_recording(text(tmp_path / "a.csv", signal, header), RATE)
        assert recording.n_samples == N and recording.valid.sum() == N - 150


def test_empty_cells_and_stray_words_are_missing_numbers(tmp_path):
    lines = text(tmp_path / "a.csv", emg(channels=2), ["a", "b"]).read_text().splitlines()
    lines[5], lines[6] = "1.0,", "1.0,lost"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n,\n")
    recording = read_recording(tmp_path / "a.csv", RATE)
    assert (~recording.valid).nonzero()[0].tolist() == [4, 5] and recording.n_samples == N


def test_the_original_layout_is_taken_as_volts_at_15_khz_without_its_placeholder_rows(tmp_path):
    signal = emg(45000, scale=1e-5)
    signal[:3000] = -1000.0
    recording = read_recording(save(tmp_path / "fear_1.npy", signal))
    assert recording.sampling_rate == 15000 and recording.duration == 3 and recording.unit == "uV"
    assert not recording.valid[:3000].any() and recording.valid[3000:].all()
    assert not recording.signal[:3000].any()
    assert 9 < recording.signal[3000:].std() < 11
    said = notes(recording)
    assert "15 kHz was assumed" in said and "volts were assumed" in said
    assert "3000 samples (0.2 s) with the placeholder -1000" in said


def test_a_placeholder_in_one_channel_of_small_numbers_is_never_shown_as_signal(tmp_path):
    signal = emg(scale=1e-5)
    signal[:50, 2] = -1000.0
    recording = read_recording(save(tmp_path / "a.npy", signal), RATE)
    assert np.abs(recording.signal).max() < 1000 and recording.valid.sum() == N - 50


def test_minus_1000_in_single_cells_of_integer_counts_is_signal(tmp_path):
    signal = emg(scale=1500).round().clip(-4000, 4000)
    signal[7, 2] = -1000
    recording = read_recording(save(tmp_path / "a.npy", signal), RATE)
    assert recording.valid.all() and recording.signal[7, 2] == -1000
    signal[:20] = -1000
    assert read_recording(save(tmp_path / "b.npy", signal), RATE).valid.sum() == N - 20


def test_one_channel_of_integer_counts_may_pass_through_minus_1000(tmp_path):
    signal = emg(channels=1, scale=1500).round()
    signal[:40], signal[99] = -1000, -1000
    recording = read_recording(save(tmp_path / "a.npy", signal), RATE)
    assert not recording.valid[:40].any() and recording.valid[40:].all()


# Units


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("V", 1e6), ("volts", 1e6), ("mV", 1e3), ("uV", 1), ("\u00b5V", 1), ("\u03bcV", 1),
        ("microvolts", 1), ("nV", 1e-3),
    ],
)  # fmt: skip
def test_units_become_microvolts(tmp_path, unit, factor):
    recording = read_recording(save(tmp_path / "a.npy", emg()), RATE, unit)
    np.testing.assert_allclose(recording.signal, emg() * factor, rtol=1e-5)
    assert recording.unit == "uV"


def test_without_a_unit_values_stay_as_they_are_and_it_is_said(tmp_path):
    recording = read_recording(save(tmp_path / "a.npy", emg()), RATE)
    assert recording.unit == "a.u." and "doesn't state a unit" in notes(recording)
    stated = read_recording(tmp_path / "a.npy", RATE, "a.u.")
    assert "unit" not in notes(stated)


def test_an_offset_does_not_hide_that_values_are_volts(tmp_path):
    recording = read_recording(save(tmp_path / "a.npy", emg(scale=1e-5) + 0.2), RATE)
    assert recording.unit == "uV" and "volts were assumed" in notes(recording)


def test_an_unknown_unit_is_refused_with_those_that_are_accepted(tmp_path):
    assert "use V, mV, uV (µV), nV or a.u." in refusal(
        save(tmp_path / "a.npy", emg()), unit="furlong"
    )


def test_a_rate_that_nobody_states_is_asked_for(tmp_path):
    words = refusal(save(tmp_path / "a.npy", emg()), None)
    assert "doesn't state its sampling rate; enter it in Hz" in words


@pytest.mark.parametrize("rate", [0, -1, 15, 1e9, float("nan"), float("inf"), "fast", [1], True])
def test_an_impossible_rate_is_refused(tmp_path, rate):
    assert "hertz" in refusal(save(tmp_path / "a.npy", emg()), rate)


# Tables that are no recordings


def powers(rows=70):
    """Like the published mean powers: positive, with an emotion's number at the end."""
    values = np.random.default_rng(1).lognormal(3, 1, (rows, 8))
    return np.column_stack([values, np.arange(rows) // 10 + 1])


@pytest.mark.parametrize("extension", [".mat", ".npy", ".csv"])
def test_a_table_of_powers_is_refused_and_sent_to_data(tmp_path, extension):
    words = refusal(save(tmp_path / f"S01{extension}", powers()), None)
    assert "table of features" in words and "--data features.csv" in words


def test_a_rectified_recording_is_not_mistaken_for_powers(tmp_path):
    assert read_recording(save(tmp_path / "a.npy", np.abs(emg())), RATE).n_channels == 8
    table = np.column_stack([np.abs(emg(5000, 3)), np.arange(5000) // 2500])
    assert read_recording(save(tmp_path / "b.npy", table), RATE).n_samples == 5000


def test_a_feature_table_and_a_manifest_are_refused_and_sent_to_data(tmp_path):
    (tmp_path / "features.csv").write_text("subject,label,power\n" + "S1,anger,3.5\n" * 99)
    words = refusal(tmp_path / "features.csv")
    assert "feature table" in words and "--data features.csv" in words
    (tmp_path / "m.csv").write_text("path,label,sampling_rate\na.npy,anger,512\n")
    words = refusal(tmp_path / "m.csv")
    assert "manifest" in words and "--data m.csv" in words


# What is refused


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
    (tmp_path / "d.edf").write_bytes(b"0       ")
    assert "export the recording as .csv" in refusal(tmp_path / "d.edf")


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


def test_matlab_v73_is_refused_with_how_to_save_it(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    assert "'-v7'" in refusal(tmp_path / "a.mat")


@pytest.mark.parametrize(
    "variables",
    [{"signal": {"data": emg()}}, {"signal": np.array([emg(), "x"], dtype=object)},
     {"signal": emg() > 0}, {"signal": emg() * 1j}, {"signal": "text"}, {"a": emg(), "b": emg()},
     {"fs": 1000}, {}],
    ids=["struct", "cell", "logical", "complex", "char", "two", "only a rate", "nothing"],
)  # fmt: skip
def test_mat_files_without_one_plain_matrix_are_refused(tmp_path, variables):
    savemat(tmp_path / "a.mat", variables)
    refusal(tmp_path / "a.mat")


@pytest.mark.parametrize(
    "array",
    [emg() * 1j, emg() > 0, emg().astype(str), emg().astype("S8"), np.zeros((4, 40, 8)),
     np.zeros(()), np.zeros((0, 8)), np.zeros((90, 8), "f4,f4"), np.zeros(99, "M8[s]"),
     np.full((N, 8), np.nan), np.full((N, 8), -1000.0), np.full((N, 8), 3.0), emg(2), emg(31),
     np.where(emg() > 40, np.inf, 1.0), emg() * 1e200, emg(N, 65), emg(300, 300),
     np.where(np.arange(8) == 3, np.nan, emg())],
    ids=["complex", "bool", "text", "bytes", "3-d", "0-d", "no rows", "structured", "dates", "nan",
         "placeholder", "constant", "two samples", "31 samples", "inf", "overflow", "65 channels",
         "300 channels", "dead channel"],
)  # fmt: skip
def test_arrays_that_are_no_signal_are_refused(tmp_path, array):
    refusal(save(tmp_path / "a.npy", array))
    refusal(save(tmp_path / "a.npz", array))


def test_a_recording_of_less_than_a_twentieth_of_a_second_is_refused(tmp_path):
    assert "0.05 s at least" in refusal(save(tmp_path / "a.npy", emg(500)), 15000)


def test_rows_of_different_length_are_refused(tmp_path):
    path = text(tmp_path / "a.csv", emg(channels=2))
    path.write_text(path.read_text() + "1,2,3,4\n1,2\n")
    assert "4 columns where others have 2" in refusal(path)


# Bombs and lies


def test_an_npy_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    for shape in [(10**9, 8), (10**30, 8), (N + 1, 8), (-1, 8), (2**63, 2**63)]:
        head = io.BytesIO()
        header = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(head, header)
        (tmp_path / "a.npy").write_bytes(head.getvalue() + emg().tobytes())
        refusal(tmp_path / "a.npy")


def npz_of(path, shape, body):
    """An .npz whose array claims `shape` of float64 and holds `body`."""
    head = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, header)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("signal.npy", head.getvalue() + body)
    return path


def test_an_npz_bomb_is_refused_without_unpacking_it(tmp_path, monkeypatch):
    bomb = npz_of(tmp_path / "a.npz", (10**7, 1), bytes(8 * 10**7))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *a, **k: pytest.fail("it was unpacked"))
    assert "unpacks to more" in refusal(bomb)


def test_an_npz_member_that_promises_more_than_it_holds_is_refused(tmp_path):
    path = npz_of(tmp_path / "a.npz", (10**10, 8), emg().tobytes())
    assert "cut short" in refusal(path)
    # The archive's own record of the size may lie as well; what is there decides.
    npz_of(path, (10**5, 8), emg().tobytes())
    data = bytearray(path.read_bytes())
    record = data.index(b"PK\x01\x02")
    data[record + 24 : record + 28] = struct.pack("<I", 10**7)
    path.write_bytes(data)
    assert "again" in refusal(path)


def test_a_mat_bomb_is_refused_while_it_unpacks(tmp_path):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    (tmp_path / "a.mat").write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    assert "unpacks to more" in refusal(tmp_path / "a.mat")


def test_files_too_large_are_refused_unread(tmp_path):
    with (tmp_path / "a.csv").open("wb") as stream:
        stream.truncate(readers.MAX_BYTES + 1)
    assert "the most that is read" in refusal(tmp_path / "a.csv")


@pytest.mark.parametrize("extension", [".npy", ".npz", ".mat"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_files_cut_short_are_refused(tmp_path, extension, share):
    path = save(tmp_path / f"a{extension}", emg())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refusal(path)


@pytest.mark.parametrize(("place", "value"), [(145, 121), (184, 150), (184, 230), (185, 241)])
def test_a_damaged_mat_file_that_crashes_scipy_is_refused(tmp_path, place, value):
    savemat(tmp_path / "a.mat", {"signal": emg(60, 3)})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    data[place] = value
    (tmp_path / "a.mat").write_bytes(data)
    refusal(tmp_path / "a.mat")


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
def test_damaged_files_never_raise_anything_but_a_recording_error(tmp_path, extension):
    rng = np.random.default_rng(7)
    more = {"fs": 2000, "unit": "mV", "label": "fear"} if extension in (".npz", ".mat") else {}
    path = save(tmp_path / f"a{extension}", emg(60, 3), **more)
    good = path.read_bytes()
    outcomes = []
    for i in range(60):
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


# The rest


def test_importing_the_readers_loads_neither_pandas_nor_scipy():
    code = "import sys, emg_llm.readers; print({'pandas', 'scipy', 'torch'} & {*sys.modules})"
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
