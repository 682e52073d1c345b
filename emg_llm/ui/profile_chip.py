"""The sign on a page that a profile is in use."""

from html import escape

import gradio as gr

QUIET = {"api_visibility": "private", "show_progress": "hidden"}


class ProfileChip:
    """Says on a page that a profile is in use, with a way to drop it."""

    def __init__(self, person):
        with gr.Row(visible=False, elem_id="profile-chip") as self.row:
            self.text = gr.HTML(padding=False, elem_classes="flush")
            self.drop = gr.Button("Drop it", size="sm", min_width=80, scale=0)
        person.change(self.show, person, [self.row, self.text], **QUIET)
        self.drop.click(lambda: None, None, person, **QUIET)

    @staticmethod
    def show(person):
        """Values for the row and its text."""
        if person is None:
            return [gr.Row(visible=False), ""]
        said = f"<b>Your profile is in use.</b> {escape(person.profile.sentence)}"
        return [gr.Row(visible=True), f"<p>{said}</p>"]
