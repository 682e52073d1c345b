"""What the lines above a table say: rate, unit and names of the channels."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from emg_llm.signal.readers.units import TIME_UNITS, UNITS, hertz, is_unit, microvolts, unit_key

NUMBER = r"(\d{1,3}(?:[ ']\d{3})+(?!\d)|\d[\d,]*(?:\.\d+)?(?:[eE]\+?\d+)?)"
RATE = re.compile(
    r"(?:(?:sampl(?:ing|e)|acquisition)[ _]?(?:rate|freq(?:uency)?)|samples per second|"
    r"\bsampled at\b|\babtast(?:rate|frequenz)|\béchantillonnage|\bmuestreo|采样(?:频率|率)|"
    r"\bfs\b|\bsfreq\b|\bsrate\b|^\W*(?:frequency|rate)\b)"
    rf"[^\d\n]{{0,24}}?{NUMBER}\s*(k?)|^\W*{NUMBER}\s*(k?)Hz\W*$",
    re.IGNORECASE,
)
# Of samples: a recording and a trial have intervals, too.
_INTERVAL = r"(?:^\W*(?:interval|dt)|sampl(?:ing|e)[ _]?(?:interval|period|time))"
INTERVAL = re.compile(
    rf"{_INTERVAL}[^\d\n]{{0,12}}?{NUMBER}\s*([a-zµμ]+)"
    rf"|{_INTERVAL}\W{{1,3}}([a-zµμ]+)\W{{1,4}}{NUMBER}\W*$",
    re.IGNORECASE,
)
PER_SAMPLE = re.compile(rf"{NUMBER}\s*(m?sec|m?s|us|µs|μs)\s*/\s*sample", re.IGNORECASE)
PER_SECOND = re.compile(
    rf"{NUMBER}\s*(k?)\s*(?:samples?\s*(?:/|per\s)\s*s(?:ec(?:ond)?)?\b|sps\b|S/s\b)", re.IGNORECASE
)
SAMPLED_ANEW = re.compile(rf"(?:down|re)-?sampled\s+(?:to|at)\s+{NUMBER}\s*(k?)", re.IGNORECASE)
LONGEST = 300  # characters of a line that says something
SLOWEST = 20  # Hz: what is said to be slower is no rate of samples
OTHER_SENSOR = re.compile(
    r"\b(?:acc|accel\w*|gyro\w*|imu|mag\w*|aux|ecg|eda|resp\w*|trigger|sync|force|video|camera|"
    r"markers?|frames?)\b",
    re.I,
)
UNIT = re.compile(
    r"\bunits?\b\W{1,4}((?:(?:micro|milli|nano)[\s_-]*|[mnuµμ])?v\w*)\b"
    r"|\bin ((?:micro|milli|nano)?volts?|[mnuµμ]v)\b",
    re.IGNORECASE,
)
UNITS_LINE = re.compile(r"^\W*(?:channel[ _]?)?units?(?:name)?\s*[:=,\t]+\s*(.+)$", re.IGNORECASE)
RANGE = re.compile(r"^range=\s*(.+)$", re.IGNORECASE)
GAIN = re.compile(rf"\bgain\b[^\d\n]{{0,8}}?{NUMBER}", re.IGNORECASE)
NAMES = re.compile(
    r"^[\W]*(?:labels?|channel[ _]?names?|channel[ _]?titles?|columns?)\s*[:=]+\s*(.+)$"
    r"|^channel_names\s+(.+)$",
    re.IGNORECASE,
)
COUNT = re.compile(r"^number of channels\s*=\s*(\d{1,2})$", re.IGNORECASE)
BIOPAC = re.compile(r"^(\d+) channels?$", re.IGNORECASE)


@dataclass
class Preamble:
    """rate: Hz; unit: as in UNITS; names: of channels; units: of these; first: how many columns
    behind the number of the sample are channels, if no names say so; negative: how many at the end
    are none. Empty where unsaid."""

    rate: float | None = None
    unit: str = ""
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    first: int = 0
    notes: list[str] = field(default_factory=list)


def read_preamble(lines: Sequence[str]) -> Preamble:
    """The Preamble from lines without their line ends."""
    said = Preamble()
    said.rate, openbci = _rate(lines), False
    for k, line in enumerate(lines):
        text = line.strip().strip("#%/ ")
        if match := UNIT.search(text):
            unit = unit_key(match[1] or match[2])
            if unit in UNITS and not said.unit and not OTHER_SENSOR.search(text):
                said.unit = unit
        elif (match := RANGE.match(text) or UNITS_LINE.match(text)) and not said.units:
            # One for each channel; a range is a number and its unit.
            items = _items(match[1])
            whole = not RANGE.match(text)
            units = [unit_key(i if whole and is_unit(i) else i.split()[-1]) for i in items]
            said.units = tuple(units) if all(map(is_unit, units)) else ()
        elif "openbci raw" in text.lower():
            said.unit, openbci = "uv", True
        elif (match := COUNT.match(text)) and openbci:
            said.first = int(match[1])
        if openbci and "followed by accel data" in text.lower():
            said.first = said.first or -4  # three axes, and the time
        if match := GAIN.search(text):
            factor = hertz(match[1])
            if factor and factor > 1:
                said.notes.append(
                    f"The file says that the signal was amplified {factor:g} times; values are as "
                    "stored, so divide them by it if they are those behind the amplifier."
                )
        if match := NAMES.match(text):
            said.names = tuple(_items(match[1] or match[2]))
        if match := BIOPAC.match(text):
            n = int(match[1])
            pairs = [v.strip() for v in lines[k + 1 : k + 1 + 2 * n]]
            if len(pairs) == 2 * n and any(microvolts(unit_key(u)) for u in pairs[1::2]):
                said.names, said.units = tuple(pairs[::2]), tuple(map(unit_key, pairs[1::2]))
        if text.startswith("{"):
            _from_json(text, said)
    return said


def _rate(lines):
    """The rate that is said of EMG, else of no other sensor."""
    found = []
    for k, line in enumerate(lines):
        text = line.strip()[:LONGEST]
        if match := SAMPLED_ANEW.search(text):
            found.append((hertz(match[1], match[2]), text))
            continue
        for match in (*RATE.finditer(text), *PER_SECOND.finditer(text)):
            number, kilo = [group for group in match.groups() if group is not None]
            found.append((hertz(number, kilo), text))
        if match := INTERVAL.search(text) or PER_SAMPLE.search(text):
            number, unit = sorted(filter(None, match.groups()))  # digits come before letters
            seconds, scale = hertz(number), TIME_UNITS.get(unit_key(unit))
            if seconds and scale and seconds * scale > 1 / SLOWEST:  # 1,000 ms is 1 ms
                seconds = float(number.replace(",", ".")) if number.count(",") == 1 else 0
            if seconds and scale:
                found.append((round(1 / (seconds * scale), 6), text))
        if text.lower() == "devices" and k + 1 < len(lines):  # Vicon Nexus
            found.append((hertz(lines[k + 1].strip().strip(",;\t ")), "emg"))
    found = [(rate, text) for rate, text in found if rate and rate >= SLOWEST]
    emg = [rate for rate, text in found if re.search(r"emg|exg", text, re.IGNORECASE)]
    plain = [rate for rate, text in found if not OTHER_SENSOR.search(text)]
    return next(iter(emg or plain), None)


def states(line: str) -> bool:
    """Whether a line above a table states its rate or a unit, and names no columns."""
    text = line.strip(" \t#%/\"'")[:LONGEST]
    return any(
        each.search(text)
        for each in (RATE, INTERVAL, PER_SAMPLE, PER_SECOND, UNIT, UNITS_LINE, GAIN)
    )


def _items(text):
    parts = re.split(r"\t" if "\t" in text else r"[;,]", text)
    return [part.strip().strip("\"'[] ") for part in parts if part.strip()]


def _texts(about, key):
    held = about.get(key)
    return held if isinstance(held, list) and all(isinstance(v, str) for v in held) else []


def _from_json(text, said):
    """The columns and the rate of an OpenSignals header."""
    try:
        devices = json.loads(text)
    except ValueError:
        return
    for about in devices.values() if isinstance(devices, dict) else ():
        if not isinstance(about, dict):
            continue
        columns, rate = _texts(about, "column"), about.get("sampling rate")
        if columns:
            sensors = dict(zip(_texts(about, "label"), _texts(about, "sensor"), strict=False))
            other = {c: s for c, s in sensors.items() if s.upper() not in ("EMG", "RAW", "")}
            said.names = tuple(f"{c} {other[c]}" if c in other else c for c in columns)
        if isinstance(rate, int | float) and not isinstance(rate, bool):
            said.rate = said.rate or float(rate)
        return
