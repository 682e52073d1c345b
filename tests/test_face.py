"""The face: which sites it shows, and how strong each is over time."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import emg_llm
from emg_llm.signal.features import channel_power
from emg_llm.signal.levels import LevelScale
from emg_llm.signal.recording import MONTAGE, Recording
from emg_llm.signal.strength import MOST_STEPS, strength
from emg_llm.ui.face import face_data, face_html

RATE = 1000


def tones(*loudness, seconds=2.0, names=(), **more):
    """A recording of 130 Hz tones of some RMS; the first fades to a hundredth at half time."""
    t = np.arange(round(seconds * RATE)) / RATE
    x = np.sqrt(2) * np.sin(2 * np.pi * 130 * t)[:, None] * np.array(loudness)
    x[len(t) // 2 :, 0] /= 100
    return Recording(x, RATE, names or MONTAGE[: len(loudness)], **more)


@pytest.fixture(scope="module")
def scale():
    rng = np.random.default_rng(0)
    return LevelScale.fit(rng.uniform(50, 200, (30, len(MONTAGE))), MONTAGE)


def test_the_strength_of_a_tone_is_its_power_in_steps_of_a_tenth_of_a_second():
    found = strength(tones(10, 20))
    assert found.power.shape == (20, 2) and found.step == 0.1 and found.start == 0
    assert found.power[3:7, 0] == pytest.approx(100, rel=0.06)
    assert found.power[13:17, 0] == pytest.approx(0, abs=1)
    assert found.power[3:17, 1] == pytest.approx(400, rel=0.06)
    assert found.whole[1] == pytest.approx(400, rel=0.06)


def test_a_dead_channel_and_a_gap_have_no_strength():
    signal = tones(10, 20, 0).signal.copy()
    signal[500:700, 1] = np.nan
    found = strength(Recording(signal, RATE, MONTAGE[:3]))
    assert np.isnan(found.power[:, 2]).all() and np.isnan(found.whole[2])
    assert np.flatnonzero(np.isnan(found.power[:, 1])).tolist() == [5, 6]


def test_time_is_that_of_the_file_and_a_long_recording_has_longer_steps():
    valid = np.arange(2000) >= 300
    assert strength(tones(10, 20, valid=valid)).start == pytest.approx(0.3)
    long = strength(tones(10, 20, seconds=90))
    assert len(long.power) == MOST_STEPS and long.step == pytest.approx(0.15)


def test_levels_are_those_that_language_models_read_whatever_the_order_and_the_side(scale):
    recording = emg_llm.simulate("anger", 1)
    sides = [f"{name} right" for name in MONTAGE][::-1]
    turned = recording.replace(signal=recording.signal[:, ::-1], channel_names=tuple(sides))
    expected = scale.continuous(channel_power(emg_llm.clean(recording)))
    for shown, side in ((face_data(recording, scale), "left"), (face_data(turned, scale), "right")):
        assert shown["unit"] == "dB" and {s["side"] for s in shown["sites"]} == {side}
        levels = {s["site"]: s["whole"] for s in shown["sites"]}
        assert [levels[site] for site in MONTAGE] == pytest.approx(expected, abs=0.051)
        steps = np.array([s["values"] for s in shown["sites"]])
        assert steps.shape == (8, 30) and (steps.max(axis=1) > [*levels.values()]).all()


def test_only_sites_of_the_face_are_on_it_each_once_on_its_side(scale):
    names = "cheek left", "cheek right", "zyg L", "biceps", "jaw"
    shown = face_data(tones(1, 2, 3, 4, 5, names=names), scale)["sites"]
    assert [(s["channel"], s["site"], s["side"]) for s in shown] == [
        ("cheek left", "cheek", "left"),
        ("cheek right", "cheek", "right"),
        ("jaw", "jaw", "left"),
    ]
    html = face_html(face_data(tones(1, 2, names=("biceps", "triceps")), scale))
    assert "No channel names a site" in html and "emg-face" not in html


@pytest.mark.parametrize("why", ["no scale", "another unit", "another site"])
def test_without_a_level_the_face_shows_the_rms(scale, why):
    recording = tones(10, 20, unit="a.u." if why == "another unit" else "uV")
    fewer = replace(scale, names=("cheek",), is_power=(True,))
    of = {"no scale": None, "another unit": scale, "another site": fewer}[why]
    shown = face_data(recording, of)
    assert shown["unit"] == ("a.u." if why == "another unit" else "µV")
    assert shown["sites"][1]["whole"] == pytest.approx(20, abs=0.5)
    assert shown["low"] == 0 and shown["high"] == pytest.approx(20, rel=0.05)
    assert "RMS" in face_html(shown) and "typical" not in face_html(shown)


def test_the_drawing_names_each_site_and_holds_its_values(scale):
    shown = face_data(tones(10, 0, 5, names=("cheek", "jaw", "brow <b> L")), scale)
    html = face_html(shown)
    assert re.findall(r'aria-label="(cheek|jaw): (.*?)"', html)[1] == ("jaw", "no signal")
    assert html.count('class="site"') == len(shown["sites"])
    assert html.count('class="absent"') == len(MONTAGE) - len(shown["sites"])
    held = re.search(r'data-face="(.*?)"', html)[1].replace("&quot;", '"')
    assert json.loads(held) == json.loads(json.dumps(shown))


def test_a_recording_that_cannot_be_cleaned_has_an_empty_face(scale):
    short = Recording(np.ones((20, 2)), RATE, ("cheek", "jaw"))
    assert face_data(short, scale) == {"sites": []}
