"""The face: the sites of a recording on a drawing, coloured by how strong they are over time.

The drawing is `face.svg`; `page.js` colours the sites, and moves them through time.
"""

import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from emg_llm.signal.levels import LevelScale
from emg_llm.signal.montage import at_site, parse
from emg_llm.signal.recording import MONTAGE, Recording, RecordingError
from emg_llm.signal.strength import strength
from emg_llm.ui.analysis import number

DRAWING = Path(__file__).with_name("face.svg").read_text(encoding="utf-8")
# Where the sites are on the left half of the face, which is on the right of the drawing.
PLACES = {
    "above the eye": (22, -43),
    "below the eye": (43, 14),
    "beside the eye": (77, -13),
    "forehead": (38, -82),
    "beside the mouth": (47, 81),
    "above the mouth beside the nose": (24, 42),
    "cheek": (61, 43),
    "jaw": (81, 70),
}
LIMIT_DB = 15.0  # at either end of the scale of colours
UNNAMED = "No channel names a site of the face, so none is shown here."


def level_scale(pipeline: Any) -> LevelScale | None:
    """The scale of the first language model that reads levels."""
    scales = (pipeline.llm(name).bridge.scale for name in pipeline.llms)
    return next((scale for scale in scales if scale is not None), None)


def on_the_face(recording: Recording) -> dict[int, tuple[str, str]]:
    """Channel -> (site, side) of the first channel at each site of the face."""
    found: dict[tuple[str, str], int] = {}
    for i, name in enumerate(recording.channel_names):
        meant = parse(name)
        if meant.is_site:
            found.setdefault((meant.place, meant.side or "left"), i)
    return {i: place for place, i in found.items()}


def drawing(marks: str) -> str:
    """The face with some SVG on it."""
    return DRAWING.replace("<!-- sites -->", marks)


def placed(site: str, side: str) -> str:
    """The attribute that puts an SVG element at a site."""
    x, y = PLACES[site]
    return f'transform="translate({x if side == "left" else -x} {y})"'


def face_data(recording: Recording, scale: LevelScale | None = None) -> dict[str, Any]:
    """What the face shows, for JSON: levels over time in dB against a typical recording; RMS in
    the recording's unit where the scale has no level for it.

    None stands for a site without a signal, or at a time without one.
    """
    try:
        measured = strength(recording)
    except RecordingError:
        return {"sites": []}
    places = on_the_face(recording)
    power, whole = measured.power[:, [*places]], measured.whole[[*places]]
    of = None if scale is None else _scale_of(scale, [site for site, _ in places.values()])
    if of is not None and recording.unit == "uV":
        power, whole = (np.where(np.isnan(x), x, of.continuous(x)) for x in (power, whole))
        low, high, unit = -LIMIT_DB, LIMIT_DB, "dB"
    else:
        power, whole = np.sqrt(power), np.sqrt(whole)
        top = power[~np.isnan(power)]
        low, high = 0.0, float(top.max()) if top.size else 1.0
        unit = "µV" if recording.unit == "uV" else recording.unit
    return {
        "unit": unit,
        "low": low,
        "high": high,
        "start": measured.start,
        "step": measured.step,
        "sites": [
            {
                "channel": recording.channel_names[i],
                "site": site,
                "side": side,
                "whole": _short(whole[k]),
                "values": [*map(_short, power[:, k])],
            }
            for k, (i, (site, side)) in enumerate(places.items())
        ],
    }


def _scale_of(scale, sites):
    """The scale of dB at some sites, one of which may occur on both sides; or None."""
    powers = zip(scale.names, scale.is_power, strict=True)
    known = {parse(name).place: k for k, (name, is_power) in enumerate(powers) if is_power}
    return scale.at([known[site] for site in sites]) if known.keys() >= {*sites} else None


def _short(value):
    return None if np.isnan(value) else round(float(value), 1)


def face_html(data: dict[str, Any]) -> str:
    """The drawing with a mark for each site, the scale of colours, and the controls of time."""
    if not data["sites"]:
        return f'<figure class="face">{drawing("")}<figcaption>{UNNAMED}</figcaption></figure>'
    marks = "".join(_mark(k, site, data["unit"]) for k, site in enumerate(data["sites"]))
    there = {(site["site"], site["side"]) for site in data["sites"]}
    side = max(("left", "right"), key=[s["side"] for s in data["sites"]].count)
    absent = "".join(_absent(site, side) for site in MONTAGE if (site, side) not in there)
    last = len(data["sites"][0]["values"])
    leveled = data["unit"] == "dB"
    ends = [f"{number(data[end], 0)} {escape(data['unit'])}" for end in ("low", "high")]
    ends[1] = f"+{ends[1]}" if leveled else ends[1]
    middle, what = ("typical", "Level against a typical recording") if leveled else ("", "RMS")
    return (
        f'<emg-face class="face" data-face="{escape(json.dumps(data, ensure_ascii=False))}">'
        f"{drawing(absent + marks)}"
        '<p class="readout" aria-live="polite"></p>'
        '<div class="time"><button type="button" class="play" aria-label="Play">'
        '<svg viewBox="0 0 16 16" aria-hidden="true"><path class="go" d="M4 2.5v11l9-5.5z"/>'
        '<path class="halt" d="M3.5 2.5h3v11h-3zm6 0h3v11h-3z"/></svg></button>'
        f'<input type="range" min="0" max="{last}" step="1" value="0" aria-label="Time">'
        "<output>whole recording</output></div>"
        f'<div class="scale"><span>{what}</span><i aria-hidden="true"></i>'
        f"<small><b>{ends[0]}</b><b>{middle}</b><b>{ends[1]}</b></small></div></emg-face>"
    )


def _mark(k, site, unit):
    value = "no signal" if site["whole"] is None else f"{number(site['whole'])} {unit}"
    says = f"{site['channel']}: {value}"
    return (
        f'<g class="site" data-k="{k}" tabindex="0" role="img" aria-label="{escape(says)}" '
        f'{placed(site["site"], site["side"])}><circle class="reach" r="15"/>'
        '<circle class="glow" r="10"/><circle class="dot" r="8.5"/></g>'
    )


def _absent(site, side):
    return (
        f'<g class="absent" {placed(site, side)}><title>No channel {escape(at_site(site))}</title>'
        '<circle r="5"/></g>'
    )
