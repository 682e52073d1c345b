"""The question where on the face the channels were, and what its answers become."""

import json
import re
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest

import emg_llm
from emg_llm.signal.recording import MONTAGE, RecordingError
from emg_llm.ui import build_app, sites
from emg_llm.ui.analysis import make_source
from emg_llm.ui.face import UNNAMED, on_the_face
from emg_llm.ui.prediction import Hero
from emg_llm.ui.signals import RAW
from tests.pretending import FakePipeline, write_csv

EIGHT = [f"{site} {side}" for site, side in zip(MONTAGE, ["left", "right"] * 4, strict=True)]


def answer(given, key=""):
    return SimpleNamespace(_data={"key": str(key), "sites": given})


@pytest.mark.parametrize(
    "names",
    [
        ["channel 1", "channel 2"],
        ["EMG1", "EMG2", "sEMG_3"],
        ["Ch A", "Ch B"],
        ["1", "2", "3"],
        ["EMG L", "EMG R"],
        ["EXG Channel 0", "EXG Channel 1"],
        ["EMG 1 raw", "EMG 2 filtered"],
        [f"ch{i}" for i in range(16)],
    ],
)
def test_channels_that_only_count_are_asked_for(names):
    assert sites.are_unknown(names)


@pytest.mark.parametrize(
    "names",
    [
        ["biceps", "triceps"],
        ["EMG 1 (biceps)", "EMG 2"],
        ["cheek", "channel 2"],
        ["orbicularis oculi"],  # says something, though not which site
        ["щека 1", "щека 2"],
        [f"ch{i}" for i in range(17)],
    ],
)
def test_channels_whose_names_tell_something_and_more_than_there_are_sites_are_not(names):
    assert not sites.are_unknown(names)


def test_the_face_offers_every_site_and_shows_names_from_a_file_literally():
    html = sites.picker_html(['<b>"1"', "2"], "7")
    labels = re.findall(r'aria-label="([^"]*, (?:left|right))"', html)
    assert len(set(labels)) == 16 and "cheek, left" in labels
    assert "<b>" not in html and "Standard order" not in html
    held = json.loads(unescape(re.search(r'data-sites="(.*?)"', html)[1]))
    assert held == {"key": "7", "channels": ['<b>"1"', "2"], "standard": []}
    assert sites.picker_html([*"12345678"], "").count("Standard order") == 2


def test_an_answer_becomes_a_montage_that_the_reader_understands(tmp_path):
    names = ["EMG 1", "a;b, 2", "EMG 3"]
    montage = sites.montage_of(answer(["cheek left", None, "jaw right"]), names)
    np.savez(tmp_path / "a.npz", signal=np.random.default_rng(0).normal(size=(900, 3)), fs=1000)
    read = emg_llm.read_recording(tmp_path / "a.npz", montage=montage)
    assert read.channel_names == ("cheek left", "a b  2", "jaw right")
    assert on_the_face(read) == {0: ("cheek", "left"), 2: ("jaw", "right")}
    assert sites.montage_of(answer(None), names) is None


@pytest.mark.parametrize(
    "given", [["cheek left"], ["cheek left", "nose"], "cheek left", 3, [[], 1]]
)
def test_an_answer_of_another_shape_is_refused(given):
    with pytest.raises(RecordingError, match="fit"):
        sites.montage_of(answer(given), ["1", "2"])
    assert not sites.is_about(SimpleNamespace(_data=given), None)


def test_models_that_read_no_face_ask_for_no_sites(tmp_path):
    source = make_source(write_csv(tmp_path / "a.csv"))
    recording, hero = emg_llm.read_recording(source.path), Hero(FakePipeline())
    assert hero.asks(recording, source)
    assert not hero.asks(recording, source._replace(montage="face"))
    hero.pipeline.sites = tuple(f"channel {i}" for i in range(8))
    assert not hero.asks(recording, source) and UNNAMED in hero.read(recording, source)[1]


def test_chosen_sites_lose_no_other_setting_and_end_with_the_recording(tmp_path):
    demo = build_app(FakePipeline())
    does = {f.fn.__name__: f.fn for f in demo.fns.values() if f.fn is not None}
    path, other = (write_csv(tmp_path / name) for name in ("a.csv", "b.csv"))
    asked = does["uploaded"](path, 500, "mV", "auto", RAW)
    assert any("Where was" in v or "emg-sites" in v for v in asked if isinstance(v, str))

    read = does["sites_chosen"](answer(EIGHT, asked[0].asked_at), asked[0], RAW)
    montage = read[0].montage
    assert montage == ", ".join(EIGHT) and read[-1].value == montage
    assert (read[0].path, read[0].sampling_rate, read[0].unit) == (path, 500, "mV")
    html = "".join(v for v in read if isinstance(v, str))
    assert "emg-face" in html and "data-again" in html and "emg-sites" not in html

    unit = does["settings_changed"](read[0], path, 500, "uV", montage, RAW)
    faster = does["rate_entered"](unit[0], path, 1000, "uV", "auto", RAW)
    assert faster[0][1:4] == (1000, "uV", montage)
    late = does["sites_chosen"](answer(EIGHT, asked[0].asked_at), faster[0], RAW)
    assert not any(isinstance(v, str) for v in late)  # it was about what is closed
    again = does["sites_chosen"](answer(None, faster[0].asked_at), faster[0], RAW)
    assert again[0].montage is None and again[-1] == "auto"
    new = does["uploaded"](other, 1000, "mV", montage, RAW)
    assert new[0].montage is None and new[-1] == "auto"


def test_a_withheld_emotion_points_to_the_face_that_asks():
    why = "It doesn't say where; name the channels."
    prediction = emg_llm.pipeline.Prediction(None, {}, withheld=why)
    asking, telling = (Hero(FakePipeline()).show(prediction, asks=a)[0] for a in (True, False))
    assert "Tap on the face" in asking and "It doesn&#x27;t say where." in asking
    assert "Name the channels." in telling and "Tap" not in telling
