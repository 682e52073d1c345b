"""Questions where a file doesn't tell: its rate, or which columns are EMG and how they look."""

import numpy as np

from emg_llm.signal.readers.units import bare, column_unit
from emg_llm.signal.recording import RecordingError

SOME = 20_000  # samples suffice to see what a column looks like
SLOW = 0.1  # steps by spread: EMG changes from sample to sample, an angle or a temperature hardly
MOST_NAMED = 8


class ChannelsUnclear(RecordingError):
    """A recording whose EMG columns can't be told; `read_recording(..., channels=[...])` says so.

    why: a clause that says why not. columns: of each column its number from 1, its name, and what
    it looks like.
    """

    def __init__(self, message: str, why: str, columns: tuple[tuple[int, str, str], ...]) -> None:
        super().__init__(message)
        self.why, self.columns = why, columns


class RateUnknown(RecordingError):
    """A recording without a sampling rate; `read_recording(..., sampling_rate=...)` says it."""


def unclear(name: str, why: str, values: np.ndarray, names: tuple[str, ...]) -> ChannelsUnclear:
    """The question that lists the columns. why: a clause, such as "none is called EMG"."""
    headers = names or ("",) * values.shape[1]
    columns = tuple(
        (i + 1, bare(header) or f"column {i + 1}", looks(values[:, i], column_unit(header)))
        for i, header in enumerate(headers)
    )
    called = ", ".join(f"{i} {called[:20]}" for i, called, _ in columns[:MOST_NAMED])
    more = f" and {len(columns) - MOST_NAMED} more" if len(columns) > MOST_NAMED else ""
    return ChannelsUnclear(
        f"It isn't clear which columns of {name} are EMG: {why}. Choose them (in a script, "
        f"channels=[…], or a channels column in the manifest) from {called}{more}.",
        why,
        columns,
    )


def looks(column: np.ndarray, unit: str = "") -> str:
    """What a column's values look like, in some words: "lively, -81 to 79 mv"."""
    x = np.asarray(column[:SOME], np.float64)
    x = x[np.isfinite(x)]
    if not len(x):
        return "empty"
    low, high = x.min(), x.max()
    if low == high:
        return f"always {low:.3g}"
    steps = np.diff(x)
    if len(steps) and steps.min() >= 0:
        kind = "rises"
    elif len(np.unique(x)) <= 8:
        kind = f"{len(np.unique(x))} values"
    else:
        kind = "slow" if liveliness(x) < SLOW else "lively"
    return f"{kind}, {low:.3g} to {high:.3g} {unit}".strip()


def liveliness(x: np.ndarray) -> float:
    """The spread of the steps by that of the values: 1.4 for white noise, near 0 for slow ones."""
    x = np.asarray(x[:SOME], np.float64)
    x = x[np.isfinite(x)]
    spread = x.std() if len(x) else 0.0
    return float(np.diff(x).std() / spread) if spread > 0 else 0.0
