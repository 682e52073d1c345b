"""Several recordings that a visitor uploads together: how they are read, one at a time."""

from html import escape
from pathlib import Path

import gradio as gr

from emg_llm.signal.readers import SUPPORTED_EXTENSIONS
from emg_llm.signal.recording import RecordingError
from emg_llm.ui import analysis
from emg_llm.ui.opened import read_source

BROKEN = "It can't be read; the app's log has the details."
LONGEST = 60  # characters of a file's name


class ReadingFields:
    """The settings for files that don't state them; `inputs` are their values."""

    def __init__(self):
        with gr.Accordion("Sampling rate, unit and sites", open=False):
            gr.Markdown("Needed only if the files do not state them.", elem_classes="hint")
            with gr.Row():
                # The page shows None as 0.
                rate = gr.Number("", label="Sampling rate (Hz)", placeholder="as in the file")
                unit = gr.Dropdown(list(analysis.UNITS), value="auto", label="Unit")
                montage = gr.Dropdown(list(analysis.MONTAGES), value="auto", label="Sites")
        self.inputs = [rate, unit, montage]


def grouped(paths):
    """[files that are one recording] of uploaded files, in the order of their names.

    The samples of headers (.dat) go with every header; only what a header names is opened.
    """
    files = sorted((Path(p) for p in paths or ()), key=lambda path: path.name.lower())
    mains = [f for f in files if f.suffix.lower() in SUPPORTED_EXTENSIONS]
    parts = [f for f in files if f not in mains]
    headers = [f for f in mains if f.suffix.lower() == ".hea"]
    if headers:
        return [[f, *parts] if f in headers else [f] for f in mains]
    return [[f] for f in files]


def source_of(files, rate, unit, montage):
    """The Source of one recording's files. Raises RecordingError for invalid settings."""
    return analysis.make_source([str(f) for f in files], rate, unit, montage)


def read(source):
    """(the recording, "") or (None, why it can't be read, in one sentence)."""
    try:
        if not Path(source.path).exists():
            raise RecordingError("The upload has expired; upload it again.")
        return read_source(source), ""
    except RecordingError as error:
        return None, str(error)


def name_of(path):
    """The name of an uploaded file, at most LONGEST characters."""
    name = Path(path).name
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def status(text, running=False):
    """What is being done, or was, as HTML that is read out."""
    shown = f'<p class="status{" running" * running}" role="status">{escape(text)}</p>'
    return shown if text else ""
