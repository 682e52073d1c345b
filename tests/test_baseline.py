"""The SVM: learns, is calibrated across people, and is saved without a pickle."""

import io
import json
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from emg_llm.data.datasets import Dataset, DatasetError, load_dataset
from emg_llm.signal.montage import SitesError
from emg_llm.signal.preprocessing import clean, resample
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.signal.simulation import simulate
from emg_llm.svm import RECORDING_FEATURES, EmotionSVM, dataset_features, recording_features

LABELS = ["anger", "happiness", "neutral", "surprise"]


@pytest.fixture(scope="module")
def data():
    return load_dataset("simulated:subjects=6,trials=2,duration=1.5", LABELS)


@pytest.fixture(scope="module")
def features(data):
    return dataset_features(data)


@pytest.fixture(scope="module")
def svm(data, features):
    rows = data.groups != "sim0-P006"
    return fit(features[0][rows], data.targets[rows], data.groups[rows], features[1])


def fit(x, targets, groups, columns=None, labels=tuple(LABELS)):
    return EmotionSVM.fit(x, columns or range(x.shape[1]), targets, groups, labels)


def test_features_are_power_spread_and_frequency_of_each_channel():
    rng = np.random.default_rng(0)
    recording = Recording(rng.standard_normal((6000, 8)) * [1, 2, 5, 10, 20, 40, 80, 160], 2000)
    power, spread, frequency, *bands = recording_features(recording).values()
    assert np.allclose(power, np.mean(np.square(clean(recording).signal), axis=0), rtol=0.05)
    assert (spread < 1.5).all()  # steady noise
    assert (np.abs(frequency - 235) < 30).all()  # the middle of 20 to 450 Hz
    shares = np.stack(bands) / power  # of white noise between 20 and 450 Hz
    assert np.allclose(shares, np.array([[40], [60], [110]]) / 430, atol=0.05)


@pytest.mark.parametrize("gain", [1e-6, 10.0])
def test_a_gain_multiplies_the_powers_and_leaves_the_rest(gain):
    recording = simulate("delight")
    once = recording_features(recording)
    other = recording_features(recording.replace(signal=gain * recording.signal))
    assert np.allclose(other["power"], gain**2 * once["power"], rtol=1e-3, atol=0)
    for name in ("log power spread", "mean frequency"):
        assert np.allclose(other[name], once[name], rtol=1e-3)


def test_a_dead_channel_has_a_logarithm_in_any_unit():
    for gain in (1.0, 1e-6):
        dead = simulate("delight").signal * gain
        dead[:, 3] = 0
        power = recording_features(Recording(dead, 2000))["power"]
        assert 10 * np.log10(power[3] / power.mean()) == pytest.approx(-60, abs=1)


def test_the_unit_of_all_recordings_makes_no_difference(svm, data, features):
    train, test = data.groups != "sim0-P006", data.groups == "sim0-P006"
    # 120 dB less: the microvolts of the others are volts here.
    volts = features[0] * ([1e-12] * 8 + [1] * 16 + [1e-12] * 24)
    in_volts = fit(volts[train], data.targets[train], data.groups[train], features[1])
    asked = in_volts.predict_proba(volts[test])
    assert np.allclose(asked, svm.predict_proba(features[0][test]), atol=1e-3)


def test_features_do_not_depend_on_the_sampling_rate():
    def features(recording):
        values = recording_features(recording)
        return np.r_[10 * np.log10(values["power"]), values["log power spread"]]  # dB

    fast = features(simulate("fear", sampling_rate=4000))
    other = features(simulate("fear", trial=1, sampling_rate=4000))
    slow = features(resample(simulate("fear", sampling_rate=4000), 1500))
    assert np.abs(fast - slow).max() < 0.5 < np.abs(fast - other).max()


def test_emotions_of_an_unseen_person_are_read_far_above_chance(svm, data, features):
    rows = data.groups == "sim0-P006"
    probabilities = svm.predict_proba(features[0][rows])
    assert probabilities.shape == (8, 4) and np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == data.targets[rows]).mean() >= 0.75


def test_a_recording_gives_the_probabilities_of_its_features(svm, data, features):
    assert np.allclose(svm(data.recordings[5]), svm.predict_proba(features[0][5:6])[0])


def test_features_and_settings_are_chosen_on_people_left_out():
    # The label is in the frequency alone, and each person's own power tells it of that person.
    rng = np.random.default_rng(0)
    people, targets = np.repeat(np.arange(6), 20), np.tile(np.arange(2), 60)
    columns = [f"{feature} {c}" for feature in RECORDING_FEATURES for c in "ab"]
    x = 10 ** rng.standard_normal((120, 12))
    x[:, :2] = 10 ** (people + targets * rng.choice([-1, 1], 6)[people] / 3)[:, None]
    x[:, 4:6] = 100 + 50 * targets[:, None] + rng.standard_normal((120, 2))
    assert fit(x, targets, people, columns, "ab").settings.used == tuple(range(6))
    # Where power tells it as well, the simplest set is taken.
    x[:, :2] = 10 ** (targets + 0.1 * rng.standard_normal((2, 120))).T
    assert fit(x, targets, people, columns, "ab").settings.used == (0, 1)


