"""Further exports of devices: small twins of what was once read wrong without a word."""

import numpy as np
import pytest

from emg_llm.signal.readers import read_recording
from emg_llm.signal.readers.unclear import ChannelsUnclear
from tests.making import notes, refusal
from tests.test_devices import IMU, SPARSE, STEADY, N, X, dates, table

RNG = np.random.default_rng(0)
A, B = X[:, 0], X[:, 1]
VOLTS = 1e-6 * X
VICON = "Devices\n2000\n,,Trigno - EMG1,Trigno - EMG2\nFrame,Sub Frame,EMG1,EMG2\n,,V,V\n" + table(
    np.arange(N) // 20 + 1, np.arange(N) % 20, VOLTS[:, 0], VOLTS[:, 1], form="{:.9g}"
)
TRAJECTORIES = "Trajectories\n100\n,,LASI,\nFrame,Sub Frame,X,Y\n,,mm,mm\n" + "".join(
    f"{i + 1},0,{500 + np.sin(i / 9):.3f},{400 + np.cos(i / 9):.3f}\n" for i in range(90)
)
GANGLION = (
    "%OpenBCI Raw EEG Data\n%Number of channels = 2\n%Sample Rate = 200.0 Hz\n"
    "%First Column = SampleIndex\n"
)


def whole_seconds(rate, n=N):
    return np.floor(1.7e9 + 0.3 + np.arange(n) / rate)


