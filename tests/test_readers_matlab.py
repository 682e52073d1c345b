"""MATLAB files: plain matrices are read, and nothing damaged crashes."""

import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from emg_llm.signal.readers import read_recording
from tests.making import N, emg, refusal


def test_the_only_table_in_a_mat_file_is_the_signal_whatever_its_name(tmp_path):
    savemat(tmp_path / "a.mat", {"trial7": emg(), "fs": 1000, "comment": "posed"})
    assert read_recording(tmp_path / "a.mat").sampling_rate == 1000


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "int32", "int64"])
@pytest.mark.parametrize("compressed", [True, False])
def test_every_number_type_of_a_mat_file_is_read(tmp_path, dtype, compressed):
    signal = np.abs(emg()).astype(dtype)
    more = {"a": {"b": "struct"}, "unit": "mV", "fs": np.uint16(1000)}
    savemat(tmp_path / "a.mat", {**more, "emg": signal}, do_compression=compressed)
    recording = read_recording(tmp_path / "a.mat")
    np.testing.assert_allclose(recording.signal, signal.astype(float) * 1000, rtol=1e-6)
    assert recording.sampling_rate == 1000


def test_a_time_vector_beside_the_signal_gives_the_rate(tmp_path):
    savemat(tmp_path / "a.mat", {"x": emg(), "t": np.arange(N) / 1000})
    assert read_recording(tmp_path / "a.mat").sampling_rate == 1000


def test_matlab_v73_is_read_as_what_was_saved(tmp_path):
    import h5py

    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["emg"] = emg(channels=3).T  # MATLAB stores columns first
        file["fs"] = np.array([[1500.0]])
        unit = file.create_dataset("unit", data=np.array([[ord("m")], [ord("V")]], np.uint16))
        unit.attrs["MATLAB_class"] = np.bytes_("char")
    content = bytearray(path.read_bytes())
    content[:19] = b"MATLAB 7.3 MAT-file"
    path.write_bytes(content)
    recording = read_recording(path)
    assert recording.sampling_rate == 1500 and recording.unit == "uV"
    np.testing.assert_allclose(recording.signal, 1000 * emg(channels=3), rtol=1e-5)


@pytest.mark.parametrize(
    "variables",
    [{"signal": {"data": emg()}}, {"signal": np.array([emg(), "x"], dtype=object)},
     {"signal": emg() > 0}, {"signal": emg() * 1j}, {"signal": "text"}, {"a": emg(), "b": emg()},
     {"fs": 1000}, {}],
    ids=["struct", "cell", "logical", "complex", "char", "two", "only a rate", "nothing"],
)  # fmt: skip
def test_mat_files_without_one_plain_matrix_are_refused(tmp_path, variables):
    savemat(tmp_path / "a.mat", variables)
    refusal(tmp_path / "a.mat")


def test_a_mat_bomb_is_refused_while_it_unpacks(tmp_path):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    (tmp_path / "a.mat").write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    assert "unpacks to more" in refusal(tmp_path / "a.mat")


@pytest.mark.parametrize(("place", "value"), [(145, 121), (184, 150), (184, 230), (185, 241)])
def test_a_damaged_mat_file_that_crashes_scipy_is_refused(tmp_path, place, value):
    savemat(tmp_path / "a.mat", {"signal": emg(60, 3)})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    data[place] = value
    (tmp_path / "a.mat").write_bytes(data)
    refusal(tmp_path / "a.mat")


@pytest.mark.parametrize("key", ["sampling_rate_Hz", "Fs"])
def test_a_rate_of_each_channel_is_that_of_all(tmp_path, key):
    savemat(tmp_path / "a.mat", {"emg": emg(400, 2), key: [[1000.0, 1000.0]]})
    assert read_recording(tmp_path / "a.mat").sampling_rate == 1000
