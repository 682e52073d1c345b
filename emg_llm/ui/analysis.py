"""Texts and tables about a recording, without Gradio."""

import logging
import math
import time
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

import emg_llm
from emg_llm.signal.montage import FACE, count
from emg_llm.signal.readers import UPLOADED_EXTENSIONS, one_recording
from emg_llm.signal.recording import RecordingError

log = logging.getLogger(__name__)

UNITS = ("auto", "uV", "mV", "V")
MONTAGES = (("as named in the file", "auto"), ("face, standard order", FACE))
FILE_TYPES = list(UPLOADED_EXTENSIONS)
NO_RECORDING = "Upload a recording or pick a sample first."

_LITERAL = {ord(c): f"&#{ord(c)};" for c in "\\`*[]<>#|~$&"}


class Source(NamedTuple):
    """A file and how to read it: all that the app stores of a recording between events.

    parts: the files that were uploaded with it, such as the samples of a header.
    """

    path: str
    sampling_rate: float | None = None
    unit: str | None = None
    montage: str | None = None
    parts: tuple[str, ...] = ()
    channels: tuple[int, ...] | str | None = None  # columns, from 1, or also names, with commas
    asked_at: int = 0  # distinguishes two requests for the same file


def make_source(path, sampling_rate=None, unit=None, montage=None, channels=None):
    """The form's values as a Source; path: of a file, or a list of those uploaded together.

    Raises RecordingError for invalid ones."""
    if not path:
        raise RecordingError(NO_RECORDING)
    file, parts = one_recording(path if isinstance(path, list) else [path])
    if not sampling_rate:  # an empty field, or 0
        sampling_rate = None
    elif not (math.isfinite(sampling_rate) and sampling_rate > 0):
        raise RecordingError("The sampling rate must be a positive number of hertz.")
    unit, montage = (None if v in (None, "", "auto") else v for v in (unit, montage))
    if not isinstance(channels, str):
        channels = tuple(sorted(channels or ()))
    parts, channels = tuple(map(str, parts)), channels or None
    return Source(str(file), sampling_rate, unit, montage, parts, channels, time.time_ns())


def escape(text):
    """Text from a file as one line of literal Markdown."""
    return " ".join(str(text).split()).translate(_LITERAL)


def summary_markdown(report):
    """A report's name, size, rate and unit; quality with reasons; extremes; assumptions."""
    rate, unit = report.value("sampling_rate"), report.value("unit")
    facts = (
        f"**{escape(report.recording)}**",
        count(report.value("channels"), "channel"),
        f"{report.value('duration'):.3g} s",
        f"{rate:g} Hz",
        escape(unit.partition(",")[0]),
    )
    lines = [" · ".join(facts), "", f"**Signal quality: {report.value('quality')}.**"]
    told = [s for s in report.of("snr", "strongest", "weakest") if s.value is not None]
    if reasons := report.value("reasons"):
        lines[-1] += f" {escape(reasons)}"
    lines[-1] += "".join(f" {escape(s.sentence)}" for s in told)
    if notes := report.value("assumed"):
        lines += ["", f"*{escape(notes)}*"]
    return "\n".join(lines)


def problem_markdown(error):
    """A RecordingError as shown in place of the summary."""
    return f"**This recording can't be used.** {escape(error)}"


def quality_frame(report):
    """A QualityReport as one row per channel."""
    return pd.DataFrame(
        {
            "channel": [c.name for c in report.channels],
            "verdict": [c.verdict for c in report.channels],
            "SNR (dB)": [number(c.snr_db) for c in report.channels],
            "spectral SNR (dB)": [number(c.spectral_snr_db) for c in report.channels],
            "mains (dB)": [number(c.mains_db) for c in report.channels],
            "clipped": [f"{c.clipped:.1%}" for c in report.channels],
            "flat": ["yes" if c.flat else "no" for c in report.channels],
            "against it": [", ".join(c.faults) or "–" for c in report.channels],
        }
    )


def cleaned_or_not(recording):
    """The cleaned recording, or the raw one if it can't be cleaned."""
    try:
        return emg_llm.clean(recording)
    except RecordingError:
        return recording


def feature_frames(recording):
    """(one row per channel, one row per segment); None if the recording is too short."""
    frames = []
    for make in (emg_llm.feature_summary, emg_llm.feature_table):
        try:
            frames.append(make(recording))
        except RecordingError:
            frames.append(None)
    return tuple(frames)


def rounded(frame, digits=4):
    """A table rounded to `digits` significant digits."""
    if frame is None:
        return None
    numbers = frame.select_dtypes("floating")
    return frame.assign(**numbers.map(lambda value: float(f"{value:.{digits}g}")))


def number(value, digits=1):
    """A float with some decimals, or a dash if it is None or isn't finite."""
    known = value is not None and math.isfinite(value)
    return f"{value:.{digits}f}".replace("-", "−") if known else "–"


def plain_history(history):
    """Chat messages from Gradio or a client as [{"role", "content": str}]."""
    messages = []
    for message in history or []:
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            raise ValueError(
                'The history must be a list of {"role": "user" or "assistant", "content"}.'
            )
        messages.append({"role": message["role"], "content": _plain(message.get("content"))})
    return messages


def _plain(content):
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return _plain(content.get("text", ""))
    if isinstance(content, Iterable):
        return "".join(_plain(part) for part in content)
    return ""
