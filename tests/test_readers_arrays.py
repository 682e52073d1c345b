"""NumPy files: every number type is read, and no header is believed."""

import io
import struct
import zipfile

import numpy as np
import pytest

from emg_llm.signal.readers import read_recording
from tests.making import RATE, N, emg, refusal, save


@pytest.mark.parametrize("dtype", ["int16", ">i4", "uint16", "float32", ">f8", "float16"])
def test_every_number_type_is_read(tmp_path, dtype):
    signal = np.abs(emg()).astype(dtype)
    recording = read_recording(save(tmp_path / "a.npy", signal), RATE, "uV")
    np.testing.assert_allclose(recording.signal, signal.astype(float), rtol=1e-6)


@pytest.mark.parametrize(
    "array",
    [emg() * 1j, emg() > 0, emg().astype(str), emg().astype("S8"), np.zeros((4, 40, 8)),
     np.zeros(()), np.zeros((0, 8)), np.zeros((90, 8), "f4,f4"), np.zeros(99, "M8[s]"),
     np.full((N, 8), np.nan), np.full((N, 8), -1000.0), np.full((N, 8), 3.0), emg(2), emg(31),
     np.where(emg() > 40, np.inf, 1.0), emg() * 1e200, emg(N, 65), emg(300, 300)],
    ids=["complex", "bool", "text", "bytes", "3-d", "0-d", "no rows", "structured", "dates", "nan",
         "placeholder", "constant", "two samples", "31 samples", "inf", "overflow", "65 channels",
         "300 channels"],
)  # fmt: skip
def test_arrays_that_are_no_signal_are_refused(tmp_path, array):
    refusal(save(tmp_path / "a.npy", array))
    refusal(save(tmp_path / "a.npz", array))


def test_an_npy_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    for shape in [(10**9, 8), (10**30, 8), (N + 1, 8), (-1, 8), (2**63, 2**63)]:
        head = io.BytesIO()
        header = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(head, header)
        (tmp_path / "a.npy").write_bytes(head.getvalue() + emg().tobytes())
        refusal(tmp_path / "a.npy")


def npz_of(path, shape, body):
    """An .npz whose array claims `shape` of float64 and holds `body`."""
    head = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, header)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("signal.npy", head.getvalue() + body)
    return path


def test_an_npz_bomb_is_refused_without_unpacking_it(tmp_path, monkeypatch):
    bomb = npz_of(tmp_path / "a.npz", (10**7, 1), bytes(8 * 10**7))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *a, **k: pytest.fail("it was unpacked"))
    assert "unpacks to more" in refusal(bomb)


def test_an_npz_member_that_promises_more_than_it_holds_is_refused(tmp_path):
    path = npz_of(tmp_path / "a.npz", (10**10, 8), emg().tobytes())
    assert "cut short" in refusal(path)
    # The archive's own record of the size may lie as well; what is there decides.
    npz_of(path, (10**5, 8), emg().tobytes())
    data = bytearray(path.read_bytes())
    record = data.index(b"PK\x01\x02")
    data[record + 24 : record + 28] = struct.pack("<I", 10**7)
    path.write_bytes(data)
    assert "again" in refusal(path)


def test_notes_in_an_npz_are_handed_on_as_the_files_own_words(tmp_path):
    known = {"signal": emg(), "sampling_rate": RATE, "unit": "uV"}
    np.savez(tmp_path / "a.npz", notes=np.array(["Simulated.", "", "x" * 999] + ["y"] * 9), **known)
    first, second, *rest = read_recording(tmp_path / "a.npz").notes
    assert first == "The file says: Simulated."
    assert second == "The file says: " + "x" * 300 and rest == ["The file says: y"]
    np.savez(tmp_path / "b.npz", notes=np.array([1, 2]), **known)
    assert read_recording(tmp_path / "b.npz").notes == ()
