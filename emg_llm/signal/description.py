"""What a file was read as, channel by channel, for programs."""

import math
from typing import Any

import numpy as np

from emg_llm.signal.quality import QualityReport, assess_quality
from emg_llm.signal.recording import Recording


def description(recording: Recording) -> dict[str, Any]:
    """What was read, assumed and found in a recording, as plain values; None where unknown.

    rms: of each channel's valid samples without their mean, in the recording's unit.
    """
    report = assess_quality(recording)
    x = recording.signal[recording.valid]
    rms = [float(np.std(column, dtype=np.float64)) if len(x) else None for column in x.T]
    return {
        "recording": recording.recording_id,
        "label": recording.label,
        "subject": recording.subject,
        "sampling_rate": recording.sampling_rate,
        "duration": recording.duration,
        "samples": recording.n_samples,
        "unit": recording.unit,
        "invalid": report.invalid,
        "quality": report.verdict,
        "messages": list(report.messages),
        "notes": list(recording.notes),
        "channels": _channels(recording, report, rms),
    }


def _channels(
    recording: Recording, report: QualityReport, rms: list[float | None]
) -> list[dict[str, Any]]:
    found = {channel.name: channel for channel in report.channels}
    rows = []
    for name, strength in zip(recording.channel_names, rms, strict=True):
        row: dict[str, Any] = {"name": name, "rms": strength}
        if channel := found.get(name):
            about = {"verdict": channel.verdict, "snr_db": channel.snr_db}
            about |= {"mains_db": channel.mains_db, "clipped": channel.clipped}
            about |= {"flat": channel.flat, "stuck": channel.stuck, "wild": channel.wild}
            about |= {"spectral_snr_db": channel.spectral_snr_db, "motion_db": channel.motion_db}
            about |= {"bandwidth_hz": channel.bandwidth_hz, "faults": list(channel.faults)}
            row |= about
        finite = not isinstance(row.get("snr_db"), float) or math.isfinite(row["snr_db"])
        rows.append(row if finite else row | {"snr_db": None})
    return rows
