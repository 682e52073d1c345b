from time import process_time

import numpy as np
import pytest

from emg_llm.signal.envelope import BINS, BLOCK, FEW, envelope, scale
from emg_llm.signal.marks import Marks, marks
from emg_llm.signal.once import Prepared
from emg_llm.signal.recording import Recording

RATE = 1000.0


def noise(n, channels=3, **settings):
    signal = np.random.default_rng(0).standard_normal((n, channels)).astype(np.float32)
    return Recording(signal, RATE, **settings)


@pytest.mark.parametrize("seconds", [(0, 300), (10, 290.5), (3.3, 60), (100, 103), (299.99, 400)])
def test_each_bin_holds_the_extremes_of_all_its_samples_at_any_zoom(seconds):
    recording = noise(300_000, start=2.0)
    found = envelope(recording, *seconds)
    begin = round((found.start - recording.start) * RATE)
    assert found.start <= max(seconds[0], 2.0) and len(found.low) <= FEW * BINS + 2
    for k in (0, 1, len(found.low) // 2, len(found.low) - 1):
        of = recording.signal[begin + k * found.size :][: found.size]
        assert np.array_equal(found.low[k], of.min(axis=0))
        assert np.array_equal(found.high[k], of.max(axis=0))
    end = found.start + len(found.low) * found.step
    assert end >= min(seconds[1], 302.0) - 1e-9


def test_few_samples_are_shown_themselves():
    recording = noise(5000)
    found = envelope(recording, 1.0, 2.0)
    assert found.size == 1 and found.step == 1 / RATE and found.start == 1.0
    assert np.array_equal(found.low, recording.signal[1000:2001])
    assert found.high is found.low


@pytest.mark.parametrize("n", [500, 4000, 300_000])
def test_samples_that_are_not_there_are_not_shown(n):
    valid, gaps = np.ones(n, bool), np.zeros((n, 3), bool)
    valid[n // 2 :], gaps[: n // 4, 1] = False, True
    recording = noise(n, valid=valid).replace(gaps=gaps)
    recording.signal[gaps] = 1e6  # what a gap is bridged with
    found = envelope(recording)
    quarter, half = (int(n * share / found.size) for share in (0.25, 0.5))
    assert np.isnan(found.high[half + 1 :]).all() and np.isnan(found.low[: quarter - 1, 1]).all()
    assert np.isfinite(found.high[:half, 0]).all() and np.nanmax(found.high) < 100


def test_a_long_recording_is_zoomed_at_once():
    recording = Prepared.of(noise(3_000_000, 8))
    envelope(recording)
    start = process_time()
    for k in range(20):
        envelope(recording, k, 3000 / (k + 1))
    assert process_time() - start < 20 * 0.05


def test_one_wild_channel_does_not_set_the_height_of_the_rows():
    recording = noise(3000)
    recording.signal[:, 0] *= 1000
    recording.signal[:, 1] += 50
    center, half = scale(recording)
    assert half < 30 and center[1] == pytest.approx(50, abs=0.1)
    assert scale(noise(100, valid=np.zeros(100, bool)))[1] > 0


def test_activity_gaps_and_clipped_parts_are_marked_in_the_time_of_the_file():
    rng, t = np.random.default_rng(1), np.arange(4000) / RATE
    x = rng.standard_normal((4000, 2)) * np.where((t > 1.5) & (t < 2.5), 20, 1)[:, None]
    x[:, 1] = np.clip(x[:, 1], -10, 10)
    valid, gaps = np.ones(4000, bool), np.zeros((4000, 2), bool)
    valid[3500:3600], gaps[200:300, 0] = False, True
    recording = Recording(x, RATE, ("a", "b"), valid=valid, gaps=gaps, start=5.0)
    found = marks(recording)
    assert found.active[0] == pytest.approx(np.array([[6.5, 7.5]]), abs=0.06)
    assert 6.5 < found.peak < 7.5
    assert found.invalid == pytest.approx(np.array([[8.5, 8.6]]))
    assert found.lacking[0] == pytest.approx(np.array([[5.2, 5.3]])) and not len(found.lacking[1])
    assert not len(found.clipped[0]) and len(found.clipped[1]) > 20
    assert (found.clipped[1] > 6.4).all() and (found.clipped[1] < 7.6).all()
    in_view = found.between(6.0, 7.0, 0.2)
    assert in_view.active[0] == pytest.approx(np.array([[6.5, 7.0]]), abs=0.06)
    assert len(in_view.clipped[1]) == 1 and not len(in_view.invalid)


def test_thousands_of_marks_are_as_many_as_a_figure_can_show():
    spans = np.arange(20_000).reshape(-1, 2) / 10
    none = np.zeros((0, 2))
    found = Marks([spans], [spans], [none], spans).between(0, 1000, 1000 / BINS)
    assert len(found.active[0]) < BINS and found.active[0][0, 0] == 0


def test_a_recording_too_short_to_be_cleaned_has_no_activity():
    assert not len(marks(noise(20)).active[0]) and marks(noise(20)).peak is None


def test_blocks_divide_the_large_bins():
    assert envelope(noise(300_000)).size % BLOCK == 0
