"""Raw -> Recording: signal columns, sampling rate, invalid samples and unit.

The recording's notes list every assumption and repair.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from emg_llm.signal.montage import SitesError, montage_sites, parse
from emg_llm.signal.readers.clock import rate_of
from emg_llm.signal.readers.columns import refuse_feature_table, signal_columns
from emg_llm.signal.readers.invalid import count, mark_invalid
from emg_llm.signal.readers.raw import (
    MAX_CHANNELS,
    MIN_SAMPLES,
    Raw,
    check_kind,
    check_size,
    is_turned,
)
from emg_llm.signal.readers.unclear import RateUnknown
from emg_llm.signal.readers.units import (
    UNITS,
    bare,
    column_rate,
    column_unit,
    microvolts,
    unit_key,
)
from emg_llm.signal.recording import Recording, RecordingError

MANY = 200_000  # samples, of which some suffice to guess a unit
MIN_SECONDS = 0.05
RATE_RANGE = 20, 1_000_000  # Hz
ORIGINAL_SHAPE, ORIGINAL_RATE = (45000, 8), 15000
VOLTS_BELOW = 1e-3  # surface EMG stays within some millivolts
LARGEST = 1e12  # microvolts, a million volts: raw counts that are said to be volts stay below
ARBITRARY = {"a.u.", "au", "a.u", "arbitrary", "arb. units"}
ACCEPTED_UNITS = "V, mV, uV (µV), nV or a.u."


def assemble(
    name: str,
    raw: Raw,
    sampling_rate: float | str | None,
    unit: str | None,
    montage: str | Sequence[str] | None = None,
    channels: str | Sequence[str | int] | None = None,
    **about: Any,
) -> Recording:
    """A Recording from a file's contents and the caller's arguments, which override them.

    sampling_rate: Hz. montage: see `montage_sites`. channels: see `read_recording`. about: label,
    subject, session, recording_id.
    Raises RecordingError.
    """
    notes = list(raw.notes)
    values, names = _as_table(name, raw, notes)
    units = [column_unit(n) for n in names]
    chosen = None
    if channels is not None and len(channels):
        chosen = _chosen(name, channels, names, values.shape[1], notes)
    keep, time, step = signal_columns(name, values, names, units, notes, chosen, raw.exact)
    if time is None:
        refuse_feature_table(name, values, names)
        if raw.time is not None and raw.time.shape == (len(values),):
            time = raw.time
    if not keep:
        raise RecordingError(f"{name} has no signal columns; export the channels.")
    _check_channels(name, len(keep))
    raw.values, raw.exact = np.empty(0), {}  # no second copy of a large recording
    values = _kept(values, keep)
    rates = {rate for i in keep if names and (rate := column_rate(names[i]))}
    names = tuple(bare(names[i]) for i in keep) if names else ()
    units = [units[i] for i in keep] if units else []
    values, rows = _present(values)
    time = time[rows] if time is not None else None
    original = values.shape == ORIGINAL_SHAPE
    stored = raw.rate or (rates.pop() if len(rates) == 1 else None)
    rate = _sampling_rate(name, sampling_rate, stored, time, step, original, notes)
    _check_length(name, len(values), rate, "")
    valid, gaps = mark_invalid(name, values, rate, names, notes)
    _check_length(name, int(valid.sum()), rate, "valid ")
    stated = raw.texts.get("unit")
    some = values[valid] if len(values) < MANY else values[:: len(values) // MANY]
    factor, unit = _given_unit(name, unit) or _stated_or_likely_unit(
        some, stated, units, original, notes
    )
    values *= np.float32(factor)
    largest = max(values.max(), -values.min())
    if not largest < LARGEST:
        raise RecordingError(
            f"{name} holds values as large as {largest:.0e}, which EMG never reaches; check "
            "the export and the unit."
        )
    signal, start = values, int(valid.argmax())
    if all((column[valid] == column[start]).all() for column in signal.T):
        raise RecordingError(
            f"{name} is constant in every channel; check that the electrodes were recorded."
        )
    names = _told_apart(names)
    if montage is not None and len(montage):
        names = _assigned(name, montage, names, signal.shape[1], notes)
    about = {k: raw.texts.get(k) if v is None else v for k, v in about.items()}
    return Recording(signal, rate, names, unit, valid, gaps=gaps, notes=tuple(notes), **about)


def _chosen(name, channels, names, n_columns, notes):
    """The columns that the caller wants, by name or by number from 1."""
    if isinstance(channels, str):
        channels = [c.strip() for c in channels.replace(";", ",").split(",") if c.strip()]
    called, keep = [bare(n).lower() for n in names], []
    for channel in channels:
        key = str(channel).strip()
        if bare(key).lower() in called:
            keep.append(called.index(bare(key).lower()))
        elif key.isdecimal() and 1 <= int(key) <= n_columns:
            keep.append(int(key) - 1)
        else:
            known = ", ".join(bare(n) or str(i + 1) for i, n in enumerate(names[:12]))
            raise RecordingError(
                f"{name} has no column '{key[:40]}'; it has {known or f'columns 1 to {n_columns}'}."
            )
    if len(set(keep)) < len(keep):
        raise RecordingError(f"A column of {name} was chosen twice; name each channel once.")
    notes.append("The channels are those that were asked for.")
    return keep


def _kept(values, keep):
    """Some columns in single precision, to be changed in place.

    Each is converted by itself: float64 of all would be large.
    """
    flags = values.flags
    if keep == [*range(values.shape[1])] and values.dtype == np.float32 and flags.c_contiguous:
        return values if flags.writeable else values.copy()
    signal = np.empty((len(values), len(keep)), np.float32)
    for place, i in enumerate(keep):
        signal[:, place] = values[:, i]
    return signal


def _present(values):
    """(the values without rows at the end that are all empty, their slice): sensors end at
    different times in one table."""
    last = len(values)
    while last and not np.isfinite(values[last - 1]).any():
        last -= 1
    rows = slice(0, last or len(values))
    return values[rows], rows


def _told_apart(names):
    """The names, numbered where they are equal; () without any."""
    if not any(names):
        return ()
    seen: dict[str, int] = {}
    out = []
    for i, name in enumerate(names):
        name = name or f"channel {i + 1}"
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(out)


def _assigned(name, montage, names, n_channels, notes):
    try:
        sites = montage_sites(montage, n_channels)
    except SitesError as error:
        raise SitesError(f"{name}: {error}") from None
    if names and any(map(_another_site, names, sites)):
        notes.append(f"The file calls the channels {', '.join(names)}; the given sites were used.")
    return sites


def _another_site(name, site):
    return parse(name).is_site and parse(name).place != parse(site).place


def _as_table(name, raw, notes):
    """(values (samples, columns), names), transposed if the channels were rows."""
    values, names = np.asarray(raw.values), tuple(raw.names)
    check_kind(name, values.dtype)
    check_size(name, values.shape)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise RecordingError(
            f"{name} holds an array with {values.ndim} dimensions; save each trial as its own "
            "file of samples by channels."
        )
    if not values.size:
        raise RecordingError(f"{name} holds no samples; export the recording again.")
    rows, columns = values.shape
    if is_turned(values.shape):
        notes.append(f"Channels were stored as rows, {rows} by {columns}; they were transposed.")
        values = values.T
        names = names if len(names) == rows else ()
    _check_channels(name, values.shape[1] - 16)  # some columns may not be channels
    return values, names if len(names) in (0, values.shape[1]) else ()


def _check_channels(name, channels):
    if channels > MAX_CHANNELS:
        raise RecordingError(
            f"{name} has more than {MAX_CHANNELS} channels; keep only EMG channels, one per column."
        )


def _sampling_rate(name, given, stored, time, step, original, notes):
    if given is not None and given != "":
        try:
            rate = float(given)
        except (TypeError, ValueError, OverflowError):
            rate = math.nan
    else:
        rate = stored
    if time is not None:
        clock = rate_of(time, step, notes)
        if rate is None and clock is not None:
            rate = clock
            notes.append(f"The sampling rate, {rate:g} Hz, comes from the time column.")
        elif clock is not None and abs(clock - rate) > 0.01 * rate:
            notes.append(f"The time column implies {clock:g} Hz; the stated {rate:g} Hz was used.")
    if rate is None and original:
        rate = ORIGINAL_RATE
        notes.append("The file doesn't state its sampling rate; 15 kHz was assumed from its shape.")
    if rate is None:
        coarse = "" if time is None else ", and its times are too coarse to tell it"
        raise RateUnknown(
            f"{name} doesn't state its sampling rate{coarse}; enter it in Hz (in a script, "
            "sampling_rate=…, or a sampling_rate column in the manifest)."
        )
    if not RATE_RANGE[0] <= rate <= RATE_RANGE[1]:  # True for NaN, too
        what = f"can't be {rate:g} Hz" if math.isfinite(rate) else "must be a number"
        raise RecordingError(
            f"The sampling rate of {name} {what}; enter it in hertz, from {RATE_RANGE[0]} to "
            f"{RATE_RANGE[1]} (15 kHz is 15000)."
        )
    return rate


def _check_length(name, samples, rate, kind):
    if samples < MIN_SAMPLES or samples / rate < MIN_SECONDS:
        raise RecordingError(
            f"{name} has only {count(samples, kind)} ({samples / rate:.3g} s); a recording needs "
            f"at least {MIN_SAMPLES} samples and {MIN_SECONDS} s, so upload the whole trial."
        )


def _given_unit(name, unit):
    """(factor, resulting unit) for the caller's unit, or None without one."""
    if unit is None or not str(unit).strip():
        return None
    conversion = _conversion(unit)
    if conversion is None:
        raise RecordingError(
            f"The unit '{str(unit)[:20]}' for {name} isn't supported; use {ACCEPTED_UNITS}."
        )
    return conversion


