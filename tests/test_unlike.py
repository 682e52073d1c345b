"""Recordings unlike the training people's are told apart, with a reason that fits."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emg_llm.encoders import load_encoder
from emg_llm.encoders.familiar import LENGTHS, Familiar
from emg_llm.hub.client import bundle_folder
from emg_llm.signal.recording import MONTAGE, Recording
from emg_llm.signal.simulation import simulate

FOLDER = bundle_folder() / "encoders" / "cnn"
T = np.arange(6000) / 2000


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(FOLDER)


def noise(size=1.0, n=6000, seed=0):
    return size * np.random.default_rng(seed).standard_normal((n, 8))


def wave(hertz, size):
    return size * np.sin(2 * np.pi * hertz * T[:, None] + np.arange(8)) + noise(0.5)


def pink(size):
    spectrum = np.fft.rfft(noise(), axis=0)
    return size * np.fft.irfft(spectrum / np.sqrt(np.arange(1, 3002))[:, None], axis=0) * 20


def person(emotion="anger", **settings):
    return simulate(emotion, seed=4321, **settings)


FAULTS = {
    "flat": np.full((6000, 8), 1.65),
    "same signal": np.repeat(person().signal[:, :1], 8, axis=1),
    "50 Hz mains hum": wave(50, 40),
    "60 Hz mains hum": wave(60, 40),
    "steady tone of 140 Hz": wave(140, 40),
    "noise alone": noise(5),
    "steady and equally strong": pink(30),
    "1,000,000 times too small for facial EMG in microvolts, as if it were in volts": (
        1e-6 * person().signal
    ),
    "1,000 times too small for facial EMG in microvolts, as if it were in millivolts": (
        1e-3 * person().signal
    ),
    "1,000,000 times too large": 1e6 * person().signal,
    "too large": 1e28 * np.sign(noise()),
}


@pytest.mark.parametrize("words", FAULTS)
def test_a_fault_is_named_with_what_to_check(encoder, words):
    sentence = encoder.unlike(Recording(FAULTS[words], 2000, MONTAGE))
    assert words in sentence and "; check " in sentence
    assert sentence.endswith(".") and sentence.count(". ") == 0


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_wrong_rate_is_named_with_the_one_that_fits(encoder, factor):
    sentence = encoder.unlike(person("fear").replace(sampling_rate=2000 * factor))
    assert f"at {2000 * factor:g} Hz but would fit 2000 Hz" in sentence


@pytest.mark.parametrize(
    "settings", [{}, {"duration": 0.5}, {"duration": 7.0}, {"sampling_rate": 1000.0}]
)
def test_new_people_are_accepted_at_other_lengths_and_rates(encoder, settings):
    emotions = "neutral", "happiness", "surprise"
    assert [encoder.unlike(person(e, **settings)) for e in emotions] == ["", "", ""]


def test_missing_channels_do_not_make_a_face_unlike_one(encoder):
    signal = person("fear").signal.copy()
    signal[:, [1, 4, 6]] = 0
    assert encoder.unlike(Recording(signal, 2000, MONTAGE)) == ""
    signal[:, 0::2] = noise(20)[:, 0::2]
    assert encoder.unlike(Recording(signal, 2000, MONTAGE))


def test_an_encoder_saved_without_a_detector_loads_and_accepts_what_is_not_faulty(tmp_path):
    weights = load_file(FOLDER / "model.safetensors")
    old = {
        k: v
        for k, v in weights.items()
        if not k.startswith("familiar") and k not in ("usual", "related")
    }
    assert len(old) < len(weights)
    save_file(old, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((FOLDER / "config.json").read_text())
    loaded = load_encoder(tmp_path)
    for seconds in (0.5, 1, 3):
        assert loaded.unlike(Recording(noise(5, int(2000 * seconds)), 2000, MONTAGE)) == ""
    assert "flat" in loaded.unlike(Recording(FAULTS["flat"], 2000, MONTAGE))


def test_the_limit_accepts_its_share_of_other_people_and_needs_enough_of_them():
    rng = torch.Generator().manual_seed(0)
    mixing = torch.randn(40, 40, generator=rng) / 6

    def draw(n):
        return torch.randn(n, 40, generator=rng) @ mixing

    familiar = Familiar(40)
    familiar.fit(draw(500))

    def distances(n):
        return familiar(draw(n)).numpy()[None].repeat(len(LENGTHS), axis=0)

    familiar.fit_limits(distances(400))
    accepted = (distances(2000)[0] <= float(familiar.limits[-1])).mean()
    assert 0.96 < accepted < 0.995
    familiar.fit_limits(distances(30))
    assert torch.isinf(familiar.limits).all()
