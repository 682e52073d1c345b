"""Manifests: tables that say which files are recordings, how they are read, and their labels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emg_llm.data.conventions import (
    DatasetError,
    file_of,
    known_columns,
    one_spelling,
    read_table,
    text_of,
    with_paths,
)
from emg_llm.signal.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".txt", ".parquet")


def manifest_in(folder: Path) -> Path | None:
    """The manifest that says what is in a folder, or None."""
    return next((p for p in sorted(folder.glob("manifest.*")) if p.suffix.lower() in TABLES), None)


def listed_in(manifest: Path, montage: str | Sequence[str] | None = None) -> list[Recording]:
    """The recordings that a manifest lists, with their labels, of which there may be one alone.

    Raises DatasetError, RecordingError.
    """
    table = labelled(manifest)
    if "path" not in table or not len(table):
        raise DatasetError(
            f"{manifest.name} lists no recordings; give it the columns path and label."
        )
    make = reader_of(manifest, table, montage)
    return [make(i) for i in range(len(table))]


def labelled(path: Path) -> "pd.DataFrame":
    """A table with the columns that we know, and a label in each row."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = read_table(path)
    except Exception as error:
        raise DatasetError(f"{path.name} can't be read as a table: {error}.") from None
    table = with_paths(known_columns(table), path.name)
    if "label" not in table:
        raise DatasetError(
            f"{path.name} has no 'label' column; add one that names each row's emotion."
        )
    table = table.dropna(subset="label").reset_index(drop=True)
    table["label"] = one_spelling(table["label"])
    return table


def reader_of(
    path: Path, table: "pd.DataFrame", montage: str | Sequence[str] | None
) -> Callable[[int], Recording]:
    """A function from the number of a manifest's row to its recording."""
    from emg_llm.signal.readers import read_recording

    rows = table.to_dict("records")

    def make(i):
        place, label = str(rows[i]["path"]), str(rows[i]["label"])
        rest = {k: text_of(rows[i].get(k)) for k in ("sampling_rate", "unit", "subject", "session")}
        rest["channels"] = text_of(rows[i].get("channels"))
        rest["montage"] = text_of(rows[i].get("montage")) or montage
        return read_recording(file_of(path.parent, place), label=label, recording_id=place, **rest)

    return make
