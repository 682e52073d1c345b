"""Which of several channels, rates, streams or arrays is the EMG, by names, units and rates."""

import re
from collections import Counter
from collections.abc import Sequence

from emg_llm.signal.montage import parse
from emg_llm.signal.readers.names import EMG, OTHERS
from emg_llm.signal.readers.units import OTHERS as OTHER_UNITS
from emg_llm.signal.readers.units import microvolts, unit_key

OTHER, MAYBE, VOLTAGE, SURE = range(4)  # how far something is EMG
MARKS = "events or classes"


def likeness(name: str, unit: str = "", several: bool = False) -> int:
    """How far a channel is EMG: OTHER, MAYBE, VOLTAGE or SURE.

    several: whether it is a table of several channels, which may be called "trial 1".
    """
    key = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
    unit = unit_key(unit)
    if unit in OTHER_UNITS:
        return OTHER
    if EMG.search(key.replace("_", " ")) or parse(name).is_site:
        return SURE
    if any(words.search(key) for kind, words in OTHERS.items() if not (several and kind == MARKS)):
        return OTHER
    return VOLTAGE if microvolts(unit) else MAYBE


def at_one_rate(
    names: Sequence[str], units: Sequence[str], rates: Sequence[float]
) -> tuple[list[int], list[str]]:
    """(indices of the channels that have the EMG's rate, notes), the channels of one file.

    rates: Hz. The rate is that of the channels that are most likely EMG; of several, the commonest,
    and of equally common ones the highest.
    """
    rates = [round(rate, 6) for rate in rates]
    alike = [likeness(name, unit) for name, unit in zip(names, units, strict=True)]
    count = Counter(r for r, like in zip(rates, alike, strict=True) if like == max(alike))
    rate = max(count, key=lambda r: (count[r], r))
    kept = [i for i, r in enumerate(rates) if r == rate]
    others = [name for name, r in zip(names, rates, strict=True) if r != rate]
    if not others:
        return kept, []
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    called = ", ".join(name[:40] for name in others[:5])
    return kept, [f"Channels at other rates than {rate:g} Hz were left out: {called}{more}."]


def with_units(names: Sequence[str], units: Sequence[str]) -> tuple[str, ...]:
    """Names with their units in brackets, where there are any."""
    pairs = zip(names, units, strict=True)
    return tuple(f"{name} ({unit})" if unit else name for name, unit in pairs)
