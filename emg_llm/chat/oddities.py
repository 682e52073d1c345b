"""What is unusual in a recording, and lowers the trust in a prediction."""

from collections.abc import Iterator

from emg_llm.signal.montage import listed
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.quality.criteria import SNRS
from emg_llm.signal.recording import Recording

UNCOMPARED = (
    "Whether the models know recordings like this one could not be checked; the log has the "
    "details."
)
MIN_SECONDS = 0.25
TOLD = ("dead", *SNRS)  # in other words, or by the verdict


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
