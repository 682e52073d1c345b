"""The emotion over time in a long recording: an answer for each window, in a strip of lanes."""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np

from emg_llm.evaluation.prediction import mean_of
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.ui.analysis import number

log = logging.getLogger(__name__)

LONG_S = 6.0  # a recording that is shorter is one window
WINDOW_S = 3.0
MOST = 120  # windows; those of a longer recording lie apart
LEAST_VALID = 0.5  # of a window's samples
EVERY_S = 0.5  # between two words of progress
NO_SAMPLES = "Most of its samples are missing."
FAILED = "The models failed on it."
UNLIKE = "Most of the recording is unlike a face, so no part of it is read."
ABOUT = (
    "Emotion over time, as the encoders read each window of 3 s alone; the higher, the surer. "
    "A click shows the window in the signal."
)


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, in seconds of the file's time, and what it is read as.

    label: None where withheld says why not. confidence: the label's mean probability over the
    encoders.
    """

    start: float
    end: float
    label: str | None = None
    confidence: float = 0.0
    withheld: str = ""


def windows(recording: Recording) -> list[Window]:
    """The windows of a long recording, evenly spread; none of a short one."""
    if recording.duration < LONG_S:
        return []
    n = min(MOST, int(recording.duration / WINDOW_S))
    starts = recording.start + np.linspace(0, recording.duration - WINDOW_S, n)
    return [Window(start, start + WINDOW_S) for start in starts.tolist()]


def over_time(pipeline: Any, recording: Recording) -> Iterator[Window]:
    """Each window in turn, read by the encoders of an EmotionPipeline, which are quick.

    What the pipeline withholds of a recording it withholds of a window.
    """
    # Without language models; a copy, so that the windows displace no results of other recordings.
    alone = pipeline.asking({})
    try:
        cleaned = clean(recording)
    except RecordingError as error:
        yield from (replace(w, withheld=str(error)) for w in windows(recording))
        return
    for window in windows(recording):
        try:
            yield _read(alone, cleaned, window)
        except RecordingError as error:
            yield replace(window, withheld=str(error))
        except Exception:
            log.exception("A window could not be read")
            yield replace(window, withheld=FAILED)


def _read(pipeline, cleaned, window):
    rate = cleaned.sampling_rate
    at = [round((t - cleaned.start) * rate) for t in (window.start, window.end)]
    rows = slice(max(at[0], 0), max(at[1], 0))
    if cleaned.valid[rows].sum() < LEAST_VALID * WINDOW_S * rate:
        return replace(window, withheld=NO_SAMPLES)
    part = cleaned.replace(
        signal=cleaned.signal[rows],
        valid=cleaned.valid[rows],
        gaps=None if cleaned.gaps is None else cleaned.gaps[rows],
        start=cleaned.start + rows.start / rate,
    )
    if why := pipeline.withheld(part):
        return replace(window, withheld=why)
    read = {
        name: dict(zip(encoder.config.labels, map(float, encoder(part)), strict=True))
        for name, encoder in pipeline.encoders.items()
    }
    mean = mean_of(read, [*read])
    label = max(mean, key=mean.__getitem__)
    return replace(window, label=label, confidence=mean[label])


def settled(read: Sequence[Window]) -> list[Window]:
    """All windows; where most are withheld, as of an arm, none of the others is believed."""
    if 2 * sum(w.label is None for w in read) <= len(read):
        return [*read]
    return [replace(w, label=None, withheld=w.withheld or UNLIKE) for w in read]


def strip_of(pipeline: Any, recording: Recording) -> Iterator[str]:
    """HTML: progress in words, then the strip; nothing for a short recording."""
    wanted, read, told = len(windows(recording)), [], 0.0
    for window in over_time(pipeline, recording) if wanted else ():
        if time.monotonic() - told > EVERY_S:
            yield progress_html(len(read) + 1, wanted)
            told = time.monotonic()
        read.append(window)
    yield strip_html(settled(read), (recording.start, recording.start + recording.duration))


def progress_html(k: int, n: int) -> str:
    """Which window is being read."""
    return f'<p class="status running">Reading the emotion over time: window {k} of {n}.</p>'


def strip_html(read: Sequence[Window], whole: tuple[float, float]) -> str:
    """A lane for each emotion that occurs, and one for windows without; `whole`: in seconds."""
    if not read:
        return ""
    labels = sorted({w.label for w in read if w.label is not None})
    lanes = [(label, [w for w in read if w.label == label]) for label in labels]
    if withheld := [w for w in read if w.label is None]:
        lanes.append(("withheld", withheld))
    rows = "".join(
        f'<div class="lane"><span>{escape(name)}</span><div class="track">'
        + "".join(_button(w, whole, w is read[0]) for w in of)
        + "</div></div>"
        for name, of in lanes
    )
    ticks = "".join(
        f"<span>{number(t, 1 if whole[1] - whole[0] < 60 else 0)} s</span>"
        for t in np.linspace(*whole, 5)
    )
    return (
        f'<emg-strip class="strip" data-whole="{json.dumps(whole)}" '
        f'data-summary="{_counts(lanes)}">'
        f'<p class="hint">{ABOUT}</p><div class="lanes" role="group" '
        f'aria-label="Emotion over time">{rows}<div class="over"><i class="frame"></i></div></div>'
        f'<div class="ticks" aria-hidden="true">{ticks}</div><output>{_counts(lanes)}</output>'
        "</emg-strip>"
    )


def _button(window, whole, is_first):
    first, last = whole
    left, width = (
        100 * t / (last - first) for t in (window.start - first, window.end - window.start)
    )
    when = f"{number(window.start)} to {number(window.end)} s"
    if window.label is None:
        kind, height, said = "none", 100.0, f"no emotion. {window.withheld}"
    else:
        kind, height = "some", max(100 * window.confidence, 12.0)
        said = f"{window.label}, {100 * window.confidence:.0f} %"
    return (
        f'<button type="button" class="{kind}" tabindex="{0 if is_first else -1}" '
        f'data-start="{window.start:.4f}" data-end="{window.end:.4f}" '
        f'aria-label="{escape(f"{when}: {said}")}" style="left: {left:.3f}%; '
        f'width: {width:.3f}%; --height: {height:.0f}%"></button>'
    )


def _counts(lanes):
    return escape(", ".join(f"{name} in {len(of)}" for name, of in lanes) + " windows")
