"""Protocols: folds that share nobody, sessions that are left out, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from emg_llm.data.datasets import Dataset, DatasetError
from emg_llm.data.splits import (
    PROTOCOLS,
    grouped_k_fold,
    held_out_sessions,
    held_out_split,
    leave_one_subject_out,
    protocol_splits,
)


def visits(people=5, sessions=3, labels=("anger", "fear"), **more):
    """A feature table in which every person shows every label in every session."""
    known = [(p, s, e) for p in range(people) for s in range(sessions) for e in labels]
    n = len(known)
    return Dataset(
        "made here",
        tuple(f"row {i}" for i in range(n)),
        tuple(e for *_, e in known),
        tuple(f"P{p}" for p, *_ in known),
        table=np.arange(n, dtype=float)[:, None],
        columns=("x",),
        **{"sessions": tuple(f"day {s}" for _, s, _ in known)} | more,
    )


def people_of(dataset, *parts):
    return [set(np.array(dataset.subjects)[p]) for p in parts]


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("folds", [2, 4])
def test_folds_over_people_test_each_person_once_and_never_train_on_them(folds, validation):
    dataset = visits(7)
    splits = list(grouped_k_fold(dataset, 3, folds, validation))
    assert len(splits) == folds and len({s.hash for s in splits}) == folds
    assert sorted(np.concatenate([s.test for s in splits])) == list(range(len(dataset)))
    for split in splits:
        train, inner, test = people_of(dataset, split.train, split.validation, split.test)
        assert not (train & test or inner & test or train & inner)
        assert train | inner | test == set(dataset.subjects)
        assert len(test) in (7 // folds, 7 // folds + 1)
        assert bool(inner) is validation and split.grouping == "subject"


def test_folds_depend_on_their_seed_and_the_people_alone():
    dataset = visits(8)
    first, again, other = ([s.hash for s in grouped_k_fold(dataset, k)] for k in (1, 1, 2))
    assert first == again != other
    mixed = dataset.take(np.random.default_rng(0).permutation(len(dataset)))
    assert [s.hash for s in grouped_k_fold(mixed, 1)] == first


def test_validation_people_are_a_fifth_of_the_training_people_and_not_always_the_same():
    dataset = visits(11)
    splits = list(leave_one_subject_out(dataset, 0, validation=True))
    inner = [people_of(dataset, s.validation)[0] for s in splits]
    assert {len(chosen) for chosen in inner} == {2}
    assert len(set.union(*inner)) > 4
    for split in splits:
        train, inner, test = people_of(dataset, split.train, split.validation, split.test)
        assert not (train & inner or inner & test) and len(train) == 8 and len(test) == 1


def test_every_session_is_left_out_once_for_all_people_together():
    dataset = visits(4)
    splits = list(held_out_sessions(dataset))
    sessions = np.array(dataset.sessions)
    assert [set(sessions[s.test]) for s in splits] == [{"day 0"}, {"day 1"}, {"day 2"}]
    for split in splits:
        assert not set(sessions[split.train]) & set(sessions[split.test])
        assert people_of(dataset, split.train) == people_of(dataset, split.test)
        assert split.grouping == "session" and split.protocol()["grouping"] == "session"
        assert not len(split.validation)
    kept = list(held_out_sessions(dataset, validation=True))
    assert [set(sessions[s.validation]) for s in kept] == [{"day 2"}, {"day 0"}, {"day 1"}]
    assert [set(sessions[s.train]) for s in kept] == [{"day 1"}, {"day 2"}, {"day 0"}]


def test_sessions_are_a_persons_own_and_who_has_fewer_only_trains_in_the_last_fold():
    dataset = visits(2)
    fewer = dataset.take([i for i in range(len(dataset)) if i < 6 or i >= 8])  # P1 lacks day 0
    splits = list(held_out_sessions(fewer))
    assert [sorted(people_of(fewer, s.test)[0]) for s in splits] == [["P0", "P1"]] * 2 + [["P0"]]
    assert sorted(np.concatenate([s.test for s in splits])) == list(range(len(fewer)))
    assert "P1" in people_of(fewer, splits[2].train)[0]


@pytest.mark.parametrize(
    ("change", "who"),
    [
        ({"sessions": None}, "P0, P1, P2 and 2 more"),
        ({"sessions": ("day 0",) * 6 + ("day 0", "day 1") * 12}, "P0 of"),
        ({"sessions": (None,) + ("day 0", "day 1") * 14 + ("day 0",)}, "P0 of"),
    ],
)
def test_leaving_sessions_out_needs_two_of_each_person(change, who):
    with pytest.raises(DatasetError, match=rf"{who}.*'session' column"):
        list(held_out_sessions(replace(visits(), **change)))


def test_a_split_column_that_tears_people_apart_is_refused_by_their_names():
    own = tuple(np.resize(["train", "train", "test"], 30))
    with pytest.raises(DatasetError, match=r"'split' column .* P0, P1, P2 and 2 more in more than"):
        held_out_split(visits(splits=own))
    whole = visits(splits=("train",) * 18 + ("validation",) * 6 + ("test",) * 6)
    assert held_out_split(whole).grouping == "given"


def test_a_session_cannot_be_on_both_sides():
    dataset = visits(2)
    split = next(held_out_sessions(dataset))
    torn = np.append(split.train, split.test[0]), [], split.test
    with pytest.raises(DatasetError, match="P0, session day 0 in more than one part"):
        type(split).of(dataset, "held_out_sessions", "session", 0, torn)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("grouped_k_fold", {"folds": 6}, "--folds must be between 2 and 5 for 5 people, not 6"),
        ("grouped_k_fold", {"folds": 1}, "between 2 and 5 .* not 1"),
        ("leave_one_subject_out", {}, "'subject' column"),
        ("grouped_k_fold", {}, "'subject' column"),
        ("held_out_sessions", {}, "'subject' column"),
    ],
)
def test_what_a_protocol_cannot_do_is_said(name, settings, words):
    dataset = visits()
    if not settings:  # one recording whose person is unknown could be anyone's
        dataset = replace(dataset, subjects=(None, *dataset.subjects[1:]))
    with pytest.raises(DatasetError, match=words):
        protocol_splits(name, dataset, **settings)


def test_every_protocol_is_asked_for_in_the_same_way():
    dataset = visits()
    counts = {n: len(protocol_splits(n, dataset, 1, folds=3, validation=True)) for n in PROTOCOLS}
    assert counts == {
        "held_out": 1,
        "leave_one_subject_out": 5,
        "grouped_k_fold": 3,
        "held_out_sessions": 3,
    }
    assert all(
        len(s.validation) for n in PROTOCOLS for s in protocol_splits(n, dataset, 1, 3, True)
    )
