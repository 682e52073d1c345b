"""A model is never asked about recordings that it has learned, whatever they are called now."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emg_llm.data.contents import BYTES, content_hash, training_contents, training_protocol
from emg_llm.data.datasets import DatasetError
from emg_llm.data.splits import held_out_split
from emg_llm.experiments.unseen import unseen, unseen_rows
from tests.making import rows

PEOPLE = [f"P{i}" for i in range(5)]


def table(seed=0, people=PEOPLE):
    x = np.random.default_rng(seed).random((8 * len(people), 3))
    return rows(x, ["anger", "fear"] * (4 * len(people)), np.repeat(people, 8))


def renamed(data, name="renamed.csv"):
    """The same values under other names of the data, its people and rows, in another order."""
    order = np.random.default_rng(1).permutation(len(data))
    data = data.take(order)
    people = tuple(f"person {9 - int(p[1])}" for p in data.subjects)
    return replace(data, name=name, subjects=people, ids=tuple(f"r{i}" for i in order))


@pytest.fixture
def folder(tmp_path):
    """A folder with the results of a training on table(), and its split."""
    data = table()
    protocol = training_protocol(data, held_out_split(data))
    (tmp_path / "results.json").write_text(json.dumps({"data": data.name, "protocol": protocol}))
    return tmp_path


def test_the_same_recordings_under_other_names_are_split_as_in_the_training(folder):
    data = table()
    other = renamed(data)
    split, found, protocol = unseen(folder, other)
    expected = held_out_split(data)
    for part in ("train", "validation", "test"):
        assert {row.tobytes() for row in other.table[getattr(split, part)]} == {
            row.tobytes() for row in data.table[getattr(expected, part)]
        }
    known = {"known": "training"}
    assert found is split.test and known | protocol == known | expected.protocol()
    again, protocol = unseen_rows(folder, data)
    assert again.tolist() == expected.test.tolist()
    assert known | protocol == known | expected.protocol()


def test_people_who_were_learned_from_are_left_out_of_other_data(folder):
    known = renamed(table()).take(range(40))
    new = table(seed=5, people=["N1", "N2"])
    few = [i for i in range(40) if i % 3]
    both = replace(
        new,
        name="more.csv",
        ids=tuple(map(str, range(len(few) + 16))),
        labels=(*(known.labels[i] for i in few), *new.labels),
        subjects=(*(known.subjects[i] for i in few), *new.subjects),
        table=np.concatenate([known.table[few], new.table]),
    )
    found, protocol = unseen_rows(folder, both)
    tested = {f"person {9 - int(table().subjects[i][1])}" for i in held_out_split(table()).test}
    assert {both.subjects[i] for i in found} == {"N1", "N2"} | tested
    assert protocol["name"] == "unseen_people"
    assert protocol["left_out"] == len(both) - len(found)


def test_data_of_learned_people_alone_is_refused(folder):
    data = table()
    learned = data.take(held_out_split(data).train)
    with pytest.raises(DatasetError, match="has learned from everybody in mine"):
        unseen_rows(folder, replace(learned, name="mine.csv"))
    parts = tuple("test" if s == learned.subjects[0] else "train" for s in learned.subjects)
    with pytest.raises(DatasetError, match="has learned from 8 of the 8 recordings"):
        unseen_rows(folder, replace(learned, splits=parts))


def test_other_recordings_are_other_data_even_under_the_same_name(folder):
    found, protocol = unseen_rows(folder, table(seed=1))
    assert len(found) == 40 and protocol["name"] == "other_data"


def test_a_calibrated_encoder_knows_its_persons_recordings_by_another_name(tmp_path):
    mine, base = table(people=["me"]), table(seed=3)
    protocol = {"name": "leave_one_trial_out", **training_contents(mine, train=range(8))}
    of = {"data": base.name, "protocol": training_protocol(base, held_out_split(base))}
    results = {"data": "mine.csv", "protocol": protocol, "calibrated_from": of}
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(DatasetError, match=r"has learned all of mine\.csv"):
        unseen_rows(tmp_path, replace(mine, name="copy.csv"))
    assert len(unseen_rows(tmp_path, renamed(base))[0]) == 8


def test_a_hash_is_short_and_of_the_samples_alone(independent, people):
    recording = independent[0]
    assert len(content_hash(recording)) == 2 * BYTES
    same = recording.replace(label="fear", subject="somebody", recording_id="x", channel_names=())
    assert content_hash(same) == content_hash(recording) != content_hash(independent[1])
    # The name of simulated data says what it holds, so bundles stay small.
    assert training_contents(people, train=[0]) == {}
