"""A Reading: what a language model reads about one recording, and its prompt."""

import re
from dataclasses import dataclass

from emg_llm.signal.montage import PREPOSITIONS

NEAREST_KNOWN = 3  # most labels of a person's known trials in a prompt
# What the levels are against, where that is something of the person.
ZEROS = {"neutral": "the person's neutral recording", "several": "recordings of the person"}


@dataclass(frozen=True)
class Reading:
    """What a language model reads about one recording.

    levels: an integer for each of `sites` (see LevelScale), in `unit`; empty for the tokens
    bridge. codes: codebook indices, coarse to fine; empty for the text bridge.
    snr: median over the channels, dB. quality: good, usable or poor, see QualityReport.
    neutral: mean level above that of a neutral recording over the sites, in `unit`.
    active, peak: (start, end) and the strongest moment, in seconds. Each of snr to peak is None
    if it can't be measured.
    known: (label, distance to the person's nearest trial with that label, RMS over the sites),
    the nearest first.
    zero: which of ZEROS the levels are against, "" where nothing is known of the person, or where
    the model always knows the same.
    missing: how many of the sites that the bridge reads have no signal; they are not in `sites`.
    given: the whole prompt, in a conversation from elsewhere.
    """

    sites: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    unit: str = ""
    codes: tuple[int, ...] = ()
    snr: int | None = None
    quality: str | None = None
    neutral: int | None = None
    active: tuple[float, float] | None = None
    peak: float | None = None
    known: tuple[tuple[str, int], ...] = ()
    missing: int = 0
    zero: str = ""
    given: str = ""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The codes as tokens; `spelling` adapts them to each language model."""
        return tuple(code_token(depth, code) for depth, code in enumerate(self.codes))

    def prompt(self) -> str:
        """The user's first turn, in the original project's form: `EMG features: …`."""
        if self.given:
            return self.given
        codes = "".join(self.tokens)
        prompt = "EMG features: " + (", ".join(filter(None, [codes, self.measured])) or "none")
        if self.known:
            trials = ", ".join(f"{label} {distance}" for label, distance in self.known)
            prompt += f". Known trials of this person, nearest first: {trials}."
        return prompt

    @property
    def measured(self) -> str:
        """The levels, then the measurements of the whole recording; empty without levels."""
        if not self.levels:
            return ""
        parts = [f"{site} {level:+d}" for site, level in zip(self.sites, self.levels, strict=True)]
        parts += [] if self.snr is None else [f"SNR {self.snr:+d}"]
        parts += [] if self.quality is None else [f"quality {self.quality}"]
        parts += [] if self.neutral is None else [f"against neutral {self.neutral:+d}"]
        if self.active:
            parts.append(f"active {self.active[0]:.1f} to {self.active[1]:.1f} s")
            parts.append(f"peak {self.peak:.1f} s")
        parts += [f"zero: {ZEROS[self.zero]}"] if self.zero else []
        return ", ".join(parts)

    @property
    def extremes(self) -> str:
        """The strongest and the weakest sites in words; empty for fewer than three."""
        if len(self.levels) < 3:
            return ""
        first, second, *_, last = (f"{site} {level:+d}" for site, level in self.ranking)
        return f"Strongest: {first}, {second}. Weakest: {last}."

    @property
    def ranking(self) -> list[tuple[str, int]]:
        """(site, level) from the strongest to the weakest; ties in the montage's order."""
        pairs = zip(self.sites, self.levels, strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])


NO_EMG = Reading()  # for the control without EMG


def without_emg(reading: Reading) -> Reading:
    """The Reading with no code and nothing that was measured: which sites, and what is known of the
    person, are left."""
    known = tuple((label, 0) for label, _ in sorted(reading.known))
    levels = (0,) * len(reading.levels)
    return Reading(reading.sites, levels, reading.unit, known=known, zero=reading.zero)


def code_token(depth: int, code: int) -> str:
    return f"<emg_{depth}_{code}>"


_PLACE = re.compile(rf"\b({PREPOSITIONS}) (?!the\b)")


def site_name(column: str) -> str:
    """A site in plain English: `power_above_eye` and `above the eye` -> `above the eye`."""
    name = re.sub(r"^(power|rms|log_power)_", "", column).replace("_", " ")
    return _PLACE.sub(r"\1 the ", name)
