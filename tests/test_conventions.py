"""Tables and folders as people write them: what their columns, labels and names mean."""

import numpy as np
import pytest

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
