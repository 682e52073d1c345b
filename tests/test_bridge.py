import json
import re

import numpy as np
import pytest

from emg_llm.bridge import BRIDGES, BridgeError, bridge_named, load_bridge, text
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import Reading, code_token, site_name
from emg_llm.data.datasets import Dataset
from emg_llm.encoders import CnnEncoder, EncoderConfig
from emg_llm.signal.features import channel_power
from emg_llm.signal.levels import SHARE
from emg_llm.signal.montage import at_site
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import MONTAGE, RecordingError

SITES = tuple(site_name(s) for s in MONTAGE)


@pytest.fixture(scope="module")
def codec(people):
    """A real encoder, untrained, and a real codebook of its embeddings."""
    import torch

    torch.manual_seed(0)
    encoder = CnnEncoder(EncoderConfig("cnn", list(people.label_names), width=8, embedding_dim=32))
    encoder.eval()
    embeddings = torch.stack([encoder.encode(encoder.config.tensor(r)) for r in people.recordings])
    return encoder, Codebook.fit(embeddings, depths=3, codes=8, epochs=2)


@pytest.fixture(scope="module")
def text_bridge(people):
    return BRIDGES["text"].fit(people, range(24))


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 12
    return Dataset(
        "features.csv",
        tuple(f"row {i + 1}" for i in range(n)),
        ("fear", "pride") * (n // 2),
        (None,) * n,
        table=np.column_stack([rng.lognormal(size=n), rng.normal(size=n)]),
        columns=("power_above_eye", "slope"),
    )


def random_reading(rng):
    return Reading(
        SITES,
        tuple(int(v) for v in rng.integers(-40, 41, len(SITES))),
        "dB",
        tuple(int(c) for c in rng.integers(64, size=rng.integers(1, 9))),
        int(rng.integers(-40, 41)),
        "good",
        int(rng.integers(-40, 41)),
        (0.4, 2.1),
        1.0,
    )


def test_the_prompt_holds_every_code_and_every_level_exactly():
    rng = np.random.default_rng(0)
    for _ in range(200):
        reading = random_reading(rng)
        prompt = reading.prompt()
        codes = re.findall(r"<emg_(\d+)_(\d+)>", prompt)
        assert codes == [(str(depth), str(c)) for depth, c in enumerate(reading.codes)]
        told, _, rest = prompt.partition(", SNR ")
        assert rest == (
            f"{reading.snr:+d}, quality good, against neutral {reading.neutral:+d}, "
            "active 0.4 to 2.1 s, peak 1.0 s"
        )
        assert dict(re.findall(r", ([a-z ]+) ([+-]\d+)", told)) == {
            site: f"{level:+d}" for site, level in zip(SITES, reading.levels, strict=True)
        }


def test_every_single_change_of_a_reading_changes_the_prompt():
    reading = Reading(("cheek", "jaw"), (3, -4), "dB", (1, 2), 12)
    others = [
        Reading(("cheek", "jaw"), (3, 4), "dB", (1, 2), 12),
        Reading(("cheek", "jaw"), (-4, 3), "dB", (1, 2), 12),
        Reading(("cheek", "jaw"), (3, -4), "dB", (2, 1), 12),
        Reading(("cheek", "jaw"), (3, -4), "dB", (1,), 12),
        Reading(("cheek", "jaw"), (3, -4), "dB", (1, 2), 11),
        Reading(("cheek", "jaw"), (3, -4), "dB", (1, 2), 12, "poor"),
        Reading(("cheek", "jaw"), (3, -4), "dB", (1, 2), 12, neutral=3),
        Reading(("cheek", "jaw"), (3, -4), "dB", (1, 2), 12, active=(0.1, 2.0), peak=1.0),
        Reading(("cheek", "jaw"), (3, -4), "dB", (1, 2), 12, known=(("fear", 3),)),
    ]
    assert len({r.prompt() for r in [reading, *others]}) == 10


def test_a_prompt_without_anything_says_so():
    assert Reading().prompt() == "EMG features: none"
    assert Reading(codes=(4, 0)).prompt() == "EMG features: <emg_0_4><emg_1_0>"


def test_recordings_have_their_own_prompts(people, text_bridge):
    prompts = {text_bridge.read(r).prompt() for r in people.recordings}
    assert len(prompts) == len(people)


def test_a_louder_channel_raises_its_level_alone_by_its_decibels(people, text_bridge):
    recording = people.recordings[0]
    before = text_bridge.read(recording)
    for channel, gain in ((0, 0.5), (3, 2.0), (7, 4.0)):
        signal = recording.signal.copy()
        signal[:, channel] *= gain
        after = text_bridge.read(recording.replace(signal=signal))
        change = np.subtract(after.levels, before.levels)
        assert change[channel] == pytest.approx(20 * np.log10(gain), abs=1)
        assert np.delete(change, channel).tolist() == [0] * 7
        assert after.prompt() != before.prompt()


def test_the_scale_is_fitted_on_the_training_rows_alone(people, table):
    rows = range(24)
    loud = [r.replace(signal=r.signal * 100) for r in people.recordings[24:]]
    changed = people.take(range(len(people)))
    object.__setattr__(changed, "recordings", (*people.recordings[:24], *loud))
    assert (
        BRIDGES["text"].fit(changed, rows).to_dict() == BRIDGES["text"].fit(people, rows).to_dict()
    )
    powers = np.stack([channel_power(r) for r in people.recordings[:24]])
    np.testing.assert_allclose(
        BRIDGES["text"].fit(people, rows).scale.center, np.median(10 * np.log10(powers), axis=0)
    )
    other = table.take(range(12))
    other.table[8:] *= 1000
    first = BRIDGES["text"].fit(table, range(8)).to_dict()
    assert BRIDGES["text"].fit(other, range(8)).to_dict() == first
    assert BRIDGES["text"].fit(other, range(12)).to_dict() != first


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("above the eye", "above the eye"),
        ("above the mouth beside the nose", "above the mouth beside the nose"),
        ("power_above_eye", "above the eye"),
        ("power_above_mouth_beside_nose", "above the mouth beside the nose"),
        ("rms_jaw", "jaw"),
        ("log_power_beside_the_mouth", "beside the mouth"),
        ("jaw", "jaw"),
        ("channel 3", "channel 3"),
        ("undercut", "undercut"),  # no place
    ],
)
def test_site_name(column, name):
    assert site_name(column) == name


