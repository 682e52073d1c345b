"""Folders of recordings as people make them: which level is the label, and which the person."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emg_llm.data.conventions import (
    PEOPLE,
    PERSON,
    DatasetError,
    emotions_in_names,
    one_spelling,
    told,
)
from emg_llm.signal.recording import EMOTIONS

DEPTHS = (2, 3, 4, 1)  # parts of a path; the first of these that holds recordings is the layout
SESSIONS = re.compile(r"(?:session|ses|day)[\s_.\-]*\w+", re.IGNORECASE)
# Only a word says who it was: in `anger_s1`, s1 may be a sample.
PERSON_IN_NAME = re.compile(rf"(?:^|[\W_])({PERSON}[\s_.\-]*\d+)(?=[\W_]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """A file of a folder, and what its path says of it."""

    path: Path
    recording_id: str
    label: str
    subject: str | None
    session: str | None


def files_of(folder: Path, extensions: Sequence[str]) -> list[Found]:
    """The recordings in a folder. Raises DatasetError without any, or if nothing tells the labels.

    Labels are the folders, or emotions in the names of files; people are the other folders.
    """
    for depth in DEPTHS:
        every = sorted(folder.glob("/".join("*" * depth)))
        if files := [p for p in every if p.suffix.lower() in extensions and p.is_file()]:
            break
    else:
        raise DatasetError(
            f"{folder.name} has no recordings in it; expected {folder.name}/<label>/<recording "
            "file>."
        )
    parts = [(*p.relative_to(folder).parts[:-1], p.stem) for p in files]
    labels, people, sessions = _two_levels(parts) if depth == 2 else _levels(folder.name, parts)
    if people is None:
        named = [PERSON_IN_NAME.search(each[-1]) for each in parts]
        people = [m[1] for m in named if m] if all(named) else [None] * len(files)
        if named and all(named):
            told(f"{folder.name}: the names of the files name people, such as {people[0]}.")
    elif any(people):
        told(f"{folder.name}: the folders are people, such as {people[0]}.")
    sessions = sessions or [None] * len(files)
    names = ["/".join(each) for each in parts]
    return [Found(*each) for each in zip(files, names, labels, people, sessions, strict=True)]


def _two_levels(parts):
    """<label>/<file>, or <person>/<file named after an emotion>."""
    by_person = emotions_in_names(parts)
    if by_person:
        return by_person, [folder for folder, _ in parts], None
    return one_spelling([folder for folder, _ in parts]), None, None


def _levels(name, parts):
    """(labels, people or None, sessions or None) from folders in folders, or files without any."""
    levels = list(zip(*(each[:-1] for each in parts), strict=True))
    level = dict.fromkeys(("person", "label", "session"))
    for k, names in enumerate(levels):
        if all(n.strip().lower() in EMOTIONS for n in names):
            level["label"] = k
        elif all(PEOPLE.fullmatch(n.strip()) for n in names):
            level["person"] = k
        elif all(SESSIONS.fullmatch(n.strip()) for n in names):
            level["session"] = k
    rest = [k for k, n in enumerate(levels) if k not in level.values() and len(set(n)) > 1]
    emotions = emotions_in_names([("", each[-1]) for each in parts])
    if len(rest) == 1 and level["label"] is None and level["person"] is not None and not emotions:
        level["label"] = rest.pop()
    if len(rest) == 1 and level["person"] is None and (emotions or level["label"] is not None):
        level["person"] = rest.pop()
    labels, people, sessions = (
        None if level[key] is None else levels[level[key]] for key in ("label", "person", "session")
    )
    if labels is None and not emotions:
        raise DatasetError(
            f"Nothing tells which label the recordings in {name} have ({'/'.join(parts[0])}); use "
            "<label>/<recording file>, or list them in a manifest (path,label,subject)."
        )
    return one_spelling(labels or emotions), people, sessions
