"""The report of a recording: its statements, their marks, and what a question finds of them."""

import json
from collections import Counter

import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.bridge.text import Text
from emg_llm.chat.levels import levels, of_reading
from emg_llm.evaluation.prediction import Prediction
from emg_llm.experiments.asked import recordings
from emg_llm.report import models
from emg_llm.report.check import check, marked, unmarked
from emg_llm.report.measured import measured
from emg_llm.report.retrieve import MOST, quoted, retrieve
from emg_llm.report.statements import kinds
from emg_llm.signal.recording import EMOTIONS, MONTAGE
from tests.scripts import load_script

RESULTS = {
    "models": [
        {"model": "svm", "accuracy": 0.61, "accuracy_ci95": [0.5, 0.7], "chance": 0.083}
        | {"data": "simulated:subjects=3", "n_recordings": 90, "n_subjects": 3}
    ]
}
LEVELS = Reading(MONTAGE, (1, -2, 3, -4, 5, -6, 7, 0), "dB")
P = dict.fromkeys(EMOTIONS, 0.02) | {"fear": 0.6, "pride": 0.2}
Q = dict.fromkeys(EMOTIONS, 0.02) | {"pride": 0.78}


@pytest.fixture(scope="module")
def reports():
    """name -> the report on each of the recordings that questions are about."""
    made = {}
    for name, recording in recordings().items():
        why = "Its sites are unknown." if name in ("two", "arm") else ""
        said = (
            Prediction(None, {}, withheld=why) if why else Prediction("fear", {"svm": P, "cnn": Q})
        )
        signal = measured(recording).adding(() if why else levels(LEVELS))
        made[name] = models.report(signal, said, ["svm"], RESULTS, "Simulated people.")
    return made


def test_a_report_says_what_the_recording_is_and_what_is_wrong_with_it(reports):
    normal, dead = reports["normal"], reports["dead"]
    assert normal.value("sampling_rate") == 2000 and normal.value("duration") == 3
    assert len(normal.of("rms")) == len(normal.of("site_snr")) == 8
    strengths = {s.on: s.value for s in normal.of("rms")}
    assert normal.value("strongest") == max(strengths, key=strengths.get)
    x = recordings()["normal"].signal[:, 6]
    assert strengths["cheek"] == pytest.approx(np.std(x), rel=0.15)  # but for what is filtered
    assert (dead.value("dead"), dead.value("hum")) == (("cheek",), ("jaw",))
    assert "cheek" not in {s.on for s in dead.of("rms")} and dead.value("line") == 50
    assert reports["clipped"].value("clipped") == ("forehead",)
    assert reports["clipped"].value("stuck") == ("below the eye",)
    assert reports["short"].value("duration") == 0.2 and not reports["short"].of("peak")


def test_a_report_says_what_models_read_and_how_often_they_are_right(reports):
    normal = reports["normal"]
    assert [normal.value(k) for k in ("emotion", "probability", "second")] == ["fear", 60, "pride"]
    assert normal.value("model:cnn") == 78 and normal.value("agreement") == 1
    signal, read = measured(recordings()["normal"]), Prediction("fear", {"svm": P, "cnn": Q})
    assert models.report(signal, read, ["svm"], {}, "", "cnn").value("emotion") == "pride"
    assert normal.value("accuracy") == 61 and normal.value("chance") == 8
    assert "simulated people" in normal.by_id["accuracy"].sentence
    for name in ("two", "arm"):
        assert reports[name].value("withheld") and not reports[name].of("emotion", "model")
        assert not any(e in reports[name].text() for e in EMOTIONS if e != "neutral")


def test_a_report_is_plain_json_and_every_kind_is_said_once(reports):
    for report in reports.values():
        told = json.loads(json.dumps(report.as_dict()))["statements"]
        assert [s["id"] for s in told] == [*report.by_id]
        assert all(s["sentence"].strip() and "{" not in s["sentence"] for s in told)
    said = {s.kind for report in reports.values() for s in report}
    assert {*kinds()} - said <= {"invalid", "neutral", "trial"}


def test_the_words_of_a_report_hold_and_get_a_mark_only_where_something_was_measured(reports):
    for report in reports.values():
        facts = check(report.text(), report)
        assert not [f for f in facts if f.holds is False], marked(report.text(), facts)
        assert {"duration", "rms", "snr", "channels", "strongest"} <= {f.kind for f in facts}
        for statement in report:
            found = check(statement.sentence, report)
            assert statement.measured or not [f for f in found if f.holds is not None], statement


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("It lasts 3 seconds.", "It lasts 3 seconds ✓."),
        ("The recording is 3 ms long.", "The recording is 3 ms ✗ (measured: 3 s) long."),
        ("It was sampled at 2 kHz.", "It was sampled at 2 kHz ✓."),
        ("I read fear, I am 60 % sure.", "I read fear, I am 60 % sure."),
        ("The biceps is strong.", "The biceps ✗ (measured: recorded: {sites}) is strong."),
        ("I can't tell anything of the biceps.", "I can't tell anything of the biceps."),
        ("Impedance was 12 dB at 77 Hz.", None),
        ("More than 10 dB is good.", None),
        ("The file has 16 channels.", "The file has 16 channels ✗ (measured: 8 channels)."),
        ("2 of 3 models read fear.", "2 of 3 models read fear."),
        ("Channel 12 is weak.", "Channel 12 ✗ (measured: recorded: {sites}) is weak."),
    ],
)
def test_marks_stand_on_numbers_with_their_units_and_on_places(reports, reply, told):
    report = reports["normal"]
    said = marked(reply, check(reply, report))
    assert unmarked(said) == reply
    if told is not None:
        assert said == told.format(sites=", ".join(report.sites))
    else:
        assert "✓" not in said or "✗" in said or "(not checked)" in said


