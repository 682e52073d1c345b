"""Units in the names of columns, and what they are in microvolts or seconds."""

import re

UNITS = {"v": 1e6, "mv": 1e3, "uv": 1.0, "nv": 1e-3}  # in microvolts
NUMBER = r"(\d+(?:\.\d+)?)"
SCALED = re.compile(rf"(?:[x*]?\s*{NUMBER}\s*[x*]?\s*)?([mun]?v)(?:\s*([/x*])\s*{NUMBER})?")
VOLTAGE = re.compile(r"(micro|milli|nano|[mun])?[\s_-]*v(?:olts?)?(?:[\s_]*rms)?")
_SECONDS = {
    "s": "s sec secs second seconds segundos secondes sekunden",
    "ms": "ms msec msecs millisec millisecs millisecond milliseconds millis milli_s milli_sec",
    "us": "us usec usecs microsec microsecs microsecond microseconds micros micro_s micro_sec",
    "ns": "ns nsec nanosec nanosecond nanoseconds nanos",
    "min": "min mins minute minutes minuten",
    "h": "h hr hrs hour hours",
}
TIME_WORDS = {word: unit for unit, words in _SECONDS.items() for word in words.split()}
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}  # in seconds
DAY = 86400.0
PHYSICAL = {  # units of other quantities
    *("g", "m/s^2", "m/s2", "deg/s", "dps", "rad/s", "deg", "degrees", "rad", "ut", "gauss", "°"),
    *(
        "n",
        "nm",
        "n.m",
        "n.mm",
        "kg",
        "mm",
        "cm",
        "m",
        "c",
        "°c",
        "°/s",
        "us/cm",
        "bpm",
        "hz",
        "pa",
    ),
    *("mmhg", "a", "ohm", "kohm", "siemens", "microsiemens"),
}
# Units that say that a column is no voltage.
OTHERS = PHYSICAL | {"%", "no_units", "adc", "counts", "count", "bool"}
LONGEST = 200  # characters of a name
IN_BRACKETS = re.compile(r"\s*[(\[{<]\s*([^)\]}>]*?)\s*[)\]}>]\s*$")
# "a mV", "a_uv", "a/uV", "EMGuV"; but a muscle may be called MV, or end in V.
AT_THE_END = re.compile(
    r"(?:^|(?:\s+in)?\s+|[_/.:-]\s*|(?<=[A-Za-z\d])(?=.V$))([mnuµμ][Vv]|(?:micro|milli)[\s_]?volts?)$"
    r"|(?:(?:\s+in)?\s+|/)(V|[Vv]olts?)$|_(volts?)$"
)
AFTER_A_COMMA = re.compile(r"\s*,\s*([^\s,]{1,6})$")
RATE_IN_NAME = re.compile(r"\s*[(\[]\s*(\d+(?:[.,]\d+)?)\s*(k?)Hz\s*[)\]]", re.IGNORECASE)


def unit_key(text: str) -> str:
    """A unit as spelled in `UNITS` or TIME_UNITS, with either of the two micro signs."""
    key = str(text).strip().lower().replace("\u00b5", "u").replace("\u03bc", "u")
    if match := VOLTAGE.fullmatch(key):
        return {"micro": "u", "milli": "m", "nano": "n"}.get(match[1], match[1] or "") + "v"
    return TIME_WORDS.get(key.replace(" ", "_"), key)


def microvolts(unit: str) -> float | None:
    """What a unit as of `unit_key` is in microvolts: 1000 for "mv", 0.1 for "uv/10"; or None."""
    match = SCALED.fullmatch(unit)
    if match is None:
        return None
    before, voltage, sign, after = match.groups()
    factor = float(before or 1) * float(after or 1) ** (-1 if sign == "/" else 1)
    return UNITS[voltage] * factor or None


def is_unit(text: str) -> bool:
    """Whether a cell holds a unit and nothing else, with or without brackets."""
    key = unit_key(str(text).strip().strip("()[]"))
    return microvolts(key) is not None or key in TIME_UNITS or key in OTHERS


def column_unit(header: str) -> str:
    """The unit in a column's header ("EMG1 (mV)", "zyg [uV]", "cor_mV", "zyg,uV"), or ""."""
    header = RATE_IN_NAME.sub("", header[-LONGEST:])
    match = IN_BRACKETS.search(header) or AT_THE_END.search(header)
    if match is None and (after := AFTER_A_COMMA.search(header)) and is_unit(after[1]):
        match = after
    return unit_key(next(filter(None, match.groups()), "")) if match else ""


def bare(header: str) -> str:
    """A header without its unit and its rate; other brackets stay."""
    header = RATE_IN_NAME.sub("", header[:LONGEST])
    unit = column_unit(header)
    if microvolts(unit) is None and unit not in TIME_UNITS and unit not in OTHERS:
        return header.strip()
    for pattern in (IN_BRACKETS, AT_THE_END, AFTER_A_COMMA):
        header = pattern.sub("", header)
    return header.strip(" ,")


def column_rate(header: str) -> float | None:
    """Hz in a column's header ("EMG 1 (1259Hz)"), or None."""
    match = RATE_IN_NAME.search(header)
    return hertz(match[1], match[2]) if match else None


def hertz(number: str, kilo: str = "") -> float | None:
    """Hz from "2,000", "1.5" with "k", "1000,00", or "1 000"."""
    number = re.sub(r"(?<=\d)[ '](?=\d{3})", "", number)
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", number) and not kilo:
        number = number.replace(",", "")
    elif re.fullmatch(r"[1-9]\d?\.\d{3}", number) and not kilo:  # no EMG has some hertz
        number = number.replace(".", "")
    try:
        value = float(number.replace(",", "."))
    except ValueError:
        return None
    return value * (1000 if kilo else 1)
