"""The files of a set of conversations, and whether they belong together.

`bridge.json` lists for each part its number of rows and a hash of them, which its Parquet file
carries too, with the hash of the split: files of two runs are never read as one set.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets

from emg_llm.data.datasets import PARTS

KEY = b"emg_llm"  # in the metadata of a Parquet file
OWNED = *(f"data/{part}.parquet" for part in PARTS), *(f"{part}.jsonl" for part in PARTS)


def write_parts(
    folder: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]], info: Mapping[str, Any]
) -> None:
    """Write Parquet and JSONL files for each part, and `bridge.json` with `info`, last."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    split_hash, listed = info["protocol"]["split_hash"], {}
    for part, some in rows.items():
        table = datasets.Dataset.from_list([*some])
        table.to_json(folder / f"{part}.jsonl")
        listed[part] = {"rows": len(table), "sha256": _sha256(folder / f"{part}.jsonl")}
        about = {"part": part, "split_hash": split_hash, **listed[part]}
        write_parquet(table, folder / "data" / f"{part}.parquet", about)
    (folder / "bridge.json").write_text(json.dumps({**info, "parts": listed}, indent=2) + "\n")


def write_parquet(table: datasets.Dataset, path: Path, about: Mapping[str, Any] | None) -> None:
    """Write a table with what its file says of itself: part, split_hash, rows, sha256."""
    import pyarrow.parquet as pq

    arrow = table.with_format("arrow")[:]
    metadata = dict(table.features.arrow_schema.metadata or {})
    if about is not None:
        metadata[KEY] = json.dumps(about).encode()
    pq.write_table(arrow.replace_schema_metadata(metadata), path)


def about_parquet(path: Path) -> dict[str, Any] | None:
    """What a Parquet file says of itself, None if it was written elsewhere."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata[KEY]) if KEY in metadata else None


def parquet_files(folder: Path, info: Mapping[str, Any]) -> dict[str, Path]:
    """{part: Parquet file} of a folder of conversations with this `bridge.json`.

    Raises ValueError if they don't belong together. Older folders don't say, and aren't checked.
    """
    files = {path.stem: path for path in sorted(folder.glob("data/*.parquet"))}
    if "parts" not in info:
        return files
    split_hash = info["protocol"].get("split_hash")
    for part, listed in info["parts"].items():
        expected = {"part": part, "split_hash": split_hash, **listed}
        if part not in files:
            raise ValueError(f"data/{part}.parquet is missing")
        if about_parquet(files[part]) != expected or _n_rows(files[part]) != listed["rows"]:
            raise ValueError(f"data/{part}.parquet is of another run than bridge.json")
    return {part: files[part] for part in info["parts"]}


def check_jsonl(path: Path) -> None:
    """Raise ValueError if a JSONL file isn't the one that the `bridge.json` beside it lists."""
    beside = path.parent / "bridge.json"
    if path.name not in OWNED or not beside.exists():
        return
    listed = json.loads(beside.read_text()).get("parts", {}).get(path.stem)
    if listed and _sha256(path) != listed["sha256"]:
        raise ValueError(
            f"{path.name} isn't the one that bridge.json beside it lists; if you changed it, move "
            "it to another folder"
        )


def _n_rows(path):
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
