"""A crowd: whose turn it is at the language models, and what is answered without them."""

import threading

import pytest

from emg_llm.registry import REPORT
from emg_llm.ui import build_app, busy
from emg_llm.ui.busy import BUSY, BUSY_CHAT, MODEL, QUEUED, Turns
from emg_llm.ui.chat import MAX_MESSAGE, MAX_REPLY, answered, asked, stream
from emg_llm.ui.llm_header import reading_html
from tests.pretending import FakePipeline
from tests.test_takeaway import noise


@pytest.fixture(autouse=True)
def one_at_a_time(monkeypatch):
    monkeypatch.setattr(busy, "AT_ONCE", 1)


class Remembering(FakePipeline):
    def remembers(self, recording):
        return True


class Reading(FakePipeline):
    """Names the models that read."""

    def __call__(self, recording):
        p = super().__call__(recording)
        return type(p)(p.label, {m: p.probabilities[m] for m in self.models}, warnings=p.warnings)


def test_who_gets_no_turn_is_answered_by_the_other_models_which_say_so():
    turns = Turns(Reading(), patience_s=0.01)
    with turns.turn(None, noise()) as (pipeline, is_busy):
        assert pipeline is turns.pipeline and not is_busy
        prediction, report = turns.read(None, noise())
        assert [*prediction.probabilities] == ["svm", "cnn"] and report.recording
        assert BUSY in prediction.warnings
        assert "Busy" in reading_html("nano-phi3", prediction)
    prediction, _ = turns.read(None, noise())
    assert "nano-phi3" in prediction.probabilities and BUSY not in prediction.warnings


def test_a_turn_comes_as_soon_as_the_one_before_has_ended():
    turns, got = Turns(FakePipeline(), patience_s=20), []
    with turns.turn(None, noise()):
        waiting = threading.Thread(target=lambda: got.append(turns.read(None, noise())[0]))
        waiting.start()
        waiting.join(0.1)
        assert not got
    waiting.join(10)
    assert BUSY not in got[0].warnings


def test_nobody_waits_for_what_is_computed_or_where_there_are_no_language_models():
    turns = Turns(Remembering(), patience_s=60)
    alone = Turns(FakePipeline().asking({}), patience_s=60)
    with turns.turn(None, noise(), writes=True), alone.turn(None, noise(), writes=True):
        assert BUSY not in turns.read(None, noise())[0].warnings
        assert BUSY not in alone.read(None, noise())[0].warnings


def test_a_visitor_who_left_in_the_middle_keeps_nobody_waiting(monkeypatch):
    turns = Turns(FakePipeline(), patience_s=0.01)
    left = turns.turn(None, noise())
    left.__enter__()
    monkeypatch.setattr(busy, "LOST_S", 0.0)
    with turns.turn(None, noise()) as (_, is_busy):
        assert not is_busy


def test_the_report_answers_for_a_language_model_that_is_busy():
    replies = list(stream(FakePipeline(), noise(), "Why?", "nano-phi3", [], busy=True))
    assert replies[-1].startswith(f"{BUSY_CHAT}{REPORT} read")
    assert list(stream(FakePipeline(), noise(), "Why?", REPORT, [], busy=True))[-1].startswith(
        REPORT
    )


def test_messages_are_bounded_whatever_a_client_sends():
    for text in (None, " ", "x" * (MAX_MESSAGE + 1)):
        with pytest.raises(ValueError, match="at most 1000 characters"):
            asked(text)
    long = [{"role": "user", "content": "x" * 10**6}, {"role": "assistant", "content": "y"}] * 9
    kept = answered(long)
    assert len(kept) == 12 and len(kept[0]["content"]) == MAX_REPLY


def test_all_events_that_use_a_model_share_one_limit_and_many_may_wait():
    demo = build_app(FakePipeline())
    limits = {f.concurrency_limit for f in demo.fns.values() if f.concurrency_id == "model"}
    assert limits == {MODEL["concurrency_limit"]}
    named = {f.api_name: f for f in demo.fns.values()}
    assert {named[n].concurrency_id for n in ("predict", "chat")} == {"model"}
    assert demo._queue.max_size == QUEUED
