"""python -m emg_llm inspect: what a file is read as."""

import json

import numpy as np
import pytest

from emg_llm.__main__ import main
from tests.making import emg


@pytest.fixture
def path(tmp_path):
    x = emg(3000, 2)
    x[:1500] *= 0.05
    x[1000:, 1] = 0.0
    time = np.arange(3000) / 1000
    lines = [f"{t:.3f},{a:.4f},{b:.4f},0" for t, (a, b) in zip(time, x, strict=True)]
    path = tmp_path / "a.csv"
    path.write_text("Time (s),EMG zyg (uV),EMG cor (uV),Sync (V)\n" + "\n".join(lines))
    return path


def test_it_says_what_was_read_left_out_and_how_far_it_can_be_trusted(path, capsys):
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    told = "3 s long", "1000 Hz", "2 channels", "microvolts", "Sync", "come off", "EMG zyg", "poor"
    for words in told:
        assert words in said, words


def test_json_has_a_line_for_each_file_and_an_error_where_one_is_refused(path, tmp_path, capsys):
    (tmp_path / "b.txt").write_text("nothing here")
    assert main(["inspect", "--json", str(tmp_path / "b.txt"), str(path)]) == 2
    refused, told = map(json.loads, capsys.readouterr().out.splitlines())
    assert "no numbers" in refused["error"]
    assert told["sampling_rate"] == 1000 and told["unit"] == "uV"
    stated = {s["id"]: s["value"] for s in told["statements"]}
    assert stated["channels"] == 2 and stated["stuck"] == ["EMG cor"] and stated["rms:EMG zyg"] > 5
    first, second = told["channels"]
    assert first["name"] == "EMG zyg" and second["verdict"] == "poor" and second["stuck"] > 0.3
    assert first["rms"] == pytest.approx(14, abs=3)


def test_what_the_file_does_not_say_may_be_given(path, capsys):
    given = ["--channels", "Sync, EMG zyg", "--sampling-rate", "500", "--json"]
    assert main(["inspect", *given, str(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in told["channels"]] == ["Sync", "EMG zyg"]
    assert told["sampling_rate"] == 500 and told["channels"][0]["flat"]


def test_a_report_is_one_page_with_figures(path, tmp_path, capsys):
    page = tmp_path / "a.html"
    assert main(["inspect", str(path), "--report", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "EMG zyg" in text and text.count("plotly-graph-div") == 2 and "<script src" not in text
    assert main(["inspect", str(path), str(path), "--report", str(page)]) == 2
    assert "one file" in capsys.readouterr().err
