"""Features: physical units, taken before any normalisation, and checked against formulas."""

import numpy as np
import pytest

from emg_llm.signal.features import (
    FEATURES,
    activity,
    channel_power,
    feature_summary,
    feature_table,
    segment_features,
    segment_tensor,
    tensor_column,
)
from emg_llm.signal.preprocessing import clean, segment
from emg_llm.signal.recording import Recording
from emg_llm.signal.simulation import simulate

RATE = 2000


def noise(samples=6000, channels=8, rate=RATE, scale=20.0, **more):
    x = np.random.default_rng(0).normal(0, scale, (samples, channels))
    return Recording(x, rate, **more)


def scaled(recording, k):
    return recording.replace(signal=k * recording.signal)


def test_scaling_the_signal_scales_rms_by_k_and_variance_by_k_squared():
    recording = clean(noise())
    one, three = (segment_features(segment(scaled(recording, k))) for k in (1, 3))
    assert np.allclose(three["rms"], 3 * one["rms"], rtol=1e-4)
    assert np.allclose(three["variance"], 9 * one["variance"], rtol=1e-4)
    assert np.allclose(three["mean_frequency"], one["mean_frequency"], rtol=1e-3)


def test_features_of_segments_differ_so_nothing_was_normalised_away():
    values = segment_features(segment(clean(simulate("delight"))))
    rms = values["rms"]
    assert (rms.max(axis=0) / rms.min(axis=0)).min() > 3
    assert values["variance"].std() > 0


def test_mean_variance_and_rms_are_what_they_are_called():
    recording = noise(channels=2)
    recording = recording.replace(signal=recording.signal + np.array([0, 7]), cleaned=True)
    cut = segment(recording)
    values = segment_features(cut)
    x = cut.signal.astype(np.float64)
    assert list(values) == list(FEATURES)
    assert {(v.shape, v.dtype) for v in values.values()} == {((46, 2), np.dtype(np.float32))}
    assert np.allclose(values["mean"], x.mean(1), atol=1e-3)
    assert np.allclose(values["variance"], x.var(1), rtol=1e-3)
    assert np.allclose(values["rms"], np.sqrt((x**2).mean(1)), rtol=1e-4)


@pytest.mark.parametrize("cycles", [4, 10, 25])
def test_the_mean_frequency_of_a_pure_sine_is_its_frequency(cycles):
    frequency = cycles * RATE / 128  # whole cycles in a segment
    t = np.arange(1280) / RATE
    tone = Recording(np.sin(2 * np.pi * frequency * t)[:, None], RATE)
    assert np.allclose(segment_features(segment(tone))["mean_frequency"], frequency, rtol=1e-3)


def test_the_mean_frequency_of_white_noise_is_half_way_to_nyquist():
    values = segment_features(segment(noise(samples=60000)))
    assert values["mean_frequency"].mean() == pytest.approx(RATE / 4, rel=0.02)


def test_the_tensor_of_the_originals_recording_is_351_by_128_by_12():
    recording = noise(samples=45000, rate=15000)
    tensor = segment_tensor(recording)
    assert tensor.shape == (351, 128, 12) and tensor.dtype == np.float32
    cut = segment(clean(recording))
    assert np.array_equal(tensor[..., :8], cut.signal)
    last = tensor[..., 8:]
    assert (last == last[:, :1]).all()  # constant over time
    assert (last.std(axis=0)[0] > 0).all()  # but not over segments
    for name, values in segment_features(cut).items():
        column = tensor[:, 0, tensor_column(8, name)]
        assert np.allclose(column, values.mean(axis=1), rtol=1e-5), name


@pytest.mark.parametrize(("channels", "length"), [(1, 128), (2, 256), (5, 100)])
def test_the_tensor_has_four_columns_more_than_channels(channels, length):
    tensor = segment_tensor(noise(channels=channels), segment_length=length)
    assert tensor.shape == (6000 // length, length, channels + 4)


def test_the_feature_table_has_a_row_for_each_segment_with_named_columns():
    recording = noise()
    table = feature_table(recording)
    assert len(table) == 46 and list(table.columns[:2]) == ["segment", "start_s"]
    assert len(table.columns) == 2 + 4 * 8
    values = segment_features(segment(clean(recording)))
    assert np.allclose(table["rms channel 4"], values["rms"][:, 3])
    assert np.allclose(table["mean_frequency channel 8"], values["mean_frequency"][:, 7])
    assert table["start_s"][1] == pytest.approx(128 / RATE, abs=1e-4)


def test_the_summary_names_the_unit_and_gives_one_row_for_each_channel():
    table = feature_summary(noise())
    assert list(table["channel"]) == [f"channel {i}" for i in range(1, 9)]
    rms = np.sqrt(np.mean(np.square(clean(noise()).signal), axis=0))
    assert np.allclose(table["RMS (µV)"], rms, rtol=1e-3)
    assert "variance (a.u.²)" in feature_summary(noise(unit="a.u."))


def test_channel_power_counts_valid_samples_only():
    recording = clean(noise())
    valid = np.arange(recording.n_samples) < 3000
    halved = recording.replace(signal=recording.signal * valid[:, None], valid=valid)
    expected = np.mean(np.square(recording.signal[:3000], dtype=np.float64), axis=0)
    assert np.allclose(channel_power(halved), expected, rtol=1e-3)


def test_channel_power_and_segment_features_do_not_depend_on_the_unit():
    recording = clean(noise())
    volts = scaled(recording, 1e-6)
    assert np.allclose(channel_power(volts), 1e-12 * channel_power(recording), rtol=1e-4, atol=0)
    one, other = (segment_features(segment(r)) for r in (recording, volts))
    assert np.allclose(one["mean_frequency"], other["mean_frequency"], rtol=1e-3)


def test_a_dead_channel_has_60_db_less_than_the_others():
    recording = clean(noise())
    dead = recording.replace(signal=recording.signal * (np.arange(8) != 3))
    power = channel_power(dead)
    assert power[3] == pytest.approx(1e-6 * power.mean(), rel=0.01)
    assert np.allclose(np.delete(power, 3), np.delete(channel_power(recording), 3))


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.5), (1.0, 1.4), (0.2, 2.6)])
def test_activity_finds_the_burst_at_any_rate_and_gain(start, end):
    rng = np.random.default_rng(0)
    for rate in (1000.0, 2000.0):
        t = np.arange(int(3 * rate)) / rate
        strength = np.where((t >= start) & (t < end), 20.0, 2.0)
        strength += 20.0 * np.exp(-(((t - (start + end) / 2) / 0.1) ** 2))
        signal = strength[:, None] * rng.standard_normal((len(t), 4))
        for gain in (1.0, 1e-3):
            found = activity(Recording(signal * gain, rate, tuple("abcd")))
            assert found[0] == pytest.approx(start, abs=0.15)
            assert found[1] == pytest.approx(end, abs=0.15)
            assert found[2] == pytest.approx((start + end) / 2, abs=0.15)


def test_a_steady_signal_has_no_burst():
    signal = np.random.default_rng(0).standard_normal((6000, 4))
    assert activity(Recording(signal, 2000.0, tuple("abcd"))) is None
    assert activity(Recording(signal[:200], 2000.0, tuple("abcd"))) is None
