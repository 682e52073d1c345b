"""The page: its layout and its events."""

import logging
from pathlib import Path

import gradio as gr

from emg_llm.report.measured import measured
from emg_llm.signal.readers.unclear import ChannelsUnclear, RateUnknown
from emg_llm.signal.recording import RecordingError
from emg_llm.ui import analysis, rate, sites
from emg_llm.ui.busy import MODEL, QUEUED, Turns
from emg_llm.ui.channels import ChannelChoice, question_markdown
from emg_llm.ui.chat import ChatArea
from emg_llm.ui.endpoints import Page, add_endpoints
from emg_llm.ui.face_profile import FaceTab
from emg_llm.ui.many import ManyTab
from emg_llm.ui.opened import OpenRecordings
from emg_llm.ui.prediction import Hero
from emg_llm.ui.profile_chip import ProfileChip
from emg_llm.ui.rate import RateChoice
from emg_llm.ui.report import TakeAway
from emg_llm.ui.results import results_tab
from emg_llm.ui.samples import SampleCards
from emg_llm.ui.signals import SignalTabs
from emg_llm.ui.simulator import SimulatorPanel
from emg_llm.ui.theme import MARK

log = logging.getLogger(__name__)

TITLE = "EMG-LLM"
TAGLINE = "Read emotion from facial surface EMG, and talk about it with language models."
EMPTY = "Upload a recording or pick a sample: the emotion, the face and the signal appear here."
PROGRAMS = Path(__file__).with_name("programs.md")
BROKEN = "The models failed on this recording; the app's log has the details."
# Uploads and sessions are looked at every 10 minutes, and none is kept for more than an hour.
EVERY_S, KEEP_S = 600, 3000


def build_app(pipeline):
    """The app around an EmotionPipeline; launch it with `**launch_options()`."""
    with Page(
        title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(EVERY_S, KEEP_S)
    ) as demo:
        opened = OpenRecordings()
        turns = Turns(pipeline)
        add_endpoints(pipeline, opened, turns)  # first, so that no other event takes their names
        source = gr.State(None, time_to_live=KEEP_S)  # Source of the shown recording
        with gr.Row(elem_id="head"):
            title = f"{MARK}<div><h1>{TITLE}</h1><p>{TAGLINE}</p></div>"
            gr.HTML(title, elem_id="title", padding=False)
            gr.Markdown(
                f"{analysis.escape(pipeline.trained_on)} "
                "A research demo, not a medical device; not for diagnosis.",
                elem_id="notice",
            )
        person = gr.State(None, time_to_live=KEEP_S)  # the pipeline that knows the visitor
        with gr.Tabs() as pages:
            with gr.Tab("Recording", id="recording"):
                opening = _recording_tab(demo, turns, opened, source, person)
            with gr.Tab("Your face", id="face"):
                FaceTab(pipeline, person)
            with gr.Tab("Many files", id="many"):
                ManyTab(pipeline, person).opens(pages, *opening)
            with gr.Tab("Results"):
                results_tab(pipeline)
        with gr.Accordion("For programs: Python, HTTP, MCP", open=False, elem_id="programs"):
            gr.Markdown(PROGRAMS.read_text(encoding="utf-8"))
    return demo.queue(default_concurrency_limit=4, max_size=QUEUED)


