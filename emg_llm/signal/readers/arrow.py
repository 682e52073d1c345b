"""Parquet and Feather tables: a column for each channel, or one of lists."""

from pathlib import Path

import numpy as np

from emg_llm.signal.readers.raw import Raw, bomb, check_size, unpacked_limit
from emg_llm.signal.recording import RecordingError


def read_parquet(path: Path) -> Raw:
    """The numeric columns of a Parquet table. Raises RecordingError."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    about = file.metadata
    check_size(path.name, (about.num_rows, about.num_columns))
    size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    if size > unpacked_limit(path.stat().st_size):
        raise bomb(path.name)
    return _columns(path.name, file.read().to_pandas())


def read_feather(path: Path) -> Raw:
    """The numeric columns of a Feather table. Raises RecordingError."""
    from pyarrow import feather

    return _columns(path.name, feather.read_table(path).to_pandas())


def _columns(name, frame):
    import pandas as pd

    columns, names, texts, notes = [], [], {}, []
    if frame.index.name or isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.reset_index()
    for called in frame.columns:
        column = frame[called]
        if pd.api.types.is_bool_dtype(column):
            column = column.astype(int)
        if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(
            column
        ):
            columns.append((column - column.iloc[0]).dt.total_seconds().to_numpy())
            names.append(f"{called} (s)")
        elif pd.api.types.is_numeric_dtype(column):
            columns.append(column.to_numpy(np.float64, na_value=np.nan))
            names.append(str(called))
        elif str(called).lower() in ("label", "subject", "session") and column.nunique() == 1:
            texts[str(called).lower()] = str(column.iloc[0])
        else:
            notes.append(f"Column '{str(called)[:40]}' holds words and was left out of the signal.")
    if not columns:
        raise RecordingError(f"{name} has no column of numbers; save a column for each channel.")
    check_size(name, (len(frame), len(columns)))
    names = () if all(n.isdecimal() for n in names) else tuple(names)
    return Raw(np.column_stack(columns), names, texts=texts, notes=notes)
