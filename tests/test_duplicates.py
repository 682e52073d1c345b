"""The same signal is found twice, however it is disguised, and what shares it is refused."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from emg_llm.audit import duplicates
from emg_llm.audit.duplicates import across, describe, find_duplicates, require_disjoint
from emg_llm.data.datasets import DatasetError
from emg_llm.data.splits import Split
from tests.making import of, rows

RATE = 2000


def noisy(x, share, rng):
    return x + share * x.std(axis=0) * rng.standard_normal(x.shape)


def spliced(x, other):
    x = x.copy()
    x[RATE // 2 : 3 * RATE // 2] = other[RATE : 2 * RATE]
    return x


# What is planted, from which recording, and how the audit must name it.
DISGUISES = {
    "exact": ("identical", 3.0, lambda r, rng: r.signal),
    "gain, offset and noise": ("copy", 3.0, lambda r, rng: noisy(3.7 * r.signal + 5, 0.1, rng)),
    "gain of each channel": ("copy", 3.0, lambda r, rng: r.signal * rng.uniform(0.3, 3, 8)),
    "turned over": ("copy", 3.0, lambda r, rng: -r.signal),
    "rounded": ("copy", 3.0, lambda r, rng: r.signal.round()),
    "a short shift": ("copy", 2.9, lambda r, rng: np.roll(r.signal, 201, axis=0)),
    "a long shift": ("stretch", 2.3, lambda r, rng: np.roll(r.signal, -1401, axis=0)),
    "a cut": ("cut", 1.0, lambda r, rng: r.signal[2027:4027]),
}


@pytest.fixture(scope="module")
def planted(independent):
    """(dataset, its duplicates): the disguises, by another person; the rest is independent."""
    rng = np.random.default_rng(0)
    more = [
        source.replace(signal=disguise(source, rng), valid=None, subject="thief", recording_id=name)
        for source, (name, (_, _, disguise)) in zip(
            independent[5:], DISGUISES.items(), strict=False
        )
    ]
    more.append(
        independent[0].replace(
            signal=resample_poly(independent[0].signal, 1, 2), valid=None, sampling_rate=RATE / 2,
            subject="thief", recording_id="another rate",
        )
    )  # fmt: skip
    dataset = of([*independent, *more])
    return dataset, find_duplicates(dataset, progress=False)


@pytest.mark.parametrize("name", [*DISGUISES, "another rate"])
def test_a_disguised_copy_is_found_and_named_with_its_source(independent, planted, name):
    dataset, found = planted
    [duplicate] = [d for d in found if dataset.ids[d.second] == name]
    kind, seconds, _ = DISGUISES.get(name, ("copy", 3.0, None))
    source = 0 if name == "another rate" else 5 + list(DISGUISES).index(name)
    assert (duplicate.first, duplicate.kind) == (source, kind)
    assert duplicate.seconds == pytest.approx(seconds, abs=0.15)
    assert duplicate.similarity > 0.9
    assert across(dataset, duplicate) == "people"
    assert name in describe(dataset, duplicate) and dataset.ids[source] in describe(
        dataset, duplicate
    )


def test_only_what_was_planted_is_found(planted):
    dataset, found = planted
    assert [dataset.ids[d.second] for d in found if dataset.subjects[d.second] != "thief"] == []
    assert len(found) == len(DISGUISES) + 1


def test_where_a_cut_lies_is_told(planted):
    _, found = planted
    [cut] = [d for d in found if d.kind == "cut"]
    assert cut.shift == pytest.approx(2027 / RATE, abs=0.005)


def test_a_recording_spliced_from_two_is_paired_with_both(independent):
    x = spliced(independent[1].signal, independent[2].signal)
    found = find_duplicates(
        of([*independent, independent[1].replace(signal=x, recording_id="spliced")]), False
    )
    assert [(d.first, d.second, d.kind) for d in found] == [(1, 24, "stretch"), (2, 24, "stretch")]
    assert [d.seconds for d in found] == pytest.approx([1.5, 1.0], abs=0.15)


def heartbeats(t, rng):
    beats = np.arange(rng.uniform(0, 0.8), 3, 0.8)
    return 300 * sum(np.exp(-(((t - b) / 0.012) ** 2)) for b in beats)


INTERFERENCE = {
    "hum": lambda t, rng: 1000 * np.sin(2 * np.pi * 50.1 * t + rng.uniform(0, 6)),
    "heartbeats": heartbeats,
    "a click": lambda t, rng: 20000 * (np.abs(t - rng.uniform(0.3, 2.7)) < 0.002),
}


@pytest.mark.parametrize("name", INTERFERENCE)
def test_interference_that_recordings_have_in_common_is_no_copy(independent, name):
    rng, t = np.random.default_rng(0), np.arange(3 * RATE) / RATE
    disturbed = [
        r.replace(signal=r.signal + INTERFERENCE[name](t, rng)[:, None]) for r in independent
    ]
    assert find_duplicates(of(disturbed), progress=False) == []


def test_long_recordings_are_compared_block_by_block(independent, monkeypatch):
    # Blocks of 0.8 s: the copy lies across several, and begins in the middle of one.
    monkeypatch.setattr(duplicates, "BLOCK", 400)
    part = independent[3].replace(
        signal=independent[3].signal[1111:], valid=None, recording_id="part"
    )
    [found] = find_duplicates(of([*independent, part]), False)
    assert (found.first, found.kind) == (3, "cut")
    assert found.shift == pytest.approx(1111 / RATE, abs=0.005)


def test_recordings_with_other_channels_and_invalid_samples_are_no_obstacle(independent):
    valid = np.arange(3 * RATE) >= 300
    gap = independent[0].replace(
        signal=independent[0].signal * valid[:, None], valid=valid, recording_id="gap"
    )
    few = independent[1].replace(
        signal=independent[1].signal[:, :2], channel_names=(), recording_id="few"
    )
    [found] = find_duplicates(of([*independent, gap, few]), False)
    assert (found.first, found.second) == (0, 24)


def test_identical_rows_of_a_table_are_found_across_people_and_within():
    x = np.random.default_rng(0).random((6, 3))
    x[3], x[5] = x[0], x[4]
    data = rows(x, "abcabc", ["P1", "P1", "P1", "P2", "P2", "P2"])
    found = find_duplicates(data)
    assert [(d.first, d.second, across(data, d)) for d in found] == [(0, 3, "people"), (4, 5, None)]


# --- refusal ---------------------------------------------------------------------------------


def test_a_copy_under_another_name_is_refused_by_name(independent):
    copy = independent[0].replace(subject="thief", recording_id="loot")
    with pytest.raises(DatasetError, match=r"sim0-P001_anger_1 \(sim0-P001\) and loot \(thief\)"):
        require_disjoint(of([*independent, copy]))


def test_a_copy_within_a_person_is_refused_only_where_the_split_tears_it_apart(independent):
    sessions = ("monday",) * len(independent) + ("tuesday",)
    data = of([*independent, independent[0].replace(recording_id="again")], sessions=sessions)
    every, is_first = np.arange(len(data)), np.array(data.subjects) == "sim0-P001"
    people = Split.of(data, "people", "subject", 0, (every[is_first], [], every[~is_first]))
    days = Split.of(data, "days", "session", 0, (every[:-1], [], every[-1:]))
    require_disjoint(data)
    require_disjoint(data, people)
    with pytest.raises(DatasetError, match=r"split days: .* and again .* are identical"):
        require_disjoint(data, days)


def test_a_copy_of_unknown_people_or_across_given_parts_is_refused(independent):
    unknown = [r.replace(subject=None) for r in independent]
    with pytest.raises(DatasetError, match="again are identical"):
        require_disjoint(of([*unknown, unknown[0].replace(recording_id="again")]))
    parts = ("train",) * 24 + ("test",)
    with pytest.raises(DatasetError, match="sim0-P001"):  # the person alone is reason enough
        require_disjoint(
            of([*independent, independent[0].replace(recording_id="again")], splits=parts)
        )


def test_what_shares_nothing_passes(independent):
    require_disjoint(of(independent))
