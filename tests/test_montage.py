"""Channels by the names of their sites: synonyms, order, sides, and what is unknown."""

import numpy as np
import pytest

from emg_llm.data.datasets import load_dataset
from emg_llm.signal.features import activity, feature_table
from emg_llm.signal.montage import (
    SitesError,
    arrange,
    common_sites,
    missing_and_unused,
    montage_sites,
    parse,
    places,
)
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.readers import read_recording
from emg_llm.signal.recording import MONTAGE, Recording
from emg_llm.signal.simulation import simulate
from tests.making import RATE, emg, notes, save, text

FACE = {
    "above the eye": ["Corrugator L", "EMG_cor", "CS", "RCS", "power_above_eye", "AboveEye"],
    "below the eye": ["lower_eyelid", "orbicularis oculi inferior (R)"],
    "beside the eye": ["lateral canthus", "orbicularis_oculi_lateral", "EMG 5: beside the eye"],
    "forehead": ["Frontalis", "M. frontalis medialis", "left forehead"],
    "beside the mouth": ["Risorius", "mouth corner"],
    "above the mouth beside the nose": ["LLSAN", "LevatorLabii", "Levator Labii Superioris"],
    "cheek": ["EMG 3 (cheek)", "zyg", "Zygomaticus major R", "ZM", "EMGzyg", "ZML", "r. zyg"],
    "jaw": ["masseter", "Left_Masseter", "jaw (uV)"],
}


@pytest.mark.parametrize(("site", "names"), FACE.items())
def test_a_site_is_known_by_its_position_muscle_and_abbreviation(site, names):
    assert [parse(name).place for name in names] == [site] * len(names)


@pytest.mark.parametrize(
    "name",
    ["orbicularis oculi", "OO", "orbicularis oris", "mentalis", "depressor", "nasalis", "ch 3",
     "EMG1", "channel 7", "zygomaticus minor", "buccinator", "biceps left", "L", ""],
)  # fmt: skip
def test_a_name_that_fits_no_site_or_more_than_one_is_no_site(name):
    assert not parse(name).is_site


def test_named_channels_take_the_order_of_the_model_whatever_their_own():
    recording = simulate("fear", duration=0.3)
    order = np.random.default_rng(0).permutation(8)
    shuffled = recording.replace(
        signal=recording.signal[:, order],
        channel_names=[f"EMG_{MONTAGE[i].replace(' ', '_')}" for i in order],
    )
    arranged = arrange(shuffled, MONTAGE)
    assert arranged.channel_names == MONTAGE
    assert (arranged.signal == recording.signal).all()
    assert arrange(recording, MONTAGE) is recording


def test_a_missing_site_is_silent_and_half_of_them_are_needed():
    recording = simulate("fear", duration=0.3)
    half = recording.replace(signal=recording.signal[:, ::2], channel_names=MONTAGE[::2])
    arranged = arrange(half, MONTAGE).signal
    assert (arranged[:, ::2] == half.signal).all() and not arranged[:, 1::2].any()
    few = recording.replace(signal=recording.signal[:, :3], channel_names=MONTAGE[:3])
    with pytest.raises(SitesError, match="has only above the eye, below the eye and beside"):
        arrange(few, MONTAGE)
    assert missing_and_unused(("ECG", *MONTAGE[:7]), MONTAGE) == (("jaw",), ("ECG",))


def test_unnamed_channels_match_only_a_model_of_as_many_unnamed_channels():
    plain = Recording(emg(), RATE)
    assert arrange(plain, plain.channel_names) is plain
    with pytest.raises(SitesError, match="doesn't say where its 8 channels were recorded"):
        arrange(plain, MONTAGE)
    with pytest.raises(SitesError, match="reads 2 channels without names"):
        arrange(plain, ("channel 1", "channel 2"))
    with pytest.raises(SitesError, match="8 channels with names"):
        arrange(simulate("fear", duration=0.3), plain.channel_names)


def test_of_two_sides_the_left_one_is_read_in_any_order_unless_it_is_dead():
    names = ("Corrugator R", "jaw", "Corrugator L")
    assert places(names, ("above the eye", "jaw")) == [2, 1]
    assert places(names[::-1], ("above the eye", "jaw")) == [0, 1]
    assert places(names, ("above the eye", "jaw"), dead=[False, False, True]) == [0, 1]
    assert places(names, ("above the eye right", "above the eye left")) == [0, 2]
    assert places(("cheek left",), ("cheek right",)) == [None]
    recording = Recording(emg(channels=3), RATE, names)
    recording.signal[:, 2] = 5.0
    assert (arrange(recording, ("above the eye", "jaw")).signal == recording.signal[:, :2]).all()


