"""The one table of what is held against a recording: limits, units, severities and sentences.

The verdicts, the sentences, the lines in figures and docs/quality.md are made from it. Limits
without a source are choices.
"""

from dataclasses import dataclass

SEVERITIES = ("note", "usable", "poor")  # the mildest first
CHANNEL, PAIR, RECORDING = "channel", "pair of channels", "recording"
DE_LUCA = "De Luca et al., J. Biomech. 2010, 43(8):1573: EMG is recorded from 20 Hz up"
SINDERBY = "the idea: Sinderby et al., J. Appl. Physiol. 1995, 79(5):1803"


@dataclass(frozen=True)
class Criterion:
    """One row of the table.

    measure, unit: what is measured. note, usable, poor: a value beyond this limit is said, makes
    the verdict usable at most, or poor; None where the criterion goes less far. below: values
    below the limits are bad, not those above. of: what is judged. text: the sentence, with {on}
    for the channels, {value} for the worst value, which `form` formats, and {detail}. hides:
    criteria that say nothing more about a channel with this fault, "*" for all others.
    """

    name: str
    measure: str
    unit: str
    text: str
    note: float | None = None
    usable: float | None = None
    poor: float | None = None
    below: bool = False
    of: str = CHANNEL
    form: str = "{:.3g}"
    hides: tuple[str, ...] = ()
    source: str = "choice"

    def severity(self, value: float) -> str:
        """note, usable or poor for a measured value; empty where nothing is held against it."""
        worst = ""
        for severity in SEVERITIES:
            limit = getattr(self, severity)
            if limit is not None and (value < limit if self.below else value > limit):
                worst = severity
        return worst

    def sentence(self, on: str, value: float, detail: str = "") -> str:
        return self.text.format(on=on, value=self.form.format(value), detail=detail)


SNRS = ("no rest", "little activity", "low SNR")
NO_EMG = ("motion", "bandwidth", "coarse", *SNRS)

