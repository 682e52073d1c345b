"""Small datasets and files that several tests make."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from emg_llm.data.datasets import Dataset
from emg_llm.signal.readers import read_recording
from emg_llm.signal.recording import RecordingError
from tests.writing import write_acq, write_c3d, write_wfdb, write_xdf, xdf_stream

N, RATE = 400, 2000  # samples and Hz of a file


def balanced(people=10, labels=("fear", "anger"), each=2, **more):
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


def one_hot(classes, n, confidence=1.0):
    """Probabilities float (len(classes), n) that are sure of `classes`, int (…,)."""
    rest = (1 - confidence) / (n - 1)
    return np.where(np.eye(n, dtype=bool)[classes], confidence, rest)


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


def _hdf5(path, array):
    import h5py

    with h5py.File(path, "w") as file:
        file["signal"] = array


def _edf(path, array):
    """At RATE, which these formats state; 400 samples are a record of 0.2 s."""
    import edfio

    bdf, most = path.suffix == ".bdf", 200.0
    kind, file = (edfio.BdfSignal, edfio.Bdf) if bdf else (edfio.EdfSignal, edfio.Edf)
    about = {"physical_range": (-most, most)}
    signals = [kind(x, RATE, label=f"channel {i + 1}", **about) for i, x in enumerate(array.T)]
    of_record = N if len(array) % N == 0 else len(array)
    file(signals, data_record_duration=of_record / RATE).write(path)


def _sheet(path, array):
    import pandas as pd

    engine = {".ods": "odf"}.get(path.suffix, "openpyxl")
    pd.DataFrame(array).to_excel(path, index=False, header=False, engine=engine)


def _arrow(path, array):
    import pandas as pd

    table = pd.DataFrame(array, columns=[str(i) for i in range(array.shape[1])])
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_feather(path)


def _wav(path, array):
    from scipy.io import wavfile

    wavfile.write(path, RATE, array.astype(np.float32))


def _wfdb(path, array):
    steps = 1e4
    write_wfdb(path, np.round(array * steps).astype(int), RATE, steps, unit="uV", form="32")


def _biopac(path, array):
    write_acq(path, list(np.asarray(array, float).T), RATE)


def _motion(path, array):
    write_c3d(path, np.asarray(array, float), RATE)


def _lab(path, array):
    array = np.asarray(array, float)
    labels = [f"channel {i + 1}" for i in range(array.shape[1])]
    write_xdf(path, xdf_stream(array, RATE, labels=labels))


WRITERS = {".h5": _hdf5, ".hdf5": _hdf5, ".edf": _edf, ".bdf": _edf, ".xlsx": _sheet}
WRITERS |= {".ods": _sheet, ".parquet": _arrow, ".feather": _arrow, ".wav": _wav}
WRITERS |= {".hea": _wfdb, ".acq": _biopac, ".c3d": _motion, ".xdf": _lab}


def save(path, array, **more):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, signal=array, **more)
    elif path.suffix == ".mat":
        savemat(path, {"signal": array, **more}, do_compression=True)
    elif path.suffix in WRITERS:
        WRITERS[path.suffix](path, np.atleast_2d(array.T).T)
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
