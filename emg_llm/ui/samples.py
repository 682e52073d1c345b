"""The cards of the sample recordings, each with a sparkline of its file."""

import logging
from html import escape

import gradio as gr
import numpy as np

import emg_llm
from emg_llm.signal.recording import Recording, RecordingError

log = logging.getLogger(__name__)

BINS, WIDTH, HEIGHT = 60, 120, 28  # of a sparkline
# The class of the component says which card is open.
ON_LOAD = """
const cards = [...element.querySelectorAll("[data-sample]")];
element.addEventListener("click", (event) => {
  const card = event.target.closest("[data-sample]");
  if (card) trigger("click", { sample: Number(card.dataset.sample) });
});
const block = element.closest("#samples");
const mark = () => cards.forEach((card, k) =>
  card.setAttribute("aria-pressed", block.classList.contains(`open-${k}`)));
new MutationObserver(mark).observe(block, { attributes: true, attributeFilter: ["class"] });
mark();
"""


class SampleCards:
    """A card for each sample. `pick(event)` names the clicked one, `mark(name)` fills `outputs`."""

    def __init__(self, pipeline):
        self.paths, self.montages = dict(pipeline.samples), pipeline.montages
        self.truths = pipeline.config.get("truths", {})  # the emotion each was made with
        cards = [
            card_html(k, name, path, self.montages.get(name))
            for k, (name, path) in enumerate(self.paths.items())
        ]
        html = f'<div class="samples" role="group" aria-label="Samples">{"".join(cards)}</div>'
        self.cards = gr.HTML(
            html,
            elem_id="samples",
            js_on_load=ON_LOAD,
            padding=False,
            visible=bool(cards),
        )
        self.outputs = [self.cards]

    @property
    def first(self):
        """The name of the first sample, or None."""
        return next(iter(self.paths), None)

    def pick(self, event):
        """The name of the sample whose card was clicked."""
        return list(self.paths)[event.sample]

    def mark(self, name=None):
        """Values for `outputs`: the card of this sample is open."""
        opened = f"open-{list(self.paths).index(name)}" if name else "open-none"
        return [gr.HTML(elem_classes=[opened])]


def card_html(k, name, path, montage=None):
    """One card: the sample's name, its sparkline, its rate and format."""
    try:
        recording = emg_llm.read_recording(path, montage=montage)
    except RecordingError:
        log.exception("A sample could not be read")
        line, about = "", path.suffix
    else:
        line = sparkline(recording)
        about = f"{recording.sampling_rate / 1000:g} kHz, {recording.format}"
    title, _, kind = name.partition(": ")
    tag = f' <em class="tag">{escape(kind)}</em>' if kind else ""
    return (
        f'<button type="button" data-sample="{k}"><span class="name">{escape(title)}{tag}</span>'
        f"{line}<small>{escape(about)}</small></button>"
    )


def sparkline(recording: Recording) -> str:
    """The RMS over all channels of the signal as recorded, mirrored, as an SVG."""
    x = recording.valid_signal
    x = x - np.median(x, axis=0)
    edges = np.linspace(0, len(x), BINS + 1).astype(int)[:-1]
    power = np.add.reduceat(np.square(x, dtype=np.float64).mean(axis=1), edges)
    height = np.sqrt(power / np.diff(edges, append=len(x)))
    height = height / (height.max() or 1) * (HEIGHT / 2 - 1)
    points = "".join(
        f"M{(i + 0.5) * WIDTH / BINS:.1f} {HEIGHT / 2 - h:.1f}V{HEIGHT / 2 + h:.1f}"
        for i, h in enumerate(np.maximum(height, 0.4))
    )
    return (
        f'<svg class="sparkline" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" '
        f'aria-hidden="true"><path d="{points}"/></svg>'
    )
