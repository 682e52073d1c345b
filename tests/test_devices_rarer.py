"""Rarer exports, each once read wrong without a word: small twins, made here."""

import numpy as np
import pandas as pd
import pytest

from emg_llm.signal.readers import read_recording
from tests.making import notes, refusal
from tests.test_devices import IMU, STEADY, N, X, dates, table

RNG = np.random.default_rng(0)
A, B = X[:, 0], X[:, 1]
SLOW = 20 + np.cumsum(RNG.normal(0, 0.01, N))
COUNT = np.arange(N)
ROUNDED = np.round(COUNT / 1600, 3)
LISTS = [f'"[{a:.3f}, {b:.3f}]"' for a, b in zip(A, B, strict=True)]

# name -> (text, Hz, names, factor from X to what is read); a lone unit is µV
FILES = {
    "a date in a column of its own": (
        "Date,Time,a\n" + table("2024-03-04", dates(form="%H:%M:%S.%f"), A), 1000, "a", 1
    ),
    "milliseconds of 1600 Hz": ("time,a\n" + table(ROUNDED, A), 1600, "a", 1),
    "days of MATLAB": (
        "datenum,a\n" + table(739000.3 + STEADY / 86400, A, form="{:.12f}"), 1000, "a", 1
    ),
    "a time only by its unit": ("Epoche (ms),a\n" + table(COUNT, A), 1000, "a", 1),
    "time series of Delsys": (
        "EMG 1 Time Series (s),EMG 1 (uV),EMG 2 Time Series (s),EMG 2 (uV)\n"
        + table(STEADY, A, STEADY, B), 1000, ["EMG 1", "EMG 2"], 1,
    ),
    "names numbered from the second column on, as R does": (
        '"time","a","b"\n' + table(COUNT + 1, STEADY, A, B), 1000, "ab", 1
    ),
    "a clock without a name": ("a,b\n" + table(STEADY, A, B), 1000, "ab", 1),
    "commas in names": (
        "sec,EMG a, left,EMG b, right\n" + table(STEADY, A, B), 1000,
        ["EMG a, left", "EMG b, right"], 1,
    ),
    "numbers among the names": (
        "Devices\n1000\n,,Plate - Force,,,EMG - Voltage,\nFrame,Sub Frame,Fx,Fy,Fz,1,2\n"
        ",,N,N,N,uV,uV\n" + table(COUNT // 10, COUNT % 10, *IMU, A, B), 1000, "12", 1,
    ),
    "rates without Hz and a row of units": (
        "EMG 1,ACC X,EMG 2\n1925.926,148.148,1925.926\nuV,g,uV\n" + table(A, IMU[0], B), 1925.926,
        ["EMG 1", "EMG 2"], 1,
    ),
    "a table of gains above": (
        "Channel,Gain,Offset\n1,1000,0\n2,1000,0\n\nTime (s),a (uV),b (uV)\n" + table(STEADY, A, B),
        1000, "ab", 1,
    ),
    "LabVIEW's waveforms": (
        "waveform\ta\tb\ndelta t\t0.001\t0.001\n\ntime\tY\tY\n" + table(dates(), A, B, sep="\t"),
        1000, ["Y", "Y (2)"], 1,
    ),
    "lists in brackets": ("time,emg\n" + table(STEADY, LISTS), 1000, None, 1),
    "BIOPAC's samples per second": (
        "rest.acq\n2000 samples/second\n2 channels\nEMG zyg\nmV\nEMG cor\nmV\n"
        "CH1\tCH2\n" + table(A, B, sep="\t"), 2000, ["EMG zyg", "EMG cor"], 1000,
    ),
    "OpenBCI that doesn't count its channels": (
        "%OpenBCI Raw EEG Data\n%Sample Rate = 250.0 Hz\n%Other Columns = EEG data in microvolts "
        "followed by Accel Data (in G) interleaved with Aux Data\n"
        + table(COUNT % 256, A, B, *IMU, dates("4ms", "%H:%M:%S.%f"), sep=", "), 250,
        ["EXG 1", "EXG 2"], 1,
    ),
    "empty cells behind the last row": (
        "Time (s),a,remark\n" + table(STEADY, A, ["x" if i % 9 == 3 else "" for i in range(N)]),
        1000, "a", 1,
    ),
    "a unit of two words": ("# fs: 1000\n# unit: micro V\n# a,b\n" + table(A, B), 1000, "ab", 1),
    "a unit in a sentence": (
        "Values in millivolts, sampled at 1 kHz\na,b\n" + table(A, B), 1000, "ab", 1000
    ),
    "an interval with its unit before": (
        "# Sampling interval (ms): 0.5\n# a,b\n" + table(A, B), 2000, "ab", 1
    ),
    "a line that is a rate": ("# 1000 Hz\n# a,b\n" + table(A, B), 1000, "ab", 1),
    "a dash for a minus": (
        "Time (s),a\n" + table(STEADY, [f"{v:.3f}".replace("-", "\u2013") for v in A]), 1000, "a", 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_an_export_is_read_as_it_was_meant(tmp_path, kind):
    text, rate, names, factor = FILES[kind]
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    found = read_recording(path)
    assert found.sampling_rate == pytest.approx(rate, rel=2e-3)
    assert names is None or list(found.channel_names) == list(names)
    np.testing.assert_allclose(found.signal[:, 0], factor * A, rtol=1e-3, atol=2e-3 * factor)
    assert found.n_channels == (2 if names is None else len(names))


@pytest.mark.parametrize(
    ("header", "column", "word"),
    [
        ("time,ch1,ch2,Weight (kg)", SLOW, "aren't voltages"),
        ("time,EMG1,EMG2,crc", RNG.integers(0, 255, N), "the device"),
        ("time,EMG1,EMG2,extra", RNG.integers(0, 255, N), "Unlike the channels"),
        ("time,ch1,ch2,weight", np.full(N, 70.0), "Unlike the channels"),
        ("time,zyg,cor,SCR", SLOW, "the skin"),
        ("time,zyg,cor,pupil", SLOW, "the eyes"),
        ("time,zyg,cor,valence", SLOW, "a rating"),
        ("time,zyg,cor,AU12_r", SLOW, "a face in a video"),
        ("time,ch1,ch2,ax", IMU[0], "other inputs"),
        ("time,emg1,emg2,qw", IMU[0], "other inputs"),
        ("time,emg1,emg2,C3-A2", A + B, "the eyes or the brain"),
    ],
)
def test_a_column_unlike_the_channels_is_left_out_with_a_note(tmp_path, header, column, word):
    (tmp_path / "a.csv").write_text(header + "\n" + table(STEADY, A, B, column))
    found = read_recording(tmp_path / "a.csv")
    assert found.channel_names == tuple(header.split(",")[1:3]) and word in notes(found)


@pytest.mark.parametrize(("header", "column"), [("EMG1,EMG2,knee", SLOW), ("EMG1,EMG2,x", A + B)])
def test_a_column_that_may_be_a_channel_is_kept_with_a_note(tmp_path, header, column):
    (tmp_path / "a.csv").write_text(header + "\n" + table(A, B, column))
    found = read_recording(tmp_path / "a.csv", 1000)
    assert found.n_channels == 3 and "Not called as the other channels" in notes(found)


def test_names_that_do_not_fit_the_columns_are_said(tmp_path):
    (tmp_path / "a.csv").write_text("time,EMG1,EMG2,ECG,EDA,RSP\n" + table(STEADY, A, B))
    assert "6 names for 3 columns" in notes(read_recording(tmp_path / "a.csv"))


def test_a_filter_s_frequency_is_no_rate(tmp_path):
    (tmp_path / "a.csv").write_text("# Low pass frequency: 500 Hz\na,b\n" + table(A, B))
    assert "sampling rate" in refusal(tmp_path / "a.csv", None)


def test_a_spreadsheet_may_hold_its_numbers_as_text(tmp_path):
    words = [[f"{v:.4f}".replace(".", ",") for v in c] for c in (STEADY, A)]
    table = pd.DataFrame({"Zeit (s)": words[0], "a (uV)": words[1]})
    table.to_excel(tmp_path / "a.xlsx", index=False, engine="openpyxl")
    found = read_recording(tmp_path / "a.xlsx")
    assert found.sampling_rate == 1000 and found.channel_names == ("a",)
