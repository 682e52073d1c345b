"""Recording -> QualityReport."""

from typing import Any

import numpy as np

from emg_llm.signal.gaps import runs
from emg_llm.signal.once import Prepared
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import frequencies, report
from emg_llm.signal.quality.criteria import GOOD_SNR_DB
from emg_llm.signal.quality.pairs import alike
from emg_llm.signal.quality.report import ChannelQuality, Finding, Measured, QualityReport
from emg_llm.signal.quality.snr import activity_snr, spectral_snr, window_power
from emg_llm.signal.quality.values import Values, look_at
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.signal.spectrum import Hum, Spectrum, find_hum, slower, spectrum

HELD_S = 0.02
MOSTLY_REPEATED = 0.45  # share of samples that equal the one before in every channel


def assess_quality(recording: Recording) -> QualityReport:
    """The verdict on a recording and each of its channels, with the reasons.

    See CRITERIA for what is measured and its limits. Works channel by channel and, above 4 kHz, on
    averages of neighbours, so that long recordings need little memory.
    """
    return recording.once("quality", lambda: _assess(Prepared.of(recording)))


def _assess(recording):
    invalid = float(1 - recording.valid.mean())
    slow = slower(recording)
    try:
        cleaned = clean(slow)
    except RecordingError as error:
        found = Finding("invalid", "poor", (), invalid, str(error))
        return QualityReport((), invalid, "poor", (str(error),), (found,))
    looks, held, again = _look(recording)
    steps = np.array([look.step for look in looks])
    hum, found = find_hum(recording), spectrum(slow)
    spikes = np.array([look.wild > 0 or look.sentinel > 0 for look in looks])
    ratio = activity_snr(window_power(cleaned), steps, spikes)
    channels, spectral = _channels(recording, slow, looks, ratio, hum, found.without(hum.lines))
    whole = {"invalid": invalid, "low rate": recording.sampling_rate, "lost packets": held}
    whole["repeated"] = 1 / (1 - again) if MOSTLY_REPEATED < again < 1 else 1.0
    alive = np.array([not look.flat for look in looks])
    told = {"hum": _lines(hum)}
    measured = Measured(channels, alike(cleaned, alive), whole, told)
    findings, faults = report.judge(measured, recording.channel_names)
    judged = tuple(
        ChannelQuality(
            name,
            round(float(ratio[i]), 1) if not look.flat else float("-inf"),
            round(float(hum.excess[i, hum.leader]), 1),
            round(look.clipped, 4),
            look.flat,
            report.verdict(faults[i].values()),
            round(look.stuck, 4),
            look.wild,
            None if spectral is None or look.flat else round(float(spectral[i]), 1),
            _rounded(channels["motion"][i]),
            _rounded(channels["bandwidth"][i]),
            tuple(faults[i]),
        )
        for i, (name, look) in enumerate(zip(recording.channel_names, looks, strict=True))
    )
    verdict = report.overall(findings, [c.verdict for c in judged], faults)
    said = report.messages(findings)
    lines = tuple(float(line) for line in hum.lines)
    return QualityReport(judged, invalid, verdict, said, findings, lines)


def _look(recording: Recording) -> tuple[list[Values], float, float]:
    """(values of each channel, share of samples at which all stand still, share of samples that
    equal the one before in all channels)."""
    valid, rate = recording.valid, recording.sampling_rate
    rows = slice(None) if valid.all() else np.flatnonzero(valid)
    looks, same = [], None
    for i in range(recording.n_channels):  # one at a time: a long recording is large
        x = np.ascontiguousarray(recording.signal[rows, i])
        gap = None if recording.gaps is None else recording.gaps[rows, i]
        looks.append(look_at(x if gap is None else x[~gap], rate))
        if not looks[-1].flat:
            equal = x[1:] == x[:-1]
            if gap is not None:  # who isn't there doesn't move either
                equal |= gap[1:] | gap[:-1]
            same = equal if same is None else same & equal
    if same is None:
        return looks, 0.0, 0.0
    still = runs(same, max(5, round(HELD_S * rate)))
    fine = any(look.rms > 3 * look.step for look in looks if not look.flat)
    held = float((still[:, 1] - still[:, 0]).sum() / len(same)) if fine else 0.0
    return looks, held, float(same.mean())


def _channels(
    recording: Recording,
    slow: Recording,
    looks: list[Values],
    ratio: np.ndarray,
    hum: Hum,
    found: Spectrum,
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """({criterion: (channels,)}, the spectral SNR)."""
    rms, steps = (np.array([getattr(look, name) for look in looks]) for name in ("rms", "step"))
    alive = np.array([not look.flat for look in looks])
    with np.errstate(divide="ignore", invalid="ignore"):
        coarse = np.where(alive & (steps > 0), rms / steps, np.nan)
    spectral = spectral_snr(found, steps)
    emg = np.zeros(len(rms), bool) if spectral is None else spectral >= GOOD_SNR_DB
    values: dict[str, Any] = {
        "dead": ~alive,
        "gaps": np.zeros(len(rms)) if recording.gaps is None else recording.gaps.mean(axis=0),
        "monotone": [look.monotone for look in looks],
        "stuck": [look.stuck for look in looks],
        "off": frequencies.only_hum(slow, hum),
        "sentinel": [look.sentinel for look in looks],
        "glitch": [look.wild for look in looks],
        "clipped": [look.clipped for look in looks],
        "coarse": coarse,
        "ECG": frequencies.heartbeat(slow, found),
        "envelope": [look.one_sided for look in looks],
        "no EMG": frequencies.no_emg(found, ratio),
        "hum": hum.excess[:, hum.leader],
        "motion": frequencies.motion(found),
        "bandwidth": frequencies.bandwidth(found),
        "no rest": np.where(emg, ratio, np.nan),
        "little activity": ratio,
        "low SNR": ratio,
        "large": rms if recording.unit == "uV" else np.zeros(len(rms)),
    }
    return {name: np.asarray(value, float) for name, value in values.items()}, spectral


def _lines(hum):
    """The frequencies of the hum in words."""
    lines = [f"{line:g}" for line in hum.lines]
    if not lines:
        return "50 or 60 Hz"
    if hum.leader:
        return f"{report.listed(lines)} Hz, multiples of {hum.frequency:g} Hz,"
    rest = f", and its harmonics at {report.listed(lines[1:])} Hz," if lines[1:] else ""
    return f"{lines[0]} Hz{rest}"


def _rounded(value):
    return round(float(value), 1) if np.isfinite(value) else None