@pytest.mark.parametrize(
    ("site", "place"),
    [("above the eye", "above the eye"), ("jaw", "at the jaw"), ("Ch 3", "at Ch 3")],
)
def test_where_a_site_is(site, place):
    assert at_site(site) == place


def test_the_sites_of_the_montage_keep_different_names():
    assert len(set(SITES)) == len(MONTAGE)


def test_the_tokens_are_the_codebooks_codes_of_the_encoders_embedding(people, codec):
    encoder, codebook = codec
    bridge = BRIDGES["tokens"].fit(people, range(24), encoder, codebook)
    prompts = set()
    for recording in people.recordings[:12]:
        codes = codebook.encode(encoder.encode(encoder.config.tensor(recording))[None])[0]
        reading = bridge.read(recording)
        assert reading.codes == tuple(codes)
        assert reading.levels == () and reading.snr is None
        expected = "".join(f"<emg_{depth}_{code}>" for depth, code in enumerate(codes))
        assert reading.prompt() == f"EMG features: {expected}"
        assert reading.tokens == tuple(code_token(d, c) for d, c in enumerate(codes))
        prompts.add(reading.prompt())
    assert len(prompts) > 1


def test_both_says_codes_and_levels(people, codec, text_bridge):
    both = BRIDGES["both"].fit(people, range(24), *codec).read(people.recordings[0])
    alone = text_bridge.read(people.recordings[0])
    assert both.prompt() == alone.prompt().replace(": ", f": {''.join(both.tokens)}, ", 1)
    assert len(both.codes) == 3


def test_variants_for_training_differ_and_reading_as_it_is_does_not(people, codec):
    bridge = BRIDGES["both"].fit(people, range(24), *codec)
    plain, readings = bridge.read(people.recordings[3]), bridge.readings(people, [3])
    assert readings.read(0) == plain == bridge.read(people.recordings[3])
    rng = np.random.default_rng(0)
    varied = [readings.read(0, rng) for _ in range(8)]
    assert len({v.levels for v in varied}) == 8
    gap = np.mean([np.subtract(v.levels, plain.levels) for v in varied])
    assert abs(gap) < 4  # a variant is still that recording
    again = np.random.default_rng(0)
    assert [readings.read(0, again) for _ in range(8)] == varied


def test_a_bridge_comes_back_from_json(people, codec, text_bridge):
    for bridge in (text_bridge, BRIDGES["both"].fit(people, range(24), *codec)):
        config = json.loads(json.dumps(bridge.to_dict()))
        again = load_bridge(config, *codec)
        for recording in people.recordings[:3]:
            assert again.read(recording).prompt() == bridge.read(recording).prompt()
    tokens = BRIDGES["tokens"].fit(people, range(24), *codec)
    assert load_bridge(json.loads(json.dumps(tokens.to_dict())), *codec).scale is None


