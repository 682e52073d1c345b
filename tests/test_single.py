"""Large tables in single precision: the same signal, and clocks as exact as they were."""

import edfio
import numpy as np
import pytest
from scipy.io import savemat

from emg_llm.signal.readers import edf, matlab, read_recording, single, xdf
from tests.making import RATE, emg, save
from tests.writing import write_xdf, xdf_stream

SAMPLES = 4000


def timed(turned=False):
    """A clock of seconds since long ago, which single precision would round, and two channels."""
    table = np.column_stack([1e6 + np.arange(SAMPLES) / RATE, emg(SAMPLES, 2)])
    return np.asfortranarray(table) if turned else table


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("extension", [".npy", ".npz", ".mat", ".h5"])
def test_a_large_array_is_read_in_single_precision_and_its_clock_in_double(
    tmp_path, monkeypatch, extension, turned
):
    path = save(tmp_path / f"a{extension}", timed(turned))
    whole = read_recording(path)
    monkeypatch.setattr(single, "LARGE", 1000)
    monkeypatch.setattr(single, "PIECE", 700)
    in_pieces = read_recording(path)
    assert np.array_equal(whole.signal, in_pieces.signal) and whole.n_channels == 2
    assert whole.sampling_rate == in_pieces.sampling_rate == RATE
    assert whole.notes == in_pieces.notes


@pytest.mark.parametrize("extension", [".npy", ".mat", ".h5"])
def test_channels_stored_as_rows_are_read_in_pieces_too(tmp_path, monkeypatch, extension):
    path = save(tmp_path / f"a{extension}", timed().T.copy())
    whole = read_recording(path)
    monkeypatch.setattr(single, "LARGE", 1000)
    monkeypatch.setattr(single, "PIECE", 700)
    in_pieces = read_recording(path)
    assert np.array_equal(whole.signal, in_pieces.signal) and whole.n_channels == 2
    assert in_pieces.sampling_rate == RATE and "were transposed" in " ".join(in_pieces.notes)


def test_parquet_and_feather_keep_an_exact_clock(tmp_path):
    for extension in (".parquet", ".feather"):
        recording = read_recording(save(tmp_path / f"a{extension}", timed()))
        assert recording.sampling_rate == RATE and recording.n_channels == 2


def test_a_table_grows_beyond_what_was_expected():
    table, values = single.Single(10, 2), timed()[:100, :2]
    for start in range(0, 100, 7):
        for i in range(2):
            table.put(start, i, values[start : start + 7, i])
    assert np.array_equal(table.values[:100], values.astype(np.float32))
    assert [*table.exact] == [0] and np.array_equal(table.exact[0][:100], values[:, 0])


def test_a_large_bdf_is_unpacked_some_records_at_a_time(tmp_path, monkeypatch):
    path = save(tmp_path / "a.bdf", emg(SAMPLES, 3))
    whole, calls = read_recording(path), []
    monkeypatch.setattr(edf, "LARGE", 1000)
    monkeypatch.setattr(edf, "PIECE", 12_000)  # three of its ten records
    read = edfio.read_bdf
    monkeypatch.setattr(edfio, "read_bdf", lambda part: calls.append(part) or read(part))
    in_pieces = read_recording(path)
    assert len(calls) == 4 and np.array_equal(whole.signal, in_pieces.signal)
    assert whole.notes == in_pieces.notes and in_pieces.sampling_rate == RATE
    path.write_bytes(path.read_bytes()[:-100])
    assert "fewer samples than its header" in " ".join(read_recording(path).notes)


def test_the_time_beside_a_large_matlab_array_stays_exact(tmp_path, monkeypatch):
    monkeypatch.setattr(single, "LARGE", 1000)
    table = timed()
    savemat(tmp_path / "a.mat", {"emg": table[:, 1:], "t": table[:, :1]}, do_compression=True)
    recording = read_recording(tmp_path / "a.mat")
    assert recording.sampling_rate == RATE and recording.n_channels == 2


def test_a_matlab_variable_is_in_memory_only_in_part(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", {"signal": timed()}, do_compression=True)
    monkeypatch.setattr(single, "LARGE", 1000)
    monkeypatch.setattr(single, "PIECE", 700)
    monkeypatch.setattr(matlab, "PIECE", 500)
    reads, read = [], matlab._Content.read
    monkeypatch.setattr(matlab._Content, "read", lambda c, n: reads.append(n) or read(c, n))
    assert read_recording(tmp_path / "a.mat").n_channels == 2
    assert max(reads) == 700 * 8


def test_chunks_of_an_xdf_are_joined_in_single_precision_and_its_clock_in_double(
    tmp_path, monkeypatch
):
    table = timed()
    streams = [xdf_stream(table, RATE, block=7), xdf_stream(["go"], 0, kind="Markers")]
    path = write_xdf(tmp_path / "a.xdf", *streams)
    for piece in (10**6, 100):
        monkeypatch.setattr(xdf, "PIECE", piece)
        raw = xdf.read_xdf(path)
        assert raw.values.dtype == np.float32
        assert np.array_equal(raw.values, table.astype(np.float32))
        assert [*raw.exact] == [0] and np.array_equal(raw.exact[0], table[:, 0])
