"""Samples that are none: missing numbers, and the placeholder of the original project."""

import numpy as np

from emg_llm.signal.gaps import bridge
from emg_llm.signal.recording import RecordingError

SENTINEL = -1000.0


def count(n: int, kind: str = "") -> str:
    return f"{n} {kind}sample{'s' * (n != 1)}"


def mark_invalid(
    name: str, values: np.ndarray, rate: float, names: tuple[str, ...], notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """(valid bool (samples,), gaps) of sentinels and missing numbers, see `bridge`, which fills
    `values` there."""
    sentinel = _sentinels(values)
    if sentinel is None and np.isfinite(values).all():
        return np.ones(len(values), bool), None
    if np.isinf(values).any():
        raise RecordingError(
            f"{name} holds {np.isinf(values).sum()} infinite values; export it again, or leave "
            "those cells empty."
        )
    absent = np.isnan(values)
    if sentinel is not None:
        if (sentinel | absent).all() and not absent.all():
            raise RecordingError(
                f"{name} holds only the placeholder {SENTINEL:g}; record the trial again."
            )
        absent |= sentinel
    if absent.all():
        raise RecordingError(f"{name} has no numbers in any channel; export the recording again.")
    valid, gaps, silent = bridge(values, absent, rate)
    _tell(absent, sentinel, valid, silent, rate, names, notes)
    return valid, gaps


def _tell(absent, sentinel, valid, silent, rate, names, notes):
    """Note what is missing, in all channels and in single ones."""
    invalid = ~valid
    marked = invalid & sentinel.any(axis=1) if sentinel is not None else np.zeros_like(valid)
    for rows, what in (
        (marked, f"the placeholder {SENTINEL:g}"),
        (invalid & ~marked, "missing values"),
    ):
        if n := int(rows.sum()):
            notes.append(f"Marked as invalid: {count(n)} ({n / rate:.3g} s) with {what}.")
    for i in np.flatnonzero(silent | (absent & valid[:, None]).any(axis=0)):
        called = f"Channel {names[i] if names else i + 1}"
        if silent[i]:
            share = absent[:, i].mean()
            lacks = "has no numbers" if share == 1 else f"lacks {share:.0%} of its samples"
            notes.append(f"{called} {lacks}; it is taken for an electrode without signal.")
        else:
            n = int((absent[:, i] & valid).sum())
            notes.append(
                f"{called} lacks {count(n)} ({n / rate:.3g} s) that others have; these are ignored."
            )


def _sentinels(values):
    """bool (samples, channels), or None without any."""
    hit = values == SENTINEL
    if not hit.any():
        return None
    # Among small numbers a single -1000 can't be signal. Among raw integer counts it can, unless
    # all channels have it at once, or a lone channel for several samples.
    rest = np.abs(values[~hit & ~np.isnan(values)])
    if rest.size and rest.max() < 100:
        return hit
    rows = hit.all(axis=1)
    if values.shape[1] == 1:
        edges = np.flatnonzero(np.diff(rows.astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2):
            rows[start:stop] = stop - start >= 8
    return np.broadcast_to(rows[:, None], values.shape) if rows.any() else None