def _conversion(unit):
    key = unit_key(unit)
    if factor := microvolts(key):
        return factor, "uV"
    return (1.0, "a.u.") if key in ARBITRARY else None


def _stated_or_likely_unit(values, stated, units, original, notes):
    """(factor, or one per channel; resulting unit). values: the valid samples."""
    if any(map(microvolts, units)) and all(microvolts(u) or not u for u in units):
        common = max(filter(microvolts, units), key=units.count)
        if not all(units):
            notes.append(f"Channels without a unit were taken to be in {common}, as the others.")
        for scaled in sorted({*units} - {*UNITS, ""}):
            notes.append(
                f"The unit '{scaled[:20]}' was taken for {microvolts(scaled):g} microvolts."
            )
        return np.array([microvolts(u or common) for u in units]), "uV"
    if stated:
        conversion = _conversion(stated)
        if conversion is None:
            notes.append(f"The file's unit '{stated[:20]}' isn't a voltage; values are as stored.")
        return conversion or (1.0, "a.u.")
    some = values[:: max(1, len(values) // 2000)]
    spread = np.median(np.abs(some - np.median(some, axis=0))) or np.std(values)
    if 0 < spread < VOLTS_BELOW:
        why = "as in the original project" if original else "its values are that small"
        notes.append(f"The file doesn't state a unit; volts were assumed ({why}).")
        return UNITS["v"], "uV"
    notes.append("The file doesn't state a unit; amplitudes are as stored, in arbitrary units.")
    return 1.0, "a.u."
