"""What a Reading states of a recording, as statements."""

from collections.abc import Iterator

from emg_llm.bridge.reading import Reading
from emg_llm.report import Report, Statement
from emg_llm.report.statements import state


def of_reading(reading: Reading) -> Report:
    """The report on what a Reading states: levels, SNR, quality and times."""
    return Report(tuple(_of_reading(reading)), reading.sites)


def levels(reading: Reading) -> tuple[Statement, ...]:
    """The statements on how strong each site is against typical recordings."""
    return tuple(of_reading(reading).of("level", "neutral", "trial"))


def _of_reading(reading: Reading) -> Iterator[Statement]:
    for site, level in zip(reading.sites, reading.levels, strict=True):
        word = "above" if level > 0 else "below" if level < 0 else "as in"
        yield state("level", level, site, word)
    if reading.snr is not None:
        yield state("snr", reading.snr)
    if reading.quality is not None:
        yield state("quality", reading.quality)
    if reading.neutral is not None:
        yield state("neutral", reading.neutral)
    if reading.active:
        yield state("active", reading.active)
        yield state("peak", reading.peak)
    if reading.known:
        yield state("trial", "{} {}".format(*reading.known[0]))