def test_several_recordings_share_sites_with_sides_where_both_occur():
    assert common_sites([("zyg", "cor"), ("jaw", "Corrugator L")]) == (
        "cheek", "above the eye", "jaw", "above the eye left"
    )  # fmt: skip
    assert common_sites([("LZM", "LCS")]) == ("cheek", "above the eye")
    assert common_sites([("medial frontalis", "lateral frontalis")]) == (
        "medial frontalis", "lateral frontalis"
    )  # fmt: skip


def test_a_montage_names_each_channel_once():
    assert montage_sites("face", 8) == montage_sites(["Face"], 8) == MONTAGE
    assert montage_sites("cheek; jaw", 2) == montage_sites(["cheek", "jaw"], 2) == ("cheek", "jaw")
    with pytest.raises(SitesError, match="8 sites and the recording 2 channels"):
        montage_sites("face", 2)
    with pytest.raises(SitesError, match="different name"):
        montage_sites("jaw, jaw", 2)


def test_given_sites_replace_those_in_the_file_and_a_contradiction_is_noted(tmp_path):
    path = text(tmp_path / "a.csv", emg(channels=2), ("zyg", "cor"))
    assert read_recording(path, RATE).channel_names == ("zyg", "cor")
    same = read_recording(path, RATE, montage="cheek, above the eye")
    assert same.channel_names == ("cheek", "above the eye") and "the given" not in notes(same)
    other = read_recording(path, RATE, montage=["jaw", "cheek"])
    assert other.channel_names == ("jaw", "cheek") and "calls the channels zyg, cor" in notes(other)
    with pytest.raises(SitesError, match=r"a\.csv: The montage has 8 sites"):
        read_recording(path, RATE, montage="face")


def test_a_channel_without_numbers_is_silent_and_noted(tmp_path):
    signal = emg(channels=2)
    signal[:, 1] = np.nan
    recording = read_recording(text(tmp_path / "a.csv", signal, ("zyg", "cor")), RATE)
    assert recording.valid.all() and not recording.signal[:, 1].any()
    assert "Channel cor has no numbers" in notes(recording)


def test_recordings_of_a_dataset_are_arranged_into_one_order(tmp_path):
    signal = emg(channels=3)
    text(tmp_path / "a.csv", signal, ("cheek", "jaw", "forehead"))
    text(tmp_path / "b.csv", signal[:, ::-1], ("frontalis", "masseter", "zyg"))
    text(tmp_path / "c.csv", signal[:, :2], ("zyg", "jaw"))
    save(tmp_path / "d.npy", signal)
    head = "path,label,sampling_rate,unit,montage\n"
    rows = [f"{name},{name[0]},{RATE},uV," for name in ("a.csv", "b.csv", "c.csv")]
    rows.append(f"d.npy,d,{RATE},uV,cheek; jaw; forehead")
    (tmp_path / "manifest.csv").write_text(head + "\n".join(rows))
    data = load_dataset(tmp_path / "manifest.csv")
    assert {r.channel_names for r in data.recordings} == {("cheek", "jaw", "forehead")}
    a, b, c, d = (r.signal for r in data.recordings)
    np.testing.assert_allclose(a, b, atol=1e-4)
    np.testing.assert_allclose(a, d, atol=1e-4)
    assert (c[:, :2] == a[:, :2]).all() and not c[:, 2].any()


def test_a_folder_of_unnamed_recordings_stays_unnamed_unless_a_montage_is_given(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        save(tmp_path / label / "1.npz", emg(), fs=RATE)
    names = [r.channel_names[7] for r in load_dataset(tmp_path).recordings]
    assert names == ["channel 8"] * 2
    assert load_dataset(tmp_path, montage=["face"]).recordings[0].channel_names == MONTAGE


def test_times_are_those_of_the_file_where_its_start_is_cut_away(tmp_path):
    burst = np.where((np.arange(3000) > 1600) & (np.arange(3000) < 2200), 100.0, 1.0)
    signal = emg(3000, 2, scale=1.0) * burst[:, None]
    signal[:1000] = -1000.0  # half a second of placeholders
    recording = read_recording(save(tmp_path / "a.npy", signal), RATE, "uV")
    cleaned = clean(recording)
    assert (recording.start, cleaned.start, cleaned.n_samples) == (0.0, 0.5, 2000)
    start, end, peak = activity(recording)
    assert start == pytest.approx(0.8, abs=0.06) and end == pytest.approx(1.1, abs=0.06)
    assert start < peak < end
    assert feature_table(recording)["start_s"][1] == pytest.approx(0.5 + 128 / RATE)
