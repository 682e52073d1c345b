import re
import threading

import gradio as gr
import pytest

from emg_llm.pipeline import Prediction
from emg_llm.ui import build_app
from emg_llm.ui.analysis import make_source
from emg_llm.ui.busy import Turns
from emg_llm.ui.chat import ChatArea, answered
from emg_llm.ui.llm_header import reading_html
from emg_llm.ui.opened import OpenRecordings
from emg_llm.ui.streams import merged
from tests.pretending import TOKENS, FakePipeline, P, write_csv


def test_language_models_that_are_not_loaded_are_listed_with_the_reason():
    [shown] = (
        b.value
        for b in build_app(FakePipeline()).blocks.values()
        if isinstance(b, gr.HTML) and b.elem_id == "not-loaded"
    )
    assert "Not loaded: tinyllama" in shown and "It needs 3 GB &amp; more." in shown


class Asking:
    """What Gradio tells of a click elsewhere than on a suggested question."""

    target = None


def asked(pipeline, message, chosen, histories=((), (), ())):
    """What `ask` yields after a recording was chosen: the LLMs' histories, step by step."""
    source = make_source(pipeline.samples["sample"])
    with gr.Blocks():
        chat = ChatArea(Turns(pipeline), OpenRecordings(), gr.State(None), gr.State(None))
    return [
        columns
        for _, _, _, *columns in chat.ask(
            Asking, message, source, None, chosen, *of(chat, histories)
        )
    ]


def of(chat, histories):
    """The questions to click, and histories."""
    return [*(chip.value for chip in chat.chips), *map(list, histories)]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    return FakePipeline({"sample": write_csv(tmp_path_factory.mktemp("files") / "sample.csv")})


def test_all_chosen_language_models_answer_and_are_marked_when_they_are_complete(sampled):
    names = "report", *sampled.llms
    steps = asked(sampled, "Why?", names)
    for column, llm in zip(steps[-1], names, strict=True):
        question, answer = column
        assert question == {"role": "user", "content": "Why?"}
        assert answer["content"] == f"{llm} read 8 channels ✓ and 0 earlier messages: Why?"
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    report, first, second = asked(sampled, "Why?", ["nano-phi3"], (said, said, said))[-1]
    assert report == first == said
    assert second[:2] == said and "2 earlier" in second[-1]["content"]


def test_a_question_that_was_stopped_before_any_answer_is_not_told_again():
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": ""},
    ]
    assert answered(history) == history[:2]


def test_a_slow_language_model_holds_up_no_other(sampled):
    """The second one's answer is whole while the first one has not begun."""
    free = threading.Event()

    class Slow(FakePipeline):
        def chat(self, recording, message, llm=None, history=()):
            if llm == "nano-llama2":
                assert free.wait(30)
            yield "done"

    with gr.Blocks():
        chat = ChatArea(
            Turns(Slow(sampled.samples)), OpenRecordings(), gr.State(None), gr.State(None)
        )
    source = make_source(sampled.samples["sample"])
    steps = chat.ask(Asking, "Why?", source, None, chat.llms, *of(chat, ([], [], [])))
    _, slow, _ = next(c for _, _, _, *c in steps if c[2] and c[2][-1]["content"] == "done")
    assert slow[-1]["content"] == ""
    free.set()
    *_, (*_, slow, _) = steps
    assert slow[-1]["content"] == "done"


def test_streams_end_when_nobody_listens_any_more():
    ended = threading.Event()

    def endless():
        try:
            while True:
                yield "more"
        finally:
            ended.set()

    streams = merged({"a": endless(), "b": (text for text in ())})
    assert next(streams) == {"a": "more"}
    streams.close()
    assert ended.wait(10)


def test_what_a_language_model_read_is_shown_with_its_scores_and_as_text_only():
    html = reading_html("nano<b>", Prediction("fear", {"nano<b>": P}, {"nano<b>": TOKENS}))
    assert "nano<b>" not in html and "<emg" not in html
    assert "&lt;emg_0_3&gt; &lt;emg_1_7&gt;" in html
    assert re.findall(r'class="label">(\w+)<.*?class="share">(\d+ %)<', html)[0] == ("fear", "78 %")
    assert "can't read" in reading_html("other", Prediction("fear", {"svm": P}))
