"""What can be said of any recording, with or without an emotion."""

from collections.abc import Iterator

import numpy as np

from emg_llm.signal.features import channel_power
from emg_llm.signal.montage import listed
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.quality.criteria import SNRS
from emg_llm.signal.recording import Recording

MIN_SECONDS = 0.25
TOLD = ("dead", *SNRS)  # in other words, or by the verdict


def measurements(recording: Recording) -> str:
    """Quality, SNR, and the strongest and weakest channels of a recording, in a sentence or two.

    Raises RecordingError if it has too few valid samples to clean.
    """
    report = assess_quality(recording)
    text = f"What was measured: signal quality {report.verdict}"
    if np.isfinite(report.snr_db):
        text += f", median SNR {report.snr_db:+.1f} dB"
    power, names = channel_power(recording), recording.channel_names
    if len(power) > 1:
        unit = "µV" if recording.unit == "uV" else recording.unit
        first, last = (
            f"{names[i]} ({np.sqrt(power[i]):.3g} {unit} RMS)"
            for i in (power.argmax(), power.argmin())
        )
        text += f"; the strongest channel is {first}, the weakest {last}"
    return f"{text}."


def oddities(recording: Recording) -> Iterator[str]:
    """Sentences about what is unusual in a recording; each lowers the trust in a prediction."""
    if recording.unit == "a.u.":
        yield (
            "The unit of the signal is unknown, and the models expect microvolts: choose the "
            "unit, or don't trust the prediction."
        )
    if recording.duration < MIN_SECONDS:
        yield f"The recording lasts only {recording.duration:.2f} s; use at least {MIN_SECONDS} s."
    if recording.sampling_rate < 900:
        yield (
            f"At {recording.sampling_rate:g} Hz the upper part of the EMG band is missing; "
            "the models were trained on 2 kHz recordings."
        )
    quality = assess_quality(recording)
    if dead := [c.name for c in quality.channels if c.flat]:
        yield f"No signal on {listed(dead)}; check the electrode and its lead."
    for finding in quality.findings:
        if finding.severity == "poor" and finding.channels and finding.criterion not in TOLD:
            yield finding.text
    if quality.verdict == "poor":
        yield "The signal quality is poor; see the quality report before trusting a prediction."
