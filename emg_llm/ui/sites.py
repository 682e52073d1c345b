"""The question where on the face each channel was, asked where the names of channels don't tell.

`sites.js` asks it of one channel after the other, on the drawing of the face.
"""

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from emg_llm.signal.montage import SitesError, is_counted
from emg_llm.signal.recording import MONTAGE
from emg_llm.ui.analysis import MONTAGES, Source
from emg_llm.ui.face import PLACES, drawing, placed

ADVICE = "Tap on the face where each channel was, or name the channels in the file"
CHOSEN = "as chosen on the face"  # in the form
PLACED = {f"{site} {side}": (site, side) for side in ("left", "right") for site in PLACES}
MOST = len(PLACED)  # channels, each at a place of its own
# Each answer tells the key of the recording that it is about.
ON_LOAD = """
element.addEventListener("emg-sites", (event) => trigger("input", event.detail));
element.addEventListener("click", (event) => {
  const again = event.target.closest("[data-again]");
  if (again) trigger("input", { key: again.dataset.again, sites: null });
});
"""


def are_unknown(names: Sequence[str]) -> bool:
    """Whether the names of channels tell nothing of where they were; False for too many to ask."""
    return len(names) <= MOST and all(map(is_counted, names))


def picker_html(names: Sequence[str], key: str) -> str:
    """The face with a button at each site; key: differs from recording to recording."""
    standard = MONTAGE if len(names) == len(MONTAGE) else ()
    data = {"key": key, "channels": [*names], "standard": standard}
    marks = "".join(_mark(name, *place) for name, place in PLACED.items())
    order = '<button type="button" data-act="all">Standard order</button>'
    hint = f'<p class="hint">Standard order: {", ".join(standard)}.</p>'
    return (
        f'<emg-sites class="face" data-sites="{escape(json.dumps(data, ensure_ascii=False))}">'
        f'<p class="asks" role="status"></p>{drawing(marks)}<p class="readout"></p>'
        '<div class="choices"><button type="button" data-act="off">Not on the face</button>'
        f'<button type="button" data-act="back">Back</button>{order if standard else ""}</div>'
        f"{hint if standard else ''}</emg-sites>"
    )


def _mark(name, site, side):
    label = f"{site}, {side}"
    return (
        f'<g class="place" role="button" tabindex="0" data-site="{name}" data-label="{label}" '
        f'aria-label="{label}" {placed(site, side)}><circle class="reach" r="16"/>'
        '<circle class="dot" r="9"/><text y="4"></text></g>'
    )


def again_html(montage: str | None, key: str) -> str:
    """A button that asks again, where the montage was chosen on the face."""
    if montage and not general(montage):
        return f'<button type="button" class="skip" data-again="{key}">Change the sites</button>'
    return ""


def is_about(event: Any, source: Source | None) -> bool:
    """Whether an answer is about the recording of this Source."""
    return bool(source) and _data(event).get("key") == str(source.asked_at)


def montage_of(event: Any, names: Sequence[str]) -> str | None:
    """The montage that an answer gives channels with these names, or None for the names themselves.

    A channel that isn't on the face keeps its name. Raises SitesError unless each channel has an
    answer.
    """
    sites = _data(event).get("sites")
    if sites is None:
        return None
    known = isinstance(sites, list) and all(s is None or s in (*PLACED, *MONTAGE) for s in sites)
    if not known or len(sites) != len(names):
        raise SitesError("The sites don't fit the channels; upload the recording again.")
    # Commas and semicolons would part a name in a montage.
    own = [re.sub("[,;]", " ", name) for name in names]
    return ", ".join(site or name for site, name in zip(sites, own, strict=True))


def general(montage: str | None) -> str | None:
    """A montage that was chosen in the form; one from the face is of one recording, and is None."""
    return montage if montage in dict(MONTAGES).values() else None


def _data(event):
    return event._data if isinstance(event._data, dict) else {}
