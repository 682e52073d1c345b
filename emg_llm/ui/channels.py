"""The question which columns of a file are EMG, asked where the reader can't tell."""

import gradio as gr

from emg_llm.ui.analysis import escape

MOST = 40  # characters of a name


class ChannelChoice:
    """Columns to tick, each with what it looks like; hidden until a file needs them."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="choice") as self.question:
            self.channels = gr.CheckboxGroup([], show_label=False)
            self.read = gr.Button("Read these columns", size="sm", variant="primary")
        self.outputs = [self.question, self.channels]

    @staticmethod
    def ask(error):
        """Values for `outputs` that list the columns of a ChannelsUnclear."""
        choices = [
            (f"{called[:MOST]} · {looks}", number) for number, called, looks in error.columns
        ]
        group = gr.CheckboxGroup(choices=choices, value=[])
        return [gr.Column(visible=True), group]

    @staticmethod
    def keep(channels):
        """Values for `outputs` that keep an answer; without one, they hide the question."""
        if channels:
            return [gr.skip()] * 2
        return [gr.Column(visible=False), gr.CheckboxGroup(choices=[], value=[])]


def question_markdown(error):
    """A ChannelsUnclear as shown in place of the summary, above the columns."""
    why = escape(error.why)
    return f"**Which columns are EMG?** {why[:1].upper()}{why[1:]}. Tick the ones that are."
