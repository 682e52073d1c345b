"""The panel in which a visitor simulates a recording."""

from html import escape
from typing import Any

import gradio as gr

from emg_llm.signal.recording import EMOTIONS
from emg_llm.signal.simulation.config import HELD, POSED
from emg_llm.ui.simulated import BOUNDS, Simulated, make, save

HINT = (
    "Makes the facial EMG of a person who does not exist and whom no model has learned from. "
    "The same settings always make the same recording."
)
COURSES = (("posed: rest, expression, rest", POSED), ("held throughout", HELD))
RATES = (500, 1000, 2000, 4000, 15000)  # Hz


class SimulatorPanel:
    """`make_file(*values of inputs)` simulates; `show`, `problem` and `clear` fill `outputs`."""

    def __init__(self) -> None:
        with gr.Accordion("Simulate a recording", open=False, elem_id="simulator"):
            gr.Markdown(HINT, elem_classes="hint")
            with gr.Row():
                emotion = gr.Dropdown(
                    list(EMOTIONS), value="happiness", label="Emotion", min_width=130
                )
                person = gr.Number(1, label="Person", step=1, min_width=90)
            sliders = {}
            for pair in (("intensity", "severity"), ("noise", "duration")):
                with gr.Row():
                    sliders |= {name: _slider(name) for name in pair}
            course = gr.Radio(list(COURSES), value=POSED, label="Expression")
            with gr.Accordion("Sampling rate and take", open=False):
                with gr.Row():
                    rate = gr.Dropdown(
                        list(RATES), value=2000, label=BOUNDS["sampling_rate"].name, min_width=130
                    )
                    take = gr.Number(1, label="Take", step=1, min_width=90)
                gr.Markdown("Another take is the same person once more.", elem_classes="hint")
            self.button = gr.Button("Simulate", variant="primary")
            self.refusal = gr.HTML(padding=False, elem_classes="flush", visible=False)
            self.truth = gr.HTML(padding=False, elem_classes="flush", elem_id="truth")
            self.download = gr.DownloadButton("Download (.npz)", size="sm", visible=False)
        self._named = {"emotion": emotion, "person": person, **sliders, "course": course}
        self._named |= {"sampling_rate": rate, "take": take}
        self.inputs = list(self._named.values())
        self.outputs = [self.refusal, self.truth, self.download]

    def make_file(self, *values: Any) -> tuple[Simulated, str]:
        """(the recording, its file) of the inputs' values. Raises RecordingError."""
        simulated = make(**dict(zip(self._named, values, strict=True)))
        return simulated, save(simulated, self.download.GRADIO_CACHE)

    def show(self, simulated, path):
        """Values for `outputs`."""
        return [
            _no_refusal(),
            truth_html(simulated),
            gr.DownloadButton(value=path, visible=True),
        ]

    def problem(self, error):
        """Values for `outputs` that say what is wrong with the settings."""
        html = f'<div class="warning" role="alert">{escape(str(error))}</div>'
        return [gr.HTML(html, visible=True), gr.skip(), gr.skip()]

    def clear(self):
        """Values that empty `outputs`."""
        return [_no_refusal(), "", gr.DownloadButton(value=None, visible=False)]


def _slider(name):
    bound = BOUNDS[name]
    return gr.Slider(
        bound.least,
        bound.most,
        bound.default,
        step=bound.step,
        label=bound.name,
        buttons=[],
        min_width=200,
    )


def _no_refusal():
    return gr.HTML("", visible=False)


def truth_html(simulated):
    """What was simulated, and when the expression begins and ends."""
    emotion, conditions = simulated.settings["emotion"], simulated.conditions
    return (
        f'<p class="truth">Simulated: <b>{escape(emotion)}</b>, {escape(conditions)}.<br>'
        f"{escape(simulated.sentence)}</p>"
        '<details class="folded"><summary>The same in Python</summary>'
        f'<p class="codes">{escape(simulated.call)}</p></details>'
    )
