"""The tabs of a recording: signal, spectrum, features, quality."""

import re

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from emg_llm.data.tables import csv_bytes
from emg_llm.plots import signals as plots
from emg_llm.signal.quality import assess_quality
from emg_llm.ui.analysis import cleaned_or_not, feature_frames, quality_frame, rounded

RAW, CLEANED = "as recorded", "cleaned (20–450 Hz, mains removed)"


class SignalTabs:
    """`show(recording, view)` fills `outputs`, `clear()` empties them."""

    def __init__(self, opened):
        self.opened = opened  # OpenRecordings
        with gr.Column(visible=False) as self.area, gr.Tabs():
            with gr.Tab("Signal"):
                self.view = gr.Radio([RAW, CLEANED], value=RAW, show_label=False, container=False)
                self.signal = gr.Plot(show_label=False, container=False, elem_id="signal")
            with gr.Tab("Spectrum"):
                self.spectrum = gr.Plot(show_label=False, container=False)
            with gr.Tab("Features"):
                gr.Markdown(
                    "Computed from the cleaned signal, before any normalisation.",
                    elem_classes="hint",
                )
                self.channels = gr.Dataframe(label="By channel, whole recording", interactive=False)
                with gr.Accordion("By segment (128 samples each)", open=False):
                    self.segments = gr.Dataframe(
                        label="Segments", interactive=False, max_height=320
                    )
                    self.download = gr.DownloadButton("Download the segments as CSV", size="sm")
            with gr.Tab("Quality"):
                self.snr = gr.Plot(show_label=False, container=False)
                self.quality = gr.Dataframe(label="By channel", interactive=False)
        self.outputs = [self.area, self.signal, self.spectrum, self.channels]
        self.outputs += [self.segments, self.download, self.snr, self.quality]

    def show(self, recording, view):
        """Values for `outputs`."""
        report, cleaned = assess_quality(recording), cleaned_or_not(recording)
        channels, segments = feature_frames(cleaned)
        return [
            gr.Column(visible=True),
            plots.signal_figure(cleaned if view == CLEANED else recording),
            plots.spectrum_figure(recording),
            rounded(channels),
            rounded(segments),
            self._csv(recording, segments),
            plots.snr_figure(report),
            quality_frame(report),
        ]

    def clear(self):
        """Values that empty `outputs`."""
        return [gr.Column(visible=False), *[None] * (len(self.outputs) - 1)]

    def redraw(self, source, view):
        """The signal plot for a new view."""
        if not source:
            return None
        recording = self.opened(source)
        return plots.signal_figure(cleaned_or_not(recording) if view == CLEANED else recording)

    def _csv(self, recording, segments):
        """A file in Gradio's cache, which is deleted with the uploads."""
        if segments is None:
            return None
        name = re.sub(r"[^\w-]+", "_", recording.recording_id)[:80] or "recording"
        data, place = csv_bytes(segments), self.download.GRADIO_CACHE
        return save_bytes_to_cache(data, f"{name}_features.csv", place)
