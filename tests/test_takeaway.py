"""What a visitor takes along of a recording."""

import json
from io import BytesIO

import gradio as gr
import numpy as np
import pandas as pd
import pytest

import emg_llm
from emg_llm.signal.recording import Recording
from emg_llm.ui import takeaway
from emg_llm.ui.analysis import make_source
from emg_llm.ui.busy import Turns
from emg_llm.ui.opened import OpenRecordings
from emg_llm.ui.report import KINDS, TakeAway
from tests.pretending import FakePipeline, write_csv

EVIL = "</script><img src=x onerror=alert(1)>"


def noise(channels=8, **about):
    signal = 20 * np.random.default_rng(0).standard_normal((1000, channels))
    return Recording(signal, 1000.0, **about)


def test_a_page_holds_the_answer_the_face_the_signal_the_chat_versions_and_limits():
    said = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": [{"type": "text", "text": "The jaw."}]},
    ]
    names = "jaw", "cheek", "a", "b", "c", "d", "e", "f"
    recording = noise(channel_names=names, recording_id="mine")
    page = takeaway.page(FakePipeline(), recording, {"report": said, "nano": []})
    told = "fear", "78 %", "jaw: ", "Why?", "The jaw.", "not a medical device", "mine"
    for words in (*told, emg_llm.__version__, "simulated people", "<emg-face", "Signal quality: "):
        assert words in page, words
    assert page.count("plotly-graph-div") == 2 and "<h3>nano" not in page
    assert "<script src" not in page and "<link" not in page and "@import" not in page


def test_text_from_a_file_and_from_a_visitor_is_no_markup():
    evil = noise(recording_id=EVIL, channel_names=(EVIL, *"abcdefg"))
    chat = {EVIL: [{"role": "user", "content": EVIL}, {"role": "assistant", "content": EVIL}]}
    page = takeaway.page(FakePipeline(), evil, chat)
    assert "<img" not in page and "onerror=alert(1)" in page
    with pytest.raises(ValueError, match="history"):
        takeaway.page(FakePipeline(), evil, {"report": [["old", "pairs"]]})


def test_a_recording_that_no_model_reads_still_gets_its_page():
    page = takeaway.page(FakePipeline(), noise(channels=2))
    assert "need 8 channels, not 2" in page and "not a medical device" in page


def test_features_are_the_same_as_csv_and_as_parquet():
    table = emg_llm.feature_table(emg_llm.clean(noise()))
    csv = pd.read_csv(BytesIO(takeaway.features(noise(), ".csv")))
    parquet = pd.read_parquet(BytesIO(takeaway.features(noise(), ".parquet")))
    assert len(csv) == len(parquet) == len(table) and [*csv] == [*parquet] == [*table]
    pd.testing.assert_frame_equal(parquet, table)


@pytest.mark.parametrize("ending", KINDS)
def test_each_button_makes_its_file_and_a_failure_is_one_sentence(ending, tmp_path, monkeypatch):
    source = make_source(write_csv(tmp_path / "my trial.csv"))
    with gr.Blocks():
        take = TakeAway(Turns(FakePipeline()), OpenRecordings())
    path = take.make(ending, source, None, {"report": []})
    assert path.endswith(f"my_trial{ending}")
    if ending == ".json":
        with open(path) as file:
            assert json.load(file)["recording"] == "my trial"
    with pytest.raises(gr.Error, match="Upload a recording"):
        take.make(ending, None, None, {})
    monkeypatch.setattr(takeaway, "file_name", lambda *_: 1 / 0)
    monkeypatch.setattr(takeaway, "features", lambda *_: 1 / 0)
    monkeypatch.setattr(takeaway, "page", lambda *_: 1 / 0)
    monkeypatch.setattr(takeaway, "report_json", lambda *_: 1 / 0)
    with pytest.raises(gr.Error, match="log has the details"):
        take.make(ending, source, None, {})
