"""Parquet and Feather tables: a column for each channel, read one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emg_llm.signal.readers.raw import Raw, bomb, check_size, unpacked_limit
from emg_llm.signal.readers.single import Single
from emg_llm.signal.recording import RecordingError

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path) -> Raw:
    """The numeric columns of a Parquet table. Raises RecordingError."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    about = file.metadata
    check_size(path.name, (about.num_rows, about.num_columns))
    size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    if size > unpacked_limit(path.stat().st_size):
        raise bomb(path.name)
    return _columns(path.name, file.schema_arrow, lambda column: file.read([column]))


def read_feather(path: Path) -> Raw:
    """The numeric columns of a Feather table. Raises RecordingError."""
    import pyarrow as pa
    from pyarrow import feather

    with pa.memory_map(str(path)) as stream:
        schema = pa.ipc.open_file(stream).schema
    return _columns(path.name, schema, lambda column: feather.read_table(path, [column]))


def _columns(name: str, schema: "pa.Schema", read: Callable[[str], "pa.Table"]) -> Raw:
    import pandas as pd

    names, texts, notes, single = [], {}, [], None
    index = [c for c in (schema.pandas_metadata or {}).get("index_columns", ()) if type(c) is str]
    for called in [*index, *(c for c in schema.names if c not in index)]:
        column = read(called).to_pandas(ignore_metadata=True)[called]
        if called.startswith("__index_level_"):
            if not pd.api.types.is_datetime64_any_dtype(column):
                continue
            called = "index"
        if pd.api.types.is_bool_dtype(column):
            column = column.astype(int)
        if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(
            column
        ):
            values = (column - column.iloc[0]).dt.total_seconds().to_numpy()
            names.append(f"{called} (s)")
        elif pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy(np.float64, na_value=np.nan)
            names.append(called)
        elif called.lower() in ("label", "subject", "session") and column.nunique() == 1:
            texts[called.lower()] = str(column.iloc[0])
            continue
        else:
            notes.append(f"Column '{called[:40]}' holds words and was left out of the signal.")
            continue
        if single is None:
            check_size(name, (len(values), len(schema.names)))
            single = Single(len(values), len(schema.names))
        single.put(0, len(names) - 1, values)
    if single is None:
        raise RecordingError(f"{name} has no column of numbers; save a column for each channel.")
    stored = single.values[:, : len(names)]
    told = () if all(n.isdecimal() for n in names) else tuple(names)
    return Raw(stored, told, texts=texts, notes=notes, exact=single.exact)
