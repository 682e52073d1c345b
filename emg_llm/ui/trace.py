"""The signal over time, as the element that `signal.js` draws and asks for other stretches of."""

import json
import math
from html import escape
from typing import Any

import numpy as np

from emg_llm.plots.signals import unit_label
from emg_llm.signal.envelope import BINS, envelope, scale
from emg_llm.signal.marks import marks
from emg_llm.signal.recording import Recording

FEWEST, MOST_BINS = 100, 1600
DIGITS = 4  # of half the height of a row, far below what a screen resolves
LEAST_SAMPLES = 16  # in view
# What the element asks for, with the start and the end of a stretch.
ON_LOAD = 'element.addEventListener("emg-window", (event) => trigger("input", event.detail));'

Window = tuple[float, float]  # seconds in the file's time


def window_of(recording: Recording, start: Any, end: Any) -> Window | None:
    """A stretch that a page asks for, cut to the recording; None if it asks for none."""
    try:
        start, end = float(start), float(end)
    except (TypeError, ValueError):
        return None
    first, last = whole(recording)
    least = min(LEAST_SAMPLES / recording.sampling_rate, last - first)
    start = max(start, first)
    end = min(max(end, start + least), last)
    start = min(start, end - least)
    return (start, end) if math.isfinite(start) and math.isfinite(end) else None


def whole(recording: Recording) -> Window:
    """The stretch from the first to the last sample."""
    return recording.start, recording.start + recording.duration


def trace_data(
    recording: Recording, shown: Recording, window: Window | None = None, bins: int = BINS
) -> dict[str, Any]:
    """What the element draws, for JSON: of `window`, by default of everything.

    shown: `recording` or the cleaned one. Each row has the lowest and highest sample of each bin,
    or the samples themselves if there are few (low alone); None where there is none.
    """
    everything = whole(recording)
    start, end = window or everything
    found = envelope(shown, start, end, min(max(bins, FEWEST), MOST_BINS))
    center, half = scale(shown)
    in_view = marks(recording).between(start, end, found.step if found.size > 1 else 0.0)
    decimals = DIGITS - math.floor(math.log10(half))
    rows = []
    for i, name in enumerate(recording.channel_names):
        row = {"name": name, "center": float(center[i]), "low": _values(found.low[:, i], decimals)}
        if found.size > 1:
            row["high"] = _values(found.high[:, i], decimals)
        for kind in ("active", "lacking", "clipped"):
            row[kind] = _times(getattr(in_view, kind)[i])
        rows.append(row)
    return {
        "whole": everything,
        "view": (start, end),
        "start": found.start,
        "step": found.step,
        "size": found.size,
        "unit": unit_label(recording.unit),
        "half": half,
        "peak": in_view.peak,
        "invalid": _times(in_view.invalid),
        "kinds": _kinds(recording),
        "rows": rows,
    }


def trace_html(data: dict[str, Any], key: str) -> str:
    """The element; key: differs from recording to recording, whose view begins anew."""
    text = json.dumps({"key": key} | data, ensure_ascii=False, separators=(",", ":"))
    return f'<emg-signal data-signal="{escape(text)}"></emg-signal>'


def _kinds(recording):
    """The marks that occur anywhere in a recording."""
    found = marks(recording)
    there = {
        "active": any(map(len, found.active)),
        "peak": found.peak is not None,
        "absent": len(found.invalid) or any(map(len, found.lacking)),
        "clipped": any(map(len, found.clipped)),
    }
    return [kind for kind, occurs in there.items() if occurs]


def _values(x, decimals):
    rounded = np.round(x.astype(np.float64), decimals)
    return [None if v != v else v for v in rounded.tolist()]


def _times(spans):
    return np.round(spans, 5).tolist()
