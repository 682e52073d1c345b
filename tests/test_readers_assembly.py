"""What is assumed about a signal: missing samples, unit, rate, and whether it is one at all."""

import numpy as np
import pytest

from emg_llm.signal.readers import read_recording
from tests.making import RATE, N, emg, notes, refusal, save


def test_missing_numbers_become_invalid_and_hold_zero(tmp_path):
    signal = emg()
    signal[10:20] = np.nan
    signal[50, 3] = signal[60:160, 1] = np.nan
    for path in (save(tmp_path / "a.npy", signal), save(tmp_path / "a.csv", signal)):
        recording = read_recording(path, RATE)
        assert (~recording.valid).nonzero()[0].tolist() == [*range(10, 20)]
        assert not recording.signal[~recording.valid].any()
        assert recording.gaps.nonzero()[0].tolist() == [*range(60, 160)]
        assert recording.gaps.nonzero()[1].tolist() == [1] * 100
        assert recording.signal[50, 3] == pytest.approx(recording.signal[[49, 51], 3].mean())
        said = notes(recording)
        assert "10 samples (0.005 s) with missing values" in said
        assert "Channel 2 lacks 100 samples (0.05 s) that others have" in said
        assert "Channel 4 lacks 1 sample (0.0005 s)" in said


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
    assert np.abs(recording.signal).max() < 1000 and recording.valid.all()
    assert recording.gaps[:, 2].nonzero()[0].tolist() == [*range(50)]
    assert recording.gaps.sum() == 50


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


def test_a_recording_of_less_than_a_twentieth_of_a_second_is_refused(tmp_path):
    assert "at least 32 samples and 0.05 s" in refusal(save(tmp_path / "a.npy", emg(500)), 15000)


def test_a_channel_that_ends_early_takes_nothing_from_the_others(tmp_path):
    signal = emg()
    signal[len(signal) // 2 - 1 :, 2] = np.nan
    signal[7, 0] = np.nan
    np.save(tmp_path / "a.npy", signal)
    recording = read_recording(tmp_path / "a.npy", 2000)
    assert recording.valid.all() and recording.gaps is None
    assert not recording.signal[:, 2].any() and recording.signal[-1, 1]
    assert "Channel 3 lacks 50% of its samples; it is taken for an elec" in notes(recording)
    signal[: len(signal) * 2 // 3] = emg()[: len(signal) * 2 // 3]
    np.save(tmp_path / "b.npy", signal)
    recording = read_recording(tmp_path / "b.npy", 2000)
    assert recording.gaps[:, 2].sum() == N - N * 2 // 3 and recording.signal[-1, 2]
