"""Saved files that can't be read end in one sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emg_llm.hub.client import HubError

LONGEST = 150  # characters of a reason


@contextmanager
def readable(
    source: str | Path, what: str, script: str, error: type[ValueError] = HubError
) -> Iterator[None]:
    """Context manager that turns whatever a missing or damaged file raises into an `error`.

    what: such as "encoder". script: what writes one. This package's own errors pass unchanged.
    """
    try:
        yield
    except Exception as cause:  # a damaged or foreign file can raise anything
        if type(cause).__module__.partition(".")[0] == "emg_llm":
            raise
        reason = " ".join(str(cause).split())[:LONGEST].rstrip(".") or type(cause).__name__
        raise error(
            f"{source} holds no {what}, or not all of one ({reason}); give a folder written by "
            f"{script}, or write it again."
        ) from cause


def read_json(path: str | Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises HubError if it is missing or damaged."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise HubError(f"{path} is missing or damaged; write the folder again.")
    return value
