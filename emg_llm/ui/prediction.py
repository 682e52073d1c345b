"""The hero of the page: the answer beside the face, and what each model says."""

import gradio as gr

from emg_llm.signal.montage import parse
from emg_llm.ui import answer, sites
from emg_llm.ui.face import face_data, face_html, level_scale
from emg_llm.ui.votes import votes_html

EMPTY = '<p class="why">Upload a recording or pick a sample.</p>'


class Hero:
    """`read(recording, source)`, then `show(prediction)` or `problem(text)` fill `outputs`,
    `clear()` empties them. `face.input` tells of sites that a visitor chose."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        with gr.Row(elem_id="hero", visible=False) as self.row:
            with gr.Column(scale=5, min_width=280):
                self.answer = gr.HTML(elem_id="answer", padding=False)
                self.votes = gr.HTML(elem_id="votes", padding=False)
            with gr.Column(scale=4, min_width=280):
                self.face = gr.HTML(elem_id="face", js_on_load=sites.ON_LOAD, padding=False)
        self.answers = [self.answer, self.votes]
        self.outputs = [self.row, self.face, *self.answers]

    def asks(self, recording, source):
        """Whether the face asks for the sites of the recording of a Source."""
        of_face = any(parse(site).is_site for site in self.pipeline.sites)
        return of_face and not source.montage and sites.are_unknown(recording.channel_names)

    def read(self, recording, source):
        """Values for `outputs`, before the models have answered."""
        key = str(source.asked_at)
        if self.asks(recording, source):
            face = sites.picker_html(recording.channel_names, key)
        else:
            face = face_html(face_data(recording, level_scale(self.pipeline)))
            face += sites.again_html(source.montage, key)
        waiting = answer.waiting_html(len(self.pipeline.models))
        return [gr.Row(visible=True), face, waiting, ""]

    def show(self, prediction, truth=None, asks=False):
        """Values for `answers`; asks: whether the face asks for the sites."""
        llms, advice = self.pipeline.readers, sites.ADVICE if asks else ""
        html = answer.answer_html(prediction, llms, self.pipeline.results, truth, advice)
        return [html, votes_html(prediction, llms)]

    def problem(self, text):
        """Values for `answers`: the reason why there is no prediction."""
        return [answer.problem_html(text), ""]

    def clear(self):
        """Values that empty `outputs`."""
        return [gr.Row(visible=False), "", "", ""]


def prediction_json(prediction):
    """The response of `/predict`.

    label: of the highest mean probability over the LLMs; None where withheld says why not.
    """
    return {
        "label": prediction.label,
        "withheld": prediction.withheld,
        "probabilities": {
            model: {label: float(p) for label, p in probabilities.items()}
            for model, probabilities in prediction.probabilities.items()
        },
        "warnings": list(prediction.warnings),
        "tokens": {llm: list(tokens) for llm, tokens in prediction.tokens.items()},
        "prompts": dict(prediction.prompts),
    }
