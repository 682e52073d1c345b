"""Folders of recordings: which level is the label, and which the person."""

import pytest

from emg_llm.data.datasets import DatasetError, load_dataset
from tests.making import emg, save

PEOPLE, EMOTIONS = ("01", "02"), ("anger", "fear")


def folder(tmp_path, form):
    for person in PEOPLE:
        for emotion in EMOTIONS:
            for trial in (1, 2):
                path = tmp_path / form.format(p=person, e=emotion, t=trial)
                path.parent.mkdir(parents=True, exist_ok=True)
                save(path, emg(200, 2), fs=2000)
    return tmp_path


@pytest.mark.parametrize(
    ("form", "people", "sessions"),
    [
        ("{e}/{e}_{p}{t}.npz", 8, False),  # the original layout names nobody
        ("p{p}/{e}/{t}.npz", 2, False),
        ("{e}/anna{p}/{t}.npz", 2, False),
        ("sub-{p}/ses-{t}/sub-{p}_task-{e}_emg.npz", 2, True),
        ("subject_{p}/session_{t}/{e}/a.npz", 2, True),
        ("P{p}/{e}_{t}.npz", 2, False),
        ("{e}/sub-{p}_run{t}.npz", 2, False),
        ("sub-{p}_{e}_{t}.npz", 2, False),
        ("{e}/raw/{p}{t}.npz", 8, False),  # one folder in each is nobody
    ],
)
def test_the_levels_of_folders_are_told_apart(tmp_path, form, people, sessions):
    dataset = load_dataset(str(folder(tmp_path / "data", form)))
    assert len(dataset) == 8 and sorted(dataset.label_names) == ["anger", "fear"]
    assert len(set(dataset.groups)) == people
    assert all(
        (label in dataset.ids[i]) and (people == 8 or dataset.groups[i][-2:] in dataset.ids[i])
        for i, label in enumerate(dataset.labels)
    )
    assert bool(dataset.sessions) == sessions


def test_a_label_that_is_no_emotion_is_known_beside_folders_of_people(tmp_path):
    for person in PEOPLE:
        for label in ("smile", "rest"):
            path = tmp_path / "data" / f"P{person}" / label / "1.npz"
            path.parent.mkdir(parents=True)
            save(path, emg(200, 2), fs=2000)
    dataset = load_dataset(str(tmp_path / "data"))
    assert sorted(dataset.label_names) == ["rest", "smile"] and len(set(dataset.groups)) == 2


def test_a_folder_with_a_manifest_is_read_as_that_says(tmp_path):
    data = folder(tmp_path / "data", "rec/{p}{e}{t}.npz")
    rows = [f"rec/{p}{e}{t}.npz;{e};{p}" for p in PEOPLE for e in EMOTIONS for t in (1, 2)]
    (data / "manifest.csv").write_text("\n".join(["path;label;subject", *rows]))
    dataset = load_dataset(str(data))
    assert len(dataset) == 8 and set(dataset.groups) == {*PEOPLE}


def test_folders_that_tell_no_label_are_refused_with_what_to_do(tmp_path):
    data = folder(tmp_path / "data", "one/two{p}/{t}.npz")
    with pytest.raises(DatasetError, match=r"Nothing tells which label .* manifest"):
        load_dataset(str(data))
