"""Your face: a visitor's few recordings become a profile, which the page then reads with."""

import logging
from html import escape
from typing import NamedTuple

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from emg_llm.profile import Profile, ProfileError
from emg_llm.profile.figures import left_out, missing
from emg_llm.profile.names import label_of
from emg_llm.profile.profile import Trial, trial
from emg_llm.signal.once import Prepared
from emg_llm.signal.recording import RecordingError
from emg_llm.ui import analysis, batch
from emg_llm.ui.busy import MANY
from emg_llm.ui.face_result import EMPTY, counts_html, result_html
from emg_llm.ui.prompts import next_label, prompt
from emg_llm.ui.prompts import order as asking_order

log = logging.getLogger(__name__)

MOST = 60  # recordings
INTRO = (
    "Faces differ. Give the models a few recordings of yours: they learn your zero from neutral or "
    "unlabelled ones, and how you show an emotion from labelled ones. One of each emotion brings "
    "most, three are plenty; give all emotions that you mean to have read. Nothing is kept here: "
    "you take the profile with you, a small file without signals and names."
)
UNKNOWN = "not known"
QUIET = {"api_visibility": "private", "show_progress": "hidden"}
FAILED = "The profile could not be made; the app's log has the details."


class Given(NamedTuple):
    """An uploaded recording: its name and Source; what a profile keeps of it and its unit, or why
    it can't be part of one."""

    name: str
    source: analysis.Source
    trial: Trial | None
    unit: str
    why: str


