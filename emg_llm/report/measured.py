"""Recording -> statements about the file and its signal."""

from collections.abc import Iterator

import numpy as np

from emg_llm.report.statements import Report, Statement, shown, state
from emg_llm.signal.features import activity, channel_power
from emg_llm.signal.once import Prepared
from emg_llm.signal.onset import activations
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import QualityReport, assess_quality
from emg_llm.signal.quality.criteria import SNRS
from emg_llm.signal.recording import Recording, RecordingError

LISTS = {"hum": ("hum",), "clipped": ("clipped",), "stuck": ("stuck", "off"), "noisy": SNRS}
UNITS = {"uV": "microvolts (µV)", "a.u.": "arbitrary units, since the file doesn't name one"}


def measured(recording: Recording) -> Report:
    """The report on a recording's file and signal, without any model.

    A recording that can't be filtered has no strengths and times.
    """
    recording = Prepared.of(recording)
    return recording.once("report", lambda: _measured(recording))


def _measured(recording):
    statements = [*_file(recording), *_quality(recording, assess_quality(recording))]
    try:
        clean(recording)
    except RecordingError:  # the quality says why
        pass
    else:
        statements += [*_strength(recording), *_times(recording)]
    return Report(tuple(statements), recording.channel_names, recording.recording_id)


def _file(recording):
    yield state("duration", round(recording.duration, 3))
    yield state("sampling_rate", recording.sampling_rate)
    yield state("samples", recording.n_samples)
    yield state("channels", recording.n_channels)
    yield state("sites", recording.channel_names)
    yield state("unit", UNITS[recording.unit])
    yield state("assumed", " ".join(recording.notes) or ())
    yield state("invalid", round(100 * float(1 - recording.valid.mean()), 2))


def _quality(recording: Recording, report: QualityReport) -> Iterator[Statement]:
    yield state("quality", report.verdict)
    yield state("reasons", " ".join(report.messages) or ())
    if np.isfinite(report.snr_db):
        yield state("snr", round(report.snr_db, 1))
    for channel in report.channels:
        if not channel.flat:
            yield state("site_snr", channel.snr_db, channel.name)
            yield state("mains", channel.mains_db, channel.name)
    yield state("dead", tuple(c.name for c in report.channels if c.flat))
    for kind, faults in LISTS.items():
        on = tuple(c.name for c in report.channels if {*c.faults} & {*faults})
        yield state(kind, on)
        if kind == "hum" and on:
            yield state("line", round(report.mains[0], 1))
    yield state("faulty", tuple(c.name for c in report.channels if c.verdict == "poor"))


def _strength(recording):
    names, power = recording.channel_names, channel_power(recording)
    alive = [not c.flat for c in assess_quality(recording).channels]
    rms = {n: float(np.sqrt(p)) for n, p, a in zip(names, power, alive, strict=True) if a}
    unit = "µV" if recording.unit == "uV" else recording.unit
    for name, value in rms.items():
        yield state("rms", float(f"{value:.4g}"), name, unit=unit)
    if len(rms) > 1:
        for kind, pick in (("strongest", max), ("weakest", min)):
            name = pick(rms, key=rms.__getitem__)
            yield state(kind, name, more=f"Its RMS is {shown(rms[name])} {unit}.")


def _times(recording):
    if course := activity(clean(recording)):
        start, end, peak = (round(float(t), 2) for t in course)
        yield state("active", (start, end))
        yield state("active_for", round(end - start, 2))
        yield state("peak", peak)
    spans: dict[str, tuple[float, float]] = {}
    for a in activations(recording):
        first = spans.get(a.channel, (round(a.onset, 2), 0.0))[0]
        spans[a.channel] = first, round(a.offset, 2)
    for name, span in spans.items():
        yield state("onset", span, name)