def test_a_neutral_recording_of_the_person_is_taken_off_in_training_and_in_use():
    rng = np.random.default_rng(0)
    people, targets = np.repeat(np.arange(8), 20), np.tile(np.arange(2), 80)
    own = rng.uniform(-5, 5, (8, 2))[people]
    x = 10 ** (own + targets[:, None] + 0.1 * rng.standard_normal((160, 2)))
    fold = people < 7
    about = x[fold], "ab", targets[fold], people[fold], "ab"
    svm = EmotionSVM.fit(*about, {"neutral": 10 ** own[fold][:, None]}, "neutral")
    p = svm.predict_proba(x[~fold], people[~fold], {"neutral": 10 ** own[~fold][:, None]})
    assert (p.argmax(axis=1) == targets[~fold]).mean() > 0.9
    assert np.abs(p - svm.predict_proba(x[~fold])).max() > 0.1


def test_probabilities_are_calibrated_on_other_people_than_the_svm_was_fitted_on():
    # Which side of a person's own place means which label is that person's secret.
    rng = np.random.default_rng(0)
    people, targets = np.repeat(np.arange(12), 10), np.tile(np.arange(2), 60)
    place, side = 3 * rng.standard_normal((12, 2)), rng.permutation([-1, 1] * 6)
    x = place[people] + (side[people] * (2 * targets - 1))[:, None]
    x += 0.1 * rng.standard_normal(x.shape)
    by_person = fit(x, targets, people, labels="ab").predict_proba(x)
    by_row = fit(x, targets, np.arange(120), labels="ab").predict_proba(x)
    assert by_person.max(axis=1).mean() < 0.65 < by_row.max(axis=1).mean()


def test_a_label_that_training_lacked_keeps_its_column_and_gets_nothing(features, data):
    rows = data.targets != 1
    svm = fit(features[0][rows], data.targets[rows], data.groups[rows])
    probabilities = svm.predict_proba(features[0])
    assert probabilities.shape == (len(data), 4) and (probabilities[:, 1] == 0).all()
    assert (probabilities.argmax(axis=1) == data.targets)[rows].mean() > 0.9


def test_a_single_training_person_is_enough(features, data):
    rows = data.groups == "sim0-P001"
    svm = fit(features[0][rows], data.targets[rows], data.groups[rows])
    assert svm.predict_proba(features[0]).shape == (len(data), 4)


@pytest.mark.parametrize("targets", [[0, 0, 0, 0], [0, 0, 0, 1]])
def test_too_little_to_train_on_is_refused_in_words(targets):
    with pytest.raises(DatasetError, match="two labels"):
        fit(np.arange(8.0).reshape(4, 2), np.array(targets), np.arange(4))


def test_saved_and_loaded_probabilities_are_identical(svm, features, tmp_path):
    svm.info = {"trained_on": "made here"}
    svm.save_pretrained(tmp_path)
    loaded = EmotionSVM.from_pretrained(tmp_path)
    assert np.array_equal(loaded.predict_proba(features[0]), svm.predict_proba(features[0]))
    assert (loaded.labels, loaded.columns) == (svm.labels, svm.columns)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["kind"] == "emg-svm" and config["trained_on"] == "made here"


def test_nothing_that_is_saved_is_a_pickle(svm, tmp_path):
    svm.save_pretrained(tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"config.json", "model.skops", "missing.safetensors"}
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            else:
                json.loads(archive.read(name))


def test_a_file_with_a_type_that_is_not_trusted_is_refused(svm, tmp_path):
    svm.save_pretrained(tmp_path)
    skops.io.dump(FunctionTransformer(zipfile.main), tmp_path / "model.skops")
    with pytest.raises(Exception, match=r"(?i)untrusted.*zipfile\.main"):
        EmotionSVM.from_pretrained(tmp_path)


def test_another_number_of_channels_is_refused_in_words(svm):
    two = Recording(np.random.default_rng(0).standard_normal((3000, 2)), 1000)
    with pytest.raises(RecordingError, match="doesn't say where its 2 channels were recorded"):
        svm(two)
    eight = simulate("anger", duration=1.0)
    mixed = Dataset("mixed", ("a", "b"), ("x", "y"), (None, None), recordings=(two, eight))
    with pytest.raises(SitesError, match="8 channels with names"):
        dataset_features(mixed)


def test_a_feature_tables_columns_are_the_features():
    table = np.arange(6.0).reshape(3, 2)
    data = Dataset("t", ("1", "2", "3"), ("a", "b", "a"), (None,) * 3, table=table, columns="pq")
    values, columns = dataset_features(data)
    assert values is table and columns == "pq"
