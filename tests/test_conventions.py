"""Tables and folders as people write them: what their columns, labels and names mean."""

import numpy as np
import pytest

from emg_llm.data.conventions import DatasetError
from emg_llm.data.datasets import load_dataset
from tests.test_devices import FILES, STEADY, X, table


def features(tmp_path, content, encoding="utf-8", name="features.csv"):
    (tmp_path / name).write_text(content, encoding=encoding)
    return load_dataset(str(tmp_path / name))


def test_numbers_of_rows_are_no_features_and_numbers_of_people_are_people(tmp_path, capsys):
    rows = [f"{i},{i // 10},{'anger' if i % 2 else 'fear'},{i % 7}.5" for i in range(40)]
    dataset = features(tmp_path, "trial,Participant,Emotion,f1\n" + "\n".join(rows))
    assert dataset.columns == ("f1",) and len(set(dataset.groups)) == 4
    assert set(dataset.labels) == {"anger", "fear"}
    said = capsys.readouterr().err
    assert "trial" in said and "Participant as subject" in said


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("label_id", lambda i: i % 2, "repeat the label"),
        ("kind", lambda i: 3 * (i % 2), "repeat the label"),
        ("fold", lambda i: i % 5, "number the rows"),
        ("age", lambda i: 20 + i // 10, "describe people"),
    ],
)
def test_what_says_the_label_or_the_person_is_no_feature(tmp_path, capsys, name, value, why):
    rows = [f"{i // 10},{'anger' if i % 2 else 'fear'},{value(i)},{i % 7}.5" for i in range(40)]
    dataset = features(tmp_path, f"pid,label,{name},f1\n" + "\n".join(rows))
    assert dataset.columns == ("f1",) and len(set(dataset.groups)) == 4
    assert f"{name} {why}" in capsys.readouterr().err


@pytest.mark.parametrize(("sep", "encoding"), [(";", "cp1252"), (",", "utf-16"), ("\t", "utf-8")])
def test_manifests_are_read_as_spreadsheets_save_them(tmp_path, sep, encoding):
    labels = ["Anger ", "anger", "fear", "Fear"]
    lines = [sep.join(["path", "label", "sampling_rate"])]
    for i, label in enumerate(labels):
        np.save(tmp_path / f"r{i}.npy", X)
        lines.append(sep.join([f"r{i}.npy", label, "1000"]))
    dataset = features(tmp_path, "\n".join(lines), encoding, "manifest.csv")
    assert dataset.labels == ("anger", "anger", "fear", "fear") and len(dataset.recordings) == 4


def test_a_manifest_may_choose_the_channels(tmp_path):
    for label in ("anger", "fear"):
        (tmp_path / f"{label}.txt").write_text(FILES["other sensors"][0])
    lines = [f"{label}.txt,{label},EMG zyg; ECG" for label in ("anger", "fear")]
    dataset = features(tmp_path, "\n".join(["path,label,channels", *lines]), name="manifest.csv")
    assert dataset.recordings[0].n_channels == 2


def test_folders_of_people_with_files_named_after_emotions(tmp_path):
    for person in ("S0", "S1"):
        (tmp_path / "data" / person).mkdir(parents=True)
        for emotion in ("anger", "Fear_2"):
            content = "Time (s),a (uV)\n" + table(STEADY, X[:, 0])
            (tmp_path / "data" / person / f"{emotion}.csv").write_text(content)
    dataset = load_dataset(str(tmp_path / "data"))
    assert set(dataset.labels) == {"anger", "fear"} and len(set(dataset.groups)) == 2


def test_a_feature_table_may_name_the_file_of_each_row(tmp_path):
    rows = [f"r{i}.csv,{'anger' if i % 2 else 'fear'},{i}.5" for i in range(8)]
    dataset = features(tmp_path, "file,label,f1\n" + "\n".join(rows))
    assert dataset.columns == ("f1",) and dataset.recordings is None


@pytest.mark.parametrize(
    "name", ["Subject", "subject_id", "Participant No.", "subj", "VP_Nr", "User"]
)
def test_people_are_people_whatever_their_column_is_called(tmp_path, name):
    rows = [f"{i // 10},{'anger' if i % 2 else 'fear'},{i % 7}.5" for i in range(40)]
    dataset = features(tmp_path, f"{name},label,f1\n" + "\n".join(rows))
    assert dataset.columns == ("f1",) and len(set(dataset.groups)) == 4


@pytest.mark.parametrize("name", ["Trial No.", "rep", "Unnamed: 0", "order", "window_idx", "count"])
def test_what_numbers_the_rows_is_no_feature(tmp_path, name):
    rows = [f"{i},{'anger' if i % 2 else 'fear'},{i % 7}.5" for i in range(40)]
    assert features(tmp_path, f"{name},label,f1\n" + "\n".join(rows)).columns == ("f1",)


@pytest.mark.parametrize("path", ["File", "filename", "Path"])
def test_a_manifest_may_call_its_files_otherwise_and_write_paths_as_windows_does(tmp_path, path):
    (tmp_path / "data").mkdir()
    (tmp_path / "lists").mkdir()
    lines = [f"{path};Emotion;Participant;fs"]
    for i in range(4):
        np.save(tmp_path / "data" / f"r{i}.npy", X)
        lines.append(f"..\\data\\r{i}.npy ;{'anger' if i % 2 else 'fear'};{i // 2};1000")
    dataset = features(tmp_path, "\n".join(lines), name="lists/m.csv")
    assert len(dataset.recordings) == 4 and len(set(dataset.groups)) == 2


@pytest.mark.parametrize("stem", ["01_{}", "{}-2", "trial1 {} left"])
def test_emotions_anywhere_in_the_names_of_files(tmp_path, stem):
    for person in ("ann", "ben"):
        (tmp_path / "data" / person).mkdir(parents=True)
        for emotion in ("anger", "fear"):
            content = "Time (s),a (uV)\n" + table(STEADY, X[:, 0])
            (tmp_path / "data" / person / f"{stem.format(emotion)}.csv").write_text(content)
    dataset = load_dataset(str(tmp_path / "data"))
    assert set(dataset.labels) == {"anger", "fear"} and len(set(dataset.groups)) == 2


def test_folders_of_people_without_emotions_are_refused(tmp_path):
    for person in ("S1", "S2"):
        (tmp_path / "data" / person).mkdir(parents=True)
        np.save(tmp_path / "data" / person / "a.npy", X)
    with pytest.raises(DatasetError, match="look like people"):
        load_dataset(str(tmp_path / "data"))
