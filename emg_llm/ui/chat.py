"""The chat: one question, one column of answers for each LLM, streamed."""

import logging

import gradio as gr

from emg_llm.recording import RecordingError
from emg_llm.ui.analysis import NO_RECORDING, open_source, plain_history

log = logging.getLogger(__name__)

QUESTIONS = (
    "Which emotion is this?",
    "Why?",
    "How good is the signal?",
    "What does RMS mean?",
)
PLACEHOLDER = "<p class='hint'>Ask what the recording shows, why, and how sure that is.</p>"
MAX_MESSAGE = 1000  # characters
MAX_HISTORY = 12  # messages
BROKEN = "Something went wrong while answering; the app's log has the details."


class ChatArea:
    """`outputs` are the histories, one for each LLM; `asking` lists the events that stream."""

    def __init__(self, pipeline, source):
        self.pipeline, self.llms = pipeline, tuple(pipeline.llms)
        gr.Markdown("### Talk about this recording", elem_classes="heading")
        if self.side_by_side:  # on a phone the question would else be far below the first answer
            self._question()
            self._answers(height=360)
        else:
            self._answers(height=420)
            self._question()
        self._wire(source)

    @property
    def side_by_side(self):
        """Whether there is more than one column to read."""
        return len(self.llms) > 1

    def _question(self):
        with gr.Row(elem_classes="chips"):
            self.chips = [gr.Button(q, size="sm", variant="secondary") for q in QUESTIONS]
        self.box = gr.Textbox(
            placeholder="Your question",
            show_label=False,
            submit_btn="Ask",
            max_length=MAX_MESSAGE,
            elem_id="question",
        )
        self.stop = gr.Button("Stop", size="sm", visible=False)

    def _answers(self, height):
        self.chosen = gr.CheckboxGroup(
            list(self.llms),
            value=list(self.llms),
            label="Who answers",
            visible=self.side_by_side,
        )
        self.columns, self.outputs = [], []
        with gr.Row():
            for llm in self.llms:
                with gr.Column(min_width=280) as column:
                    self.outputs.append(
                        gr.Chatbot(
                            label=llm,
                            height=height,
                            layout="bubble",
                            feedback_options=None,
                            buttons=["copy"],
                            allow_tags=False,
                            placeholder=PLACEHOLDER,
                        )
                    )
                self.columns.append(column)

    def _wire(self, source):
        asking = gr.on(
            [self.box.submit, *(chip.click for chip in self.chips)],
            self.ask,
            [self.box, source, self.chosen, *self.outputs],
            [self.box, self.stop, *self.outputs],
            show_progress="hidden",
            concurrency_id="model",
            concurrency_limit=1,
            api_visibility="private",
        )
        self.asking = [asking]
        self.stop.click(
            lambda: gr.Button(visible=False),
            None,
            self.stop,
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

    def ask(self, event: gr.EventData, message, source, chosen, *histories):
        """Stream the answers of the chosen LLMs, a piece of each in turn."""
        if event.target in self.chips:
            message = QUESTIONS[self.chips.index(event.target)]
        message = (message or "").strip()
        if not message:
            yield ["", gr.Button(visible=False), *histories]
            return
        histories = [plain_history(history) for history in histories]
        asked = [i for i, llm in enumerate(self.llms) if llm in chosen] or [0]
        before = {i: histories[i] for i in asked}
        for i in asked:
            histories[i] = [
                *before[i],
                {"role": "user", "content": message},
                {"role": "assistant", "content": ""},
            ]
        yield ["", gr.Button(visible=True), *histories]
        streams = {i: self.replies(message, source, self.llms[i], before[i]) for i in asked}
        while streams:
            for i in list(streams):
                text = next(streams[i], None)
                if text is None:
                    del streams[i]
                else:
                    last = {"role": "assistant", "content": text}
                    histories[i] = [*histories[i][:-1], last]
            yield [gr.skip(), gr.skip(), *histories]
        yield [gr.skip(), gr.Button(visible=False), *histories]

    def replies(self, message, source, llm, history):
        """The growing reply; problems are answered in words, since the chat goes on."""
        if not source:
            yield NO_RECORDING
            return
        try:
            yield from stream(self.pipeline, open_source(source), message, llm, history)
        except RecordingError as error:
            yield str(error)
        except Exception:
            log.exception("The chat failed")
            yield BROKEN

    def clear(self):
        """Values that empty `outputs`."""
        return [[] for _ in self.outputs]


def stream(pipeline, recording, message, llm, history):
    """The growing reply of one LLM."""
    text = ""
    for piece in pipeline.chat(recording, message, llm=llm, history=history[-MAX_HISTORY:]):
        text += piece
        yield text
