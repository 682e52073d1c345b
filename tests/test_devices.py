"""Files as devices write them: small twins, made here, of exports of many programs."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from emg_llm.signal.readers import read_recording
from tests.making import emg, notes, refusal

N = 600
X = emg(N, 3, scale=40.0)  # µV
STEADY = np.arange(N) / 1000


def table(*columns, sep=",", form="{:.6g}"):
    """The rows of a table; columns are arrays, lists of texts, or one text for all rows."""
    rows = []
    for i in range(N):
        cells = [c if isinstance(c, str) else c[i] for c in columns]
        rows.append(sep.join(v if isinstance(v, str) else form.format(v) for v in cells))
    return "\n".join(rows) + "\n"


def packets(size, within, apart, n=N):
    """Times in packets: samples `within` seconds apart, packets `apart`."""
    return np.arange(n) // size * apart + np.arange(n) % size * within


def lost(share=0.12):
    rng = np.random.default_rng(0)
    return np.arange(2 * N)[rng.random(2 * N) > share][:N] / 1000


def dates(step="1ms", form="%Y-%m-%d %H:%M:%S.%f"):
    import pandas as pd

    return [t.strftime(form) for t in pd.date_range("2024-05-06 23:59:59.8", periods=N, freq=step)]


IMU = [0.1 * np.sin(STEADY + k) for k in range(3)]
SPARSE = [[f"{v:.4f}" if i < 80 else "" for i, v in enumerate(x)] for x in IMU]  # at a lower rate
BIOPAC = "smile.acq\n0.5 msec/sample\n2 channels\nCorrugator, EMG100C\nmV\nZygomaticus\nmV\n"
OPENSIGNALS = '# {"00:11": {"column": ["nSeq", "I1", "O1", "A1"], "sampling rate": 1000}}\n'
NORAXON = '"type";"frequency";"count"\n"record";"1500.5";"600"\n\n"time";"Marker";"ZYG (uV)"\n'

# name -> (text, rate, names, unit, factor from X to µV)
FILES = {
    "brackets": ("Time (s),a (mV),b (mV)\n" + table(STEADY, X[:, 0], X[:, 1]), 1000, "ab", "uV"),
    "minutes": (
        "Time (min),a (uV)\n" + table(STEADY / 60, X[:, 0], form="{:.9g}"), 1000, "a", "uV",
    ),
    "packets of 8": (
        "time,a\n" + table(1.6e9 + packets(8, 1e-4, 0.04), X[:, 0], form="{:.4f}"), 200, "a",
        "a.u.",
    ),
    "packets of 2": (
        "time,a\n" + table(1.6e9 + packets(2, 1e-3, 0.01), X[:, 0], form="{:.4f}"), 200, "a",
        "a.u.",
    ),
    "packets at once": (
        "time,a\n" + table(packets(16, 0, 0.016), X[:, 0], form="{:.4f}"), 1000, "a", "a.u.",
    ),
    "rounded to ms": (
        "ms,a\n" + table(np.floor(np.arange(N) / 0.9), X[:, 0]), 900, "a", "a.u.",
    ),
    "lost samples": ("Time (s),a (uV)\n" + table(lost(), X[:, 0]), 1000, "a", "uV"),
    "a clock that wraps": (
        "millis,a\n" + table((65300 + np.arange(N)) % 65536, X[:, 0], form="{:.0f}"), 1000, "a",
        "a.u.",
    ),
    "dates past midnight": ("Timestamp,a (uV)\n" + table(dates(), X[:, 0]), 1000, "a", "uV"),
    "clock times": (
        "Timestamp,a (uV)\n" + table(dates(form="%H:%M:%S.%f"), X[:, 0]), 1000, "a", "uV",
    ),
    "days of a spreadsheet": (
        "Time,a (uV)\n" + table(44927.5 + STEADY / 86400, X[:, 0], form="{:.12f}"), 1000, "a", "uV",
    ),
    "Zeit mit Komma": (
        "Zeit (s);a (uV)\n" + table(STEADY, 1000 + X[:, 0], sep=";", form="{:,.4f}")
        .translate(str.maketrans(",.", ".,")), 1000, "a", "uV",
    ),
    "bars": ("time|a|b\n" + table(STEADY, X[:, 0], X[:, 1], sep="|"), 1000, "ab", "a.u."),
    "a typeset minus": (
        "Time (s),a (uV)\n" + table(STEADY, X[:, 0]).replace("-", "\u2212"), 1000, "a", "uV",
    ),
    "quoted units": (
        '"Time,s","R TIB.ANT.,uV"\n' + table(STEADY, X[:, 0]), 1000, ["R TIB.ANT."], "uV",
    ),
    "padded names": (
        "Time (s)    EMG 1 (mV)    EMG 2 (mV)\n"
        + table(STEADY, X[:, 0], X[:, 1], sep="  ", form="{:10.6f}"), 1000, ["EMG 1", "EMG 2"],
        "uV",
    ),
    "boot messages": (
        "ets Jul 29\nrst:0x1 (POWERON_RESET),boot:0x13\nReady\ntime_ms,emg\n"
        + table(np.arange(N), X[:, 0]), 1000, ["emg"], "a.u.",
    ),
    "equal names": (
        "Time (s),E (uV),E (uV)\n" + table(STEADY, X[:, 0], X[:, 1]), 1000, ["E", "E (2)"], "uV",
    ),
    "a time for each signal": (
        'X [s],"Sensor 1: EMG 1",X [s],"Sensor 2: EMG 2"\n'
        + table(STEADY, 1e-6 * X[:, 0], STEADY, 1e-6 * X[:, 1], form="{:.8g}"), 1000,
        ["Sensor 1: EMG 1", "Sensor 2: EMG 2"], "uV",
    ),
    "rates in a row": (
        "Application:, Discover\nEMG 01 (7), , , \nmode: 5, , , \n"
        "EMG 1 (mV), ACC X (G), ACC Y (G), ACC Z (G)\n1259 Hz, 148 Hz, 148 Hz, 148 Hz\n"
        + table(X[:, 0] / 1000, *SPARSE, sep=", "), 1259, ["EMG 1"], "uV",
    ),
    "rates in names": (
        "EMG 1 (1259Hz), ACC X (148Hz), ACC Y (148Hz)\n" + table(X[:, 0], *SPARSE[:2], sep=", "),
        1259, ["EMG 1"], "a.u.",
    ),
    "OpenSignals": (
        "# OpenSignals\n" + OPENSIGNALS + "# EndOfHeader\n"
        + table(
            np.arange(N) % 16, np.ones(N), np.zeros(N), 512 + X[:, 0], "", sep="\t", form="{:.0f}"
        ),
        1000, ["A1"], "a.u.",
    ),
    "AcqKnowledge": (
        BIOPAC + "sec\tCH1\tCH2\t\n\t600\t600\t\n"
        + table(STEADY / 2, X[:, 0], X[:, 1], "", sep="\t"), 2000,
        ["Corrugator, EMG100C", "Zygomaticus"], "uV",
    ),
    "AcqKnowledge without time": (
        BIOPAC + "CH1\tCH2\t\n600\t600\t\n" + table(X[:, 0], X[:, 1], "", sep="\t"), 2000,
        ["Corrugator, EMG100C", "Zygomaticus"], "uV",
    ),
    "LabChart in blocks": (
        ("Interval=\t0.0005 s\nChannelTitle=\tEMG z\tEMG c\nRange=\t2.000 mV\t2.000 mV\n"
         + table(STEADY / 2, X[:, 0], X[:, 1], sep="\t")) * 2, 2000, ["EMG z", "EMG c"], "uV",
    ),
    "Qualisys": (
        "NO_OF_SAMPLES\t600\nFREQUENCY\t2000\nCHANNEL_NAMES\tEMG_TA\tEMG_GM\n"
        + table(X[:, 0], X[:, 1], sep="\t"), 2000, ["EMG_TA", "EMG_GM"], "a.u.",
    ),
    "Vicon": (
        "Devices\n2000\n,,Trigno - EMG1\nFrame,Sub Frame,EMG1\n,,V\n"
        + table(np.arange(N) // 20 + 1, np.arange(N) % 20, 1e-6 * X[:, 0], form="{:.9g}")
        + "\nTrajectories\n100\nFrame,Sub Frame,X,Y,Z\n1,0,1,2,3\n2,0,1,2,3\n", 2000, ["EMG1"],
        "uV",
    ),
    "Noraxon": (
        NORAXON + table(STEADY / 1.5005, "", X[:, 0], sep=";", form="{:.8f}").replace(".", ","),
        1500.5, ["ZYG"], "uV",
    ),
    "OpenBCI": (
        "%OpenBCI Raw EXG Data\n%Sample Rate = 250 Hz\n"
        "Sample Index, EXG Channel 0, Accel Channel 0, Other, Timestamp (Formatted)\n"
        + table(np.arange(N) % 256, X[:, 0], IMU[0], np.zeros(N), dates("4ms"), sep=", "), 250,
        ["EXG Channel 0"], "uV",
    ),
    "other sensors": (
        "Time (s),EMG zyg (uV),ECG (mV),Respiration (V),Sync (V)\n"
        + table(STEADY, X[:, 0], X[:, 1], IMU[0], np.ones(N)), 1000, ["EMG zyg"], "uV",
    ),
    "motion without units": (
        "time,emg1,acc_x,gyro_y\n" + table(STEADY, X[:, 0], IMU[0], IMU[1]), 1000, ["emg1"], "a.u.",
    ),
    "an envelope": (
        "time,Raw EMG,EMG Envelope\n" + table(STEADY, X[:, 0], np.abs(X[:, 0])), 1000, ["Raw EMG"],
        "a.u.",
    ),
    "a trigger in volts": (
        "Time (s),a (mV),Trigger (V)\n" + table(STEADY, X[:, 0], 4.98 * (STEADY > 0.3)), 1000, "a",
        "uV",
    ),
    "classes": (
        "time,a,restimulus\n" + table(STEADY, X[:, 0], np.arange(N) // 200), 1000, "a", "a.u.",
    ),
    "a muscle called MS": (
        "Time,ZM,MS\n" + table(STEADY, X[:, 0], X[:, 1]), 1000, ["ZM", "MS"], "a.u.",
    ),
    "comments": (
        "# ACC sampling rate: 148 Hz\n# EMG sampling rate: 2,000 Hz\n# Unit: mV\n# a,b\n"
        + table(X[:, 0], X[:, 1]), 2000, "ab", "uV",
    ),
    "an interval": (
        "# Sampling interval: 0.5 ms\n# a,b\n" + table(X[:, 0], X[:, 1]), 2000, "ab", "a.u.",
    ),
    "a filter's frequency": (
        "# Cutoff frequency: 450 Hz\n# EMG unit: mV\n# Trigger unit: V\n# fs: 1000\n# a,b\n"
        + table(X[:, 0], X[:, 1]), 1000, "ab", "uV",
    ),
    "ranges that differ": (
        "Interval=\t0.5 ms\nChannelTitle=\tZyg EMG\tForce\nRange=\t2 mV\t10 N\n"
        + table(STEADY / 2, X[:, 0], X[:, 1], sep="\t"), 2000, ["Zyg EMG"], "uV",
    ),
    "an unknown unit in the row of units": (
        "time,emg,fz,my\ns,mV,N,N.mm\n" + table(STEADY, X[:, 0], X[:, 1], X[:, 2]), 1000, ["emg"],
        "uV",
    ),
    "Shimmer": (
        "Shimmer_Timestamp_Unix_CAL\tShimmer_EMG_CH1_24BIT_CAL\tShimmer_Accel_LN_X_CAL\n"
        "ms\tmV\tm/(s^2)\n"
        + table(1.7e12 + 1000 * STEADY, X[:, 0], IMU[0], sep="\t", form="{:.5f}"),
        1000, ["Shimmer_EMG_CH1_24BIT_CAL"], "uV",
    ),
    "every second number": (
        "# fs: 125 Hz\nSample Index,EXG 0,AccX,Foot Switch\n"
        + table(2 * np.arange(N) % 256, X[:, 0], IMU[0], np.zeros(N)), 125,
        ["EXG 0"], "a.u.",
    ),
    "the mean below": (
        "time,Temp R,Mag. left\n" + table(STEADY, X[:, 0], X[:, 1]) + "Average,1.5,2.5\n", 1000,
        ["Temp R", "Mag. left"], "a.u.",
    ),
    "biosppy": (
        "# Sampling Rate (Hz):= 1000.00\n# Labels:= EMG\n" + table(X[:, 0]), 1000, ["EMG"], "a.u.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_an_export_is_read_as_its_device_meant_it(tmp_path, kind):
    content, rate, names, unit = FILES[kind]
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    recording = read_recording(tmp_path / "a.txt")
    assert recording.sampling_rate == pytest.approx(rate, rel=0.01)
    assert [n.split(") ")[-1] for n in recording.channel_names] == list(names)
    assert recording.unit == unit
    assert recording.n_samples >= N - 1 and recording.valid.all()
    shape = np.corrcoef(recording.signal[: N - 1, 0], X[: N - 1, 0])[0, 1]
    assert shape > 0.99


def test_what_was_left_out_is_named(tmp_path):
    (tmp_path / "a.txt").write_text(FILES["other sensors"][0])
    said = notes(read_recording(tmp_path / "a.txt"))
    assert "the heart" in said and "ECG" in said and "Respiration" in said and "Sync" in said


def test_lost_samples_are_counted(tmp_path):
    (tmp_path / "a.txt").write_text(FILES["lost samples"][0])
    assert "samples are missing (1" in notes(read_recording(tmp_path / "a.txt"))


@pytest.mark.parametrize("channels", ["ECG, Sync", ["ECG", 5], [3, "Sync (V)"]])
def test_the_channels_may_be_chosen(tmp_path, channels):
    path = tmp_path / "a.txt"
    path.write_text(FILES["other sensors"][0])
    recording = read_recording(path, channels=channels)
    assert recording.channel_names == ("ECG", "Sync") and recording.sampling_rate == 1000
    assert "no column 'EDA'; it has Time, EMG zyg" in refusal(path, channels=["EDA"])
    assert "chosen twice" in refusal(path, channels=["ECG", 3])


def test_a_label_that_all_rows_share_is_the_recordings(tmp_path):
    rows = table(STEADY, X[:, 0], "fear", "Phase 1")
    (tmp_path / "a.csv").write_text("Timestamp,CH1,Label,Phase\n" + rows)
    recording = read_recording(tmp_path / "a.csv")
    assert recording.label == "fear" and recording.channel_names == ("CH1",)


def test_a_row_for_each_channel_is_turned(tmp_path):
    lines = [",".join([f"emg{i}", *(f"{v:.4f}" for v in x)]) for i, x in enumerate(X.T)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    recording = read_recording(tmp_path / "a.csv", 1000)
    assert recording.channel_names == ("emg0", "emg1", "emg2")
    np.testing.assert_allclose(recording.signal, X, atol=1e-3)


def test_trials_as_rows_are_not_taken_for_channels(tmp_path):
    np.savetxt(tmp_path / "a.csv", emg(40, 150), delimiter=",")
    assert "64 channels" in refusal(tmp_path / "a.csv", 500)


def test_matlab_exports_name_their_rate_in_many_ways(tmp_path):
    for key in ("SamplingFrequency", "samplerate", "fsamp", "Fs_Hz"):
        savemat(tmp_path / "a.mat", {"emg": X, key: 2000.0})
        assert read_recording(tmp_path / "a.mat").sampling_rate == 2000


def test_matlab_files_of_acqknowledge_and_labchart(tmp_path):
    about = {"isi": 0.5, "isi_units": "ms", "labels": ["Zyg", "Cor"], "units": ["mV", "mV"]}
    savemat(tmp_path / "a.mat", {"data": X[:, :2] / 1000, **about})
    recording = read_recording(tmp_path / "a.mat")
    assert recording.sampling_rate == 2000 and recording.channel_names == ("Zyg", "Cor")
    np.testing.assert_allclose(recording.signal, X[:, :2], atol=1e-3)
    blocks = {"datastart": [[1.0], [N + 1.0]], "dataend": [[float(N)], [2.0 * N]]}
    about = {"samplerate": [[1000.0], [1000.0]], "titles": ["zyg", "cor"], "unittext": "mV"}
    savemat(tmp_path / "b.mat", {"data": X[:, :2].T.reshape(1, -1) / 1000, **blocks, **about})
    recording = read_recording(tmp_path / "b.mat")
    assert recording.sampling_rate == 1000 and recording.channel_names == ("zyg", "cor")
    np.testing.assert_allclose(recording.signal, X[:, :2], atol=1e-3)


def test_a_header_of_opensignals_is_valid_json():
    assert json.loads(OPENSIGNALS.strip("# \n"))
