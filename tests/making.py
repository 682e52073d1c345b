"""Small datasets and files that several tests make."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from emg_llm.data.datasets import Dataset
from emg_llm.signal.readers import read_recording
from emg_llm.signal.recording import RecordingError

N, RATE = 400, 2000  # samples and Hz of a file


def of(recordings, **about):
    """A Dataset of recordings."""
    return Dataset(
        "planted",
        tuple(r.recording_id for r in recordings),
        tuple(r.label for r in recordings),
        tuple(r.subject for r in recordings),
        recordings=tuple(recordings),
        **about,
    )


def rows(features, labels, subjects, ids=None):
    """A Dataset of feature rows."""
    return Dataset(
        "rows",
        tuple(ids or (f"row {i + 1}" for i in range(len(labels)))),
        tuple(labels),
        tuple(subjects),
        table=np.asarray(features, float),
        columns=tuple(f"x{i}" for i in range(np.shape(features)[1])),
    )


def emg(samples=N, channels=8, scale=20.0, seed=0):
    """float64 (samples, channels): noise of `scale`."""
    return np.random.default_rng(seed).normal(0, scale, (samples, channels))


def save(path, array, **more):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, signal=array, **more)
    elif path.suffix == ".mat":
        savemat(path, {"signal": array, **more}, do_compression=True)
    else:
        np.savetxt(path, array, delimiter="\t" if path.suffix == ".tsv" else ",")
    return path


def text(path, table, header=None, sep=",", decimal=".", encoding="utf-8", before="", form=".6f"):
    lines = [sep.join(format(v, form).replace(".", decimal) for v in row) for row in table]
    lines = [sep.join(header), *lines] if header else lines
    path.write_bytes((before + "\n".join(lines) + "\n").encode(encoding))
    return path


def refusal(path, sampling_rate=RATE, **more):
    """The one sentence with which a file is refused, checked for what every such text must be."""
    with pytest.raises(RecordingError) as caught:
        read_recording(path, sampling_rate, **more)
    words = str(caught.value)
    assert Path(path).name in words
    assert str(Path(path).parent) not in words
    assert "\n" not in words and words.endswith(".") and len(words) < 400
    assert "Traceback" not in words and "Error" not in words
    return words


def notes(recording):
    return " ".join(recording.notes)


def counting(monkeypatch):
    """(done, counted): after counted(owner, name), done[name] counts the calls of owner.name."""
    done = Counter()

    def counted(owner, name):
        made = getattr(owner, name)

        def call(*args, **kwargs):
            done[name] += 1
            return made(*args, **kwargs)

        monkeypatch.setattr(owner, name, call, raising=False)

    return done, counted
