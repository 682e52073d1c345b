"""What can be said of any recording, with or without an emotion."""

import numpy as np

from emg_llm.signal.features import channel_power
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import Recording


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