def test_rows_of_a_feature_table_are_read_without_codes_and_snr(table):
    bridge = BRIDGES["text"].fit(table, range(12))
    [reading] = bridge.read_dataset(table, [4])
    assert reading.sites == ("above the eye", "slope")
    assert reading.codes == () and reading.snr is None
    assert reading.unit == ""  # not everything is in dB
    expected = 10 * np.log10(table.table[4, 0] / np.median(table.table[:, 0]))
    assert abs(reading.levels[0] - expected) <= 1
    assert reading.prompt() == (
        f"EMG features: above the eye {reading.levels[0]:+d}, slope {reading.levels[1]:+d}"
    )


def test_what_cannot_be_bridged_is_said_in_one_sentence(people, table, codec, text_bridge):
    with pytest.raises(BridgeError, match="choose one of text, tokens, both"):
        bridge_named("soft")
    with pytest.raises(BridgeError, match="--encoder"):
        BRIDGES["tokens"].fit(people, range(3))
    with pytest.raises(BridgeError, match="--bridge text"):
        BRIDGES["tokens"].fit(table, range(3), *codec).read_dataset(table, [0])
    two = people.recordings[0].replace(
        signal=people.recordings[0].signal[:, :2], channel_names=("a", "b")
    )
    with pytest.raises(RecordingError, match=r"the channels a and b, has none of the sites"):
        text_bridge.read(two)


def test_known_trials_of_the_same_person_are_told_the_nearest_first(people):
    bridge = BRIDGES["text"].fit(people, range(len(people)), scaling="person")
    rows = np.arange(12)  # all of the first person
    known = np.arange(len(people))  # of everybody
    [levels] = (told.levels for told in bridge.readings(people, rows).told)
    for k, reading in enumerate(bridge.read_dataset(people, rows, known)):
        off = {
            people.labels[other]: np.sqrt(np.mean((level - levels[k]) ** 2))
            for other, level in enumerate(levels)
            if other != k
        }
        nearest = sorted(off, key=off.get)[:3]
        assert reading.known == tuple((label, round(off[label])) for label in nearest)
        assert people.labels[k] not in nearest  # of each emotion there is but one trial


def test_people_are_the_measure_of_their_levels_where_several_are_read(people):
    bridge = BRIDGES["text"].fit(people, range(24), scaling="person")
    rows = np.arange(24, 36)
    quiet = people.take(range(len(people)))
    changed = [r.replace(signal=r.signal * 0.1) for r in people.recordings[24:]]
    object.__setattr__(quiet, "recordings", (*people.recordings[:24], *changed))
    before, after = (
        np.array([r.levels for r in bridge.read_dataset(data, rows)]) for data in (people, quiet)
    )
    np.testing.assert_allclose(after - before, -20 * (1 - SHARE), atol=1)
    # A single recording is measured against the training people.
    assert bridge.read(changed[0]).levels != bridge.read(people.recordings[24]).levels


def test_known_trials_need_levels(people, codec):
    tokens = BRIDGES["tokens"].fit(people, range(24), *codec)
    with pytest.raises(BridgeError, match="such as 'text'"):
        tokens.read_dataset(people, [0], known=[1])


def test_timing_quality_and_distance_from_neutral_are_told(people, text_bridge):
    recording = people.recordings[people.labels.index("delight")]
    reading = text_bridge.read(recording)
    assert 0 <= reading.active[0] < reading.peak < reading.active[1] <= recording.duration
    assert reading.quality == assess_quality(recording).verdict
    still = text_bridge.read(people.recordings[people.labels.index("neutral")])
    assert reading.neutral > 5 > abs(still.neutral)


def test_a_variant_has_a_share_of_another_recording_and_no_more_than_all_of_it(monkeypatch):
    monkeypatch.setattr(text, "OVERALL_NOISE", 0.0)
    monkeypatch.setattr(text, "SITE_NOISE", 0.0)
    table = np.exp([[0.0, 4.0], [2.0, 2.0], [8.0, 0.0], [3.0, 1.0]])
    people = (None,) * 4
    data = Dataset("made", tuple("abcd"), ("x", "y") * 2, people, table=table, columns=("p", "q"))
    readings = BRIDGES["text"].fit(data, range(4)).readings(data, range(4))
    rng = np.random.default_rng(0)
    own, other = (np.array(readings.read(k).levels) for k in (0, 2))
    told = np.array([readings.read(0, rng, other=2).levels for _ in range(100)])
    share = (told - own) / (other - own)
    assert share.min() > -0.05 and share.max() < 1.05 and np.ptp(share) > 0.8
    np.testing.assert_allclose(share[:, 0], share[:, 1], atol=0.1)  # all sites of one share
    assert readings.read(0, rng).levels == tuple(own)
