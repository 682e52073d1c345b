"""Sequences whose items are made when they are asked for."""

import tempfile
import tracemalloc

import numpy as np
import pytest

from emg_llm.data import datasets, lazy
from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.lazy import KeptRecordings, Lazy, Spool
from emg_llm.experiments.controls import Inputs
from emg_llm.signal.recording import Recording, RecordingError


class Makes:
    """make(i) -> a Recording that knows its place; `asked` says for which it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, i):
        self.asked.append(i)
        valid = np.arange(20) != i
        return Recording(
            np.full((20, 2), i), 1000, ("a", "b"), "a.u.", valid, label="x", recording_id=str(i),
            notes=("It was made up.",),
        )  # fmt: skip


def test_items_are_made_when_they_are_asked_for_and_slices_are_lazy_too():
    make = Makes()
    items = Lazy(5, make)
    part = items[3:0:-1]
    assert len(items) == 5 and len(part) == 3 and make.asked == []
    assert [r.recording_id for r in part] == ["3", "2", "1"] and make.asked == [3, 2, 1]
    assert items[-1].recording_id == "4" and items[np.int64(2)].recording_id == "2"
    with pytest.raises(IndexError):
        items[5]


def test_an_error_while_an_item_is_made_does_not_end_the_sequence_silently():
    with pytest.raises(IndexError):
        list(Lazy(3, lambda i: [0, 1][i]))


def test_a_spool_gives_back_what_was_put_in_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool, rng = Spool(), np.random.default_rng(0)
    arrays = [rng.random((3, 4, 2)), rng.random(5) > 0.5, np.empty((0, 3), np.float32)]
    arrays.append(rng.random((6, 6)).astype(np.float32).T)
    places = [spool.append(a) for a in arrays]
    for place, array in zip(places[::-1], arrays[::-1], strict=True):
        assert spool[place].dtype == array.dtype
        np.testing.assert_array_equal(spool[place], array)
    del spool
    assert not list(tmp_path.iterdir())


def test_a_recording_is_made_once_and_comes_back_as_it_was():
    make = Makes()
    kept = KeptRecordings(3, make)
    first, again = kept[1], kept[1]
    assert make.asked == [1]
    for name, value in vars(first).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_on_a_full_disk_recordings_are_made_again(monkeypatch):
    monkeypatch.setattr(lazy.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    make = Makes()
    kept = KeptRecordings(3, make)
    assert kept[1].recording_id == kept[1].recording_id == "1" and make.asked == [1, 1]


def test_simulated_data_is_known_by_label_and_person_before_anything_is_simulated(monkeypatch):
    def never(*_):
        raise AssertionError("simulated too early")

    monkeypatch.setattr(datasets, "simulate", never)
    dataset = load_dataset("simulated:subjects=3,trials=2,duration=0.25", ["anger", "fear"])
    assert len(dataset) == 12 and len(set(dataset.groups)) == 3
    monkeypatch.undo()
    dataset = load_dataset("simulated:subjects=3,trials=2,duration=0.25", ["anger", "fear"])
    for i, recording in enumerate(dataset.recordings):
        assert recording.recording_id == dataset.ids[i]
        assert (recording.label, recording.subject) == (dataset.labels[i], dataset.subjects[i])


def test_cleaning_a_long_dataset_holds_few_recordings_in_memory():
    dataset = load_dataset("simulated:subjects=5,trials=1,duration=1")  # 64 kB each
    inputs = Inputs(dataset, np.arange(len(dataset)))
    list(inputs.dataset.recordings[:2])  # what is loaded once
    tracemalloc.start()
    try:
        for recording in inputs.dataset.recordings:
            assert recording.cleaned
        assert tracemalloc.get_traced_memory()[1] < 20 * recording.signal.nbytes
    finally:
        tracemalloc.stop()


def test_a_file_that_cannot_be_read_is_named_when_the_data_is_loaded(tmp_path):
    signal = np.random.default_rng(0).normal(0, 1e-5, (45000, 8))
    for name in ("fear/one", "anger/two"):
        (tmp_path / name).parent.mkdir()
        np.save(tmp_path / f"{name}.npy", signal)
    (tmp_path / "fear" / "three.npy").write_bytes(b"\x93NUMPY\x01\x00 and no more")
    with pytest.raises(RecordingError, match=r"three\.npy") as caught:
        load_dataset(tmp_path)
    assert "\n" not in str(caught.value) and not isinstance(caught.value, DatasetError)
