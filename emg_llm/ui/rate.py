"""The question how many samples a second has, asked where the file doesn't tell."""

import gradio as gr

from emg_llm.ui.analysis import escape

RATES = (512, 1000, 2000, 15000)  # Hz; those of most devices, and of the original project


class RateChoice:
    """Sampling rates to click; hidden until a file needs one."""

    def __init__(self) -> None:
        with gr.Row(visible=False, elem_id="rates", elem_classes="chips") as self.question:
            self.buttons = [gr.Button(f"{rate} Hz", size="sm") for rate in RATES]
        self.outputs = [self.question]

    def chosen(self, event):
        """The rate of a click."""
        return RATES[self.buttons.index(event.target)]

    @staticmethod
    def ask():
        """Values for `outputs` that show the rates."""
        return [gr.Row(visible=True)]

    @staticmethod
    def hide():
        """Values for `outputs` that hide them."""
        return [gr.Row(visible=False)]


def question_markdown(error):
    """A RateUnknown as shown in place of the summary, above the rates."""
    why = str(error).partition(";")[0]
    return (
        f"**How many samples per second?** {escape(why)}. Choose the rate of your device, or enter "
        "another under *Sampling rate, unit and sites*."
    )
