"""Recordings in the app: read once, handed on, and forgotten."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.fft

import emg_llm
from emg_llm.signal.quality import assess
from emg_llm.signal.recording import MONTAGE, RecordingError
from emg_llm.ui import build_app, opened
from emg_llm.ui.analysis import make_source
from emg_llm.ui.opened import OpenRecordings
from emg_llm.ui.questions import suggested
from emg_llm.ui.signals import CLEANED, RAW
from tests.making import counting
from tests.pretending import FakePipeline, write_csv
from tests.writing import write_wfdb


@pytest.fixture
def counts(monkeypatch):
    """How often files were read, and signals cleaned and judged."""
    done, counted = counting(monkeypatch)
    counted(emg_llm, "read_recording")
    counted(scipy.fft, "dct")  # once for each channel and cleaning
    counted(assess, "QualityReport")
    return done


class Judging(FakePipeline):
    """Cleans and judges what it is asked about, as real models do."""

    def __call__(self, recording):
        emg_llm.clean(recording)
        emg_llm.assess_quality(recording)
        return super().__call__(recording)

    def chat(self, recording, message, llm=None, history=()):
        emg_llm.clean(recording)
        return super().chat(recording, message, llm, history)


def handlers(demo):
    return {f.fn.__name__: f.fn for f in demo.fns.values() if f.fn is not None}


def test_an_upload_its_prediction_its_views_and_a_chat_read_the_file_once(tmp_path, counts):
    demo = build_app(Judging())
    does = handlers(demo)
    path = write_csv(tmp_path / "trial.csv")
    source, *_ = does["uploaded"](path, None, "auto", None, RAW)
    assert source.path == path
    does["predict"](source, None)
    for view in (CLEANED, RAW, CLEANED):
        does["redraw"](source, view)
    event = SimpleNamespace(target=None)
    n_llms = 1 + len(FakePipeline.llms)  # the report answers too
    before = [*suggested(), *[[]] * n_llms]
    for _ in range(2):
        assert list(does["ask"](event, "Why?", source, None, FakePipeline.llms, *before))
    assert counts == {"read_recording": 1, "dct": len(MONTAGE), "QualityReport": 1}


def test_another_rate_or_unit_is_another_recording(tmp_path, counts):
    opened = OpenRecordings()
    path = write_csv(tmp_path / "trial.csv")
    first = opened(make_source(path))
    assert opened(make_source(path)) is first
    assert opened(make_source(path, 500)).sampling_rate == 500
    assert opened(make_source(path, None, "mV")).unit == "uV"
    assert opened(make_source(path)) is first
    assert counts["read_recording"] == 3


@pytest.mark.parametrize(("limit", "value"), [("MOST", 2), ("MOST_BYTES", 80_000)])
def test_the_longest_unused_are_forgotten(tmp_path, counts, monkeypatch, limit, value):
    monkeypatch.setattr(opened, limit, value)  # a recording has 32,000 bytes
    open_recording = OpenRecordings()
    paths = [write_csv(tmp_path / f"{k}.csv") for k in range(3)]
    for k in (0, 1, 0, 2, 0):
        open_recording(make_source(paths[k]))
    assert counts["read_recording"] == 3
    open_recording(make_source(paths[1]))
    assert counts["read_recording"] == 4


def test_a_file_that_was_deleted_meanwhile_is_asked_for_again(tmp_path):
    open_recording = OpenRecordings()
    with pytest.raises(RecordingError, match="upload it again"):
        open_recording(make_source(tmp_path / "gone.csv"))
    path = tmp_path / "trial.csv"
    source = make_source(write_csv(path))
    open_recording(source)
    path.unlink()
    with pytest.raises(RecordingError, match="upload it again"):
        open_recording(source)


def test_a_file_that_cannot_be_read_is_said_each_time_it_is_asked_for(tmp_path):
    path = tmp_path / "broken.csv"
    path.write_text("a,b\nc,d\n")
    open_recording = OpenRecordings()
    for _ in range(2):
        with pytest.raises(RecordingError) as caught:
            open_recording(make_source(path))
        assert "\n" not in str(caught.value)


def test_a_header_and_its_samples_may_be_uploaded_together_and_nothing_else(tmp_path):
    does = handlers(build_app(Judging()))
    values = np.round(np.random.default_rng(0).normal(0, 500, (1000, 8))).astype(int)
    header = str(write_wfdb(tmp_path / "a.hea", values, 1000))
    data = str(tmp_path / "a.dat")
    form = None, "auto", None, RAW
    for files in ([header, data], [data, header]):
        source, summary, *_ = does["uploaded"](files, *form)
        assert (source.path, source.parts) == (header, (data,))
        assert "8 channels" in summary.value
    unchanged = does["settings_changed"](source, files, *form)
    assert all("value" not in value for value in unchanged)  # nothing is read again
    source, *_ = does["settings_changed"](source, None, 500.0, *form[1:])  # the form was emptied
    assert source.parts == (data,) and source.sampling_rate == 500
    for files in ([header], [write_csv(tmp_path / "b.csv"), header]):
        source, problem, *_ = does["uploaded"](files, *form)
        assert source is None and "together" in problem.value
    source, *_ = does["uploaded"]([write_csv(tmp_path / "b.csv")], *form)
    assert source.path.endswith("b.csv") and source.parts == ()


UNCLEAR = "time,ECG left,EDA,EOG\n" + "".join(
    f"{i / 1000},{(i * 7919) % 101},{i % 50},{(i * 104729) % 97}\n" for i in range(600)
)


def components(values, kind):
    return [v for v in values if type(v).__name__ == kind]


def test_where_the_columns_of_emg_cannot_be_told_the_page_asks_and_reads_the_answer(tmp_path):
    does = handlers(build_app(FakePipeline()))
    path = tmp_path / "trial.csv"
    path.write_text(UNCLEAR)
    asked = does["uploaded"](str(path), None, "auto", "auto", RAW)
    [columns] = components(asked, "CheckboxGroup")
    assert asked[0] is None and "Which columns are EMG" in asked[1].value
    assert components(asked, "Column")[0].visible
    assert [label.split(" · ")[0] for label, _ in columns.choices] == [
        "time",
        "ECG left",
        "EDA",
        "EOG",
    ]
    assert columns.choices[1][1] == 2 and "lively" in columns.choices[1][0]
    answer = does["settings_changed"](None, str(path), None, "auto", "auto", RAW, [4, 2])
    assert answer[0].channels == (2, 4) and "2 channels" in answer[1].value
    assert not components(answer, "CheckboxGroup")  # what was ticked stays
    other = does["uploaded"](write_csv(tmp_path / "other.csv"), None, "auto", None, RAW)
    assert not components(other, "Column")[0].visible


def test_a_rate_that_is_lacking_too_is_asked_after_the_columns(tmp_path):
    does = handlers(build_app(FakePipeline()))
    path = tmp_path / "trial.csv"
    path.write_text(UNCLEAR.replace("time", "HR").replace("\n0.", "\n9."))
    answer = does["settings_changed"](None, str(path), None, "auto", "auto", RAW, [2])
    assert answer[0] is None and "sampling rate" in answer[1].value and answer[2].open
    answer = does["settings_changed"](None, str(path), 1000, "auto", "auto", RAW, [2])
    assert answer[0].sampling_rate == 1000
