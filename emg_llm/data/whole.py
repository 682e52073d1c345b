"""Output folders that are written whole: a reader finds the old result, the new one, or none."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".unfinished"
HEADS = "config.json", "bridge.json", "results.json"  # without these nothing in a folder is read


@contextmanager
def whole(
    folder: str | Path, owns: Collection[str] = (), keeps: Collection[str] = ()
) -> Iterator[Path]:
    """Context manager that yields an empty folder; its files then replace those in `folder`.

    The empty folder has the same name and lies within `folder`, so on the same disk. After an
    error or an interrupt `folder` is as it was. The HEADS of the old result are removed before
    anything moves and those of the new one come last: a kill at that moment leaves no result, and
    what it leaves is removed the next time.

    owns: glob patterns of files that are part of the result: old ones without a successor are
    removed. keeps: files that don't replace existing ones. All other files stay.
    """
    folder = Path(folder)
    new, place = not folder.exists(), folder / UNFINISHED
    shutil.rmtree(place, ignore_errors=True)
    beside = place / folder.resolve().name
    beside.mkdir(parents=True)
    try:
        yield beside
        _replace(beside, folder, owns, keeps)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if new:
            with suppress(OSError):  # it holds the result
                folder.rmdir()


def _replace(beside, folder, owns, keeps):
    names = {p.relative_to(beside) for p in beside.rglob("*") if p.is_file()}
    names = {n for n in names if not (n.as_posix() in keeps and (folder / n).exists())}
    owned = {p.relative_to(folder) for pattern in owns for p in folder.glob(pattern)}
    owned = {n for n in owned if (folder / n).is_file() and UNFINISHED not in n.parts}
    heads = {n for n in names | owned if n.name in HEADS}
    for name in sorted(heads | (owned - names), key=_last_is_head, reverse=True):
        (folder / name).unlink(missing_ok=True)
        for parent in name.parents:
            with suppress(OSError):  # it isn't there, or not empty
                (folder / parent).rmdir()
    for name in sorted(names, key=_last_is_head):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(beside / name, folder / name)


def _last_is_head(name):
    head = HEADS.index(name.name) + 1 if name.name in HEADS else 0
    return head, -len(name.parts), name
