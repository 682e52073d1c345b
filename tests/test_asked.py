"""The questions of tests/questions.jsonl, the judge, and how many a chat answers."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.chat.about_emg import general_topics
from emg_llm.chat.topics import topics
from emg_llm.experiments import asked
from emg_llm.experiments.asked import load_questions, questions_answered, recordings
from emg_llm.experiments.judge import judge
from emg_llm.report.retrieve import quoted, retrieve
from emg_llm.signal.recording import MONTAGE
from tests.test_statements import reports  # noqa: F401

FILE = Path(__file__).with_name("questions.jsonl")
QUESTIONS = load_questions(FILE)
REFUSED = {"medical": "medical", "mind": "mind", "muscle": "elsewhere", "unknown": "unrecorded"}


def plain(text):
    return re.sub(r"\W+", " ", text.lower()).strip()


def test_there_are_many_questions_of_many_kinds_in_four_languages_about_six_recordings():
    assert len({(q.question, q.recording, q.earlier) for q in QUESTIONS}) == len(QUESTIONS) >= 150
    assert {q.language for q in QUESTIONS} == {"en", "de", "es", "fr"}
    assert len({q.kind for q in QUESTIONS}) >= 30 and sum(bool(q.earlier) for q in QUESTIONS) >= 8
    assert {q.recording for q in QUESTIONS} == {*recordings()}


def test_no_wording_is_in_training_conversations():
    reading = Reading(
        MONTAGE, tuple(range(8)), "dB", (), 12, "good", 3, (0.4, 2.1), 1.0, (("fear", 3),)
    )
    scores = (("fear", 61), ("anger", 22))
    taught = {
        plain(q) for ask, _ in (*topics(reading, "fear", scores), *general_topics()) for q in ask
    }
    assert not {plain(q.question) for q in QUESTIONS} & taught


def test_every_rule_can_be_followed(reports):  # noqa: F811
    """The whole report, or a refusal, says all that a rule may ask for, but for its form."""
    for q in QUESTIONS:
        report = reports[q.recording]
        text = f"Hello, you are welcome, I can't tell. It's a matter of gain. {report.text()}"
        failed = set(judge(text, q.rule, report, (*q.earlier, q.question)).failed)
        assert failed <= {"long", "loop", "another emotion"} or q.rule.get("says"), (q, failed)


def test_the_retriever_finds_what_questions_need(reports):  # noqa: F811
    n = found = 0
    for q in QUESTIONS:
        every, some = q.rule.get("states", []) + q.rule.get("site", []), q.rule.get("any", [])
        every += [REFUSED[q.kind]] if q.kind in REFUSED else []
        every += ["emotion"] if q.rule.get("emotion") else []
        if every or some:
            statements = retrieve(reports[q.recording], q.question, q.earlier)
            there = {s.id for s in statements} | {s.kind for s in statements}
            n += 1
            found += {*every} <= there and (not some or bool({*some} & there))
    assert n > 150 and found >= 0.9 * n


JUDGED = [
    ("It lasts 3.0 seconds.", {"states": ["duration"]}, True),
    ("It lasts 4 seconds.", {"states": ["duration"]}, False),
    ("It lasts 3 s, or 3000 ms.", {"states": ["duration"]}, True),
    ("The strongest is the jaw.", {"site": ["weakest"]}, False),
    ("No, all electrodes work.", {"states": ["dead"]}, True),
    ("I'm no doctor and can't diagnose.", {"refuse": True}, True),
    ("You have a palsy.", {"refuse": True}, False),
    ("I read fear.", {"emotion": True}, True),
    ("I read pride.", {"emotion": True}, False),
    ("I read fear, then pride 20 %.", {"emotion": True}, True),
    ("I read fear.", {"no_emotion": True}, False),
    ("It is fine.", {"says": ["gain/volume"]}, False),
    ("Banana.", {"never": ["banana"]}, False),
    ("", {}, False),
    ("the jaw is the jaw " * 9, {}, False),
    ("The SNR is 99 dB. It lasts 3 s.", {"states": ["duration"]}, False),
    ("Hi, ask me something.", {"hello": True}, True),
]


@pytest.mark.parametrize(("reply", "rule", "right"), JUDGED)
def test_the_judge_tells_answers_from_others(reports, reply, rule, right):  # noqa: F811
    assert (not judge(reply, rule, reports["normal"]).failed) == right


def test_a_withheld_emotion_may_not_be_named_but_taken_up(reports):  # noqa: F811
    rule = {"no_emotion": True, "refuse": True}
    said = "I can't say whether this is anger."
    assert not judge(said, rule, reports["arm"], ("Am I angry?",)).failed
    assert judge(said, rule, reports["arm"], ("What is it?",)).failed
    said = "En este registro no puedo decir nada."
    assert not judge(said, rule, reports["arm"]).failed


def test_an_unknown_part_of_a_rule_is_said(reports):  # noqa: F811
    with pytest.raises(ValueError, match="no part 'state'"):
        judge("Hi", {"state": ["snr"]}, reports["normal"])
    with pytest.raises(ValueError, match="no statement 'rms:nose'"):
        judge("Hi", {"states": ["rms:nose"]}, reports["normal"])


def test_a_chat_that_knows_and_one_that_does_not_are_told_apart(reports):  # noqa: F811
    class Chat:
        def __init__(self, reply):
            self.reply, self.histories = reply, []

        def report(self, recording, llm=None):
            return reports[recording.recording_id]

        def chat(self, recording, message, llm=None, history=()):
            self.histories.append(len(history))
            yield self.reply(self.report(recording), message)

    some = [QUESTIONS[k] for k in np.random.default_rng(0).permutation(len(QUESTIONS))[:60]]
    knowing = questions_answered(Chat(quoted), "a", some)
    silent = Chat(lambda report, question: "I see.")
    nothing = questions_answered(silent, "a", some)
    assert knowing["n"] == 60 and knowing["answered"] > 0.7 and knowing["false"] == 0
    assert nothing["answered"] < 0.1 and nothing["quoted"] == pytest.approx(knowing["quoted"])
    assert Counter(map(bool, silent.histories))[True] == sum(len(q.earlier) for q in some)
    assert len(nothing["unanswered"]) == asked.WORST


def test_a_line_that_is_no_question_is_named(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "Why?"}\n')
    with pytest.raises(ValueError, match="line 1"):
        load_questions(path)