def _recording_tab(demo, turns, opened, source, person):
    ProfileChip(person)
    pipeline = turns.pipeline
    truth = gr.State(None, time_to_live=KEEP_S)  # to be guessed: what a sample was made as
    with gr.Column(elem_id="stage"):
        samples = SampleCards(pipeline)
        with gr.Column(elem_id="upload"):
            form = RecordingForm()
        hero = Hero(pipeline)
        with gr.Column(elem_id="about"):
            summary = gr.Markdown(EMPTY, elem_id="summary")
            asked, rates = ChannelChoice(), RateChoice()
            take = TakeAway(turns, opened)
        with gr.Column(elem_id="more"):
            form.add_settings()
            simulator = SimulatorPanel()
    with gr.Row(elem_id="work"):
        with gr.Column(scale=3, min_width=320):
            tabs = SignalTabs(opened, source)
        with gr.Column(scale=2, min_width=320, elem_id="talk"):
            chat = ChatArea(turns, opened, source, person)

    shown = [
        source,
        summary,
        form.settings,
        *asked.outputs,
        *rates.outputs,
        *tabs.outputs,
        *hero.outputs,
        *take.outputs,
        *chat.outputs,
        truth,
        *samples.outputs,
    ]

    def show(new, view, sample, to_guess):
        """Values for `shown`; the prediction follows in an event of its own."""
        recording = opened(new)
        report = measured(recording)
        text = gr.Markdown(analysis.summary_markdown(report), elem_classes=report.value("quality"))
        filled = tabs.show(recording, view, new.asked_at)
        choice = [*asked.keep(new.channels), *rates.hide()]
        cleared = [*hero.read(recording, new), *take.show(), *chat.clear()]
        marked = [to_guess, *samples.mark(sample)]
        return [new, text, gr.skip(), *choice, *filled, *cleared, *marked]

    def nothing(text, elem_class="", choice=None, lacks_rate=False):
        text = gr.Markdown(text, elem_classes=elem_class)
        settings = gr.Accordion(open=True) if lacks_rate else gr.skip()
        cleared = [*tabs.clear(), *hero.clear(), *take.clear(), *chat.clear()]
        marked = [None, *samples.mark()]
        choice = choice or [*asked.keep(None), *rates.hide()]
        return [None, text, settings, *choice, *cleared, *marked]

    def safely(new, view, sample=None, to_guess=None):
        """Values for `shown`; sample: the name of the one that is opened."""
        try:
            return show(analysis.make_source(*new), view, sample, to_guess)
        except ChannelsUnclear as error:
            choice = [*asked.ask(error), *rates.hide()]
            return nothing(question_markdown(error), "problem", choice)
        except RecordingError as error:
            choice = asked.keep(new[4] if len(new) > 4 else None)
            if isinstance(error, RateUnknown):
                text = rate.question_markdown(error)
                return nothing(text, "problem", [*choice, *rates.ask()], lacks_rate=True)
            choice += rates.hide()
            # The file may lack only its sampling rate.
            return nothing(analysis.problem_markdown(error), "problem", choice, lacks_rate=True)
        except Exception:
            log.exception("A recording could not be shown")
            return nothing(analysis.problem_markdown("It can't be analysed."), "problem")

    def uploaded(path, rate, unit, montage, view):
        montage = sites.general(montage)
        opens = safely((path, rate, unit, montage), view)
        return [*opens, *simulator.clear(), form.sites(montage)]

    def emptied(montage):
        return [*nothing(EMPTY), *simulator.clear(), form.sites(sites.general(montage))]

    def sample_opened(view, name, to_guess=None):
        file = samples.paths[name], None, None, samples.montages.get(name)
        emptied = [*simulator.clear(), *form.empty()]
        return [*safely(file, view, name, to_guess), *emptied]

    def sample_picked(view: str, event: gr.EventData) -> list:
        name = samples.pick(event)
        return sample_opened(view, name, samples.truths.get(name))

    def first_opened(view):
        return sample_opened(view, samples.first)

    def simulated(view, *settings):
        try:
            made = simulator.make_file(*settings)
        except RecordingError as error:  # what is open stays open
            kept, emptied = [gr.skip()] * len(shown), [gr.skip()] * len(form.outputs)
            return [*kept, *simulator.problem(error), *emptied]
        opens = safely((made[1], None, None, None), view)
        return [*opens, *simulator.show(*made), *form.empty()]

    def from_table(new, view):
        return [*safely(new, view), *simulator.clear(), *form.empty()]

    def same(old, *new):
        try:
            return old[:-1] == analysis.make_source(*new)[:-1]
        except RecordingError:
            return False

    def settings_changed(old, path, rate, unit, montage, view, channels=None):
        new = (path or (old and [old.path, *old.parts]), rate, unit, montage, channels)
        if not new[0] or (old and same(old, *new)):
            return [gr.skip()] * len(shown)
        return safely(new, view)

    def rate_entered(old, path, rate, unit, montage, *more):
        if old:  # whoever leaves the field may have changed the sites by the same click
            unit, montage = old.unit, old.montage
        return settings_changed(old, path, rate, unit, montage, *more)

    def rate_chosen(
        event: gr.EventData,
        old: analysis.Source | None,
        path: list[str] | None,
        unit: str,
        montage: str,
        view: str,
        channels: list[int] | None,
    ) -> list:
        hertz = rates.chosen(event)
        return [*settings_changed(old, path, hertz, unit, montage, view, channels), hertz]

    def sites_chosen(event: gr.EventData, old: analysis.Source | None, view: str) -> list:
        if not sites.is_about(event, old):  # another recording was opened since
            return [gr.skip()] * (len(shown) + 1)
        try:
            montage = sites.montage_of(event, opened(old).channel_names)
        except RecordingError as error:
            return [*nothing(analysis.problem_markdown(error), "problem"), gr.skip()]
        files = [old.path, *old.parts]
        new = files, old.sampling_rate, old.unit, montage, old.channels
        return [*safely(new, view), form.sites(montage)]

    def predict(new, known, to_guess=None):
        if not new:
            return [gr.skip(), gr.skip(), *chat.unread()]
        try:
            recording = opened(new)
            result, report = turns.read(known, recording)
            asks = hero.asks(recording, new)
            return [*hero.show(result, to_guess, asks), *chat.read(result, report)]
        except RecordingError as error:
            problem = str(error)
        except Exception:
            log.exception("The prediction failed")
            problem = BROKEN
        return [*hero.problem(problem), *chat.unread()]

    quiet = {"api_visibility": "private", "show_progress": "minimal"}
    predicted = [*hero.answers, *chat.readings]
    take.wire(source, person, chat)
    asks = [source, person, truth]
    changed = [source.change, person.change]
    predicting = gr.on(changed, predict, asks, predicted, **MODEL, **quiet)
    source.change(tabs.details, source, tabs.detailed, **quiet)

    def emotions(new, known):
        yield from tabs.emotions(known or pipeline, new)

    long = {"concurrency_id": "over time", "api_visibility": "private", "show_progress": "hidden"}
    watching = gr.on(changed, emotions, [source, person], tabs.strip, **long)
    # Answers of before don't fit what the models say now.
    empty = [[] for _ in chat.histories]
    person.change(lambda: empty if empty[1:] else [], None, chat.histories, **quiet)
    inputs = [form.file, form.rate, form.unit, form.montage, tabs.view]
    opening = [*shown, *simulator.outputs]
    anew = [*opening, form.montage]
    under_way = [predicting, watching, *chat.asking]
    if samples.first:  # the page opens with it
        opens = [*opening, *form.outputs]
        under_way.append(demo.load(first_opened, tabs.view, opens, **quiet))
    new = {"cancels": under_way, **quiet}
    gr.on([form.file.upload, form.file.delete], uploaded, inputs, anew, **new)
    samples.cards.click(sample_picked, tabs.view, [*opening, *form.outputs], **new)
    settings = [tabs.view, *simulator.inputs]
    simulator.button.click(simulated, settings, [*opening, *form.outputs], **new)
    entered = [source, *inputs, asked.channels]
    changes = [form.unit.input, form.montage.input, asked.read.click]
    gr.on(changes, settings_changed, entered, shown, **quiet)
    gr.on([form.rate.submit, form.rate.blur], rate_entered, entered, shown, **quiet)
    given = [source, form.file, form.unit, form.montage, tabs.view, asked.channels]
    gr.on([b.click for b in rates.buttons], rate_chosen, given, [*shown, form.rate], **quiet)
    hero.face.input(sites_chosen, [source, tabs.view], [*shown, form.montage], **quiet)
    form.file.clear(emptied, form.montage, anew, **new)
    return from_table, tabs.view, [*opening, *form.outputs]