CRITERIA = (
    Criterion(
        "dead",
        "whether all values are equal",
        "0 or 1",
        "No signal on: {on}. Check the electrode and its lead.",
        poor=0,
        hides=("*",),
    ),
    Criterion(
        "monotone",
        "share of the steps from value to value that go one way",
        "%",
        "The values only rise or only fall on: {on}. That is a clock or a counter, not EMG; leave "
        "the column out.",
        poor=0.98,
        form="{:.1%}",
        hides=("*",),
    ),
    Criterion(
        "stuck",
        "share of samples in stretches of 0.5 s or more at one value",
        "%",
        "The value stays the same for long on: {on}. An electrode may have come off.",
        poor=0.05,
        form="{:.0%}",
        hides=("coarse", "clipped", "off", "sentinel", *SNRS),
    ),
    Criterion(
        "off",
        "longest stretch of nothing but hum, where the rest has less than a tenth of it",
        "s",
        "For {value} s or more there is nothing but hum on: {on}. An electrode has come off; "
        "attach it again or cut that part.",
        poor=0.5,
        form="{:.1f}",
        hides=("hum", "clipped", *SNRS),
    ),
    Criterion(
        "sentinel",
        "share of samples at one value far from all others",
        "%",
        "One value far from all others comes again and again on: {on}. It may stand for missing "
        "samples; leave those empty in the file.",
        poor=0,
        form="{:.2%}",
        hides=("clipped", "glitch", "coarse", "envelope", "motion", "large", *SNRS),
    ),
    Criterion(
        "glitch",
        "number of single samples at over 30 times the range of 99.5 % of them",
        "samples",
        "Single samples far outside all others on: {on}. They distort what is measured; cut them "
        "out.",
        poor=0,
        form="{:.0f}",
        hides=("clipped", "envelope", "motion", "large"),
    ),
    Criterion(
        "ECG",
        "likeness of beats below 40 Hz that come 40 to 180 times a minute",
        "correlation",
        "There is a heartbeat and little else on: {on}. Move the electrodes, or leave the ECG "
        "channel out.",
        poor=0.8,
        form="{:.2f}",
        hides=(*NO_EMG, "envelope", "no EMG"),
    ),
    Criterion(
        "envelope",
        "distance of the median to the lower end, over that to the upper end",
        "ratio",
        "Only one side of the signal is left on: {on}. It was rectified or is an envelope; export "
        "the raw EMG.",
        poor=0.45,
        below=True,
        form="{:.2f}",
        hides=(*NO_EMG, "clipped", "no EMG"),
    ),
    Criterion(
        "clipped",
        "share of samples piled up at the ends of the range, wherever these lie",
        "%",
        "The amplifier clips on: {on}. Lower the gain.",
        usable=0.01,
        poor=0.1,
        form="{:.1%}",
    ),
    Criterion(
        "coarse",
        "RMS in steps of the resolution",
        "steps",
        "The signal is hardly larger than the converter's steps on: {on}. Raise the gain, or "
        "export more decimals.",
        usable=1,
        poor=0.3,
        below=True,
        form="{:.1f}",
        hides=("clipped", *SNRS),
    ),
    Criterion(
        "no EMG",
        "power below 20 Hz over that from 30 to 150 Hz, where activity adds none to the latter",
        "dB",
        "There is hardly anything above 20 Hz on: {on}. It may be an angle, a force or an "
        "envelope, and no EMG; check the column.",
        poor=30,
        form="{:.0f}",
        hides=NO_EMG,
        source=DE_LUCA,
    ),
    Criterion(
        "hum",
        "strongest harmonic of 50 or 60 Hz over its neighbours",
        "dB",
        "Strong mains hum at {detail} on: {on}. It is filtered out; check the ground electrode.",
        usable=20,
        form="{:.0f}",
    ),
    Criterion(
        "motion",
        "power from 1 to 20 Hz over that from 20 to 450 Hz",
        "dB",
        "Slow movement is far stronger than EMG on: {on}. It is filtered out; fix the leads and "
        "the skin contact.",
        note=15,
        usable=25,
        form="{:.0f}",
        source=f"{DE_LUCA}; {SINDERBY}",
    ),
    Criterion(
        "bandwidth",
        "frequency below which 99 % of the power above 20 Hz and above the noise lies",
        "Hz",
        "The signal ends near {value} Hz on: {on}. It was filtered, or recorded at a lower rate; "
        "export it with the whole band of EMG, 20–450 Hz.",
        usable=150,
        below=True,
        form="{:.0f}",
    ),
    Criterion(
        "no rest",
        "SNR of activity against rest, where the spectral SNR is at least 10 dB",
        "dB",
        "There is EMG, but no quiet moment to compare it with, on: {on}. Record some rest too.",
        usable=3,
        below=True,
        form="{:.1f}",
        hides=("little activity", "low SNR"),
    ),
    Criterion(
        "little activity",
        "SNR of activity against rest",
        "dB",
        "Little activity above the noise floor on: {on}. Record some rest and a clear movement.",
        usable=3,
        poor=0,
        below=True,
        form="{:.1f}",
        hides=("low SNR",),
    ),
    Criterion(
        "low SNR",
        "SNR of activity against rest",
        "dB",
        "SNR below 10 dB on: {on}.",
        usable=10,
        below=True,
        form="{:.1f}",
    ),
    Criterion(
        "copy",
        "correlation of the cleaned signals, whatever their gain",
        "|r|",
        "{on} hold the same signal; check where they were connected.",
        usable=0.9999,
        of=PAIR,
        form="{:.4f}",
        hides=("one electrode", "crosstalk"),
    ),
    Criterion(
        "one electrode",
        "correlation, where what differs is as strong at rest as in activity",
        "|r|",
        "{on} differ in their noise only; two amplifiers may be on one electrode.",
        usable=0.95,
        of=PAIR,
        form="{:.2f}",
        hides=("crosstalk",),
    ),
    Criterion(
        "crosstalk",
        "correlation of the cleaned signals, otherwise",
        "|r|",
        "{on} share most of their signal: crosstalk, or electrodes that lie very close.",
        note=0.9,
        of=PAIR,
        form="{:.2f}",
    ),
    Criterion(
        "gaps",
        "share of samples that a channel lacks while others have them",
        "%",
        "Up to {value} of the samples are missing on: {on}. Only there they are ignored.",
        note=0,
        usable=0.1,
        poor=0.5,
        form="{:.1%}",
    ),
    Criterion(
        "invalid",
        "share of samples that are missing or marked as invalid",
        "%",
        "{value} of the samples are invalid and are ignored.",
        note=0,
        usable=0.1,
        poor=0.5,
        of=RECORDING,
        form="{:.1%}",
    ),
    Criterion(
        "lost packets",
        "share of samples in stretches of 20 ms or more at which all channels stand still",
        "%",
        "All channels stand still together for {value} of the time: packets were lost. Record "
        "closer to the receiver, or by cable.",
        note=0.002,
        usable=0.05,
        poor=0.5,
        of=RECORDING,
        form="{:.1%}",
        hides=("repeated",),
    ),
    Criterion(
        "repeated",
        "how often each value comes in all channels",
        "times",
        "Each value comes about {value} times: it was read faster than the device measured, so its "
        "own rate is lower.",
        usable=1.8,
        of=RECORDING,
        form="{:.0f}",
    ),
    Criterion(
        "low rate",
        "sampling rate",
        "Hz",
        "At {value} Hz the upper part of the EMG band, to 450 Hz, is missing.",
        note=900,
        below=True,
        of=RECORDING,
        form="{:.4g}",
        source=DE_LUCA,
    ),
    Criterion(
        "large",
        "RMS, where the unit is known",
        "µV",
        "Tens of millivolts on: {on}. EMG on the skin stays below; check the unit and the "
        "amplifier's gain.",
        usable=1e4,
    ),
)
BY_NAME = {criterion.name: criterion for criterion in CRITERIA}

USABLE_SNR_DB, GOOD_SNR_DB = (
    float(BY_NAME[name].usable or 0) for name in ("little activity", "low SNR")
)
