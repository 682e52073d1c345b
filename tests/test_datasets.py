"""Datasets: every meaning of --data, and splits that never tear a person apart."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emg_llm.data.datasets import Dataset, DatasetError, load_dataset
from emg_llm.data.splits import held_out_split, leave_one_subject_out
from emg_llm.signal.recording import EMOTIONS

TINY = "simulated:subjects=5,trials=1,duration=0.25,sampling_rate=1000"


def rows(people=10, labels=("fear", "anger"), each=2, **more):
    """A feature-table dataset in which every person shows every label."""
    known = [(p, label) for p in range(people) for label in labels for _ in range(each)]
    return Dataset(
        "made here",
        tuple(f"row {i}" for i in range(len(known))),
        tuple(label for _, label in known),
        tuple(f"P{p}" for p, _ in known),
        table=np.arange(len(known), dtype=float)[:, None],
        columns=("x",),
        **more,
    )


def anonymous(dataset):
    return Dataset(
        dataset.name, dataset.ids, dataset.labels, (None,) * len(dataset), table=dataset.table
    )


def table(path, /, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def save_trial(path, seed=0, samples=300):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(seed).normal(0, 20, (samples, 8)))
    return path


def parts(split):
    return split.train, split.validation, split.test, split.calibration


def shares(n):
    """The numbers of people in the four parts."""
    split = held_out_split(rows(n))
    return [len(p) // 4 for p in parts(split)]


# Splits


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("people", [3, 4, 10])
def test_no_person_is_in_two_parts_of_a_split(people, seed):
    dataset = rows(people)
    split = held_out_split(dataset, seed)
    of = [set(np.array(dataset.subjects)[p]) for p in parts(split)]
    assert all(of[:3]) and sum(map(len, of)) == len(set.union(*of))
    assert sorted(np.concatenate(parts(split))) == list(range(len(dataset)))
    assert split.grouping == "subject"


def test_a_fifth_of_ten_people_or_more_do_nothing_but_calibrate():
    assert shares(10) == [5, 1, 2, 2] and shares(40) == [20, 4, 8, 8]
    split = held_out_split(rows(10))
    assert split.calibrating == (split.calibration, "calibration people")


def test_of_fewer_people_the_validation_people_calibrate_and_the_split_says_so():
    assert [shares(n) for n in (3, 4, 8)] == [[1, 1, 1, 0], [2, 1, 1, 0], [4, 2, 2, 0]]
    split = held_out_split(rows(8))
    assert split.calibrating == (split.validation, "validation people")


def test_two_thirds_of_given_validation_people_calibrate_where_nobody_is_named_for_it():
    marks = ("train", "validation", "validation", "validation", "test")
    given = rows(5, splits=tuple(m for m in marks for _ in range(4)))
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
    first, again, other = (held_out_split(rows(), seed) for seed in (1, 1, 2))
    assert first.hash == again.hash and np.array_equal(first.test, again.test)
    assert first.hash != other.hash and not np.array_equal(first.test, other.test)


def test_a_split_of_the_same_recordings_in_another_order_has_the_same_hash_and_people():
    dataset = rows()
    mixed = dataset.take(np.random.default_rng(0).permutation(len(dataset)))
    assert held_out_split(dataset).hash == held_out_split(mixed).hash


def test_the_hash_changes_when_a_recording_moves_or_is_another_one():
    dataset = rows()
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
    dataset = anonymous(rows())
    split = held_out_split(dataset)
    assert split.grouping == "recording" and split.protocol()["grouping"] == "recording"
    labels = np.array(dataset.labels)
    for part, share in zip(parts(split), (10, 2, 4, 4), strict=True):
        assert all((labels[part] == label).sum() == share for label in dataset.label_names)


def test_a_known_person_stays_whole_though_others_are_unknown():
    dataset = rows(5)
    subjects = tuple(None if i % 4 == 3 else s for i, s in enumerate(dataset.subjects))
    dataset = Dataset("mixed", dataset.ids, dataset.labels, subjects)
    for seed in range(5):
        split = held_out_split(dataset, seed)
        of = [{subjects[i] for i in p} - {None} for p in parts(split)]
        assert not (of[0] & of[1] or of[0] & of[2] or of[1] & of[2])


def test_a_split_by_subject_that_shares_a_person_cannot_be_made():
    dataset = rows(3)
    split = held_out_split(dataset)
    torn = split.train, split.validation, np.append(split.test, split.train[0])
    with pytest.raises(DatasetError, match=r"in more than one part.* into one part"):
        type(split).of(dataset, "held_out", "subject", 0, torn)


def test_leaving_one_subject_out_tests_each_person_once_and_never_trains_on_them():
    dataset = rows(4)
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
        held_out_split(rows(2))
    with pytest.raises(DatasetError, match="2 recordings labelled 'anger'"):
        held_out_split(anonymous(rows(1)))
    with pytest.raises(DatasetError, match="subject"):
        list(leave_one_subject_out(anonymous(rows(3))))


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
    split = held_out_split(rows())
    assert split.scored is split.test
    assert replace(split, test=split.test[:0]).scored is split.validation
    with pytest.raises(DatasetError, match="test on"):
        _ = replace(split, test=split.test[:0], validation=split.test[:0]).scored


# Labels


def test_labels_keep_the_emotions_order_and_others_follow_sorted():
    dataset = rows(labels=("zest", "surprise", "fear", "boredom", "anger"))
    assert dataset.label_names == ("anger", "fear", "surprise", "boredom", "zest")
    assert [dataset.label_names[t] for t in dataset.targets] == list(dataset.labels)


def test_choosing_labels_keeps_their_recordings_alone():
    dataset = load_dataset(TINY, ["happiness", "anger"])
    assert dataset.label_names == ("anger", "happiness") and len(dataset) == 10
    assert {r.label for r in dataset.recordings} == {"anger", "happiness"}
    with pytest.raises(DatasetError, match="joy"):
        load_dataset(TINY, ["joy"])


def test_a_single_label_is_refused_in_words():
    with pytest.raises(DatasetError, match="single label, 'fear'"):
        rows(labels=("fear",))


# What --data may be


def test_simulated_data_follows_its_settings():
    dataset = load_dataset(TINY)
    assert len(dataset) == 60 and len(set(dataset.subjects)) == 5
    assert dataset.label_names == EMOTIONS
    assert dataset.recordings[0].sampling_rate == 1000 and "duration=0.25" in dataset.name
    assert len(set(dataset.ids)) == 60


@pytest.mark.parametrize(
    "settings",
    ["people=3", "subjects=two", "trials", "seed=-1", "duration=0", "duration=nan", "subjects=0"],
)
def test_a_setting_that_cannot_be_used_is_refused_in_words(settings):
    with pytest.raises(DatasetError, match=r"subjects|duration"):
        load_dataset(f"simulated:{settings}")


def test_a_folder_is_read_by_label_and_other_files_are_passed_over(tmp_path):
    x = np.random.default_rng(0).normal(0, 1e-5, (45000, 8))  # needs no sampling rate
    for name in ("fear/fear_0", "fear/fear_1", "anger/anger_0", "anger/anger_1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / f"{name}.npy", x.astype(np.float32))
    (tmp_path / "fear" / "notes.md").write_text("not a recording")
    dataset = load_dataset(tmp_path)
    assert dataset.labels == ("anger", "anger", "fear", "fear")
    assert dataset.ids == ("anger/anger_0", "anger/anger_1", "fear/fear_0", "fear/fear_1")
    assert set(dataset.subjects) == {None} and dataset.recordings[0].sampling_rate == 15000
    assert dataset.recordings[0].signal.std() == pytest.approx(10, rel=0.1)  # µV


def test_a_manifest_says_what_its_files_do_not(tmp_path):
    for i in range(3):
        save_trial(tmp_path / "files" / f"{i}.npy", i)
    data = table(
        tmp_path / "manifest.csv",
        path=[f"files/{i}.npy" for i in range(3)],
        label=["fear", "anger", "fear"],
        subject=["007", "8", None],  # no numbers
        session=["one", None, "two"],
        sampling_rate=[1000, 2000, 2000],
        unit=["uV", "mV", "uV"],
    )
    dataset = load_dataset(data)
    assert dataset.ids == ("files/0.npy", "files/1.npy", "files/2.npy")
    assert [r.sampling_rate for r in dataset.recordings] == [1000, 2000, 2000]
    assert [r.session for r in dataset.recordings] == ["one", None, "two"]
    assert dataset.sessions == ("one", None, "two")
    assert dataset.take([2, 1]).sessions == ("two", None)
    assert dataset.subjects == ("007", "8", None)
    assert dataset.recordings[1].signal.std() == pytest.approx(20000, rel=0.1)  # mV -> µV


@pytest.mark.parametrize("how", ["../elsewhere.npy", "absolute", "link"])
def test_a_manifest_may_name_files_elsewhere(tmp_path, how):
    elsewhere = save_trial(tmp_path / "elsewhere.npy")
    folder = tmp_path / "data"
    save_trial(folder / "here.npy")
    (folder / "link.npy").symlink_to(elsewhere)
    named = {"absolute": str(elsewhere), "link": "link.npy"}.get(how, how)
    data = table(
        folder / "m.csv", path=["here.npy", named], label=["a", "b"], sampling_rate=[1000, 1000]
    )
    dataset = load_dataset(data)
    assert dataset.ids == ("here.npy", named) and dataset.recordings[1].n_samples > 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_feature_table_gives_its_numeric_columns_and_none_of_the_others(tmp_path, ending):
    frame = pd.DataFrame(
        {
            "label": ["fear", "anger", "fear"],
            "subject": [1, 2, 3],
            "power cheek": [1.5, 2.5, 3.5],
            "comment": ["x", "y", "z"],
            "power jaw": [4, 5, 6],
        }
    )
    path = tmp_path / f"features.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    dataset = load_dataset(path)
    assert dataset.columns == ("power cheek", "power jaw") and dataset.recordings is None
    assert dataset.table.tolist() == [[1.5, 4], [2.5, 5], [3.5, 6]]
    assert dataset.subjects == ("1", "2", "3") and dataset.ids == ("row 1", "row 2", "row 3")


def test_rows_without_a_subject_are_not_taken_for_one_person(tmp_path):
    data = table(tmp_path / "t.csv", label=list("abab"), subject=["P", None, None, "Q"], x=range(4))
    dataset = load_dataset(data)
    assert dataset.subjects == ("P", None, None, "Q") and len(set(dataset.groups)) == 4
    assert dataset.sessions is None


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_tables_sessions_are_words_and_no_features(tmp_path, ending):
    frame = pd.DataFrame({"label": list("aba"), "session": [1, 2, 2], "x": [1.5, 2.5, 3.5]})
    path = tmp_path / f"t.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    dataset = load_dataset(path)
    assert dataset.sessions == ("1", "2", "2") and dataset.columns == ("x",)


def test_rows_without_a_label_are_left_out(tmp_path):
    data = table(tmp_path / "t.csv", label=["a", None, "b"], x=[1, 2, 3])
    assert load_dataset(data).table.ravel().tolist() == [1, 3]


def test_a_saved_datasets_folder_gives_its_recordings_back(tmp_path):
    datasets = pytest.importorskip("datasets")
    source = load_dataset(TINY, ["anger", "fear"]).take(range(4))
    datasets.Dataset.from_list(
        [
            {
                "signal": r.signal.tolist(),
                "sampling_rate": r.sampling_rate,
                "label": r.label,
                "subject": r.subject,
                "session": "first",
                "recording_id": r.recording_id,
            }
            for r in source.recordings
        ]
    ).save_to_disk(str(tmp_path / "saved"))
    dataset = load_dataset(tmp_path / "saved")
    assert (dataset.ids, dataset.labels) == (source.ids, source.labels)
    assert dataset.subjects == source.subjects and dataset.sessions == ("first",) * 4
    assert np.allclose(dataset.recordings[3].signal, source.recordings[3].signal)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": [1, 2]}, "no 'label' column"),
        ({"label": ["a", "b"], "note": ["p", "q"]}, "no numeric feature columns"),
        ({"label": ["a", "b"], "x": [1, None]}, "empty or infinite values in x"),
        ({"label": ["a", "a"], "x": [1, 2]}, "single label"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_words(tmp_path, columns, words):
    with pytest.raises(DatasetError, match=words):
        load_dataset(table(tmp_path / "t.csv", **columns))


def test_a_place_with_nothing_in_it_is_refused_in_words(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no recordings"):
        load_dataset(tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DatasetError, match="can't be read"):
        load_dataset(tmp_path / "broken.parquet")
