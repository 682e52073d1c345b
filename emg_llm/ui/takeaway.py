"""What a visitor takes along of a recording: a page, the report, the features."""

import json
import platform
import re
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

import emg_llm
from emg_llm.data.tables import csv_bytes, parquet_bytes
from emg_llm.report.measured import measured
from emg_llm.report.models import LIMITS
from emg_llm.report.page import recording_page
from emg_llm.report.retrieve import lines
from emg_llm.signal.recording import RecordingError
from emg_llm.ui.analysis import cleaned_or_not, plain_history
from emg_llm.ui.answer import answer_html, problem_html
from emg_llm.ui.face import face_data, face_html, level_scale
from emg_llm.ui.facts import unlinked
from emg_llm.ui.votes import votes_html

HERE = Path(__file__).parent
LIBRARIES = "numpy", "scipy", "torch", "transformers"
MOST_MESSAGES, MOST_CHARACTERS = 200, 20_000  # of a conversation, and of a message in it


def page(pipeline, recording, histories=None):
    """A self-contained HTML page: the answer, the face, the signal, what was said of it, and the
    versions and limits. It opens without a network.

    histories: {who answers: messages of the chat}.
    """
    report = measured(recording)
    verdict = f"<b>Signal quality: {report.value('quality')}.</b>"
    verdict += f" {escape(report.value('reasons') or '')}"
    head = f"<p>{escape(pipeline.trained_on)}</p>{_hero(pipeline, recording)}"
    head += f"<h2>Recording</h2><p>{verdict}</p>"
    foot = _conversations(histories or {}) + _limits(pipeline, recording) + _versions(pipeline)
    return recording_page(recording, lines(report).splitlines(), head, foot, _looks())


def features(recording, ending):
    """The features by segment as a .csv or .parquet file's bytes. Raises RecordingError."""
    table = emg_llm.feature_table(cleaned_or_not(recording))
    return (csv_bytes if ending == ".csv" else parquet_bytes)(table)


def report_json(pipeline, recording):
    """The report as the bytes of a .json file."""
    report = pipeline.report(recording).as_dict()
    return json.dumps(report, indent=2, ensure_ascii=False).encode()


def file_name(recording, ending):
    """A plain name for a file about a recording."""
    return (re.sub(r"[^\w-]+", "_", recording.recording_id)[:80] or "recording") + ending


def _looks():
    """The look of the app's answer and face, and the script that moves the face through time."""
    styles = "".join((HERE / f"{n}.css").read_text(encoding="utf-8") for n in ("hero", "takeaway"))
    script = (HERE / "page.js").read_text(encoding="utf-8")
    # A module runs once the page is there.
    return f'<style>{styles}</style><script type="module">{script}</script>'


def _hero(pipeline, recording):
    llms, votes = pipeline.readers, ""
    try:
        prediction = pipeline(recording)
        answer = answer_html(prediction, llms, pipeline.results)
        votes = votes_html(prediction, llms).replace("<details ", "<details open ", 1)
    except RecordingError as error:
        answer = problem_html(str(error))
    face = face_html(face_data(recording, level_scale(pipeline)))
    return f'<section id="hero"><div>{answer}{votes}</div><div>{face}</div></section>'


def _conversations(histories):
    parts = []
    for who, history in histories.items():
        messages = plain_history(history)[-MOST_MESSAGES:]
        if messages:
            parts.append(f"<h3>{escape(who)}</h3>" + "".join(_said(m, who) for m in messages))
    return "<h2>Conversation</h2>" + "".join(parts) if parts else ""


def _said(message, who):
    by = "You" if message["role"] == "user" else who
    text = escape(unlinked(message["content"][:MOST_CHARACTERS]))
    return f'<p class="said {message["role"]}"><b>{escape(by)}</b>{text}</p>'


def _limits(pipeline, recording):
    try:
        limits = [s.sentence for s in pipeline.report(recording).of(*LIMITS)]
    except RecordingError:  # no model can read it, so nothing was concluded
        limits = []
    limits.insert(0, "A research demo, not a medical device; not for diagnosis.")
    rows = "".join(f"<li>{escape(sentence)}</li>" for sentence in dict.fromkeys(limits))
    return f"<h2>Limits</h2><ul>{rows}</ul>"


def _versions(pipeline):
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    told = (
        f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with EMG-LLM {emg_llm.__version__}, "
        f"Python {platform.python_version()}, {libraries}.",
        f"Models: {', '.join(pipeline.models)}.",
    )
    return "<h2>Versions</h2>" + "".join(f"<p>{escape(text)}</p>" for text in told)
