"""The tabs of a recording: signal, spectrum, features, quality."""

from typing import Any

import gradio as gr
import numpy as np

from emg_llm.plots import signals as plots
from emg_llm.plots.features import feature_figure
from emg_llm.plots.spectrogram import spectrogram_figure
from emg_llm.signal.envelope import BINS
from emg_llm.signal.quality import GOOD_SNR_DB, USABLE_SNR_DB, assess_quality
from emg_llm.signal.quality.criteria import BY_NAME
from emg_llm.signal.recording import RecordingError
from emg_llm.ui import trace
from emg_llm.ui.analysis import cleaned_or_not, feature_frames, quality_frame, rounded
from emg_llm.ui.over_time import strip_of

RAW, CLEANED = "as recorded", "cleaned (20–450 Hz, mains removed)"


FEATURES = (
    "Computed from the cleaned signal, before any normalisation. Colours: shares of each feature's "
    "largest value."
)
LIMITS = (
    f"A channel is good from an SNR of {GOOD_SNR_DB:g} dB and usable from {USABLE_SNR_DB:g} dB, "
    f"unless something else is held against it: mains hum above {BY_NAME['hum'].usable:g} dB, "
    f"more than {BY_NAME['clipped'].usable:.0%} of its samples clipped, a flat line."
)
QUIET = {"api_visibility": "private", "show_progress": "hidden"}


class SignalTabs:
    """`show(recording, view, key)` fills `outputs`, `clear()` empties them; `details(source)` fills
    `detailed`, the other tabs. source: the State of the Source that is shown."""

    def __init__(self, opened, source):
        self.opened = opened  # OpenRecordings
        self.window = gr.State(None, time_to_live=3600)  # the stretch in view, None for everything
        with gr.Column(visible=False) as self.area, gr.Tabs():
            with gr.Tab("Signal"):
                self.view = gr.Radio([RAW, CLEANED], value=RAW, show_label=False, container=False)
                self.signal = gr.HTML(elem_id="signal", js_on_load=trace.ON_LOAD, padding=False)
                self.strip = gr.HTML(elem_id="strip", padding=False)
            with gr.Tab("Spectrum"):
                self.spectrum = gr.Plot(show_label=False, container=False)
                self.channel = gr.Dropdown([], label="Spectrum over time of")
                self.spectrogram = gr.Plot(show_label=False, container=False)
            with gr.Tab("Features"):
                gr.Markdown(FEATURES, elem_classes="hint")
                self.heat_map = gr.Plot(show_label=False, container=False)
                self.channels = gr.Dataframe(label="By channel, whole recording", interactive=False)
                with gr.Accordion("By segment (128 samples each)", open=False):
                    self.segments = gr.Dataframe(
                        label="Segments", interactive=False, max_height=320
                    )
            with gr.Tab("Quality"):
                gr.Markdown(LIMITS, elem_classes="hint")
                self.snr = gr.Plot(show_label=False, container=False)
                self.quality = gr.Dataframe(label="By channel", interactive=False)
        self.outputs = [self.area, self.signal, self.window, self.strip]
        self.detailed = [self.spectrum, self.channel, self.spectrogram]
        self.detailed += [self.heat_map, self.channels]
        self.detailed += [self.segments, self.snr, self.quality]
        self.view.input(self.redraw, [source, self.view, self.window], self.signal, **QUIET)
        drawn = [source, self.channel], self.spectrogram
        self.channel.input(self.redraw_spectrogram, *drawn, **QUIET)
        # Outside the queue, so that nobody's answer holds up a zoom.
        zooms = {"trigger_mode": "always_last", "queue": False, **QUIET}
        self.signal.input(self.zoom, [source, self.view], [self.signal, self.window], **zooms)

    def show(self, recording, view, key):
        """Values for `outputs`; key: differs from recording to recording."""
        return [gr.Column(visible=True), self._trace(recording, view, key), None, ""]

    def details(self, source):
        """Values for `detailed`."""
        nothing = [None] * len(self.detailed)
        nothing[1] = gr.Dropdown([], value=None)
        if not source:
            return nothing
        try:
            recording = self.opened(source)
        except RecordingError:  # it expired meanwhile
            return nothing
        channels, segments = feature_frames(cleaned_or_not(recording))
        report, names = assess_quality(recording), recording.channel_names
        strongest = int(np.argmax([c.snr_db for c in report.channels] or [0]))
        return [
            plots.spectrum_figure(recording),
            gr.Dropdown([(name, i) for i, name in enumerate(names)], value=strongest),
            spectrogram_figure(recording, strongest),
            feature_figure(channels),
            rounded(channels),
            rounded(segments),
            plots.snr_figure(report),
            quality_frame(report),
        ]

    def emotions(self, pipeline, source):
        """Values for `strip`: the emotion over time, where the recording is long."""
        try:
            recording = self.opened(source)
        except RecordingError:  # nothing is open, or it expired
            return
        yield from strip_of(pipeline, recording)

    def clear(self):
        """Values that empty `outputs`."""
        return [gr.Column(visible=False), "", None, ""]

    def redraw_spectrogram(self, source, channel):
        """The spectrogram of another channel, by its index."""
        try:
            recording = self.opened(source)
        except RecordingError:  # nothing is open, or it expired
            return None
        fits = isinstance(channel, int) and 0 <= channel < recording.n_channels
        return spectrogram_figure(recording, channel) if fits else gr.skip()

    def redraw(self, source, view, window=None):
        """The signal for a new view of the same stretch."""
        try:
            return self._trace(self.opened(source), view, source.asked_at, window)
        except RecordingError:  # nothing is open, or it expired
            return gr.skip()

    def zoom(self, source: Any, view: str, event: gr.EventData) -> list[Any]:
        """Values for `signal` and `window`: the stretch that the page asks for."""
        asked = event._data if isinstance(event._data, dict) else {}
        try:
            recording = self.opened(source)
        except RecordingError:
            return [gr.skip(), gr.skip()]
        window = trace.window_of(recording, asked.get("start"), asked.get("end"))
        # Another recording may have been opened since.
        if window is None or asked.get("key") != str(source.asked_at):
            return [gr.skip(), gr.skip()]
        return [self._trace(recording, view, source.asked_at, window, asked.get("width")), window]

    @staticmethod
    def _trace(recording, view, key, window=None, width=None):
        shown = cleaned_or_not(recording) if view == CLEANED else recording
        bins = int(width) if isinstance(width, int | float) and 0 < width < 1e4 else BINS
        return trace.trace_html(trace.trace_data(recording, shown, window, bins), str(key))
