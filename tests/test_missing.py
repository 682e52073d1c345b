"""Models cope with missing and dead electrodes, which are channels of zeros."""

import numpy as np
import pytest

from emg_llm.bridge import BRIDGES
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import site_name
from emg_llm.chat.conversations import build_rows
from emg_llm.data.datasets import load_dataset
from emg_llm.data.splits import held_out_split
from emg_llm.encoders import EncoderConfig, load_encoder
from emg_llm.encoders.examples import Fronts, encoder_inputs
from emg_llm.encoders.training import EncoderTraining, fit_encoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import bundle_folder
from emg_llm.signal.features import is_dead
from emg_llm.signal.missing import expected
from emg_llm.signal.recording import EMOTIONS
from emg_llm.signal.simulation import simulate
from emg_llm.svm import EmotionSVM, dataset_features
from tests.making import of


def test_a_channel_is_dead_relative_to_the_others_in_any_unit():
    power = np.array([[1.0, 2.0, 0.0, 1e-9], [1.0, 2.0, 1e-3, 3.0]])
    for unit in (1.0, 1e-12, 1e12):
        assert (is_dead(unit * power) == [[False, False, True, True], [False] * 4]).all()
    assert not is_dead(np.zeros(3)).any()


def test_what_is_expected_of_missing_columns_is_their_regression_on_the_others():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 5)) @ rng.standard_normal((5, 5)) + 3
    missing = np.zeros(x.shape, bool)
    missing[0, [1, 3]] = missing[1, 2] = True
    filled = expected(np.where(missing, np.nan, x), missing, x.mean(axis=0), np.cov(x.T))
    assert np.array_equal(filled[2:], x[2:])
    design = np.c_[np.ones(len(x)), x[:, [0, 2, 4]]]
    weights = np.linalg.lstsq(design, x[:, [1, 3]], rcond=None)[0]
    assert np.allclose(filled[0, [1, 3]], design[0] @ weights, atol=1e-6)


def test_an_encoder_reads_most_emotions_with_three_electrodes_missing():
    encoder = load_encoder(bundle_folder() / "encoders" / "tcn")
    right = {0: 0, 3: 0}
    for person in range(2):
        for emotion in EMOTIONS:
            recording = simulate(emotion, person, seed=4321)
            for n in right:
                signal = recording.signal.copy()
                signal[:, [2, 4, 7][:n]] = 0
                found = encoder(recording.replace(signal=signal)).argmax()
                right[n] += encoder.config.labels[found] == emotion
    assert right[0] >= 15 and right[3] >= 12


def test_a_flat_channel_counts_as_a_missing_one():
    encoder = load_encoder(bundle_folder() / "encoders" / "tcn")
    zeros = simulate("fear", seed=4321).signal.copy()
    zeros[:, 2] = 0
    flat = zeros.copy()
    flat[:, 2] = 812.5
    at = simulate("fear", seed=4321)
    both = [encoder(at.replace(signal=signal)) for signal in (zeros, flat)]
    assert both[0] == pytest.approx(both[1], abs=1e-4)


def test_missing_sites_are_left_out_of_a_reading_and_counted(people):
    recording = people.recordings[3]
    bridge = BRIDGES["text"].fit(people, range(24))
    signal = recording.signal.copy()
    signal[:, [1, 6]] = 0
    reading, whole = bridge.read(recording.replace(signal=signal)), bridge.read(recording)
    gone = {"below the eye", "cheek"}
    assert reading.missing == 2 and whole.missing == 0
    assert set(whole.sites) - set(reading.sites) == gone
    kept = [v for s, v in zip(whole.sites, whole.levels, strict=True) if s not in gone]
    assert list(reading.levels) == kept
    assert reading.active == pytest.approx(whole.active, abs=0.3)
    assert not any(site in reading.prompt() for site in gone)


def test_half_of_the_electrodes_may_be_dead_in_a_reading(people):
    signal = people.recordings[3].signal.copy()
    signal[:, ::2] = 0
    reading = (
        BRIDGES["text"].fit(people, range(24)).read(people.recordings[3].replace(signal=signal))
    )
    assert len(reading.levels) == 4 and reading.snr > -40


def test_some_training_conversations_have_sites_missing(people):
    bridge, split = BRIDGES["text"].fit(people, range(24)), held_out_split(people)
    rows = build_rows(people, split, bridge, variants=5, n_follow_ups=0)
    counts = {}
    for row in rows:
        prompt = row["messages"][0]["content"]
        n = sum(site_name(name) in prompt for name in bridge.scale.names)
        counts.setdefault(row["split"], []).append(n)
    n = len(split.train)
    assert set(counts["test"]) == {8} and counts["train"][: 4 * n] == [8] * (4 * n)
    assert set(counts["train"][4 * n :]) == {4, 5, 6, 7}