class FaceTab:
    """The tab. person: the State of the pipeline that knows the visitor, or None."""

    def __init__(self, pipeline, person):
        self.pipeline, self.person = pipeline, person
        self.given = gr.State([], time_to_live=3600)
        # Apart from the recordings, so that a correction draws no list anew.
        self.labels = gr.State({}, time_to_live=3600)  # path -> label
        self.made = gr.State(None, time_to_live=3600)  # Profile
        gr.Markdown(INTRO, elem_classes="hint")
        with gr.Row(elem_classes="face-row"):
            with gr.Column(scale=3, min_width=320):
                self._uploads()
                self.fields = batch.ReadingFields()
                self.status = gr.HTML(padding=False, elem_classes="flush", elem_id="face-status")
                self.counts = gr.HTML(
                    counts_html({}, pipeline.labels), padding=False, elem_classes="flush"
                )
                self.missing = gr.Markdown(elem_id="missing")
            with gr.Column(scale=2, min_width=320):
                with gr.Row():
                    self.learn = gr.Button(
                        "Learn my face", variant="primary", interactive=False, scale=2
                    )
                    self.empty = gr.Button("Start over", visible=False, scale=1)
                self.result = gr.HTML(EMPTY, padding=False, elem_classes="flush")
                with gr.Row():
                    self.use = gr.Button("Use this profile now", variant="primary", visible=False)
                    self.download = gr.DownloadButton("Download my profile", visible=False)
                gr.Markdown("Been here before?", elem_classes="hint")
                self.load = gr.UploadButton("Load my profile (.json)", file_count="single")
                self.loaded = gr.HTML(padding=False, elem_classes="flush", elem_id="loaded")
        with gr.Column(elem_id="face-list"):
            gr.render([self.given, self.labels], triggers=[self.given.change])(self.rows)
        # What every change of the recordings fills; a profile made before no longer fits them.
        self.stale = [self.counts, self.missing, self.prompt, self.asked, self.learn, self.empty]
        self.stale += [self.result, self.use, self.download, self.made]
        self._wire()

    def _uploads(self):
        labels = asking_order(self.pipeline.labels)
        with gr.Tabs():
            with gr.Tab("Several at once"):
                self.files = gr.File(
                    label="Your recordings",
                    file_count="multiple",
                    height=130,
                    elem_id="face-files",
                )
                gr.Markdown(
                    "Names such as Anger_2.csv or wut_1.npy tell the emotion; correct it below.",
                    elem_classes="hint",
                )
            with gr.Tab("One emotion at a time"):
                self.prompt = gr.Markdown(prompt(labels[0], {}), elem_id="prompt")
                with gr.Row():
                    self.asked = gr.Dropdown(labels, value=labels[0], label="Emotion")
                    self.skip = gr.Button("Another emotion", size="sm")
                self.one = gr.File(label="This recording", file_count="multiple", height=110)

    def _wire(self):
        fields, state = self.fields.inputs, [self.given, self.labels]
        filled = [self.status, *state, *self.stale]
        self.files.upload(self.add, [self.files, *state, *fields], [*filled, self.files], **MANY)
        one = [self.one, *state, *fields, self.asked]
        self.one.upload(self.add, one, [*filled, self.one], **MANY)
        changed = [field.change for field in fields]
        gr.on(changed, self.read_again, [*state, *fields], filled, **MANY)
        self.asked.input(
            lambda label, given, labels: prompt(label, counted(given, labels)),
            [self.asked, *state],
            self.prompt,
            **QUIET,
        )
        self.skip.click(self.skipped, [self.asked, *state], [self.asked, self.prompt], **QUIET)
        outputs = [self.result, self.made, self.use, self.download]
        self.learn.click(self.make, state, outputs, **MANY)
        self.empty.click(lambda: self._filled("", [], {}), None, filled, **QUIET)
        self.use.click(self.used, self.made, [self.person, self.loaded], **QUIET)
        self.load.upload(self.take, [self.load, self.person], [self.person, self.loaded], **QUIET)

    def rows(self, given, labels):
        """Draw a row for each recording, with its emotion to correct."""
        for each in given:
            with gr.Row(elem_classes="given", key=each.source.path):
                self._row(each, labels.get(each.source.path, ""))

    def _row(self, each, label):
        path, state = each.source.path, [self.given, self.labels]
        if each.why:
            about = "" if each.why.startswith(each.name) else f"<b>{escape(each.name)}:</b> "
            said = f'<p class="refused">{about}{escape(each.why)}</p>'
            gr.HTML(said, padding=False, key=f"{path} why")
        else:
            named = gr.Dropdown(
                [(UNKNOWN, ""), *self.pipeline.labels],
                value=label,
                label=each.name,
                interactive=True,
                min_width=120,
                key=f"{path} label",
            )
            changed = [self.labels, *self.stale]
            named.input(self._relabel(path), [named, *state], changed, **QUIET)
        remove = gr.Button("Remove", size="sm", min_width=70, key=f"{path} remove")
        remove.click(self._remove(path), state, [self.status, *state, *self.stale], **QUIET)

    def _relabel(self, path):
        def relabel(label, given, labels):
            labels = labels | {path: label or ""}
            return [labels, *self._stale(given, labels)]

        return relabel

    def _remove(self, path):
        def remove(given, labels):
            return self._filled("", [g for g in given if g.source.path != path], labels)

        return remove

    def add(self, paths, given, labels, *settings):
        """Values for what an upload fills, again and again while the files are read."""
        *fields, asked = settings if len(settings) > 3 else (*settings, None)
        groups, given, labels = batch.grouped(paths), list(given), dict(labels)
        room = MOST - len(given)
        for i, files in enumerate(groups[:room]):
            name = batch.name_of(files[0])
            said = f"Reading {i + 1} of {len(groups)}: {name}"
            yield [batch.status(said, True), *([gr.skip()] * (2 + len(self.stale))), gr.skip()]
            try:
                source = batch.source_of(files, *fields)
            except RecordingError as error:
                yield [batch.status(str(error)), *([gr.skip()] * (2 + len(self.stale))), None]
                return
            each, label = self._one(name, source)
            given.append(each)
            labels[source.path] = asked or label
        said = f"A profile holds at most {MOST} recordings; the rest was left out."
        yield [*self._filled(said if len(groups) > room else "", given, labels), None]

    def read_again(self, given, labels, *fields):
        """The same recordings with other settings."""
        if not given:
            yield [gr.skip()] * (3 + len(self.stale))
            return
        again = []
        for i, each in enumerate(given):
            said = f"Reading {i + 1} of {len(given)}: {each.name}"
            yield [batch.status(said, True), *([gr.skip()] * (2 + len(self.stale)))]
            try:
                source = batch.source_of([each.source.path, *each.source.parts], *fields)
            except RecordingError as error:
                yield [batch.status(str(error)), *([gr.skip()] * (2 + len(self.stale)))]
                return
            again.append(self._one(each.name, source)[0])
        yield self._filled("", again, labels)

    def _one(self, name, source):
        """(Given of one file, the label that it or its name tells)."""
        guessed = label_of(name, self.pipeline.labels)
        recording, why = batch.read(source)
        if recording is None:
            return Given(name, source, None, "", why), guessed
        try:
            recording = Prepared.of(recording)
            label = recording.label if recording.label in self.pipeline.labels else guessed
            if why := self.pipeline.withheld(recording):
                return Given(name, source, None, "", why), label
            facts = trial(self.pipeline, recording, "")
        except ValueError as error:  # RecordingError and ProfileError among them
            return Given(name, source, None, "", str(error)), guessed
        except Exception:
            log.exception("A recording for a profile could not be read")
            return Given(name, source, None, "", batch.BROKEN), guessed
        return Given(name, source, facts, recording.unit, ""), label

    def _filled(self, said, given, labels):
        """Values of the status, the recordings and their labels, and `stale`."""
        labels = {g.source.path: labels.get(g.source.path, "") for g in given}
        return [batch.status(said), given, labels, *self._stale(given, labels)]

    def _stale(self, given, labels):
        counts, known = counted(given, labels), self.pipeline.labels
        usable = [g for g in given if g.trial]
        asked = next_label(counts, known)
        lacks = missing(counts, known) if usable else []
        return [
            counts_html(counts, known),
            "\n".join(f"- {sentence}" for sentence in lacks),
            prompt(asked, counts),
            asked,
            gr.Button(interactive=bool(usable)),
            gr.Button(visible=bool(given)),
            EMPTY,
            gr.Button(visible=False),
            gr.DownloadButton(value=None, visible=False),
            None,
        ]

    def skipped(self, asked, given, labels):
        """The next emotion to ask for, and its prompt."""
        labels_in_order = asking_order(self.pipeline.labels)
        label = labels_in_order[(labels_in_order.index(asked) + 1) % len(labels_in_order)]
        return label, prompt(label, counted(given, labels))

    def make(self, given, labels):
        """Values for the result, the profile and its buttons, again and again."""
        usable = [g for g in given if g.trial]
        hidden = [None, gr.Button(visible=False), gr.DownloadButton(visible=False)]
        try:
            trials = [Trial(labels.get(g.source.path, ""), g.trial.facts) for g in usable]
            profile = Profile.with_trials(self.pipeline, trials, {g.unit for g in usable})
            self.pipeline.with_profile(profile)  # whether the models can use it
        except ProfileError as error:
            yield [batch.status(str(error)), *hidden]
            return
        try:
            figures, n = None, len(profile.labelled)
            yield [batch.status("Learning your face…", True), *hidden]
            for figures in left_out(self.pipeline, profile, lambda i: _opened(usable[i])):
                said = f"Reading {figures.named.n} of {n}, with the others known"
                yield [batch.status(said, True), *hidden]
        except RecordingError as error:
            yield [batch.status(str(error)), *hidden]
            return
        except Exception:
            log.exception("A profile could not be measured")
            yield [batch.status(FAILED), *hidden]
            return
        data = profile.to_json().encode()
        file = save_bytes_to_cache(data, "my_face.json", self.download.GRADIO_CACHE)
        yield [
            result_html(profile, figures),
            profile,
            gr.Button(visible=True),
            gr.DownloadButton(value=file, visible=True),
        ]

    def used(self, profile):
        """(the pipeline that knows the visitor, what to say of it)."""
        if profile is None:
            return [gr.skip(), batch.status("Learn your face first.")]
        return [self.pipeline.with_profile(profile), batch.status("Your profile is in use.")]

    def take(self, path, person):
        """The same from a file that the visitor brings."""
        try:
            profile = Profile.load(path)
            known = self.pipeline.with_profile(profile)
        except ProfileError as error:
            return [person, batch.status(str(error))]
        return [known, batch.status(f"Your profile is in use: {profile.sentence}")]


def counted(given, labels):
    """label -> how many usable recordings have it."""
    some = [labels.get(g.source.path, "") for g in given if g.trial]
    return {label: some.count(label) for label in some if label}


def _opened(given):
    recording, why = batch.read(given.source)
    if recording is None:
        raise RecordingError(why)
    return recording
