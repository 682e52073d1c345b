"""Find duplicated signals: copies, disguised copies and shared stretches among recordings.

A copy in both training and test is a leak under any split. A hash finds identical recordings.
The waveform finds the others: EMG is so close to noise that two independent trials, even of the
same person and expression, correlate only by chance at any shift, while a copy correlates
regardless of its gain, offset, rate and start.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter1d
from tqdm.auto import tqdm

from emg_llm.audit.columns import decibel, measured_columns
from emg_llm.data.contents import content_hashes
from emg_llm.data.datasets import PARTS, DatasetError
from emg_llm.data.splits import given_split
from emg_llm.signal.preprocessing import resample
from emg_llm.signal.spectrum import MAINS

RATE = 500  # Hz, of the compared signals
BAND = (20.0, 220.0)  # Hz
CLIP = 10  # times the median magnitude of a channel
HUM = 1.5  # Hz, removed on both sides of mains and its harmonics
BLOCK = 8192  # samples; longer recordings are compared block by block
CHANNELS = 8  # at most; of more, this many evenly spaced ones are compared
MEMORY = 2**29  # bytes of spectra; above it, fewer channels are compared
PEAK = 8.0  # a correlation's peak over its RMS, from which a pair is compared closely
SIMILAR = 0.6  # correlation within WINDOW, from which two signals count as the same
WINDOW = 0.25  # s
SHORTEST = 0.5  # s, of a shared stretch; or half the recording, if shorter
NEIGHBOURS = 6  # of a row, among which a copy stands out
ANY = 20
CHANCE = 0.01  # of calling any rows of a table copies that are none
NEAR = 0.2  # of the distance to the last neighbour, at most
WHOLE = 0.9  # share of a recording, and correlation, that count as all of it


@dataclass(frozen=True)
class Duplicate:
    """Two recordings, or two rows of a feature table, that hold the same signal.

    kind: "identical", "copy" (all of both, except for gain, offset, noise or a small shift; of
    rows, except for a little jitter), "cut" (all of the shorter one is in the other) or "stretch"
    (a part of both).
    """

    first: int  # index in the dataset
    second: int
    kind: str
    similarity: float = 1.0  # correlation over the shared part
    seconds: float | None = None  # length of the shared part; None for rows of a table
    shift: float | None = None  # where the second starts in the first, s; None for rows of a table


def find_duplicates(dataset, progress=True):
    """Every Duplicate in a dataset, in the order of its recordings.

    Among identical recordings, the first is paired with each of the others. Rows of a feature
    table are copies if they are identical, or much closer than rows ever come by chance.
    """
    if dataset.recordings is None:
        same = [(g[0], i) for g in _alike(content_hashes(dataset)) for i in g[1:]]
        near = [pair for pair in _near_rows(dataset) if pair not in same]
        kinds = [(pair, "identical") for pair in same] + [(pair, "copy") for pair in near]
        return [Duplicate(*pair, kind) for pair, kind in sorted(kinds)]
    duplicates, distinct = [], []
    for first, *others in _alike(content_hashes(dataset)):
        distinct.append(first)
        duration = dataset.recordings[first].duration
        duplicates += [Duplicate(first, i, "identical", 1.0, duration, 0.0) for i in others]
    by_channels = {}
    for i in distinct:
        by_channels.setdefault(dataset.recordings[i].n_channels, []).append(i)
    for places in by_channels.values():
        bar = tqdm(places, desc="signals", unit="rec", disable=not progress)
        signals = [comparable(dataset.recordings[i]) for i in bar]
        for a, b, lag in _candidates(signals, progress):
            duplicate = _compare(signals[a], signals[b], lag, places[a], places[b])
            if duplicate:
                duplicates.append(duplicate)
    return sorted(duplicates, key=lambda d: (d.first, d.second))


def across(dataset, duplicate):
    """What a Duplicate crosses: "parts" of the data's own split, "people", "recordings" of unknown
    people, or None if both belong to one person."""
    a, b = duplicate.first, duplicate.second
    if dataset.splits is not None and dataset.splits[a] != dataset.splits[b]:
        return "parts"
    if None in (dataset.subjects[a], dataset.subjects[b]):
        return "recordings"
    return "people" if dataset.subjects[a] != dataset.subjects[b] else None


def describe(dataset, duplicate):
    """One sentence for the user: which two, whose, and what they share."""
    first, second = (_named(dataset, i) for i in (duplicate.first, duplicate.second))
    if duplicate.kind == "identical":
        return f"{first} and {second} are identical."
    if duplicate.seconds is None:
        return f"{first} and {second} are copies of one row, apart from a little jitter."
    shared = f"{duplicate.seconds:.2f} s, correlation {duplicate.similarity:.2f}"
    if duplicate.kind == "copy":
        return f"{first} and {second} are copies of one signal ({shared})."
    if duplicate.kind == "stretch":
        return f"{first} and {second} share a stretch ({shared})."
    a, b = (dataset.recordings[i].duration for i in (duplicate.first, duplicate.second))
    cut, source = (second, first) if b < a else (first, second)
    return f"{cut} is a part of {source} ({shared})."


def require_disjoint(dataset, split=None, duplicates=None):
    """Raise DatasetError if people or a signal are on both sides of a split; it names them.

    split: a Split, which separates people by itself. Without one, the data's own parts must share
    no people, and no signal may occur in two parts, for two people, or for unknown people.
    duplicates: from `find_duplicates`, which runs if this is None.
    """
    if split is None and dataset.splits is not None:
        given_split(dataset)
    if duplicates is None:
        duplicates = find_duplicates(dataset)
    if split is None:
        leaks = [d for d in duplicates if across(dataset, d)]
        where = "where a split can separate the two"
    else:
        part = {int(i): p for p in PARTS for i in getattr(split, p)}
        both = [(d, part.get(d.first), part.get(d.second)) for d in duplicates]
        leaks = [d for d, a, b in both if a and b and a != b]
        where = f"in more than one part of the split {split.name}"
    if leaks:
        more = f" (and {len(leaks) - 1} more pairs)" if len(leaks) > 1 else ""
        raise DatasetError(
            f"{dataset.name} holds the same data twice, {where}: "
            f"{describe(dataset, leaks[0]).rstrip('.')}{more}; remove one of each pair before "
            "measuring."
        )


def as_rows(dataset, duplicates):
    """Duplicates as dicts for results.json, recordings by their ids."""
    return [
        asdict(d)
        | {
            "first": dataset.ids[d.first],
            "second": dataset.ids[d.second],
            "across": across(dataset, d),
            "sentence": describe(dataset, d),
        }
        for d in duplicates
    ]


def _named(dataset, i):
    about = dataset.subjects[i], dataset.splits[i] if dataset.splits else None
    about = ", ".join(filter(None, about))
    return dataset.ids[i] + (f" ({about})" if about else "")


def comparable(recording):
    """float32 (samples at RATE, channels): the frequency band of the muscles' own waveform.

    Without mains and its harmonics, because hum correlates with hum, and without everything below
    BAND, because movement artefacts and heartbeats are alike. Each channel has unit power.
    """
    x = recording.signal - np.median(recording.signal[recording.valid], axis=0)
    level = np.median(np.abs(x[recording.valid]), axis=0)
    limit = np.where(level > 0, CLIP * level, np.inf)  # a click would ring through the filter
    x = np.where(recording.valid[:, None], np.clip(x, -limit, limit), 0)
    channels = np.linspace(0, x.shape[1] - 1, min(x.shape[1], CHANNELS)).round().astype(int)
    x = recording.replace(signal=x[:, channels], gaps=None, channel_names=())
    x = resample(x, RATE).signal
    spectrum, f = fft.rfft(x, axis=0), fft.rfftfreq(len(x), 1 / RATE)
    high = min(BAND[1], 0.4 * recording.sampling_rate)
    kept = (f >= BAND[0]) & (f <= high)
    for mains in MAINS:
        kept &= np.abs(f - mains * np.rint(f / mains)) > HUM
    x = fft.irfft(spectrum * kept[:, None], len(x), axis=0)
    return x / np.maximum(x.std(axis=0), 1e-12)


def _alike(keys):
    """Lists of indices that share a key, in the order of their first ones."""
    groups = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def _near_rows(dataset):
    """Pairs of rows of two people that are far closer than their neighbours are.

    In m dimensions, the nearest of k neighbours is closer than e times the furthest of them by
    chance in k e^m of the rows. m is estimated as in Levina & Bickel, NeurIPS 2004.
    """
    from sklearn.neighbors import NearestNeighbors

    x, groups, k = decibel(dataset.table[:, measured_columns(dataset)]), dataset.groups, NEIGHBOURS
    x = x[:, x.std(axis=0) > 0]
    distance, nearest = np.full((len(x), k), np.nan), np.zeros(len(x), int)
    if not any(dataset.subjects):
        groups = np.arange(len(x)) % ANY  # unknown people: a few shares of the rows will do
    for group in np.unique(groups) if x.shape[1] else ():
        mine, others = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        others = others[np.unique(x[others], axis=0, return_index=True)[1]]
        if len(others) > k:
            found = NearestNeighbors(n_neighbors=k).fit(x[others] / x.std(axis=0))
            distance[mine], at = found.kneighbors(x[mine] / x.std(axis=0))
            nearest[mine] = others[at[:, 0]]
    first, last = distance[:, 0], distance[:, -1]
    rows = np.flatnonzero(last > 0)
    if not len(rows):
        return []
    # The nearest may be a copy: the others' mean of log(last / each) is `expected` / m.
    expected = sum(1 - 1 / j for j in range(2, k)) / (k - 2)
    m = expected / np.log(last[rows, None] / distance[rows, 1:-1]).mean()
    close = min(NEAR, (CHANCE / (len(rows) * k)) ** (1 / m))
    rows = rows[first[rows] < close * last[rows]]
    return sorted({tuple(sorted((int(i), int(nearest[i])))) for i in rows})


def _candidates(signals, progress):
    """(a, b, lag) of pairs whose correlation stands out at some lag: a[t + lag] is like b[t].

    Correlates signs only, so that a burst or an artefact counts by its length, not its size.
    """
    blocks = [(i, s) for i, x in enumerate(signals) for s in range(0, len(x), BLOCK)]
    sizes = np.array([min(BLOCK, len(signals[i]) - s) for i, s in blocks])
    length = fft.next_fast_len(2 * int(sizes.max()), real=True)
    n_channels = signals[0].shape[1]
    affordable = MEMORY // (len(blocks) * (length // 2 + 1) * 8)
    channels = np.linspace(0, n_channels - 1, int(np.clip(affordable, 1, n_channels)))
    spectra = np.stack(
        [
            fft.rfft(np.sign(signals[i][s : s + BLOCK, channels.round().astype(int)]).T, length)
            for i, s in blocks
        ]
    )  # complex64 (blocks, channels, frequencies)
    best = {}
    for k in tqdm(range(len(blocks) - 1), desc="duplicates", unit="rec", disable=not progress):
        cross = np.einsum("cf,bcf->bf", spectra[k].conj(), spectra[k + 1 :])
        correlation = fft.irfft(cross, length)  # [lag]: block k at t, another at t + lag
        at = np.abs(correlation).argmax(axis=1)
        peak = np.abs(correlation[np.arange(len(at)), at])
        overlap = sizes[k] + sizes[k + 1 :]
        rms = np.sqrt(np.square(correlation).sum(axis=1) / overlap) + 1e-12
        for j in np.flatnonzero(peak > PEAK * rms):
            (a, start_a), (b, start_b) = blocks[k], blocks[k + 1 + j]
            lag = int(at[j]) - length * (at[j] > length // 2)
            score = peak[j] / rms[j]
            if a != b and score > best.get((a, b), (0,))[0]:
                best[a, b] = score, start_a - start_b - lag
    return [(a, b, lag) for (a, b), (_, lag) in sorted(best.items())]


def _compare(a, b, lag, first, second):
    """The Duplicate of a and b at this lag, or None."""
    start, stop = max(0, -lag), min(len(b), len(a) - lag)  # in b
    a_part = a[start + lag : stop + lag]
    b_part = _aligned(a_part, b[start:stop])
    products = np.stack([a_part * b_part, a_part**2, b_part**2]).sum(axis=2)  # (3, samples)

    def similarity(sums):
        return np.abs(sums[0]) / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12))

    run = start, stop
    r = similarity(products.sum(axis=1))
    if r < WHOLE:
        window = int(WINDOW * RATE)
        same = similarity(uniform_filter1d(products, window, axis=1, mode="constant")) > SIMILAR
        edges = np.flatnonzero(np.diff(np.concatenate([[0], same, [0]])))
        if not len(edges):
            return None
        longest = np.diff(edges)[::2].argmax()
        run = edges[2 * longest], edges[2 * longest + 1]
        r = similarity(products[:, slice(*run)].sum(axis=1))
    shared = run[1] - run[0]
    if shared < min(SHORTEST * RATE, 0.5 * min(len(a), len(b))):
        return None
    whole = [shared >= WHOLE * len(x) for x in (a, b)]
    kind = "copy" if all(whole) else "cut" if any(whole) else "stretch"
    return Duplicate(first, second, kind, float(r), float(shared / RATE), float(lag / RATE))


def _aligned(a, b):
    """b, aligned to a by a fraction of a sample: they may come from different rates."""
    spectra = [fft.rfft(x, axis=0) for x in (a, b)]
    cross = (spectra[0] * spectra[1].conj()).sum(axis=1)
    shifts = np.linspace(-1, 1, 33)[:, None]  # samples
    turn = np.exp(2j * np.pi * fft.rfftfreq(len(a)) * shifts)
    best = np.abs((turn * cross).sum(axis=1).real).argmax()
    return fft.irfft(spectra[1] * turn[best].conj()[:, None], len(b), axis=0)
