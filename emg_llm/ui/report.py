"""Take it with you: buttons that make a file about the open recording and download it."""

import logging
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from emg_llm.signal.recording import RecordingError
from emg_llm.ui import takeaway
from emg_llm.ui.analysis import Source
from emg_llm.ui.busy import MODEL

log = logging.getLogger(__name__)

KINDS = {  # ending -> what the button says
    ".html": "Page with all of it (.html)",
    ".json": "Report (.json)",
    ".csv": "Features (.csv)",
    ".parquet": "Features (.parquet)",
}
FAILED = "The file could not be made; the app's log has the details."
# The file is made when it is asked for; a click on the hidden link then fetches it.
FETCH = "() => { setTimeout(() => document.querySelector('#take-file').click(), 50); }"


class TakeAway:
    """The buttons; `wire(...)` makes them work, once the chat is there."""

    def __init__(self, turns, opened):
        self.turns, self.opened = turns, opened
        with gr.Accordion(
            "Take it with you", open=False, elem_id="take", visible=False
        ) as self.area:
            with gr.Row(elem_classes="chips"):
                self.buttons = [gr.Button(text, size="sm") for text in KINDS.values()]
            self.file = gr.DownloadButton("", visible="hidden", elem_id="take-file")
        self.outputs = [self.area]

    def wire(self, source, person, chat):
        """Make the files of what is open; chat: the ChatArea, whose conversation goes along."""

        def make(event: gr.EventData, source: Source | None, person: Any, *histories: list) -> str:
            ending = [*KINDS][self.buttons.index(event.target)]
            return self.make(ending, source, person, dict(zip(chat.llms, histories, strict=True)))

        made = gr.on(
            [button.click for button in self.buttons],
            make,
            [source, person, *chat.histories],
            self.file,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=self.area,
            **MODEL,
        )
        made.success(None, js=FETCH, api_visibility="private")

    def make(self, ending, source, person, histories):
        """The path of a new file, in Gradio's cache, which is deleted with the uploads."""
        try:
            recording = self.opened(source)
            if ending in (".csv", ".parquet"):
                data = takeaway.features(recording, ending)
            else:
                with self.turns.turn(person, recording) as (pipeline, _):
                    if ending == ".html":
                        data = takeaway.page(pipeline, recording, histories).encode()
                    else:
                        data = takeaway.report_json(pipeline, recording)
        except RecordingError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            log.exception("A file to take along could not be made")
            raise gr.Error(FAILED, print_exception=False) from None
        return save_bytes_to_cache(
            data, takeaway.file_name(recording, ending), self.file.GRADIO_CACHE
        )

    def show(self):
        """Values for `outputs` while a recording is open."""
        return [gr.Accordion(visible=True)]

    def clear(self):
        """Values that hide `outputs`."""
        return [gr.Accordion(visible=False)]
