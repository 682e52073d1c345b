"""One split of the people: shares, its hash, and no person on two sides."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emg_llm.data.datasets import Dataset, DatasetError, load_dataset
from emg_llm.data.splits import held_out_split, leave_one_subject_out
from tests.making import balanced

TINY = "simulated:subjects=5,trials=1,duration=0.25,sampling_rate=1000"


def anonymous(dataset):
    return Dataset(
        dataset.name, dataset.ids, dataset.labels, (None,) * len(dataset), table=dataset.table
    )


def parts(split):
    return split.train, split.validation, split.test, split.calibration


def shares(n):
    """The numbers of people in the four parts."""
    split = held_out_split(balanced(n))
    return [len(p) // 4 for p in parts(split)]


def table(path, /, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("people", [3, 4, 10])
def test_no_person_is_in_two_parts_of_a_split(people, seed):
    dataset = balanced(people)
    split = held_out_split(dataset, seed)
    of = [set(np.array(dataset.subjects)[p]) for p in parts(split)]
    assert all(of[:3]) and sum(map(len, of)) == len(set.union(*of))
    assert sorted(np.concatenate(parts(split))) == list(range(len(dataset)))
    assert split.grouping == "subject"


def test_a_fifth_of_ten_people_or_more_do_nothing_but_calibrate():
    assert shares(10) == [5, 1, 2, 2] and shares(40) == [20, 4, 8, 8]
    split = held_out_split(balanced(10))
    assert split.calibrating == (split.calibration, "calibration people")


def test_of_fewer_people_the_validation_people_calibrate_and_the_split_says_so():
    assert [shares(n) for n in (3, 4, 8)] == [[1, 1, 1, 0], [2, 1, 1, 0], [4, 2, 2, 0]]
    split = held_out_split(balanced(8))
    assert split.calibrating == (split.validation, "validation people")


def test_two_thirds_of_given_validation_people_calibrate_where_nobody_is_named_for_it():
    marks = ("train", "validation", "validation", "validation", "test")
    given = balanced(5, splits=tuple(m for m in marks for _ in range(4)))
    split = held_out_split(given)
    assert [len(p) // 4 for p in parts(split)] == [1, 1, 1, 2]
    named = (*marks[:3], "calibration", "test")
    split = held_out_split(replace(given, splits=tuple(m for m in named for _ in range(4))))
    assert {given.subjects[i] for i in split.calibration} == {"P3"} and len(split.validation) == 8
    untested = replace(
        given, splits=tuple("validation" if s == "test" else s for s in given.splits)
    )
    assert held_out_split(untested).calibrating[1] == "the scored people"


def test_a_split_depends_on_its_seed_alone():
    first, again, other = (held_out_split(balanced(), seed) for seed in (1, 1, 2))
    assert first.hash == again.hash and np.array_equal(first.test, again.test)
    assert first.hash != other.hash and not np.array_equal(first.test, other.test)


def test_a_split_of_the_same_recordings_in_another_order_has_the_same_hash_and_people():
    dataset = balanced()
    mixed = dataset.take(np.random.default_rng(0).permutation(len(dataset)))
    assert held_out_split(dataset).hash == held_out_split(mixed).hash


def test_the_hash_changes_when_a_recording_moves_or_is_another_one():
    dataset = balanced()
    split = held_out_split(dataset)
    protocol = "held_out", "given", 0

    def again(data, *parts):
        return type(split).of(data, *protocol, parts).hash

    same = again(dataset, *parts(split))
    assert same == again(dataset, *parts(split)) == split.hash
    train, validation, test, calibration = parts(split)
    assert same != again(dataset, train, test, validation, calibration)
    assert same != again(dataset, train, calibration, test, validation)
    assert same != again(dataset, train[1:], validation, test, calibration)
    renamed = Dataset(dataset.name, ("other", *dataset.ids[1:]), dataset.labels, dataset.subjects)
    assert same != again(renamed, *parts(split))


def test_the_hash_is_the_same_in_another_process():
    code = (
        "from emg_llm.data.datasets import *; from emg_llm.data.splits import *; import sys;"
        "print(held_out_split(load_dataset(sys.argv[1]), 3).hash)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, TINY],
        env={"PYTHONHASHSEED": "77", "PATH": ""},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == held_out_split(load_dataset(TINY), 3).hash


def test_where_nobody_is_known_recordings_are_split_within_each_label_and_the_split_says_so():
    dataset = anonymous(balanced())
    split = held_out_split(dataset)
    assert split.grouping == "recording" and split.protocol()["grouping"] == "recording"
    labels = np.array(dataset.labels)
    for part, share in zip(parts(split), (10, 2, 4, 4), strict=True):
        assert all((labels[part] == label).sum() == share for label in dataset.label_names)


def test_a_known_person_stays_whole_though_others_are_unknown():
    dataset = balanced(5)
    subjects = tuple(None if i % 4 == 3 else s for i, s in enumerate(dataset.subjects))
    dataset = Dataset("mixed", dataset.ids, dataset.labels, subjects)
    for seed in range(5):
        split = held_out_split(dataset, seed)
        of = [{subjects[i] for i in p} - {None} for p in parts(split)]
        assert not (of[0] & of[1] or of[0] & of[2] or of[1] & of[2])


def test_a_split_by_subject_that_shares_a_person_cannot_be_made():
    dataset = balanced(3)
    split = held_out_split(dataset)
    torn = split.train, split.validation, np.append(split.test, split.train[0])
    with pytest.raises(DatasetError, match=r"in more than one part.* into one part"):
        type(split).of(dataset, "held_out", "subject", 0, torn)


def test_leaving_one_subject_out_tests_each_person_once_and_never_trains_on_them():
    dataset = balanced(4)
    splits = list(leave_one_subject_out(dataset))
    assert sorted(np.concatenate([s.test for s in splits])) == list(range(len(dataset)))
    subjects = np.array(dataset.subjects)
    assert [set(subjects[s.test]) for s in splits] == [{f"P{i}"} for i in range(4)]
    for split in splits:
        assert not set(subjects[split.train]) & set(subjects[split.test])
        assert len(split.train) + len(split.test) == len(dataset)
    assert len({s.hash for s in splits}) == 4


def test_too_few_people_or_recordings_are_refused_in_words():
    with pytest.raises(DatasetError, match="2 people"):
        held_out_split(balanced(2))
    with pytest.raises(DatasetError, match="2 recordings labelled 'anger'"):
        held_out_split(anonymous(balanced(1)))
    with pytest.raises(DatasetError, match="subject"):
        list(leave_one_subject_out(anonymous(balanced(3))))


def test_the_datas_own_split_column_is_followed(tmp_path):
    own = ["train", "test", "validation", "train", "test", "train"]
    data = table(
        tmp_path / "t.csv", label=list("ababab"), x=range(6), split=own, subject=list("PQRPQP")
    )
    split = held_out_split(load_dataset(data), seed=9)
    assert [p.tolist() for p in parts(split)] == [[0, 3, 5], [2], [1, 4], []]
    assert split.grouping == "given"


@pytest.mark.parametrize(
    ("own", "words"), [(["test"] * 4, "train"), (["train", "dev", "test", "test"], "'dev'")]
)
def test_a_split_column_without_train_or_with_other_words_is_refused(tmp_path, own, words):
    data = table(tmp_path / "t.csv", label=list("abab"), x=range(4), split=own)
    with pytest.raises(DatasetError, match=words):
        held_out_split(load_dataset(data))


def test_results_are_about_the_test_people_else_validation_else_refused():
    split = held_out_split(balanced())
    assert split.scored is split.test
    assert replace(split, test=split.test[:0]).scored is split.validation
    with pytest.raises(DatasetError, match="test on"):
        _ = replace(split, test=split.test[:0], validation=split.test[:0]).scored
