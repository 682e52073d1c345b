"""Many files: a table of what each recording is read as, and two of them compared."""

import logging
from typing import Any, NamedTuple

import gradio as gr
import pandas as pd
from gradio.processing_utils import save_bytes_to_cache

from emg_llm.report.rows import Row, row, to_csv
from emg_llm.signal.readers import UPLOADED_EXTENSIONS
from emg_llm.signal.recording import RecordingError
from emg_llm.ui import batch
from emg_llm.ui.analysis import Source, escape
from emg_llm.ui.busy import MANY
from emg_llm.ui.compare import TYPICAL, compare

log = logging.getLogger(__name__)

MOST = 200  # files at once
INTRO = (
    "Drop several recordings, or choose a folder. A file that can't be read doesn't stop the "
    "others. Click a row to open its recording."
)
HEADS = "File", "Signal", "Emotion", "Confidence", "Why no emotion"
WIDTHS = ["26%", "10%", "14%", "12%", "38%"]
QUIET = {"api_visibility": "private", "show_progress": "hidden"}


class Kept(NamedTuple):
    """A recording of the table: its row, and how its file is read, or None if it can't be."""

    row: Row
    source: Source | None


class ManyTab:
    """The tab. person: the State of the pipeline that knows the visitor, or None."""

    def __init__(self, pipeline, person):
        self.pipeline, self.kept = pipeline, gr.State([], time_to_live=3600)
        gr.Markdown(INTRO, elem_classes="hint")
        with gr.Row(elem_classes="upload-row"):
            # Any file may come: what can't be read gets its sentence in the table.
            self.files = gr.File(
                label="Recordings", file_count="multiple", height=130, scale=3, min_width=320
            )
            with gr.Column(scale=1, min_width=180):
                self.folder = gr.UploadButton("Choose a folder", file_count="directory", size="sm")
                self.again = gr.Button("Read again", size="sm", visible=False)
                self.stop = gr.Button("Stop", size="sm", visible=False)
        self.fields = batch.ReadingFields()
        self.status = gr.HTML(padding=False, elem_classes="flush", elem_id="many-status")
        self.table = gr.Dataframe(
            headers=list(HEADS),
            label="What the recordings are read as",
            interactive=False,
            wrap=True,
            visible=False,
            column_widths=WIDTHS,
            buttons=["fullscreen"],
            elem_id="many-table",
        )
        self.download = gr.DownloadButton(
            "Download as CSV", size="sm", visible=False, elem_classes="narrow"
        )
        with gr.Column(visible=False, elem_id="compare") as self.panel:
            gr.Markdown("## Compare two", elem_classes="heading")
            with gr.Row():
                self.first = gr.Dropdown([], label="This recording")
                self.second = gr.Dropdown([], label="Against")
            self.said = gr.Markdown(elem_id="compared")
            self.figure = gr.Plot(show_label=False, container=False, visible=False)
            self.open = gr.Button("Open this recording", size="sm", elem_classes="narrow")
        self.outputs = [self.status, self.table, self.kept, self.download, self.panel]
        self.outputs += [self.first, self.second, self.again, self.stop]
        self._wire(person)

    def _wire(self, person):
        given = [self.files, person, *self.fields.inputs]
        of_folder = [self.folder, person, *self.fields.inputs]
        reading = [
            gr.on([self.files.upload, self.files.delete], self.read, given, self.outputs, **MANY),
            self.folder.upload(self.read_folder, of_folder, self.outputs, **MANY),
            self.again.click(self.read_again, [self.kept, *given[1:]], self.outputs, **MANY),
        ]
        stopped = [self.again, self.stop]
        ended = {"cancels": reading, "queue": False, **QUIET}
        self.stop.click(
            lambda: [gr.Button(visible=True), gr.Button(visible=False)], None, stopped, **ended
        )
        self.files.clear(self.clear, None, self.outputs, cancels=reading, **QUIET)
        chosen = [self.kept, self.first, self.second, person]
        shown = [self.said, self.figure]
        gr.on([self.first.input, self.second.input], self.compared, chosen, shown, **QUIET)
        for event in reading:  # what was hidden tells of no change
            event.then(self.compared, chosen, shown, **QUIET)

    def opens(self, tabs, show, view, outputs):
        """Make a click on a row open its recording on the recording page.

        show: a function from a Source's fields and the value of `view` to values for `outputs`.
        """

        def opened(kept, name, view):
            source = next((k.source for k in kept if k.row.file == name and k.source), None)
            if source is None:
                return [gr.skip()] * (len(outputs) + 1)
            files = [source.path, *source.parts]
            return [
                gr.Tabs(selected="recording"),
                *show((files, source.sampling_rate, source.unit, source.montage), view),
            ]

        def clicked(kept: list, view: str, event: gr.SelectData) -> list:
            return opened(kept, str(event.row_value[0]), view)

        everything = [tabs, *outputs]
        self.table.select(clicked, [self.kept, view], everything, **QUIET)
        self.open.click(opened, [self.kept, self.first, view], everything, **QUIET)

    def read(self, paths, person, *settings):
        """Values for `outputs`, again and again while the files are read."""
        yield from self._read(batch.grouped(paths), person, settings)

    def read_folder(self, paths, person, *settings):
        """The same for a folder, of which only recordings are read."""
        endings = tuple(UPLOADED_EXTENSIONS)
        some = [p for p in paths or () if str(p).lower().endswith(endings)]
        others = len(paths or ()) - len(some)
        note = f"{others} other file{'s' * (others != 1)} left out. " if others else ""
        yield from self._read(batch.grouped(some), person, settings, note)

    def read_again(self, kept, person, *settings):
        """The same recordings, such as with other settings or another profile."""
        files = [[k.source.path, *k.source.parts] for k in kept if k.source]
        yield from self._read(files, person, settings)

    def _read(self, groups, person, settings, note=""):
        if not groups:
            yield [batch.status(f"{note}There is no recording in it."), *self.clear()[1:]]
            return
        if len(groups) > MOST:
            yield [
                batch.status(
                    f"{len(groups)} recordings are too many; give at most {MOST} at once."
                ),
                *self.clear()[1:],
            ]
            return
        pipeline, kept = person or self.pipeline, []
        for i, files in enumerate(groups):
            name = batch.name_of(files[0])
            said = f"Reading {i + 1} of {len(groups)}: {name}"
            yield self._show(said, kept, running=True)
            kept.append(self._one(pipeline, _unique(name, kept), files, settings))
        unread = sum(not k.row.emotion for k in kept)
        with_profile = " Read with your profile." if person else ""
        said = (
            f"{note}{len(kept) - unread} of {len(kept)} recordings have an emotion.{with_profile}"
        )
        yield self._show(said, kept)

    def _one(self, pipeline, name, files, settings):
        """Kept of one recording, whatever happens to it."""
        source = None
        try:
            source = batch.source_of(files, *settings)
            recording, why = batch.read(source)
            if recording is None:
                return Kept(Row(name, why=why), source)
            return Kept(row(name, pipeline.report(recording), pipeline(recording)), source)
        except RecordingError as error:
            return Kept(Row(name, why=str(error)), source)
        except Exception:
            log.exception("A recording of many could not be read")
            return Kept(Row(name, why=batch.BROKEN), source)

    def _show(self, said, kept, running=False):
        names = [k.row.file for k in kept if k.row.quality]
        panel = gr.Column(visible=bool(names) and not running)
        download, first, second = (gr.skip() for _ in range(3))
        if not running:
            data = to_csv(k.row for k in kept).encode()
            file = save_bytes_to_cache(data, "emotions.csv", self.download.GRADIO_CACHE)
            download = gr.DownloadButton(value=file, visible=True)
            others = [*names, TYPICAL]
            first = gr.Dropdown(names, value=names[0] if names else None)
            second = gr.Dropdown(others, value=TYPICAL)
        table = gr.Dataframe(frame(kept), visible=bool(kept))
        buttons = [gr.Button(visible=not running), gr.Button(visible=running)]
        return [batch.status(said, running), table, kept, download, panel, first, second, *buttons]

    def clear(self):
        """Values that empty `outputs`."""
        hidden = [gr.Button(visible=False), gr.Button(visible=False)]
        return [
            "",
            gr.Dataframe(frame([]), visible=False),
            [],
            gr.DownloadButton(value=None, visible=False),
            gr.Column(visible=False),
            gr.Dropdown([], value=None),
            gr.Dropdown([], value=None),
            *hidden,
        ]

    def compared(self, kept: list, first: str, second: str, person: Any) -> list:
        """(a sentence, a figure) on the chosen two."""
        sources = {k.row.file: k.source for k in kept}
        if first not in sources or (second != TYPICAL and second not in sources):
            return ["", gr.Plot(None, visible=False)]
        try:
            chosen = [(name, sources[name]) for name in (first, second) if name != TYPICAL]
            pair = [(name, *batch.read(source)) for name, source in chosen]
            if problems := [why for _, recording, why in pair if recording is None]:
                raise RecordingError(problems[0])
            both = [(name, recording) for name, recording, _ in pair]
            figure, said = compare(person or self.pipeline, both[0], both[1] if both[1:] else None)
            return [escape(said), gr.Plot(figure, visible=True)]
        except RecordingError as error:
            return [escape(str(error)), gr.Plot(None, visible=False)]
        except Exception:
            log.exception("Two recordings could not be compared")
            return [batch.BROKEN, gr.Plot(None, visible=False)]


def frame(kept):
    """The table: a row for each Kept."""
    rows = [
        (r.file, r.quality, r.emotion, "" if r.confidence is None else _share(r.confidence), r.why)
        for r, _ in kept
    ]
    return pd.DataFrame(rows, columns=list(HEADS))


def _share(value):
    return f"{100 * value:.0f} %" if value < 0.995 else ">99 %"


def _unique(name, kept):
    """The name, numbered if another file of the table has it."""
    names, n, unique = {k.row.file for k in kept}, 1, name
    while unique in names:
        n += 1
        unique = f"{name} ({n})"
    return unique
