"""Samples that are none: missing numbers, and the placeholder of the original project."""

import numpy as np

from emg_llm.signal.recording import RecordingError

SENTINEL = -1000.0
LACKING = 0.1  # of a channel's samples: less is marked as invalid for all channels


def count(n: int, kind: str = "") -> str:
    return f"{n} {kind}sample{'s' * (n != 1)}"


def mark_invalid(
    name: str, values: np.ndarray, rate: float, names: tuple[str, ...], notes: list[str]
) -> np.ndarray:
    """bool (samples,), False for sentinels and missing numbers; `values` are set to 0 there."""
    sentinel = _sentinel_rows(values)
    if not sentinel.any() and np.isfinite(values).all():
        return ~sentinel
    if np.isinf(values).any():
        raise RecordingError(
            f"{name} holds {np.isinf(values).sum()} infinite values; export it again, or leave "
            "those cells empty."
        )
    if sentinel.all():
        raise RecordingError(
            f"{name} holds only the placeholder {SENTINEL:g}; record the trial again."
        )
    empty = np.isnan(values[~sentinel]).all(axis=0)
    if empty.all():
        raise RecordingError(f"{name} has no numbers in any channel; export the recording again.")
    for i in np.flatnonzero(empty):
        values[:, i] = 0
        which = names[i] if names else i + 1
        notes.append(
            f"Channel {which} has no numbers; it is taken for an electrode without signal."
        )
    _silence_gaps(values, sentinel, names, notes)
    missing = np.isnan(values).any(axis=1) & ~sentinel
    for rows, what in ((sentinel, f"the placeholder {SENTINEL:g}"), (missing, "missing values")):
        if rows.any():
            n = int(rows.sum())
            notes.append(f"Marked as invalid: {count(n)} ({n / rate:.3g} s) with {what}.")
    invalid = sentinel | missing
    values[invalid] = 0
    return ~invalid


def _silence_gaps(values, sentinel, names, notes):
    """Make a channel silent where it alone lacks much: the others' samples there are valid."""
    absent = np.isnan(values) & ~sentinel[:, None]
    alone = absent & ~absent.all(axis=1, keepdims=True)
    for i in np.flatnonzero(alone.mean(axis=0) > LACKING):
        values[alone[:, i], i] = 0
        which = names[i] if names else i + 1
        share = alone[:, i].mean()
        notes.append(
            f"Channel {which} lacks {share:.0%} of its samples and is silent there; the other "
            "channels keep theirs."
        )


def _sentinel_rows(values):
    hit = values == SENTINEL
    if not hit.any():
        return np.zeros(len(values), bool)
    rest = np.abs(values[~hit & ~np.isnan(values)])
    # Among small numbers a single -1000 can't be signal. Among raw integer counts it can, unless
    # all channels have it at once, or a lone channel for several samples.
    if rest.size and rest.max() < 100:
        return hit.any(axis=1)
    rows = hit.all(axis=1)
    if values.shape[1] > 1:
        return rows
    edges = np.flatnonzero(np.diff(np.concatenate(([False], rows, [False])).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        rows[start:stop] = stop - start >= 8
    return rows
