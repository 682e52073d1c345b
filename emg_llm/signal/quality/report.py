"""Measured values -> QualityReport: findings by the table of criteria, verdicts and sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emg_llm.signal.quality.criteria import CHANNEL, CRITERIA, PAIR, SEVERITIES, SNRS

MANY_SAID = 8  # names of channels or pairs in a sentence


@dataclass(frozen=True)
class Finding:
    """One criterion that a recording doesn't meet. channels: their names, none for the recording
    as a whole; value: the worst, in the criterion's unit; severity: note, usable or poor."""

    criterion: str
    severity: str
    channels: tuple[str, ...]
    value: float
    text: str


@dataclass(frozen=True)
class ChannelQuality:
    """One channel. snr_db (activity against rest) and mains_db in dB; clipped and stuck are shares
    of samples (0..1), wild is the number of single samples far outside all others. faults: names
    of criteria. spectral_snr_db: the EMG band against the noise above it, in dB; None where the
    rate is too low. motion_db: power below 20 Hz over that above. bandwidth_hz: the upper end."""

    name: str
    snr_db: float
    mains_db: float
    clipped: float
    flat: bool
    verdict: str  # good | usable | poor
    stuck: float = 0.0
    wild: int = 0
    spectral_snr_db: float | None = None
    motion_db: float | None = None
    bandwidth_hz: float | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class QualityReport:
    """All channels, the share of invalid samples, the verdict, and messages for the user.

    findings: what the messages say, as values. mains: the frequencies of the hum in Hz.
    """

    channels: tuple[ChannelQuality, ...]
    invalid: float
    verdict: str
    messages: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    mains: tuple[float, ...] = ()

    @property
    def snr_db(self) -> float:
        """The median over the channels with a signal, dB; -inf if there is none."""
        return float(np.median([c.snr_db for c in self.channels if not c.flat] or [-np.inf]))


@dataclass(frozen=True)
class Measured:
    """What was measured: by channel (criterion -> float (channels,), NaN where it doesn't apply),
    by pair (criterion -> {(i, j): value}) and of the recording (criterion -> value). details:
    what else a criterion's sentence says."""

    channels: Mapping[str, np.ndarray]
    pairs: Mapping[str, Mapping[tuple[int, int], float]]
    recording: Mapping[str, float]
    details: Mapping[str, str] = field(default_factory=dict)


def judge(measured: Measured, names: Sequence[str]) -> tuple[tuple[Finding, ...], list[dict]]:
    """(findings in the order of the table, each channel's faults as {criterion: severity})."""
    hidden: dict[tuple[int, ...], set[str]] = {}
    faults: list[dict[str, str]] = [{} for _ in names]
    findings: list[Finding] = []
    for row in CRITERIA:
        found = {}
        for key, value in _values(measured, row).items():
            silent = hidden.get(key, set()).union(*(hidden.get((i,), set()) for i in key))
            severity = "" if silent & {row.name, "*"} else row.severity(value)
            if severity:
                found[key] = value
                hidden.setdefault(key, set()).update(row.hides)
                for i in key:
                    faults[i][row.name] = worst((severity, faults[i].get(row.name, "")))
        for keys in _groups(found) if row.of == PAIR else [[*found]]:
            if keys:
                value = (min if row.below else max)(found[key] for key in keys)
                on = tuple(names[i] for i in sorted({i for key in keys for i in key}))
                names_on = listed(on, " and " if row.of == PAIR else ", ")
                text = row.sentence(names_on, value, measured.details.get(row.name, ""))
                findings.append(Finding(row.name, row.severity(value), on, value, text))
    return tuple(findings), faults


def _values(measured, row):
    if row.of == CHANNEL:
        return {(i,): float(v) for i, v in enumerate(measured.channels.get(row.name, ()))}
    if row.of == PAIR:
        return measured.pairs.get(row.name, {})
    return {(): measured.recording[row.name]} if row.name in measured.recording else {}


def _groups(pairs):
    """The pairs, together where they share channels."""
    groups: list[list[tuple[int, int]]] = []
    for pair in pairs:
        near = [g for g in groups if any({*pair} & {*other} for other in g)]
        groups = [g for g in groups if g not in near] + [[pair, *(p for g in near for p in g)]]
    return groups


def listed(names: Sequence[str], last: str = " and ") -> str:
    """Names in a sentence."""
    if len(names) > MANY_SAID:
        return f"{', '.join(names[:MANY_SAID])} and {len(names) - MANY_SAID} more"
    return last.join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def messages(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The sentences, the gravest first."""
    return tuple(f.text for f in sorted(findings, key=lambda f: -SEVERITIES.index(f.severity)))


def overall(
    findings: Sequence[Finding], verdicts: Sequence[str], faults: Sequence[Mapping[str, str]]
) -> str:
    """The recording's verdict: poor if most channels are, usable at most if any is faulty.

    A muscle that rests is no fault of the recording: a low SNR counts only where most
    channels have it.
    """
    whole = verdict(f.severity for f in findings if not f.channels)
    if verdicts.count("poor") * 2 > len(verdicts) or whole == "poor":
        return "poor"
    at_rest = sum(any(name in SNRS for name in fault) for fault in faults)
    faulty = any(verdict(s for n, s in f.items() if n not in SNRS) != "good" for f in faults)
    good = whole == "good" and not faulty and at_rest * 2 <= len(faults)
    return "good" if good else "usable"


def worst(severities: Iterable[str]) -> str:
    """The gravest of severities; empty for none."""
    return max(severities, key=("", *SEVERITIES).index, default="")


def verdict(severities: Iterable[str]) -> str:
    """good, usable or poor."""
    gravest = worst(severities)
    return gravest if gravest in ("usable", "poor") else "good"
