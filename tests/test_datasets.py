"""Datasets: every meaning of --data."""

import numpy as np
import pandas as pd
import pytest

from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.signal.recording import EMOTIONS
from tests.making import balanced

TINY = "simulated:subjects=5,trials=1,duration=0.25,sampling_rate=1000"


def table(path, /, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def save_trial(path, seed=0, samples=300):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(seed).normal(0, 20, (samples, 8)))
    return path


# Labels


def test_labels_keep_the_emotions_order_and_others_follow_sorted():
    dataset = balanced(labels=("zest", "surprise", "fear", "boredom", "anger"))
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
        balanced(labels=("fear",))


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
