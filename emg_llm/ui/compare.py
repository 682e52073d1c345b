"""Two recordings, or one and a typical neutral face, compared site by site."""

import math

from emg_llm.plots.compare import comparison_figure
from emg_llm.signal.montage import at_site
from emg_llm.signal.recording import RecordingError
from emg_llm.ui.analysis import number

TYPICAL = "a typical neutral face"
LEVEL = "Level against a typical recording (dB)"
RMS = "RMS (dB re 1 of its unit)"


def compare(pipeline, first, second):
    """(a figure, a sentence) that compare two recordings by site.

    first, second: (name, Recording); second: None for TYPICAL. Raises RecordingError.
    """
    kinds = ("level", "rms") if second else ("level",)
    for kind in kinds:
        mine = sites_of(pipeline, first[1], kind)
        theirs = sites_of(pipeline, second[1], kind) if second else typical_neutral(pipeline)
        if shared := [site for site in mine if site in theirs]:
            break
    else:
        raise RecordingError(
            "These two have no site of the face in common; give the sites of their channels."
        )
    values = [[of[site] for site in shared] for of in (mine, theirs)]
    names = first[0], second[0] if second else TYPICAL
    figure = comparison_figure(shared, values, names, LEVEL if kind == "level" else RMS)
    return figure, _sentence(shared, values, names)


def sites_of(pipeline, recording, kind):
    """Site -> level, or RMS in dB, of a recording's sites that have a signal."""
    statements = pipeline.report(recording).of(kind)
    values = {s.on: s.value for s in statements if isinstance(s.value, int | float)}
    if kind == "rms":
        return {site: 20 * math.log10(value) for site, value in values.items() if value > 0}
    return values


def typical_neutral(pipeline):
    """Site -> level of the training people's neutral recordings, where a model keeps it."""
    for name in pipeline.llms:
        scale = getattr(pipeline.llm(name).bridge, "scale", None)
        if scale is not None and scale.neutral:
            return dict(zip(scale.names, scale.neutral, strict=True))
    return {}


def _sentence(sites, values, names):
    """How much stronger the first is on average, where most and where least."""
    apart = {site: a - b for site, a, b in zip(sites, *values, strict=True)}
    mean = sum(apart.values()) / len(apart)
    most, least = max(apart, key=apart.__getitem__), min(apart, key=apart.__getitem__)
    more = "stronger" if mean >= 0 else "weaker"
    text = f"{names[0]} is {number(abs(mean))} dB {more} than {names[1]} on average"
    if len(apart) == 1:
        return f"{text}."
    return (
        f"{text}; most {at_site(most)} ({_signed(apart[most])} dB), least {at_site(least)} "
        f"({_signed(apart[least])} dB)."
    )


def _signed(value):
    return f"{'+' if value > 0 else ''}{number(value)}"
