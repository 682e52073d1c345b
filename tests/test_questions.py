"""Questions to click: they fit the recording, and the report answers them."""

import pytest

from emg_llm.report.retrieve import quoted, retrieve
from emg_llm.ui.chat import STOPPED, ChatArea, answered
from emg_llm.ui.questions import SHOWN, UNUSUAL, USUAL, suggested
from tests.test_statements import reports  # noqa: F401


@pytest.mark.parametrize("name", ["normal", "dead", "clipped", "short", "two", "arm"])
def test_what_can_be_clicked_is_answered_by_its_own_statement(reports, name):  # noqa: F811
    kind_of = {question: kind for kind, question in (UNUSUAL | USUAL).items()}
    for question in suggested(reports[name]):
        assert kind_of[question] in {s.kind for s in retrieve(reports[name], question)}, question
        assert not quoted(reports[name], question).startswith("Nothing")


def test_what_is_wrong_comes_first_and_no_emotion_is_asked_of_an_arm(reports):  # noqa: F811
    assert suggested(reports["dead"])[:2] == [UNUSUAL["dead"], UNUSUAL["hum"]]
    assert suggested(reports["arm"])[0] == UNUSUAL["withheld"]
    assert USUAL["emotion"] not in suggested(reports["arm"])
    assert suggested() == suggested(reports["normal"]) == [*USUAL.values()][:SHOWN]
    assert all(len({*suggested(report)}) == SHOWN for report in reports.values())


def test_a_stopped_answer_says_so_and_no_model_reads_that():
    chat = object.__new__(ChatArea)
    chat.llms = "report", "nano-phi3"
    asked = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "It is"}]
    _, report, nano = chat.stopped([1], asked, [dict(m) for m in asked])
    assert nano[-1]["content"] == f"It is{STOPPED}" and report == asked
    assert answered(nano)[-1]["content"] == "It is"
