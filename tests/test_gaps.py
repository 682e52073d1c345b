"""Gaps of single channels: ignored there, while the other channels keep their samples."""

import numpy as np
import pytest

import emg_llm
from emg_llm.plots import signals as plots
from emg_llm.signal.gaps import bridge, stuck
from emg_llm.signal.montage import arrange
from emg_llm.signal.preprocessing import clean, resample, segment
from emg_llm.signal.readers import read_recording
from emg_llm.signal.recording import MONTAGE, Recording

RATE, N = 2000, 8000
GAP = slice(3000, 5000)


def muscles(channels=4, offset=0.0):
    """Noise in bursts, a rest of a tenth of it at both ends of every second."""
    rng = np.random.default_rng(3)
    strength = np.where((np.arange(N) % RATE > 400) & (np.arange(N) % RATE < 1600), 50, 5)
    return offset + strength[:, None] * rng.standard_normal((N, channels))


def gappy(signal, value=np.nan, channel=1):
    signal = signal.copy()
    signal[GAP, channel] = value
    return signal


def test_a_gap_of_one_channel_leaves_the_others_exactly_as_they_are(tmp_path):
    np.save(tmp_path / "whole.npy", muscles())
    np.save(tmp_path / "gap.npy", gappy(muscles()))
    whole, gap = (read_recording(tmp_path / f"{n}.npy", RATE, "uV") for n in ("whole", "gap"))
    assert gap.valid.all() and whole.gaps is None
    others = [0, 2, 3]
    assert np.array_equal(clean(gap).signal[:, others], clean(whole).signal[:, others])
    report, before = emg_llm.assess_quality(gap), emg_llm.assess_quality(whole)
    assert [report.channels[i] for i in others] == [before.channels[i] for i in others]
    assert report.channels[1].faults[-1] == "gaps" and report.channels[1].verdict == "usable"
    assert report.invalid == 0
    assert any("25.0% of the samples are missing" in message for message in report.messages)
    a, b = emg_llm.feature_table(gap), emg_llm.feature_table(whole)
    assert a["rms channel 1"].equals(b["rms channel 1"])
    missing = a["rms channel 2"].isna()
    assert 0.2 < missing.mean() < 0.3 and missing[missing].index.min() == 23


def test_the_gap_holds_what_is_like_the_channel_and_no_step():
    signal = muscles(offset=3000.0)
    recording = Recording(gappy(signal), RATE)
    there, filled = (clean(r).signal[GAP, 1] for r in (Recording(signal, RATE), recording))
    assert 0.7 < filled.std() / there.std() < 1.4
    assert np.abs(filled).max() < 1.5 * np.abs(there).max()
    assert np.isfinite(emg_llm.segment_tensor(recording)).all()


def test_a_channel_that_stands_still_for_long_is_a_gap_after_cleaning():
    signal = muscles(offset=200.0)
    still = clean(Recording(gappy(signal, signal[2999, 1]), RATE))
    assert still.gaps[:, 1].sum() == pytest.approx(2000, abs=2) and still.gaps.sum() < 2003
    as_missing = clean(Recording(gappy(signal), RATE)).signal
    assert np.array_equal(still.signal[:, 0], as_missing[:, 0])
    assert np.abs(still.signal - as_missing)[:2900].max() < 0.5  # no step rings
    assert stuck(signal, RATE) is None
    dead, all_still = signal.copy(), signal.copy()
    dead[:, 1], all_still[GAP] = 7, 7
    assert stuck(dead, RATE) is None and stuck(all_still, RATE) is None


def test_short_gaps_become_straight_lines_as_in_exports_at_half_the_rate():
    t = np.arange(N) / RATE
    signal = np.stack([np.sin(2 * np.pi * 50 * t), np.cos(2 * np.pi * 90 * t)], axis=1)
    half = signal.copy()
    half[1::2, 1] = np.nan
    recording = Recording(half, RATE)
    assert recording.gaps is None and recording.valid.all()
    assert np.abs(recording.signal[:-1] - signal[:-1]).max() < 0.04


def test_a_channel_that_lacks_most_is_silent():
    signal = muscles()
    signal[2000:, 0] = np.nan
    recording = Recording(signal, RATE)
    assert not recording.signal[:, 0].any() and recording.gaps is None


@pytest.mark.parametrize("first", [0, 1, 4000, N - 30])
def test_gaps_may_lie_anywhere_and_be_longer_than_what_is_left(first):
    signal = muscles(2)
    absent = np.zeros(signal.shape, bool)
    absent[first : first + 3500, 0] = absent[100:140] = True
    signal[absent] = np.nan
    valid, gaps, silent = bridge(signal, absent, RATE)
    assert np.isfinite(signal).all() and not silent.any()
    assert valid.sum() == N - 40 and not gaps[~valid].any() and not signal[~valid].any()
    assert (gaps[:, 0] == absent[:, 0] & valid).all() and not gaps[:, 1].any()


def test_gaps_follow_their_channel_and_time():
    recording = Recording(gappy(muscles(8)), RATE, MONTAGE)
    turned = arrange(recording, MONTAGE[::-1])
    assert turned.gaps[:, -2].sum() == 2000 == turned.gaps.sum()
    slow = resample(recording, 1000)
    assert slow.gaps[:, 1].sum() == pytest.approx(1000, abs=2) == slow.gaps.sum()
    assert segment(recording, 1000).lacking[:, 1].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]


def test_a_muscle_is_never_active_in_a_gap():
    found = emg_llm.activations(Recording(gappy(muscles()), RATE))
    mine = [a for a in found if a.channel == "channel 2"]
    assert mine and all(a.offset <= 1.51 or a.onset >= 2.49 for a in mine)
    others = [a for a in found if a.channel == "channel 1"]
    assert any(a.onset < 2.3 < a.offset for a in others)


def test_the_figure_leaves_the_gap_of_a_channel_empty_and_shades_it():
    figure = plots.signal_figure(Recording(gappy(muscles(4)), RATE))
    grey = plots.FILLS["absent"]
    [shade] = [shape for shape in figure.layout.shapes if shape.fillcolor == grey]
    assert shade.path == "M1.5,0V1H2.5V0Z" and shade.yref == "y2 domain"
    drawn = [np.nanmin(np.abs(np.array(trace.x) - 2.0)) for trace in figure.data[:2]]
    assert drawn[0] < 0.01 and drawn[1] > 0.49
