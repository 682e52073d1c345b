"""Tables and folders as people write them: what their columns, labels and names mean."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emg_llm.signal.recording import EMOTIONS

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("label", "subject", "session", "split", "recording_id")  # "007" is a name, not a number
# What columns are called, without case, blanks and underscores.
ALIASES = {
    "label": ("label", "labels", "emotion", "emotions", "class", "target"),
    "subject": (
        *("subject", "subjects", "participant", "participants", "person", "patient", "volunteer"),
        *("subjectid", "participantid", "personid", "patientid", "subjectno", "participantno"),
        *("subjectnumber", "participantnumber"),
    ),
    "session": ("session", "sessionid", "day"),
    "split": ("split",),
    "recording_id": ("recordingid", "recording"),
    "path": ("path",),  # a feature table may name the file of each row
    "sampling_rate": ("samplingrate", "fs", "samplerate"),
    "unit": ("unit", "units"),
    "montage": ("montage",),
}
ROW_NUMBERS = re.compile(
    r"unnamed.*|index|idx|row|rownumber|id|no|nr|number|#|"
    r"(?:trial|repetition|rep|run|block|sample|segment|window|epoch|frame)(?:id|no|nr|num|number|index)?"
)


class DatasetError(ValueError):
    """Data that can't be used; the message says what to do about it."""


def told(sentence: str) -> None:
    """Say what was decided about the data, beside a script's output."""
    print(sentence, file=sys.stderr)


def plain(name: object) -> str:
    return re.sub(r"[\s_.\-]+", "", str(name).strip().lower())


def read_table(path: Path) -> "pd.DataFrame":
    """A table in text, whatever its delimiter, decimal sign and encoding."""
    import pandas as pd

    data = path.read_bytes()[:65536]
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        try:
            data[: max(data.rfind(b"\n"), 0)].decode("utf-8")
        except UnicodeDecodeError:
            encoding = "cp1252"
    first, _, rest = data.decode(encoding, "replace").partition("\n")
    delimiter = max(",;\t", key=first.count)
    decimal = "," if delimiter == ";" and re.search(r"\d,\d", rest) else "."
    names = [cell.strip().strip('"') for cell in first.strip("\r\n").split(delimiter)]
    known = {alias for key in TEXTS for alias in ALIASES[key]}
    kinds = {name: "str" for name in names if plain(name) in known}
    return pd.read_csv(path, sep=delimiter, decimal=decimal, encoding=encoding, dtype=kinds)


def known_columns(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with the columns of ALIASES called as here; a column that is so called stays."""
    names, renamed = [str(c) for c in table.columns], {}
    for key, aliases in ALIASES.items():
        if key in names:
            continue
        called = next((n for a in aliases for n in names if plain(n) == a), None)
        if called is not None:
            renamed[called] = key
    if changed := [f"{a} as {b}" for a, b in renamed.items() if a.strip().lower() != b]:
        told(f"Columns were read as others: {', '.join(changed)}.")
    return table.rename(columns=renamed)


def is_number_of_a_row(column: object) -> bool:
    """Whether a column numbers rows, trials or the like."""
    return bool(ROW_NUMBERS.fullmatch(plain(column)))


def one_spelling(labels: Sequence[str]) -> list[str]:
    """The labels, each in one spelling: those that differ by case or blanks are one."""
    texts = [" ".join(str(label).split()) for label in labels]
    count = Counter(texts)
    best: dict[str, str] = {emotion: emotion for emotion in EMOTIONS}
    for text, _ in count.most_common():
        best.setdefault(text.lower(), text)
    out = [best[text.lower()] for text in texts]
    if len(set(out)) < len(count):
        told(f"Labels that differ by case or blanks are one: {', '.join(sorted(set(out)))}.")
    return out


def emotions_in_names(files: Sequence[tuple[str, str]]) -> list[str] | None:
    """The emotion of each (folder, file stem) where files are named after emotions and folders
    aren't; None for others."""
    if any(folder.strip().lower() in EMOTIONS for folder, _ in files):
        return None
    found = [re.match(r"[a-z]+", stem.lower()) for _, stem in files]
    emotions = [match[0] if match and match[0] in EMOTIONS else "" for match in found]
    return emotions if all(emotions) else None


def text_of(value: object) -> str | None:
    """A table's cell as a string, or None if it is empty."""
    return None if value is None or value != value or value == "" else str(value)


def texts_of(values: Iterable) -> tuple[str | None, ...] | None:
    """A table's column as strings, None for empty cells; None if all cells are empty."""
    texts = tuple(map(text_of, values))
    return texts if any(texts) else None


def split_column(table: "pd.DataFrame", parts: Sequence[str]) -> tuple[str, ...] | None:
    """The part of each row that the table says, None if it says none. Raises DatasetError."""
    if "split" not in table:
        return None
    unknown = set(table["split"]) - set(parts)
    if unknown:
        raise DatasetError(
            f"The 'split' column says {sorted(map(str, unknown))[0]!r}; use {', '.join(parts)}."
        )
    return tuple(table["split"])