def test_a_variant_with_sites_missing_is_what_a_recording_without_them_gives(people):
    encoder = load_encoder(bundle_folder() / "encoders" / "cnn")
    codebook = Codebook.from_pretrained(bundle_folder() / "codebook")
    bridge = BRIDGES["both"].fit(people, range(24), encoder, codebook, scaling="any")
    recording = people.recordings[5]
    signal = recording.signal.copy()
    signal[:, [0, 3]] = 0
    variant = bridge.readings(people, [5]).read(0, missing=[0, 3])
    direct = bridge.read(recording.replace(signal=signal))
    # A channel less may change which hum is found and removed.
    assert np.abs(np.subtract(variant.levels, direct.levels)).max() <= 1
    assert variant.missing == direct.missing == 2
    assert variant.codes[0] == direct.codes[0]


def test_a_model_is_less_sure_with_each_missing_site():
    rng = np.random.default_rng(0)
    targets, missing = rng.integers(0, 4, 3000), rng.integers(0, 4, 3000)
    scores = rng.standard_normal((3000, 4))
    scores[np.arange(3000), targets] += 3 - 0.8 * missing
    plain = Confidence(0.8)
    fitted = plain.with_missing(2 * scores, targets, missing)
    assert len(fitted.missing) == 3 and 1 <= fitted.missing[0] < fitted.missing[1]
    p = fitted.probabilities(2 * scores, missing)
    for n in range(1, 4):
        right = p[missing == n].argmax(axis=1) == targets[missing == n]
        assert abs(p[missing == n].max(axis=1).mean() - right.mean()) < 0.04
    whole = missing == 0
    assert np.array_equal(p[whole], plain.probabilities(2 * scores)[whole])
    assert np.array_equal(plain.probabilities(scores, 2), plain.probabilities(scores))
    assert np.array_equal(fitted.probabilities(scores, 9), fitted.probabilities(scores, 3))


def test_training_makes_an_encoder_less_sure_without_sites(people):
    config = EncoderConfig("tcn", list(EMOTIONS), width=8, embedding_dim=32, segment_length=500)
    inputs = encoder_inputs(people, config)
    part = [np.flatnonzero(people.groups == p) for p in np.unique(people.groups)]

    def of(rows):
        return inputs_of(inputs, rows), people.targets[rows], people.groups[rows]

    train, others = np.concatenate(part[:2]), part[2]
    encoder = fit_encoder(
        config,
        *of(train)[:2],
        training=EncoderTraining(epochs=2, lead="power"),
        groups=people.groups[train],
        calibration=of(others),
    )
    factors = encoder.config.confidence.missing
    assert len(factors) == 4 and all(np.diff(factors) >= 0) and factors[0] >= 1
    recording = people.recordings[0]
    signal = recording.signal.copy()
    signal[:, :4] = 0
    silent = recording.replace(signal=signal)
    p = encoder.classify(encoder.embedding(silent), 4)
    assert np.allclose(encoder(silent), p)


def inputs_of(fronts, rows):
    return Fronts(len(rows), lambda k: fronts[rows[k]])


def test_an_svm_fills_in_missing_sites_and_is_less_sure_without_them(tmp_path):
    data = load_dataset("simulated:subjects=6,trials=1,duration=1")
    features, columns = dataset_features(data)
    few = data.groups != data.groups[0]
    fit_on, rest = np.flatnonzero(few), np.flatnonzero(~few)
    svm = EmotionSVM.fit(
        features[fit_on], columns, data.targets[fit_on], data.groups[fit_on], data.label_names
    )
    svm.calibrate(features[rest], data.targets[rest], data.groups[rest], None, "others")
    factors = svm.confidence.missing
    assert len(factors) == 4 and all(np.diff(factors) >= 0)
    recording = data.recordings[int(rest[0])]
    signal = recording.signal.copy()
    signal[:, [1, 6]] = 0
    lacking = recording.replace(signal=signal)
    svm.save_pretrained(tmp_path)
    again = EmotionSVM.from_pretrained(tmp_path)
    p = again(lacking)
    assert np.isfinite(p).all() and np.allclose(p, svm(lacking))
    row = dataset_features(of([lacking, data.recordings[int(rest[1])]]))[0][:1]
    gone = np.isnan(row)
    assert gone.sum() == 2 * len(columns) // 8
    filled = again.stand_ins.complete(row)
    assert np.array_equal(filled[~gone], row[~gone]) and np.isfinite(filled).all()
    whole = features[rest[0]]
    powers = np.array([c.startswith("power ") for c in columns]) & gone[0]
    assert np.abs(np.log(filled[0, powers] / whole[powers])).max() < 3
