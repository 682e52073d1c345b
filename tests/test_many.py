"""Many files on the page and on the command line: a row each, whatever is wrong with one."""

import csv
import json

import gradio as gr
import numpy as np
import pytest

from emg_llm import __main__ as commands
from emg_llm.pipeline import EmotionPipeline
from emg_llm.report.rows import COLUMNS, Row, to_csv
from emg_llm.signal.recording import RecordingError
from emg_llm.ui import batch
from emg_llm.ui.compare import compare
from emg_llm.ui.many import ManyTab, frame
from tests.pretending import FakePipeline, write_csv
from tests.writing import write_wfdb


class Failing(FakePipeline):
    def __call__(self, recording):
        if recording.n_channels == 5:
            raise ZeroDivisionError
        return super().__call__(recording)


@pytest.fixture
def tab():
    with gr.Blocks():
        return ManyTab(Failing(), gr.State(None))


def files(folder):
    """Paths: one that is read, a broken one, one that a model refuses, one that breaks a model."""
    broken = folder / "b.csv"
    broken.write_text("hello\nthere")
    write_csv(folder / "a.csv")
    write_csv(folder / "c.csv", channels=3)
    write_csv(folder / "d.csv", channels=5)
    return [str(folder / f"{name}.csv") for name in "dcba"]


def test_one_broken_file_does_not_stop_the_others_and_has_its_sentence(tab, tmp_path):
    *_, last = tab.read(files(tmp_path), None, None, "auto", "auto")
    said, _, kept, download, *_ = last
    assert "1 of 4 recordings have an emotion" in said
    a, b, c, d = [k.row for k in kept]
    assert (a.file, a.emotion, a.why) == ("a.csv", "fear", "") and a.confidence == 0.78
    assert "no numbers" in b.why and b.quality == "" and b.confidence is None
    assert "need 8 channels, not 3" in c.why
    assert d.why == batch.BROKEN
    assert list(frame(kept)["Confidence"]) == ["78 %", "", "", ""]
    with open(download.value["path"] if isinstance(download.value, dict) else download.value) as f:
        table = list(csv.DictReader(f))
    assert tuple(table[0]) == COLUMNS and [r["emotion"] for r in table] == ["fear", "", "", ""]


def test_progress_is_told_in_words_and_rows_come_as_they_are_read(tab, tmp_path):
    steps = list(tab.read(files(tmp_path), None, None, "auto", "auto"))
    assert "Reading 2 of 4: b.csv" in steps[1][0]
    assert len(steps) == 5


def test_the_settings_count_and_wrong_ones_are_told_in_each_row(tab, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((1000, 8)))
    for rate, emotion in ((None, ""), (500, "fear"), (-1, "")):
        *_, last = tab.read([str(tmp_path / "x.npy")], None, rate, "uV", "face")
        assert last[2][0].row.emotion == emotion


def test_of_a_folder_only_recordings_are_read(tab, tmp_path):
    (tmp_path / "notes.docx").write_text("x")
    paths = [*files(tmp_path), str(tmp_path / "notes.docx")]
    *_, last = tab.read_folder(paths, None, None, "auto", "auto")
    assert len(last[2]) == 4 and "1 other file left out." in last[0]
    *_, last = tab.read_folder(paths[-1:], None, None, "auto", "auto")
    assert last[2] == [] and "no recording" in last[0]


def test_too_many_files_are_refused_on_the_server(tab, tmp_path):
    [last] = tab.read([str(tmp_path / f"{i}.csv") for i in range(201)], None, None, "auto", "auto")
    assert "201 recordings are too many" in last[0] and last[2] == []


def test_a_header_and_its_samples_are_one_recording(tmp_path):
    write_wfdb(tmp_path / "a.hea", np.ones((100, 2), int), 500)
    paths = [str(p) for p in tmp_path.iterdir()] + [write_csv(tmp_path / "b.csv")]
    first, second = batch.grouped(paths)
    assert first[0].name == "a.hea" and len(first) == 2 and second == [tmp_path / "b.csv"]


def test_files_of_one_name_can_be_told_apart(tab, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_csv(tmp_path / name / "a.csv")
    paths = [str(tmp_path / name / "a.csv") for name in ("one", "two")]
    *_, last = tab.read(paths, None, None, "auto", "auto")
    assert [k.row.file for k in last[2]] == ["a.csv", "a.csv (2)"]


def test_two_are_compared_by_rms_where_no_model_reads_levels(tab, tmp_path):
    write_csv(tmp_path / "a.csv")
    quiet = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1)
    quiet[:, 1:] /= 10
    head = (tmp_path / "a.csv").read_text().splitlines()[0]
    np.savetxt(tmp_path / "q.csv", quiet, delimiter=",", header=head, comments="")
    *_, last = tab.read([str(tmp_path / n) for n in ("a.csv", "q.csv")], None, None, "auto", "auto")
    said, plot = tab.compared(last[2], "a.csv", "q.csv", None)
    assert "a.csv is 20.0 dB stronger than q.csv on average" in said and plot.visible
    assert tab.compared(last[2], "a.csv", "../etc/passwd", None)[0] == ""
    recording, _ = batch.read(last[2][0].source)
    with pytest.raises(RecordingError, match="no site of the face in common"):
        compare(FakeLevels(), ("a", recording), None)


class FakeLevels(FakePipeline):
    def llm(self, name):
        return gr.State  # has no bridge with a scale

    llms = ()


def test_no_cell_of_the_csv_begins_as_a_formula():
    text = to_csv([Row("=1+1.csv", "good", "fear", 0.5), Row("-a.csv", why="@x")])
    rows = list(csv.reader(text.splitlines()))
    assert rows[1] == ["'=1+1.csv", "good", "fear", "0.5", ""]
    assert rows[2][0] == "'-a.csv" and rows[2][-1] == "'@x"


def test_the_command_names_the_emotion_in_each_file(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(EmotionPipeline, "from_pretrained", lambda *_, **__: Failing())
    paths = files(tmp_path)[1:]
    assert commands.main(["predict", *paths, "--csv", str(tmp_path / "out" / "t.csv")]) == 2
    assert "can't be written" in capsys.readouterr().err
    assert commands.main(["predict", *paths, "--json", "--csv", str(tmp_path / "t.tsv")]) == 2
    out, err = capsys.readouterr()
    refused, broken, read = map(json.loads, out.splitlines())
    assert read["emotion"] == "fear" and "no numbers" in broken["why"] and refused["emotion"] == ""
    assert "2 of 3 files could not be read" in err
    assert (tmp_path / "t.tsv").read_text().count("\n") == 4
    (tmp_path / "empty").mkdir()
    assert commands.main(["predict", str(tmp_path / "empty")]) == 2
    assert "holds no recording" in capsys.readouterr().err


def test_a_folder_stands_for_the_recordings_in_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(EmotionPipeline, "from_pretrained", lambda *_, **__: Failing())
    (tmp_path / "deep").mkdir()
    write_csv(tmp_path / "deep" / "a.csv")
    assert commands.main(["predict", str(tmp_path)]) == 0
    assert "fear" in capsys.readouterr().out