def kept_of(share, size=1):
    """Numbers of N samples of which only a share was kept, `size` at once."""
    kept = np.flatnonzero(RNG.random(8 * N // size) < share)
    return (kept[:, None] * size + np.arange(size)).ravel()[:N]


def packets_with_losses():
    """Times of packets of 8 samples, 40 ms apart, some of which lack two."""
    sizes = np.where(RNG.random(N) < 0.2, 6, 8)
    return np.concatenate([0.04 * k + 1e-4 * np.arange(n) for k, n in enumerate(sizes)])[:N]


def german(text):
    return text.replace(".", ",")


def with_commas(*columns):
    """Decimal commas between commas, as a spreadsheet never writes them."""
    return table(*([german(f"{v:.3f}") for v in c] for c in columns))


# name -> (text, rate, names, unit, factor from the first column of X to what is read)
FILES = {
    "whole seconds, of which there are enough": (
        "time,emg\n" + table(whole_seconds(200), A, form="{:.0f}"), 200, ["emg"], "a.u.", 1
    ),
    "dates in whole seconds": (
        "time,emg\n" + table(dates("8ms", "%d.%m.%Y %H:%M:%S"), A), 125, ["emg"], "a.u.", 1
    ),
    "two thirds of the samples lost": (
        "Time (s),emg\n" + table(kept_of(1 / 3) / 1000, A), 1000, ["emg"], "a.u.", 1
    ),
    "two thirds of the packets lost": (
        "Time (s),emg\n" + table(kept_of(1 / 3, 10) / 1000, A), 1000, ["emg"], "a.u.", 1
    ),
    "packets that lack samples": (
        "time,emg\n" + table(packets_with_losses(), A, form="{:.5f}"), 200, ["emg"], "a.u.", 1
    ),
    "German dates": (
        "Datum;a (uV)\n" + table(dates(form="%d.%m.%Y %H:%M:%S,%f"), A, sep=";"), 1000, ["a"], "uV",
        1,
    ),
    "American dates in the afternoon": (
        "time,a (uV)\n" + table(dates(form="%m/%d/%Y %I:%M:%S.%f %p"), A), 1000, ["a"], "uV", 1
    ),
    "months by name": (
        "time;a (uV)\n" + table(dates(form="%d %b %Y %H:%M:%S.%f"), A, sep=";"), 1000, ["a"], "uV",
        1,
    ),
    "points between thousands": (
        "Zeit (s)\ta (uV)\n" + table([german(f"{t:.3f}") for t in STEADY],
                                     [f"{int(20 * v):,}".replace(",", ".") for v in A], sep="\t"),
        1000, ["a"], "uV", 20,
    ),
    "three decimals are no thousands": (
        "ms;a (uV)\n" + table(np.arange(N), [f"{v:.3f}" for v in A], sep=";"), 1000, ["a"], "uV", 1
    ),
    "quoted thousands": (
        "Time (s),a (uV)\n" + table(STEADY, [f'"{1000 + v:,.2f}"' for v in A]), 1000, ["a"], "uV", 1
    ),
    "quoted decimal commas": (
        "Time (s),a (uV)\n" + table(*([f'"{german(f"{v:.3f}")}"' for v in c] for c in (STEADY, A))),
        1000, ["a"], "uV", 1,
    ),
    "RAW beside CAL": (
        "Timestamp_RAW\tTimestamp_CAL\tCH1_EMG_RAW\tCH1_EMG_CAL\nno_units\tms\tno_units\tmV\n"
        + table(np.arange(N) * 32.768 % 65536, 1000 * STEADY, 900 * A, A / 1000, sep="\t"), 1000,
        ["CH1_EMG_CAL"], "uV", 1,
    ),
    "RAW beside CAL without units": (
        "Timestamp_CAL,EMG_RAW,EMG_CAL\n" + table(1000 * STEADY, 900 * A, A), 1000, ["EMG_CAL"],
        "a.u.", 1,
    ),
    "raw beside filtered": (
        "time,emg1_raw,emg1_filtered,emg1_rms\n" + table(STEADY, A, A / 2, abs(A)), 1000,
        ["emg1_raw"], "a.u.", 1,
    ),
    "OpenBCI without names": (
        GANGLION + table(np.arange(N) % 201, A, B, *np.zeros((3, N)), dates("5ms", "%H:%M:%S.%f"),
                         1.7e12 + 5 * np.arange(N), sep=", ", form="{:.13g}"), 200,
        ["EXG 1", "EXG 2"], "uV", 1,
    ),
    "a narrow block first": (
        "Time (s),ACC X (g)\n" + table(STEADY, IMU[0]) + "\nTime (s),EMG1 (uV),EMG2 (uV)\n"
        + table(STEADY, A, B), 1000, ["EMG1", "EMG2"], "uV", 1,
    ),
    "a narrow block last": (
        "Time (s),EMG1 (uV),EMG2 (uV)\n" + table(STEADY, A, B) + "\nTime (s),ACC X (g)\n"
        + table(STEADY, IMU[0]), 1000, ["EMG1", "EMG2"], "uV", 1,
    ),
    "trajectories before devices": (
        TRAJECTORIES + "\n" + VICON, 2000, ["EMG1", "EMG2"], "uV", 1
    ),
    "remarks between rows": (
        "time,emg\n" + (table(STEADY, A)[:4000].rpartition("\n")[0] + "\nEVENT: start\n")
        + table(STEADY, A)[:4000].rpartition("\n")[2] + table(STEADY, A)[4000:], 1000, ["emg"],
        "a.u.", 1,
    ),
    "a decimal comma in the last comment": (
        "# Sampling rate: 1,5 kHz\n" + table(A, B), 1500, ["channel 1", "channel 2"], "a.u.", 1
    ),
    "an interval with a decimal comma": (
        "Interval=\t0,001 s\nChannelTitle=\tZyg\tCor\nRange=\t2,000 mV\t2,000 mV\n"
        + german(table(STEADY, A / 1000, B / 1000, sep="\t")), 1000, ["Zyg", "Cor"], "uV", 1,
    ),
    "a rate in German": (
        "# Abtastrate: 1.000 Hz\n# a,b\n" + table(A, B), 1000, ["a", "b"], "a.u.", 1
    ),
    "a serial log": (
        "ready\n" + "".join(f"millis:{i} emg:{v:.1f}\n" for i, v in enumerate(A)), 1000, ["emg"],
        "a.u.", 1,
    ),
    "a serial log with commas": (
        "".join(f"t = {i}, zyg = {v:.1f}, cor = {w:.1f}\n" for i, (v, w) in enumerate(X[:, :2])),
        1000, ["zyg", "cor"], "a.u.", 1,
    ),
    "lines of JSON": (
        "".join(f'{{"t": {i}, "emg": {v:.1f}}}\n' for i, v in enumerate(A)), 1000, ["emg"], "a.u.",
        1,
    ),
    "a serial monitor": (
        "".join(f"{d[:12]} -> {v:.1f},{w:.1f}\n"
                for d, v, w in zip(dates(form="%H:%M:%S.%f"), A, B, strict=True)), 1000,
        ["channel 1", "channel 2"], "a.u.", 1,
    ),
    "a row of units above the names": (
        "Sensor,EMG,Gonio\nUnits,mV,deg\nTime,EMG zyg,Gonio\n" + table(STEADY, A / 1000, IMU[0]),
        1000, ["EMG zyg"], "uV", 1,
    ),
    "a key before the units": (
        "FREQUENCY\t1000\nCHANNEL_NAMES\tEMG_TA\tForce_Z\nUNITS\tV\tN\n"
        + table(VOLTS[:, 0], IMU[0], sep="\t", form="{:.9g}"), 1000, ["EMG_TA"], "uV", 1,
    ),
    "the clock beside the channel": (
        "X [s],ACC.X 1 [g],X [s],EMG 1 [V]\n"
        + table([f"{i / 148:.6f}" if s else "" for i, s in enumerate(SPARSE[0])], SPARSE[0], STEADY,
                VOLTS[:, 0], form="{:.8g}"), 1000, ["EMG 1"], "uV", 1,
    ),
    "a column of people": (
        "participant,trial,time,emg1\n" + table("3", "7", STEADY, A), 1000, ["emg1"], "a.u.", 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_an_export_is_read_as_its_device_meant_it(tmp_path, kind):
    content, rate, names, unit, factor = FILES[kind]
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    recording = read_recording(tmp_path / "a.txt")
    assert recording.sampling_rate == pytest.approx(rate, rel=0.01)
    assert [n.split(") ")[-1] for n in recording.channel_names] == names
    assert recording.unit == unit
    assert recording.n_samples >= N - 1 and recording.valid.all()
    read = recording.signal[: N - 1, 0]
    assert np.corrcoef(read, A[: N - 1])[0, 1] > 0.99
    assert read.std() == pytest.approx(factor * A.std(), rel=0.02)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        *((n, 1) for n in ("EMGuV", "emg_uV", "emg_uv", "EMG/uV", "EMG{uV}", "EMG:uV", "EMG [µV]")),
        *((n, 1000) for n in ("EMGmV", "emg.mV", "EMG in mV", "emg_millivolts")),
        ("EMG (uV/10)", 0.1),
        ("EMG (0.1 uV)", 0.1),
        ("EMG (x10 uV)", 10),
    ],
)
def test_units_in_names(tmp_path, name, factor):
    (tmp_path / "a.txt").write_text(f"Time (s),{name}\n" + table(STEADY, A), encoding="utf-8")
    recording = read_recording(tmp_path / "a.txt")
    assert recording.unit == "uV"
    assert recording.signal.std() == pytest.approx(factor * A.std(), rel=0.02)


def test_a_muscle_that_ends_like_a_unit_keeps_its_name(tmp_path):
    (tmp_path / "a.txt").write_text("Time (s),EMG_MV,EMG_V\n" + table(STEADY, A, B))
    recording = read_recording(tmp_path / "a.txt")
    assert recording.channel_names == ("EMG_MV", "EMG_V") and recording.unit == "a.u."


def test_whole_seconds_of_a_short_recording_tell_no_rate(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,emg\n" + table(whole_seconds(1000), A, form="{:.0f}"))
    assert "too coarse" in refusal(path, None)
    assert read_recording(path, 1000).sampling_rate == 1000


@pytest.mark.parametrize(
    "comment",
    ["Recording interval: 10 s", "Interval: 10 s", "Sampling rate ACC: 148 Hz", "Video: 30 Hz"],
)
def test_what_is_no_rate_of_the_signal_is_not_taken_for_it(tmp_path, comment):
    (tmp_path / "a.csv").write_text(f"# {comment}\n# a,b\n" + table(A, B))
    assert "doesn't state its sampling rate" in refusal(tmp_path / "a.csv", None)


@pytest.mark.parametrize("header", ["", "Time (s),EMG (uV)\n"])
def test_commas_in_numbers_and_between_columns_are_refused(tmp_path, header):
    (tmp_path / "a.csv").write_text(header + with_commas(STEADY, A))
    assert "commas both in its numbers and between" in refusal(tmp_path / "a.csv", 1000)


def test_a_single_column_may_have_decimal_commas(tmp_path):
    (tmp_path / "a.csv").write_text("emg\n" + with_commas(A))
    recording = read_recording(tmp_path / "a.csv", 1000)
    np.testing.assert_allclose(recording.signal[:, 0], A, atol=1e-3)


def test_the_table_that_was_read_is_named(tmp_path):
    (tmp_path / "a.csv").write_text(TRAJECTORIES + "\n" + VICON)
    assert "The file holds 2 tables" in notes(read_recording(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("time,ECG,EDA,Heart rate", (STEADY, A, IMU[0], IMU[1])),
        ("Time (s),Knee (deg),Hip (deg)", (STEADY, A, B)),
        ("ch1,ch2,p,q", (A, B, np.sin(9 * STEADY), np.cos(9 * STEADY))),
        ("time,ECG,belly", (STEADY, A, np.sin(9 * STEADY))),
    ],
)
def test_where_emg_cannot_be_told_the_columns_are_listed(tmp_path, header, columns):
    path = tmp_path / "a.csv"
    path.write_text(header + "\n" + table(*columns))
    with pytest.raises(ChannelsUnclear) as asked:
        read_recording(path, 1000)
    assert len(asked.value.columns) == header.count(",") + 1
    words = refusal(path, 1000)
    assert "isn't clear which columns" in words and "channels=[" in words
    assert read_recording(path, 1000, channels=[2]).n_channels == 1
    looks = dict(each[1:] for each in asked.value.columns)
    assert any(look.startswith("lively") for look in looks.values())


def test_an_envelope_alone_is_read_and_called_one(tmp_path):
    (tmp_path / "a.csv").write_text("time,EMG envelope\n" + table(STEADY, abs(A)))
    assert "envelopes of EMG" in notes(read_recording(tmp_path / "a.csv"))
