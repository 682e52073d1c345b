"""Which of the columns that may be signals are EMG, by names, units and rates, then by values."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from emg_llm.signal.readers.names import INPUTS, OTHERS, is_emg, other_kind, stem, treatment
from emg_llm.signal.readers.unclear import SLOW, liveliness, unclear
from emg_llm.signal.readers.units import PHYSICAL, bare, column_rate, microvolts


def that_are_emg(
    name: str,
    values: np.ndarray,
    keep: list[int],
    names: tuple[str, ...],
    keys: Sequence[str],
    units: Sequence[str],
    notes: list[str],
) -> list[int]:
    """The columns that are EMG by name, unit or rate, or of which nobody says otherwise.

    name: of the file; keep: the indices of those that may be; names, keys, units: of all columns.
    Raises ChannelsUnclear.
    """
    before, sure = keep, _sure(keep, names, keys, units)
    keep = _without_other_sensors(keep, names, keys, sure, notes)
    if not keep and (envelopes := [i for i in before if is_emg(names[i])]):
        notes[:] = [note for note in notes if "Not EMG but an envelope" not in note]
        notes.append("By their names, the columns are envelopes of EMG, not EMG itself.")
        keep = envelopes
    if not keep:
        raise unclear(name, "by their names they are something else", values, names)
    if all(units[i] in PHYSICAL for i in keep):
        raise unclear(name, "none is a voltage", values, names)
    keep = _without_other_units(keep, names, units, notes)
    if names and not any(microvolts(units[i]) or is_emg(names[i]) for i in keep):
        if _differ(values, keep, keys):
            raise unclear(name, "some change slowly and are called otherwise", values, names)
        slow = all(liveliness(values[:, i]) < SLOW / 2 for i in keep)
        if slow and len(keep) < len(before):
            raise unclear(name, "what isn't another sensor by name changes slowly", values, names)
    keep = _alike(values, keep, [i for i in keep if i in sure], names, notes)
    return _of_one_rate(_treated_once(keep, names, keys, notes), names, notes)


def _sure(keep, names, keys, units):
    """The columns that are most likely channels: those called EMG, else those that are numbered
    alike ("CH1", "CH2"), else voltages; [] if there are none."""
    if not names:
        return []
    if emg := [i for i in keep if is_emg(names[i])]:
        return emg
    plain = [i for i in keep if not (INPUTS.search(keys[i]) or other_kind(keys[i]))] or keep
    count = Counter(stem(keys[i]) for i in plain)
    alike = [i for i in plain if count[stem(keys[i])] > 1]
    return alike or [i for i in keep if microvolts(units[i])]


def _without_other_sensors(keep, names, keys, sure, notes):
    """The columns that are called EMG, or all without those that are called something else."""
    if not names:
        return keep
    emg = [i for i in keep if is_emg(names[i])]
    other = {i: kind for i in keep if i not in emg and (kind := other_kind(keys[i]))}
    other |= {i: "an envelope" for i in emg if OTHERS["an envelope"].search(keys[i])}
    if sure:
        other |= {i: "other inputs" for i in keep if i not in sure and INPUTS.search(keys[i])}
    left = [i for i in keep if i not in other]
    for kind in dict.fromkeys(other.values()):
        called = [i for i, k in other.items() if k == kind]
        notes.append(f"Not EMG but {kind}, and left out: {_listed(called, names)}.")
    return left


def _without_other_units(keep, names, units, notes):
    """The columns without those of other quantities, if there are voltages or columns without a
    unit."""
    volts = [i for i in keep if microvolts(units[i])]
    if volts:
        other = [i for i in keep if units[i] and i not in volts]
    elif not all(units[i] for i in keep):
        other = [i for i in keep if units[i] in PHYSICAL and not is_emg(names[i])]
    else:
        other = []
    if other:
        left_out = ", ".join(names[i] for i in other[:5])
        notes.append(f"Columns that aren't voltages were left out: {left_out}.")
    return [i for i in keep if i not in other]


def _alike(values, keep, sure, names, notes):
    """The columns without those that neither name nor values liken to the `sure` ones: what never
    changes, or is whole where these aren't. Others are noted: a muscle may be called anything."""
    rest = [i for i in keep if i not in sure]
    if not sure or not rest:
        return keep
    counts = all(map(_is_whole, values[:, sure].T))
    lively = {i: liveliness(values[:, i]) for i in keep}
    odd = [i for i in rest if not lively[i] or (_is_whole(values[:, i]) and not counts)]
    if odd:
        notes.append(
            f"Unlike the channels in name and values, and left out: {_listed(odd, names)}."
        )
    slow = min(SLOW, np.median([lively[i] for i in sure]) / 5)
    doubtful = [i for i in rest if i not in odd and (is_emg(names[sure[0]]) or lively[i] < slow)]
    if doubtful:
        notes.append(
            f"Not called as the other channels, but kept: {_listed(doubtful, names)}; choose the "
            "channels if that isn't EMG."
        )
    return [i for i in keep if i not in odd]


def _is_whole(column):
    column = column[np.isfinite(column)]
    return bool((column == np.round(column)).all())


def _listed(columns, names):
    called = ", ".join(bare(names[i]) or f"column {i + 1}" for i in columns[:4])
    return f"{called} and {len(columns) - 4} more" if len(columns) > 4 else called


def _treated_once(keep, names, keys, notes):
    """The columns without those that are another form of a channel, such as RAW beside CAL."""
    best: dict[str, tuple[int, int]] = {}
    treated = set()
    for i in keep:
        channel, rank = treatment(keys[i])
        best[channel] = min(best.get(channel, (rank, i)), (rank, i))
        if channel != keys[i]:
            treated.add(channel)
    kept = [i for _, i in best.values()]
    other = [i for i in keep if i not in kept and treatment(keys[i])[0] in treated]
    if names and other:
        left_out = ", ".join(bare(names[i]) for i in other[:4])
        notes.append(f"Other forms of the same channels were left out: {left_out}.")
        return [i for i in keep if i not in other]
    return keep


def _of_one_rate(keep, names, notes):
    """The columns of the commonest rate that their names state, the highest of equally common."""
    rates = {i: rate for i in keep if names and (rate := column_rate(names[i]))}
    if len(set(rates.values())) < 2:
        return keep
    count = Counter(rates.values())
    chosen = max(count, key=lambda rate: (count[rate], rate))
    other = [i for i in keep if rates.get(i, chosen) != chosen]
    notes.append(
        f"Channels at other rates than {chosen:g} Hz were left out: "
        f"{', '.join(names[i] for i in other[:5])}."
    )
    return [i for i in keep if i not in other]


def _differ(values, keep, keys):
    """Whether some columns are slow and have other names than a row of lively ones."""
    lively = {i: liveliness(values[:, i]) for i in keep}
    slow = [i for i in keep if 0 < lively[i] < SLOW]
    fast = [i for i in keep if lively[i] > 5 * max([lively[i] for i in slow], default=1)]
    stems = {stem(keys[i]) for i in fast}
    other = {stem(keys[i]) for i in slow}
    return min(len(slow), len(fast)) > 1 and len(stems) == 1 and not other & stems
