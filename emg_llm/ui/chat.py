"""The chat: one question, and a column of answers for the report and for each LLM."""

import logging
from collections.abc import Iterator
from typing import Any

import gradio as gr

from emg_llm.llms.loading import LlmError
from emg_llm.registry import REPORT
from emg_llm.signal.recording import RecordingError
from emg_llm.ui.analysis import Source, plain_history
from emg_llm.ui.busy import BUSY_CHAT, MODEL
from emg_llm.ui.facts import link, unlinked
from emg_llm.ui.llm_header import not_loaded_html, reading_html, unread_html
from emg_llm.ui.questions import suggested
from emg_llm.ui.streams import merged

log = logging.getLogger(__name__)

PLACEHOLDER = "<p class='hint'>Ask for the emotion, what was measured, and how certain it is.</p>"
LEGEND = (
    "✓ agrees with the measurement · ✗ does not. An emotion and its certainty are not measured, so "
    "they get no mark."
)
CHATBOT = {"show_label": False, "layout": "bubble", "feedback_options": None, "allow_tags": False}
CHATBOT |= {"buttons": [], "placeholder": PLACEHOLDER, "elem_classes": "answer"}
MAX_MESSAGE = 1000  # characters
MAX_HISTORY = 12  # messages
MAX_REPLY = 8000  # characters of a message before
# On a phone the question is asked from the bottom of the page.
TO_ANSWERS = """() => document.querySelector('#talk .answers')
?.scrollIntoView({block: 'nearest', behavior: 'smooth'})"""
STOPPED = " *(stopped)*"
BROKEN = "Something went wrong while answering; the app's log has the details."


