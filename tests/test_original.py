"""The original project's protocol: its numbers come out, and what it could not know."""

import numpy as np
import pytest

from emg_llm.audit import original
from emg_llm.audit.leak import measure_leak
from emg_llm.audit.original import original_split, original_tensor
from emg_llm.audit.report import finding
from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.signal.recording import Recording
from tests.making import of, rows


def original_recordings(n):
    rng = np.random.default_rng(0)
    valid = np.arange(45000) >= 1000  # the rows that held the sentinel
    return of(
        [
            Recording(
                rng.standard_normal((45000, 8)) * valid[:, None],
                15000,
                valid=valid,
                label="anger" if i % 2 else "fear",
                recording_id=str(i),
            )
            for i in range(n)
        ]
    )


def test_the_originals_numbers_come_out():
    tensor, owner = original_tensor(original_recordings(2))
    assert tensor.shape == (2 * 351 * 2, 128, 12) and tensor.dtype == np.float32
    assert list(np.bincount(owner)) == [702, 702]
    n = 20 * len(tensor)  # 40 recordings
    parts = original_split(n)
    assert n == 28080 and [len(p) for p in parts] == [17971, 5616, 4493]
    assert sorted(np.concatenate(parts)) == list(range(n))


def test_the_originals_features_are_constants_and_each_segment_has_a_noisy_twin():
    tensor, _ = original_tensor(original_recordings(2))
    plain, twin = tensor[:351], tensor[351:702]
    real = plain[8:]  # the first segments hold the sentinel
    assert np.allclose(real[..., 8], 0, atol=1e-5)  # mean
    assert np.allclose(real[..., 9:11], 1, atol=1e-4)  # variance and RMS
    assert real[..., 11].std() > 0 and (real[..., 11] == real[:, :1, 11]).all()
    assert np.allclose(real[..., :8].mean(axis=1), 0, atol=1e-5)
    assert (twin - plain)[..., :11].std() == pytest.approx(0.01, rel=0.02)


def test_the_originals_split_knows_what_people_who_are_new_do_not():
    data = load_dataset("simulated:subjects=4,trials=2,duration=0.5", ["anger", "fear", "neutral"])
    found = measure_leak(data, preset="original")
    n = 24 * (1000 // 128) * 2
    assert found["n_units"] == n and found["n_scored"] == len(original_split(n)[1])
    assert found["leak"]["segment"]["points"] > 15
    assert "noisy copies" in finding(found) and f"({n}, 128, 12)" in found["units"]


def test_the_original_reads_recordings_of_eight_channels_and_no_more_than_fit(
    independent, monkeypatch
):
    with pytest.raises(DatasetError, match="is a feature table"):
        original_tensor(rows([[1.0], [2]], "ab", ["P1", "P2"]))
    few = [r.replace(signal=r.signal[:, :3], channel_names=()) for r in independent]
    with pytest.raises(DatasetError, match="8 channels and planted has 3"):
        original_tensor(of(few))
    monkeypatch.setattr(original, "MOST", 100)
    with pytest.raises(DatasetError, match="--labels"):
        original_tensor(of(independent))
