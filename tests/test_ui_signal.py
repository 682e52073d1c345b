import json
import re
from html import unescape
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from emg_llm.signal.once import Prepared
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import EMOTIONS, Recording, RecordingError
from emg_llm.ui import over_time
from emg_llm.ui.analysis import NO_RECORDING, Source
from emg_llm.ui.over_time import Window, settled, strip_html, strip_of, windows
from emg_llm.ui.signals import CLEANED, RAW, SignalTabs
from emg_llm.ui.trace import trace_data, window_of

RATE = 1000.0


def noise(seconds=4.0, channels=3, **settings):
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((int(seconds * RATE), channels))
    return Prepared.of(Recording(signal, RATE, **settings))


@pytest.fixture
def tabs():
    recording = noise(20)

    def opened(source):
        if not source:
            raise RecordingError(NO_RECORDING)
        return recording

    with gr.Blocks():
        source = gr.State(None)
        return SignalTabs(opened, source)


def drawn(html):
    return json.loads(unescape(re.search('data-signal="(.*?)"', html)[1]))


def asking(**detail):
    return SimpleNamespace(_data={"key": "7"} | detail)


SOURCE = Source("a.npy", asked_at=7)


def test_a_zoom_answers_with_every_sample_where_there_are_few(tabs):
    whole = drawn(tabs.show(tabs.opened(SOURCE), RAW, SOURCE.asked_at)[1])
    assert whole["size"] > 1 and whole["view"] == [0, 20] and whole["key"] == "7"
    html, window = tabs.zoom(SOURCE, RAW, asking(start=5, end=5.5, width=900))
    data = drawn(html)
    assert window == (5, 5.5) and data["view"] == [5, 5.5] and data["key"] == "7"
    assert data["size"] == 1 and "high" not in data["rows"][0]
    signal = tabs.opened(SOURCE).signal
    assert data["rows"][1]["low"][:501] == pytest.approx(signal[5000:5501, 1], abs=1e-3)


def test_the_cleaned_signal_is_shown_in_the_same_window(tabs):
    _, window = tabs.zoom(SOURCE, RAW, asking(start=5, end=5.5, width=900))
    raw, cleaned = (drawn(tabs.redraw(SOURCE, view, window)) for view in (RAW, CLEANED))
    assert raw["view"] == cleaned["view"] == [5, 5.5]
    assert raw["rows"][0]["low"] != cleaned["rows"][0]["low"]


@pytest.mark.parametrize(
    "detail",
    [{}, {"start": "x", "end": 1}, {"start": float("nan"), "end": 2}, {"start": None, "end": 1}],
)
def test_a_window_that_is_none_changes_nothing(tabs, detail):
    assert tabs.zoom(SOURCE, RAW, asking(**detail)) == [gr.skip(), gr.skip()]
    assert tabs.zoom(SOURCE, RAW, asking(start=1, end=2, key="6")) == [gr.skip(), gr.skip()]
    assert tabs.zoom(None, RAW, asking(start=1, end=2)) == [gr.skip(), gr.skip()]
    assert tabs.zoom(SOURCE, RAW, SimpleNamespace(_data=None)) == [gr.skip(), gr.skip()]


def test_a_window_lies_within_the_recording_and_is_never_empty():
    recording = noise(4, start=10.0)
    assert window_of(recording, 0, 100) == (10, 14)
    assert window_of(recording, 12, 12) == pytest.approx((12, 12.016))
    assert window_of(recording, 50, 60) == pytest.approx((13.984, 14))
    assert window_of(recording, -1e300, 1e300) == (10, 14)


def test_marks_and_what_is_missing_are_told_in_the_time_of_the_file():
    valid = np.ones(4000, bool)
    valid[:500] = False
    recording = noise(4, valid=valid, start=1.0)
    data = trace_data(recording, clean(recording))
    assert data["whole"] == (1.0, 5.0) and data["invalid"] == [[1.0, 1.5]]
    assert data["start"] == pytest.approx(1.5) and "absent" in data["kinds"]
    raw = trace_data(recording, recording)["rows"][0]["low"]
    assert raw[0] is None and raw[-1] is not None
    assert trace_data(recording, recording)["unit"] == "µV"


class Encoders:
    """A pipeline whose encoders are sure of fear, and withhold what is larger than a face."""

    llms = ()

    def __init__(self):
        config, p = SimpleNamespace(labels=EMOTIONS), np.full(12, 0.02)
        p[EMOTIONS.index("fear")] = 0.78

        class Encoder(SimpleNamespace):
            def __call__(self, recording):
                return p

        self.encoders = {"cnn": Encoder(config=config), "tcn": Encoder(config=config)}

    def asking(self, llms):
        return self

    def withheld(self, recording):
        return "It is an <arm>." if np.abs(recording.signal).max() > 50 else ""


def test_windows_cover_a_long_recording_and_none_a_short_one():
    assert windows(noise(5.9)) == []
    found = windows(noise(10, start=2.0))
    assert [w.start for w in found] == pytest.approx([2, 5.5, 9])
    assert len(windows(noise(3600, 1))) == over_time.MOST


def test_each_window_has_its_emotion_or_why_it_is_withheld(monkeypatch):
    monkeypatch.setattr(over_time, "EVERY_S", 0)
    valid = np.ones(15_000, bool)
    valid[3100:5900] = False
    recording = noise(15, valid=valid)
    recording.signal[6500:8000] *= 100
    *progress, strip = strip_of(Encoders(), recording)
    assert "window 1 of 5" in progress[0] and len(progress) == 5
    labels = re.findall('aria-label="([0-9][^"]*)"', strip)
    assert sorted(labels, key=lambda text: float(text.split()[0])) == [
        "0.0 to 3.0 s: fear, 78 %",
        "3.0 to 6.0 s: no emotion. Most of its samples are missing.",
        "6.0 to 9.0 s: no emotion. It is an &lt;arm&gt;.",
        "9.0 to 12.0 s: fear, 78 %",
        "12.0 to 15.0 s: fear, 78 %",
    ]
    assert list(strip_of(Encoders(), noise(3))) == [""]


def test_an_arm_has_no_emotion_in_any_window():
    read = [Window(0, 3, "fear", 0.9), *[Window(t, t + 3, withheld="arm") for t in (3, 6)]]
    assert [w.label for w in settled(read)] == [None] * 3
    assert settled(read[:2]) == read[:2]
    html = strip_html(settled(read), (0.0, 9.0))
    assert "fear" not in html and "withheld in 3 windows" in html