class ChatArea:
    """The chat's components. person: the State of the pipeline that knows the visitor, or None.

    llms: all that answer, the report first. outputs: their readings and histories, emptied by
    `clear()`. readings: filled by `read(prediction)`. asking: the streaming events.
    """

    def __init__(self, turns, opened, source, person):
        self.turns, self.opened, self.pipeline = turns, opened, turns.pipeline
        self.llms = REPORT, *(self.pipeline.talkers or self.pipeline.llms)
        self.readings, self.histories, self.asking = [], [], []
        self.writing = gr.State([])  # which of them write
        gr.Markdown("## Talk about this recording", elem_classes="heading")
        if self.side_by_side:  # on a phone, below the answers would be far down
            self._question()
            self._answers()
        else:
            self._answers()
            self._question()
        self.readings += self.chips
        self.outputs = [*self.readings, *self.histories]
        gr.Markdown(LEGEND, elem_classes="hint", elem_id="legend")
        copy = gr.Button("Copy the conversation", size="sm", elem_id="copy-talk")
        copy.click(None, js="() => copyTalk()", api_visibility="private")
        self._wire(source, person)

    @property
    def side_by_side(self):
        """Whether there is more than one column of answers."""
        return len(self.llms) > 1

    def _question(self):
        with gr.Row(elem_classes="chips"):
            self.chips = [gr.Button(q, size="sm", variant="secondary") for q in suggested()]
        self.box = gr.Textbox(
            placeholder="Your question",
            show_label=False,
            submit_btn="Ask",
            max_length=MAX_MESSAGE,
            elem_id="question",
        )
        self.stop = gr.Button("Stop", size="sm", visible=False)

    def _not_loaded(self):
        if self.pipeline.not_loaded:
            html = not_loaded_html(self.pipeline.not_loaded)
            gr.HTML(html, padding=False, elem_id="not-loaded", elem_classes="flush")

    def _answers(self):
        self.chosen = gr.CheckboxGroup(
            list(self.llms),
            value=[REPORT],
            label="Who answers",
            visible=self.side_by_side,
            elem_id="answerers",
        )
        self._not_loaded()
        self.columns = []
        with gr.Row(elem_classes="answers"):
            for llm in self.llms:
                with gr.Column(min_width=280, visible=llm == REPORT) as column:
                    self.readings.append(
                        gr.HTML(self._unread(llm), padding=False, elem_classes="flush")
                    )
                    self.histories.append(gr.Chatbot(label=llm, **CHATBOT))
                self.columns.append(column)

    def _wire(self, source, person):
        triggers = [self.box.submit, *(chip.click for chip in self.chips)]
        asking = gr.on(
            triggers,
            self.ask,
            [self.box, source, person, self.chosen, *self.chips, *self.histories],
            [self.box, self.stop, self.writing, *self.histories],
            show_progress="hidden",
            api_visibility="private",
            **MODEL,
        )
        self.asking.append(asking)
        again = gr.on(
            [history.retry for history in self.histories],
            self.again,
            [source, person, *self.histories],
            [self.stop, self.writing, *self.histories],
            show_progress="hidden",
            api_visibility="private",
            **MODEL,
        )
        self.asking.append(again)
        gr.on(triggers, None, js=TO_ANSWERS, api_visibility="private")
        self.stop.click(
            self.stopped,
            [self.writing, *self.histories],
            [self.stop, *self.histories],
            cancels=self.asking,
            queue=False,
            api_visibility="private",
        )
        self.chosen.change(
            lambda chosen: [gr.Column(visible=llm in chosen) for llm in self.llms],
            self.chosen,
            self.columns,
            show_progress="hidden",
            api_visibility="private",
        )

    def ask(
        self,
        event: gr.EventData,
        message: str | None,
        source: Source | None,
        person: Any,
        chosen: list[str],
        *before: Any,
    ) -> Iterator[list]:
        """Stream the answers of the chosen ones, by default of the report.

        before: the questions to click, then the histories.
        """
        questions, before = before[: len(self.chips)], before[len(self.chips) :]
        if event.target in self.chips:
            message = questions[self.chips.index(event.target)]
        if not (message or "").strip():
            yield ["", gr.Button(visible=False), [], *before]
            return
        active = [i for i, llm in enumerate(self.llms) if llm in chosen] or [0]
        earlier = [plain_history(history) for history in before]
        for step in self._answering(message, source, person, active, earlier):
            yield ["", *step]

    def again(
        self, event: gr.EventData, source: Source | None, person: Any, *before: Any
    ) -> Iterator[list]:
        """Stream another answer of one of them to its last question."""
        who = self.histories.index(event.target)
        earlier = [plain_history(history) for history in before]
        asked = [k for k, message in enumerate(earlier[who]) if message["role"] == "user"]
        if asked:
            message = earlier[who][asked[-1]]["content"]
            earlier[who] = earlier[who][: asked[-1]]
            yield from self._answering(message, source, person, [who], earlier)

    def _answering(self, message, source, person, active, earlier):
        """Values for the button that stops, for `writing` and for all histories."""
        histories = list(earlier)

        def show(i, text):
            question = {"role": "user", "content": message}
            histories[i] = [*earlier[i], question, {"role": "assistant", "content": text}]

        for i in active:
            show(i, "")
        yield [gr.Button(visible=True), active, *histories]
        try:
            message, recording = asked(message), self.opened(source)
        except RecordingError as error:
            for i in active:
                show(i, str(error))
        else:
            writes = active != [0]  # more than the report
            with self.turns.turn(person, recording, writes) as (pipeline, busy):
                about = pipeline, recording, message
                streams = {i: self.replies(*about, i, earlier[i], busy) for i in active}
                for news in merged(streams):
                    for i, text in news.items():
                        show(i, text)
                    yield [gr.skip(), gr.skip(), *histories]
        yield [gr.Button(visible=False), [], *histories]

    def replies(self, pipeline, recording, message, i, history, busy=False):
        """The growing reply of one LLM; errors become text in the chat."""
        try:
            yield from stream(pipeline, recording, message, self.llms[i], history, busy, link)
        except (RecordingError, LlmError) as error:
            yield str(error)
        except Exception:
            log.exception("The chat failed")
            yield BROKEN

    def stopped(self, writing, *before):
        """The answers that were being written, marked as stopped."""
        histories = [plain_history(history) for history in before]
        for i in writing:
            if histories[i]:
                histories[i][-1]["content"] += STOPPED
        return [gr.Button(visible=False), *histories]

    def read(self, prediction, report):
        """Values for `readings`: what each says, and questions that fit."""
        talkers = self.pipeline.talkers
        said = [reading_html(llm, prediction, llm in talkers) for llm in self.llms]
        return [*said, *suggested(report)]

    def unread(self):
        """Values that empty `readings`."""
        return [*(self._unread(llm) for llm in self.llms), *suggested()]

    def _unread(self, llm):
        return unread_html(llm, llm in self.pipeline.talkers)

    def clear(self):
        """Values that empty `outputs`."""
        return [*self.unread(), *([] for _ in self.histories)]


def asked(message):
    """The question, without blanks around it. Raises RecordingError for none and for a long one."""
    message = (message or "").strip()
    if not 0 < len(message) <= MAX_MESSAGE:
        raise RecordingError(f"Ask something in at most {MAX_MESSAGE} characters.")
    return message


def stream(pipeline, recording, message, llm, history, busy=False, dress=None):
    """The growing reply of one LLM; the complete one has its statements marked.

    busy: whether the language models are, so that the report answers for them. dress: see
    `report.check.marked`.
    """
    text, llm = (BUSY_CHAT, REPORT) if busy and llm != REPORT else ("", llm)
    for piece in pipeline.chat(recording, message, llm=llm, history=answered(history)):
        text += piece
        yield text
    marked = pipeline.checked(recording, text, dress)
    if marked != text:
        yield marked


def answered(history):
    """The last messages of a history, without questions stopped before their answer."""
    kept = []
    for message in history:
        content = unlinked(message["content"]).removesuffix(STOPPED)[:MAX_REPLY]
        message = message | {"content": content}
        if message["role"] == "assistant" and not message["content"].strip():
            kept = kept[:-1]
        else:
            kept.append(message)
    return kept[-MAX_HISTORY:]
