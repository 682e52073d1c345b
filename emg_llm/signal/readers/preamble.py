"""What the lines above a table say: rate, unit and names of the channels."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from emg_llm.signal.readers.units import UNITS, hertz, unit_key

NUMBER = r"(\d[\d,]*(?:\.\d+)?)"
RATE = re.compile(
    r"(?:sampl(?:ing|e)[ _]?(?:rate|freq(?:uency)?)|\bfs\b|\bsfreq\b|\bsrate\b|^\W*\bfrequency\b)"
    rf"[^\d\n]{{0,24}}?{NUMBER}\s*(k?)",
    re.IGNORECASE,
)
INTERVAL = re.compile(
    rf"(?:interval|sampl(?:ing|e)[ _]?(?:period|time))[^\d\n]{{0,12}}?{NUMBER}\s*([a-zµμ]+)",
    re.IGNORECASE,
)
PER_SAMPLE = re.compile(rf"{NUMBER}\s*(m?sec|m?s|us|µs|μs)\s*/\s*sample", re.IGNORECASE)
SAMPLED_ANEW = re.compile(rf"(?:down|re)-?sampled\s+(?:to|at)\s+{NUMBER}\s*(k?)", re.IGNORECASE)
OTHER_SENSOR = re.compile(
    r"\b(?:acc|accel\w*|gyro\w*|imu|mag\w*|aux|ecg|eda|resp\w*|trigger|sync|force)\b", re.I
)
UNIT = re.compile(r"\bunits?\b\W{1,4}([mnuµμ]?v\w*)\b", re.IGNORECASE)
RANGE = re.compile(r"^range=\s*(.+)$", re.IGNORECASE)
GAIN = re.compile(rf"\bgain\b[^\d\n]{{0,8}}?{NUMBER}", re.IGNORECASE)
NAMES = re.compile(
    r"^[\W]*(?:labels?|channel[ _]?names?|channel[ _]?titles?|columns?)\s*[:=]+\s*(.+)$"
    r"|^channel_names\s+(.+)$",
    re.IGNORECASE,
)
BIOPAC = re.compile(r"^(\d+) channels?$", re.IGNORECASE)


@dataclass
class Preamble:
    """rate: Hz; unit: as in UNITS; names: of channels; units: of these. Empty where unsaid."""

    rate: float | None = None
    unit: str = ""
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def read_preamble(lines: Sequence[str]) -> Preamble:
    """The Preamble from lines without their line ends."""
    said = Preamble()
    said.rate = _rate(lines)
    for k, line in enumerate(lines):
        text = line.strip().strip("#%/ ")
        if match := UNIT.search(text):
            unit = unit_key(match[1])
            if unit in UNITS and not said.unit and not OTHER_SENSOR.search(text):
                said.unit = unit
        elif (match := RANGE.match(text)) and not said.units:  # LabChart: one for each channel
            said.units = tuple(unit_key(each.split()[-1]) for each in match[1].split("\t") if each)
        elif "openbci raw" in text.lower():
            said.unit = "uv"
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
            if len(pairs) == 2 * n and any(unit_key(u) in UNITS for u in pairs[1::2]):
                said.names, said.units = tuple(pairs[::2]), tuple(map(unit_key, pairs[1::2]))
        if text.startswith("{"):
            _from_json(text, said)
    return said


def _rate(lines):
    """The rate that is said of EMG, else of no other sensor, else the highest of those said."""
    found = []
    for k, line in enumerate(lines):
        text = line.strip()
        if match := SAMPLED_ANEW.search(text):
            found.append((hertz(match[1], match[2]), text))
            continue
        for match in RATE.finditer(text):
            found.append((hertz(match[1], match[2]), text))
        if match := INTERVAL.search(text) or PER_SAMPLE.search(text):
            step = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6}
            seconds = hertz(match[1])
            scale = step.get(match[2].lower().replace("µ", "u").replace("μ", "u"))
            if seconds and scale:
                found.append((round(1 / (seconds * scale), 6), text))
        if text.lower() == "devices" and k + 1 < len(lines):  # Vicon Nexus
            found.append((hertz(lines[k + 1].strip().strip(",;\t ")), "emg"))
    found = [(rate, text) for rate, text in found if rate]
    emg = [rate for rate, text in found if re.search(r"emg|exg", text, re.IGNORECASE)]
    plain = [rate for rate, text in found if not OTHER_SENSOR.search(text)]
    return next(iter(emg or plain), max((r for r, _ in found), default=None))


def _items(text):
    parts = re.split(r"\t|[;,]", text) if re.search(r"[\t;,]", text) else [text]
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
