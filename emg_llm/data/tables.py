"""CSV that is safe to open in a spreadsheet: text in it can't run as a formula; Parquet."""

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_bytes(table: "pd.DataFrame") -> bytes:
    """A pandas table as CSV; text that begins like a formula gets a leading apostrophe."""
    words = table.select_dtypes(exclude="number")
    table = table.assign(**words.map(_plain)) if len(words.columns) else table
    return table.rename(columns=_plain).to_csv(index=False).encode()


def parquet_bytes(table: "pd.DataFrame") -> bytes:
    """A pandas table as Parquet, with its columns' types."""
    stream = BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


def _plain(value):
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")  # pandas doesn't quote it, so the row would end there
    return f"'{text}" if value.startswith(FORMULA) else text
