"""Statements, the table of their kinds, and the report that holds all statements of a recording.

A row of `kinds.yaml` is the one definition of a kind: the sentence that says it, the unit and the
tolerance by which `check` compares it, and the words by which replies and questions name it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from emg_llm.signal.montage import at_site, listed

Value = str | float | tuple[str, ...] | tuple[float, ...] | None


@dataclass(frozen=True)
class Kind:
    """A row of the table; its fields are explained at the head of `kinds.yaml`."""

    name: str
    says: str
    unit: str
    tolerance: float
    relative: bool
    words: tuple[str, ...]
    ask: tuple[str, ...]
    none: str = ""
    per: str = ""
    head: str = ""
    measured: bool = True
    list: bool = False


@dataclass(frozen=True)
class Statement:
    """One thing that is known of a recording.

    id: its kind, and after a colon the channel or model that it is about. value: a number in
    `unit`, a word, or several of either; None where nothing is to be said. tolerance: how far a
    number may be off to be the same, in `unit`. measured: whether the signal shows it; emotions,
    certainties and limits are not measured.
    """

    id: str
    value: Value
    unit: str
    tolerance: float
    sentence: str
    measured: bool = True

    @property
    def kind(self) -> str:
        return self.id.partition(":")[0]

    @property
    def on(self) -> str:
        """The channel or model that it is about, or ""."""
        return self.id.partition(":")[2]

    @property
    def numbers(self) -> tuple[float, ...]:
        """The value's numbers; none where it is in words."""
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        return tuple(float(v) for v in values if isinstance(v, int | float))

    @property
    def names(self) -> tuple[str, ...]:
        """The value's words; none where it is a number."""
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        return tuple(v for v in values if isinstance(v, str))


@dataclass(frozen=True)
class Report:
    """All statements of a recording, which are put into the order of the table of kinds.

    recording: its id. sites: the names of all its channels.
    """

    statements: tuple[Statement, ...]
    sites: tuple[str, ...] = ()
    recording: str = ""
    by_id: dict[str, Statement] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        place = {name: k for k, name in enumerate(kinds())}
        ordered = sorted(self.statements, key=lambda s: place[s.kind])
        object.__setattr__(self, "statements", tuple(ordered))
        object.__setattr__(self, "by_id", {s.id: s for s in self.statements})

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.statements)

    def get(self, id: str) -> Statement | None:
        return self.by_id.get(id)

    def of(self, *kinds: str) -> list[Statement]:
        """The statements of some kinds."""
        return [s for s in self.statements if s.kind in kinds]

    def value(self, id: str) -> Value:
        """The value of a statement, None where there is no such statement."""
        return self.by_id[id].value if id in self.by_id else None

    def text(self) -> str:
        """The sentences, one a line."""
        return "\n".join(s.sentence for s in self.statements)

    def adding(self, statements: Iterable[Statement]) -> "Report":
        """The report with more statements."""
        return replace(self, statements=(*self.statements, *statements))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"recording": self.recording, "statements": [asdict(s) for s in self.statements]}


@cache
def kinds() -> dict[str, Kind]:
    """The table of kinds, by name."""
    text = Path(__file__).with_name("kinds.yaml").read_text(encoding="utf-8")
    rows = {}
    for name, row in yaml.safe_load(text).items():
        tolerance, percent, _ = str(row.pop("tolerance")).partition(" %")
        words, ask = (tuple(map(str, row.pop(key))) for key in ("words", "ask"))
        row |= {"tolerance": float(tolerance), "relative": bool(percent)}
        rows[name] = Kind(name=name, words=words, ask=ask, **row)
    return rows


def state(
    kind: str, value: Value, on: str = "", word: str = "", more: str = "", unit: str = ""
) -> Statement:
    """A statement of `kind`; on: what it is about; word: fills the sentence's {word}; more: is
    added to the sentence; unit: if it isn't that of the table."""
    row = kinds()[kind]
    unit = unit or row.unit
    says = row.none if value == () and row.none else row.says
    at = at_site(on) if on else ""
    sentence = says.format(on=on, at=at, value=shown(value, row.name), unit=unit, word=word)
    tolerance = row.tolerance
    if row.relative and isinstance(value, int | float):
        tolerance = abs(value) * row.tolerance / 100
    return Statement(
        f"{kind}:{on}" if row.per else kind,
        value,
        unit,
        tolerance,
        f"{sentence} {more}".strip(),
        row.measured,
    )


def shown(value: Value, kind: str = "") -> str:
    """A value in print: 0.4 to 2.1; jaw and cheek; 12.3."""
    if isinstance(value, tuple):
        if value and isinstance(value[0], str):
            return listed([str(v) for v in value])
        return " to ".join(shown(v) for v in value)
    if value is None or isinstance(value, str):
        return value or ""
    if kind in ("level", "neutral"):
        return f"{value:+.0f}"
    value += 0.0  # no -0
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"