@pytest.mark.parametrize(
    ("name", "reply", "holds"),
    [
        ("dead", "The cheek is dead.", True),
        ("dead", "The cheek is not dead.", False),
        ("dead", "The jaw is not dead.", True),
        ("dead", "There is no hum at the jaw.", False),
        ("normal", "Look at the {second}. Its RMS is {its} µV.", True),  # of the sentence before
        ("normal", "Look at the {second}. Its RMS is {most} µV.", False),
        ("normal", "The second strongest is the {second}.", True),
        ("normal", "The strongest is the {second}.", False),
        ("normal", "The RMS should be 500 µV.", None),  # of recordings in general
    ],
)
def test_what_is_said_of_a_place_depends_on_the_words_around_it(reports, name, reply, holds):
    ranked = sorted(reports[name].of("rms"), key=lambda s: -s.value)
    words = {"second": ranked[1].on, "its": ranked[1].value, "most": ranked[0].value}
    assert [f.holds for f in check(reply.format(**words), reports[name])] == [holds]


def test_both_sides_of_a_site_are_told_apart():
    one = recordings()["normal"]
    x, sides = one.signal[:, [7, 7]] * np.float32([1, 3]), ("masseter left", "masseter right")
    report = measured(one.replace(signal=x, channel_names=sides))
    left, right = (report.value(f"rms:{side}") for side in sides)
    replies = {
        f"The masseter left has {left} µV.": True,
        f"The masseter left has {right} µV.": False,
        f"One jaw has {right} µV.": True,
        "It is stronger at the masseter right than at the masseter left.": True,
        "It is stronger at the masseter left than at the masseter right.": False,
        "The strongest is the masseter left.": False,
    }
    for reply, holds in replies.items():
        assert [f.holds for f in check(reply, report)] == [holds], reply
    assert "rms:masseter right" not in found(report, "rms of the masseter left")


def test_planted_errors_are_found_and_true_replies_are_left_alone(people):
    """The figures are those of `benchmarks/marks.py`, of fewer recordings."""
    marks = load_script("marks", "benchmarks")
    bridge = Text.fit(people, range(len(people.recordings)))
    some = [people.recordings[k] for k in range(0, 36, 3)]
    counts, missed = marks.count([measured(r).adding(levels(bridge.read(r))) for r in some])
    assert {*marks.ERRORS} < {*counts}
    planted = sum((counts[e] for e in marks.ERRORS), Counter())
    assert planted["n"] > 800 and planted["false"] >= 0.95 * planted["n"], missed[:9]
    assert counts[""]["false"] <= 0.02 * counts[""]["n"], [m for m in missed if not m[0]]


def found(report, *asked):
    return [s.id for s in retrieve(report, *asked)]


def test_a_question_finds_its_statements_and_a_place_its_own(reports):
    report = reports["normal"]
    assert found(report, "rms of the jaw")[0] == "rms:jaw"
    assert "rms:forehead" not in found(report, "rms of the jaw")
    assert "rms:cheek" in found(report, "how many µV at the chek")
    assert "rms:jaw" in found(report, "and the jaw?", ["rms of the cheek?"])
    assert "peak" in found(report, "and then?", ["when does it peak?"])
    assert "peak" not in found(report, "and then?")
    assert found(report, "is he lying?")[0] == "mind"
    assert "elsewhere" in found(report, "and my biceps?")
    assert "rms:biceps" in found(reports["arm"], "and my biceps?")


def test_a_quoted_answer_is_short_and_says_when_nothing_is_known(reports):
    for report in reports.values():
        for question in ("how long is it", "what is the quality", "ganz was anderes: Xylophon"):
            assert len({s.kind for s in retrieve(report, question)}) <= MOST
            assert 0 < len(quoted(report, question)) < 1000
        assert quoted(report, "how long is it").startswith(report.by_id["duration"].sentence)
        assert quoted(report, "xylophone lessons").startswith("Nothing in the recording")


def test_a_reading_alone_makes_a_report_of_its_levels():
    report = of_reading(Reading(("cheek", "jaw"), (3, -4), "dB", (), 12, "good"))
    assert [report.value(i) for i in ("level:cheek", "level:jaw", "snr")] == [3, -4, 12]
    assert [f.holds for f in check("The cheek is stronger than the jaw.", report)] == [True]
    assert [f.holds for f in check("The cheek is weaker than the jaw.", report)] == [False]
