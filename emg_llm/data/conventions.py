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
NUMBERED = r"(?:id|no|nr|num|number|code|name|index|idx)?"
PERSON = (
    r"(?:subject|subj|sub|participant|person|patient|volunteer|user|respondent|proband(?:in)?|"
    r"vpn?|ppt?|p(?=id))s?"
)
# What columns are called, without case, blanks and punctuation.
ALIASES = {
    "label": r"labels?|emotions?|class|target",
    "subject": PERSON + NUMBERED,
    "session": r"session(?:id|no|nr|number)?|day",
    "split": r"split",
    "recording_id": r"recording(?:id)?",
    "path": r"path",  # a feature table may name the file of each row
    "sampling_rate": r"samplingrate|fs|samplerate",
    "unit": r"units?",
    "montage": r"montage",
    "channels": r"channels",
}
FILES = re.compile(r"(?:file|recording)(?:name|path|s)?|filenames|paths")
ROW_NUMBERS = re.compile(
    r"unnamed.*|index|idx|rows?|rownumber|id|no|nr|number|timestamp|order|sequence|seq|"
    r"(?:trial|repetition|rep|repeat|run|take|attempt|block|set|sample|segment|window|epoch|frame|"
    r"fold)s?" + NUMBERED
)
TRAITS = re.compile(r"age|gender|sex|handedness|bmi")  # of a person
COUNTED = 20  # rows, from which on a column that counts them is no chance
PEOPLE = re.compile(rf"(?:{PERSON}|s|p)[\s_.\-]*\d+", re.IGNORECASE)


class DatasetError(ValueError):
    """Data that can't be used; the message says what to do about it."""


def told(sentence: str) -> None:
    """Say what was decided about the data, beside a script's output."""
    print(sentence, file=sys.stderr)


def plain(name: object) -> str:
    return re.sub(r"[\s_.\-#()]+", "", str(name).strip().lower()) or str(name).strip()


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
    known = re.compile("|".join(ALIASES[key] for key in TEXTS))
    kinds = {name: "str" for name in names if known.fullmatch(plain(name))}
    return pd.read_csv(path, sep=delimiter, decimal=decimal, encoding=encoding, dtype=kinds)


def known_columns(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with the columns of ALIASES called as here; a column that is so called stays."""
    names, renamed = [str(c) for c in table.columns], {}
    for key, aliases in ALIASES.items():
        if key in names:
            continue
        called = next((n for n in names if re.fullmatch(aliases, plain(n))), None)
        if called is not None:
            renamed[called] = key
    if changed := [f"{a} as {b}" for a, b in renamed.items() if a.strip().lower() != b]:
        told(f"Columns were read as others: {', '.join(changed)}.")
    return table.rename(columns=renamed)


def is_number_of_a_row(name: object, values: Sequence[float]) -> bool:
    """Whether a column numbers rows, trials or the like, by its name or as its values count."""
    if ROW_NUMBERS.fullmatch(plain(name)):
        return True
    whole = len(values) >= COUNTED and values[0] in (0, 1)
    return whole and all(v == values[0] + i for i, v in enumerate(values))


def why_no_feature(name: object, values: Sequence[float], labels: Sequence[object]) -> str:
    """What a numeric column of a feature table is instead of a feature, as a verb; "" for one."""
    if is_number_of_a_row(name, values):
        return "number the rows"
    if TRAITS.fullmatch(plain(name)):
        return "describe people"
    whole = all(float(value).is_integer() for value in values)
    pairs = set(zip(values, labels, strict=True))
    again = len(pairs) == len(set(values)) == len(set(labels)) > 1
    named = re.search("label|class|emotion|target", plain(name))
    return "repeat the label" if whole and again and (named or len(values) >= COUNTED) else ""


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
    aren't; None for others. Raises DatasetError where the folders are people and nothing names the
    emotions.
    """
    if any(folder.strip().lower() in EMOTIONS for folder, _ in files):
        return None
    words = [re.findall(r"[a-z]+", stem.lower()) for _, stem in files]
    emotions = [{w for w in each if w in EMOTIONS} for each in words]
    if all(len(each) == 1 for each in emotions):
        return [min(each) for each in emotions]
    if all(PEOPLE.fullmatch(folder.strip()) for folder, _ in files):
        raise DatasetError(
            f"The folders look like people ({files[0][0]}), not labels; use <label>/<recording "
            "file>, name the files after emotions, or list them in a manifest (path,label,subject)."
        )
    return None


def with_paths(table: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """The table with a column `path` if it lists files under another name, and no features."""
    called = [c for c in table.columns if FILES.fullmatch(plain(c))]
    if "path" in table or not called:
        return table
    numbers = [c for c in table.select_dtypes("number").columns if c not in {*ALIASES, *called}]
    if not all(is_number_of_a_row(c, table[c].tolist()) for c in numbers):
        return table
    told(f"{name}: a manifest, whose column {called[0]} names the files.")
    return table.rename(columns={called[0]: "path"})


def file_of(folder: Path, text: object) -> Path:
    """The file that a manifest in a folder names, also as Windows writes it."""
    place = folder / Path(str(text).strip()).expanduser()
    return place if place.exists() else folder / str(text).strip().replace("\\", "/")


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
