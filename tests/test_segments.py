"""Segments: in order, without overlap, without what is invalid."""

import numpy as np
import pytest

from emg_llm.signal.preprocessing import segment
from emg_llm.signal.recording import Recording, RecordingError


def ramp(samples, channels=2, **more):
    """Each sample holds its own place, so that a segment shows where it was cut."""
    return Recording(np.repeat(np.arange(samples)[:, None], channels, 1), 1000, **more)


def test_segments_follow_one_another_without_overlap_and_the_rest_is_left_out():
    cut = segment(ramp(1000), 128)
    assert len(cut) == 7 and cut.signal.shape == (7, 128, 2)
    assert np.array_equal(cut.signal[:, :, 0].ravel(), np.arange(7 * 128))
    assert np.allclose(cut.start, np.arange(7) * 0.128) and cut.sampling_rate == 1000


def test_channels_stay_apart():
    x = np.stack([np.zeros(256), np.ones(256)], axis=1)
    cut = segment(Recording(x, 1000), 128).signal
    assert (cut[..., 0] == 0).all() and (cut[..., 1] == 1).all()


def test_segments_mostly_invalid_are_left_out_and_the_others_keep_their_times():
    valid = np.ones(512, bool)
    valid[128:200] = False  # 72 of the second 128
    valid[256:300] = False  # 44 of the third
    cut = segment(ramp(512, valid=valid), 128)
    assert np.allclose(cut.start, [0, 0.256, 0.384])
    assert np.array_equal(cut.signal[:, 0, 0], [0, 256, 384])


def test_the_original_projects_recording_gives_351_segments():
    assert len(segment(ramp(45000))) == 351


def test_too_short_a_recording_is_refused_in_words():
    with pytest.raises(RecordingError, match=r"127 valid samples.*longer trial"):
        segment(ramp(127), 128)


def test_a_recording_without_a_valid_segment_is_refused_in_words():
    with pytest.raises(RecordingError, match="No segment"):
        segment(ramp(256, valid=np.zeros(256, bool)), 128)
