"""Text tables: delimiters, headers, clocks, counters and units are found out."""

import numpy as np
import pytest

from emg_llm.signal.readers import cells, raw, read_recording
from emg_llm.signal.readers import text as reader
from emg_llm.signal.recording import default_channel_names
from tests.making import RATE, N, emg, notes, refusal, text


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
    assert recording.valid.all() and recording.n_samples == N
    assert "Channel b lacks 2 samples" in notes(recording)


def test_rows_of_different_length_are_refused(tmp_path):
    path = text(tmp_path / "a.csv", emg(channels=2))
    path.write_text(path.read_text() + "1,2,3,4\n1,2\n")
    assert "4 columns where others have 2" in refusal(path)
    path = text(tmp_path / "b.csv", emg(channels=2))
    path.write_text(path.read_text() + "1,2,3\n")  # such as a decimal comma
    assert "3 columns where others have 2" in refusal(path)
    path = text(tmp_path / "c.csv", emg(channels=2))
    path.write_text(path.read_text() + "1,2,coughs\n")
    found = read_recording(path, RATE)
    assert found.n_samples == N + 1 and "1 remarks" in notes(found)


def test_a_padded_table_that_begins_as_an_edf_does_is_text(tmp_path):
    lines = [f"{i:<8}{a:10.4f}" for i, (a,) in enumerate(emg(channels=1))]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    assert read_recording(tmp_path / "a.txt", RATE).n_channels == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"header": ["time (s)", "EMG1 (mV)", "EMG2 (mV)"]},
        {"sep": ";", "decimal": ",", "header": ["Zeit", "a", "b"]},
        {"sep": "\t"},
        {"header": ["t", "a \u00b5V", "b \u00b5V"], "encoding": "cp1252", "before": "# fs: 2000\n"},
        {"header": ["time", "a", "b"], "encoding": "utf-8-sig"},
        {"header": ["time", "a", "b"], "encoding": "utf-16"},
    ],
)
def test_a_table_read_in_pieces_is_that_read_as_a_whole(tmp_path, monkeypatch, settings):
    table = np.column_stack([np.arange(N) / RATE, emg(channels=2)])
    table[100:110, 1] = np.nan
    path = text(tmp_path / "a.csv", table, **settings)
    whole = read_recording(path, RATE)
    monkeypatch.setattr(reader, "LARGE", 4000)
    monkeypatch.setattr(cells, "PIECE", 64)
    in_pieces = read_recording(path, RATE)
    assert np.array_equal(whole.signal, in_pieces.signal)
    assert np.array_equal(whole.gaps, in_pieces.gaps) and whole.notes == in_pieces.notes
    assert whole.channel_names == in_pieces.channel_names and whole.n_channels == 2
    assert (whole.sampling_rate, whole.unit) == (in_pieces.sampling_rate, in_pieces.unit)


def test_columns_of_words_in_pieces_are_times_of_day_and_labels(tmp_path, monkeypatch):
    rows = [
        f"2024-05-0{1 + (k >= 200)} {'23:59:59' if k < 200 else '00:00:00'}.{5 * (k % 200):03d},"
        f"{a:.4f},{b:.4f},fear"
        for k, (a, b) in enumerate(emg(channels=2))
    ]
    (tmp_path / "a.csv").write_text("\n".join(["time,zyg,cor,emotion", *rows]))
    monkeypatch.setattr(reader, "LARGE", 4000)
    monkeypatch.setattr(cells, "PIECE", 64)
    recording = read_recording(tmp_path / "a.csv")
    assert recording.sampling_rate == 200 and recording.label == "fear"
    assert recording.channel_names == ("zyg", "cor") and recording.n_samples == N


def test_a_broken_row_far_down_is_found_in_a_table_read_in_pieces(tmp_path, monkeypatch):
    lines = text(tmp_path / "a.csv", emg(channels=2), ["a", "b"]).read_text().splitlines()
    lines[300] = "lost,lost"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    monkeypatch.setattr(reader, "LARGE", 4000)
    recording = read_recording(tmp_path / "a.csv", RATE)
    assert recording.n_samples == N - 1 and "1 rows of another kind" in notes(recording)


def test_a_table_of_too_many_values_is_refused_by_its_size_alone(tmp_path, monkeypatch):
    path = text(tmp_path / "a.csv", emg(channels=2))
    monkeypatch.setattr(reader, "LARGE", 4000)
    monkeypatch.setattr(raw, "MAX_VALUES", 500)
    monkeypatch.setattr(reader, "read_columns", None)
    assert "million values and a recording may hold" in refusal(path)
