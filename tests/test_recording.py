"""The Recording: what it promises, what it refuses, and what importing it costs."""

import subprocess
import sys

import numpy as np
import pytest

import emg_llm
from emg_llm.signal.recording import EMOTIONS, MONTAGE, Recording, RecordingError

HEAVY = ("torch", "gradio", "trl", "transformers", "bitsandbytes")
READ_TO_FEATURES = """
import sys, numpy as np, emg_llm
np.save(sys.argv[1], np.random.default_rng(0).standard_normal((2000, 8)))
recording = emg_llm.read_recording(sys.argv[1], sampling_rate=2000, unit="uV")
emg_llm.assess_quality(recording)
assert len(emg_llm.feature_table(recording)) == 15
assert emg_llm.segment_tensor(recording).shape == (15, 128, 12)
"""


def loaded_after(code, *args):
    """Which heavy packages a fresh interpreter has imported after running `code`."""
    code += f"\nimport sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_the_package_loads_no_heavy_package_and_not_even_numpy():
    assert loaded_after("import emg_llm, sys; assert 'numpy' not in sys.modules") == []


def test_reading_a_file_up_to_its_features_needs_no_heavy_package(tmp_path):
    assert loaded_after(READ_TO_FEATURES, str(tmp_path / "trial.npy")) == []


def test_every_public_name_can_be_imported_and_an_unknown_one_is_an_attribute_error():
    assert all(callable(getattr(emg_llm, name)) or name.isupper() for name in emg_llm.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = emg_llm.no_such_name


def test_emotions_and_montage_stay_in_their_published_order():
    assert tuple(sorted(EMOTIONS)) == EMOTIONS and len(EMOTIONS) == 12
    assert MONTAGE[0] == "above the eye" and MONTAGE[-1] == "jaw" and len(MONTAGE) == 8


def test_a_recording_holds_float32_and_knows_its_shape_and_duration():
    recording = Recording(np.ones((500, 3), np.int16), 250)
    assert recording.signal.dtype == np.float32
    assert (recording.n_samples, recording.n_channels, recording.duration) == (500, 3, 2.0)
    assert recording.valid.all() and recording.valid.shape == (500,)
    assert recording.channel_names == ("channel 1", "channel 2", "channel 3")


def test_channels_without_names_are_never_called_by_a_site():
    names = Recording(np.ones((10, 8)), 100).channel_names
    assert names == tuple(f"channel {i}" for i in range(1, 9))


def test_samples_with_nan_are_marked_as_invalid():
    signal = np.ones((10, 2))
    signal[3] = signal[5:7, 1] = np.nan
    recording = Recording(signal, 100)
    assert not recording.valid[3] and recording.valid.sum() == 9
    assert (recording.signal[3] == 0).all() and np.isnan(signal[3, 1])
    assert recording.gaps.nonzero()[0].tolist() == [5, 6] and recording.gaps[5].tolist() == [0, 1]
    assert recording.present(1).sum() == 7 and recording.present(0).sum() == 9
    with pytest.raises(RecordingError, match="gaps"):
        recording.replace(signal=np.ones((10, 3)), channel_names=())


def test_a_changed_copy_leaves_the_first_recording_as_it_was():
    recording = Recording(np.ones((10, 2)), 100, label="fear")
    changed = recording.replace(label="anger", sampling_rate=200)
    assert (changed.label, changed.sampling_rate) == ("anger", 200.0)
    assert (recording.label, recording.sampling_rate) == ("fear", 100.0)


@pytest.mark.parametrize(
    ("signal", "more", "words"),
    [
        (np.ones(10), {}, "one row for each sample"),
        (np.ones((10, 0)), {}, "shape"),
        (np.ones((1, 8)), {}, "single sample"),
        (np.full((10, 2), np.nan), {}, "NaN"),
        (np.full((10, 2), np.inf), {}, "infinite"),
        (np.ones((10, 2)), {"sampling_rate": 0}, "sampling rate"),
        (np.ones((10, 2)), {"sampling_rate": -1}, "sampling rate"),
        (np.ones((10, 2)), {"sampling_rate": np.nan}, "sampling rate"),
        (np.ones((10, 2)), {"valid": np.ones(9, bool)}, "validity"),
        (np.ones((10, 2)), {"channel_names": ("one",)}, "names"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(signal, more, words):
    with pytest.raises(RecordingError, match=words):
        Recording(signal, **{"sampling_rate": 1000.0} | more)