class RecordingForm:
    """The upload and the settings for reading the file."""

    def __init__(self):
        self.file = gr.File(
            label="Your recording: CSV, EDF, MAT, NPY, …",
            file_count="multiple",  # a header and its samples belong together
            file_types=analysis.FILE_TYPES,
            height=118,
        )

    def add_settings(self):
        """The fields for what the file doesn't state, in a place of their own."""
        with gr.Accordion("Sampling rate, unit and sites", open=False) as self.settings:
            gr.Markdown("Needed only if the file does not state them.", elem_classes="hint")
            with gr.Row():
                self.rate = gr.Number(
                    value="",  # the page shows None as 0
                    label="Sampling rate (Hz)",
                    placeholder="as in the file",
                    min_width=120,
                )
                self.unit = gr.Dropdown(
                    list(analysis.UNITS), value="auto", label="Unit", min_width=120
                )
                self.montage = gr.Dropdown(
                    list(analysis.MONTAGES), value="auto", label="Sites", min_width=120
                )
        self.outputs = [self.file, self.rate, self.unit, self.montage]

    @staticmethod
    def sites(montage):
        """A value for `montage`, offered from now on if it was chosen on the face."""
        if montage and not sites.general(montage):
            return gr.Dropdown([*analysis.MONTAGES, (sites.CHOSEN, montage)], value=montage)
        return montage or "auto"

    def empty(self):
        """Values that empty `outputs`."""
        return [None, "", "auto", "auto"]
