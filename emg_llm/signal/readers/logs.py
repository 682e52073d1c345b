"""Logs of a serial port: "millis:12 emg:512" on each line, JSON lines, times before an arrow, or
lists in brackets, as Python prints them."""

import re
from collections import Counter
from collections.abc import Sequence

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
PAIR = re.compile(rf"([A-Za-z_][\w .()/-]*?)\s*[:=]\s*({NUMBER})(?![\w:.])")
LINE = re.compile(rf"(?:{PAIR.pattern}[\s,;|]*)+")
ARROW = re.compile(r"^(\d{1,2}:\d\d:\d\d[.,]\d+)\s*->\s*", re.MULTILINE)
LIST = re.compile(rf'"?[\[(]\s*({NUMBER}(?:[\s,;]+{NUMBER})+)\s*[\])]"?')
LEAST_LINES = 8
LONGEST = 500  # characters of a line: patterns take long for more


def table_of_log(data: bytes, texts: Sequence[str]) -> bytes | None:
    """A log as a table with a row of names; None for other text. texts: some lines of it."""
    last = texts[-20:]
    if sum(bool(ARROW.match(text)) for text in last) > len(last) / 2:
        delimiter = "\t" if any("\t" in text for text in last) else ","
        log = ARROW.sub(rf"time:\1{delimiter}", data.decode("utf-8", "replace"))
        bare = [ARROW.sub("", text) for text in last]
        pairs = _pairs(bare)
        if not pairs:
            return log.replace("time:", "").encode()
        lines = [line.removeprefix("time:").partition(delimiter) for line in log.splitlines()]
        timed = [(time, _values(rest, pairs)) for time, _, rest in lines]
        body = "\n".join(f"{time}\t{cells}" for time, cells in timed if cells)
        return "\t".join(["time", *pairs]).encode() + b"\n" + body.encode()
    pairs = _pairs(last)
    if not pairs and len(texts) >= LEAST_LINES and all(map(LIST.search, last)):
        return _without_lists(data, last)
    if not pairs:
        return None
    rows = (_values(line, pairs) for line in data.decode("utf-8", "replace").splitlines())
    return "\n".join(["\t".join(pairs), *(row for row in rows if row)]).encode()


def _without_lists(data, texts):
    """The table with the numbers of each list as cells."""
    rest = "".join(LIST.sub("", text) for text in texts)
    sign = next((sign for sign in "\t;," if sign in rest), ",")
    cells = lambda match: re.sub(r"[\s,;]+", sign, match[1].strip())  # noqa: E731
    lines = data.decode("utf-8", "replace").splitlines()
    table = [LIST.sub(cells, line[: 10 * LONGEST]).strip("[]() ") for line in lines]
    return "\n".join(table).encode()


def _plain(text):
    return text.strip()[:LONGEST].strip("{}").replace('"', "")


def _pairs(texts):
    """The names on most of the lines, () if they are no pairs of names and numbers."""
    plain = [_plain(text) for text in texts]
    names = [tuple(n for n, _ in PAIR.findall(t)) for t in plain if LINE.fullmatch(t)]
    if len(names) < LEAST_LINES:
        return ()
    commonest, count = Counter(names).most_common(1)[0]
    return commonest if count > len(texts) / 2 and len(set(commonest)) == len(commonest) else ()


def _values(line, names):
    """The numbers of a line with tabs between them, "" for a line with other names."""
    found = PAIR.findall(_plain(line))
    return "\t".join(v for _, v in found) if tuple(n for n, _ in found) == names else ""
