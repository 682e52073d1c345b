"""The feature bank: each feature against a plain reference, known values, units, silence, names."""

import re
from pathlib import Path

import numpy as np
import pytest

import emg_llm
from emg_llm.signal.bank import table
from emg_llm.signal.bank.block import count
from emg_llm.signal.bank.table import (
    BANK,
    DEFAULT,
    FAMILIES,
    GROUPS,
    OTHER_NAMES,
    SOURCES,
    bank_features,
    choose,
    rest_level,
)
from emg_llm.signal.features import FEATURES, feature_table, segment_features
from emg_llm.signal.preprocessing import Segments, clean, segment
from emg_llm.signal.simulation import simulate
from tests.bank_references import RATE, REFERENCES, THRESHOLD

DOCS = Path(__file__).parent.parent / "docs" / "features.md"
every_feature = pytest.mark.parametrize("name", BANK)


def cut(x, rate=RATE):
    """Segments of an array (n, length, channels)."""
    return Segments(np.asarray(x, np.float32), np.zeros(len(x)), rate)


@pytest.fixture(scope="module")
def emg():
    """Three segments of 64 samples and two channels with the spectrum of EMG, an offset in one."""
    recording = clean(simulate("fear", sampling_rate=RATE))
    x = recording.signal[500:692, [0, 3]].reshape(3, 64, 2)
    return x + np.array([0, 5], np.float32)


@every_feature
def test_a_feature_is_what_its_formula_says(name, emg):
    values = bank_features(cut(emg), name, threshold=THRESHOLD)[name]
    assert values.shape == (3, 2) and values.dtype == np.float32
    rows = emg.astype(float).transpose(0, 2, 1).reshape(6, 64).tolist()
    expected = np.reshape([REFERENCES[name](row) for row in rows], (3, 2))
    assert expected.std() > 0
    assert values == pytest.approx(expected, rel=2e-4, abs=2e-5 * abs(expected).max())


def test_there_are_references_and_features_enough():
    assert set(REFERENCES) == set(BANK) and len(BANK) >= 40
    assert sum(map(len, FAMILIES.values())) == len(BANK)  # no name twice
    assert not set(BANK) & set(GROUPS) and not set(OTHER_NAMES) & {*BANK, *GROUPS}


@every_feature
def test_a_feature_has_the_power_of_the_signals_unit_that_its_own_unit_states(name, emg):
    unit = BANK[name].unit
    k = 8.0
    one = bank_features(cut(emg), name, threshold=THRESHOLD)[name]
    more = bank_features(cut(k * emg), name, threshold=k * THRESHOLD)[name]
    if unit == "lg u":
        assert more == pytest.approx(one + np.log10(k), rel=1e-5)
        return
    power = {"√u": 0.5, "u": 1, "u²": 2, "u³": 3, "u⁴": 4, "u⁵": 5, "1": 0, "Hz": 0, "Hz²": 0}
    assert more == pytest.approx(one * k ** power[unit.partition(" ")[0]], rel=1e-5)


@every_feature
def test_a_feature_scales_with_the_rate_as_its_unit_states(name, emg):
    if name.startswith("power_") or name in ("fr", "psr"):
        return  # of bands in Hz
    one = bank_features(cut(emg), name, threshold=THRESHOLD)[name]
    twice = bank_features(cut(emg, 2 * RATE), name, threshold=THRESHOLD)[name]
    hertz = BANK[name].unit.rpartition(" ")[2]
    power = {"Hz": 1, "Hz²": 2, "Hz³": 3}.get(hertz, 0)
    assert twice == pytest.approx(one * 2**power, rel=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("level", [0.0, 7.3, -1e-7, 2.5e6])
@pytest.mark.parametrize("length", [4, 64, 100])
def test_silent_and_constant_segments_have_features_too(level, length):
    values = bank_features(cut(np.full((2, length, 3), level)), "all")
    assert all(np.isfinite(v).all() for v in values.values())
    nothing = {"wl", "zc", "ssc", "wamp", "mfl", "skewness", "kurtosis", "pkf", "mdf", "fr"}
    for name in nothing | set(GROUPS["complexity"]):
        assert not values[name].any(), name
    for name in ("variance", "mavslp", "lscale", "power_20_60", "mean_frequency", "vcf"):
        assert values[name] == pytest.approx(0, abs=1e-6 * max(abs(level), 1)), name
    for name in ("mav", "log", "v3", "peak"):
        assert values[name] == pytest.approx(abs(level), rel=1e-5), name
    assert level or not any(v.any() for v in values.values())


def test_one_odd_segment_changes_no_other(emg):
    x = np.concatenate([emg, np.zeros_like(emg), np.full_like(emg, 1e4)])
    alone, among = (bank_features(cut(v), "all", threshold=THRESHOLD) for v in (emg, x))
    for name, values in alone.items():
        assert among[name][:3] == pytest.approx(values, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("values", [64, 500, 10**6])
def test_the_size_of_blocks_changes_nothing(emg, values, monkeypatch):
    expected = bank_features(cut(emg), "all")
    monkeypatch.setattr(table, "BLOCK_VALUES", values)
    for name, v in bank_features(cut(emg), "all").items():
        assert v == pytest.approx(expected[name], rel=1e-4, abs=1e-5), name


def test_a_sine_has_the_values_of_textbooks():
    rate, n, frequency, peak = 1024.0, 1024, 64.0, 10.0
    wave = peak * np.sin(2 * np.pi * frequency * (np.arange(n) + 0.3) / rate)
    values = {
        k: float(v[0, 0]) for k, v in bank_features(cut(wave[None, :, None], rate), "all").items()
    }
    assert values["rms"] == pytest.approx(peak / np.sqrt(2), rel=1e-4)
    assert values["mav"] == pytest.approx(2 * peak / np.pi, rel=1e-2)
    assert values["msr"] == pytest.approx(np.sqrt(peak) * 0.7628 / np.sqrt(2), rel=1e-2)
    assert values["kurtosis"] == pytest.approx(1.5, rel=1e-4)
    assert values["ttp"] == pytest.approx(peak**2 / 4, rel=1e-4)  # of the positive half
    assert values["power_60_120"] == pytest.approx(values["ttp"], rel=1e-4)
    for name in ("mean_frequency", "mdf", "pkf"):
        assert values[name] == pytest.approx(frequency, rel=1e-3), name
    assert values["psr"] == pytest.approx(1, rel=1e-4)
    assert values["vcf"] < 1 and values["spectral_entropy"] < 0.01
    assert values["zc"] == pytest.approx(2 * frequency, abs=1)
    assert values["ssc"] == pytest.approx(2 * frequency, abs=1)
    assert values["wl"] == pytest.approx(4 * peak * frequency, rel=0.03)
    # x[i] = 2 cos(w) x[i-1] - x[i-2]; mobility and complexity of a sine.
    turn = 2 * np.pi * frequency / rate
    assert values["hjorth_mobility"] == pytest.approx(2 * np.sin(turn / 2), rel=1e-3)
    assert values["hjorth_complexity"] == pytest.approx(1, rel=5e-3)
    assert values["sampen"] < 0.3


def test_white_noise_has_the_values_of_textbooks():
    sd = 3.0
    x = np.random.default_rng(0).normal(0, sd, (60, 512, 2))
    values = {k: float(v.mean()) for k, v in bank_features(cut(x), "all", sd).items()}
    assert values["mav"] == pytest.approx(sd * np.sqrt(2 / np.pi), rel=0.01)
    assert values["lscale"] == pytest.approx(sd / np.sqrt(np.pi), rel=0.01)
    assert values["tm4"] == pytest.approx(3 * sd**4, rel=0.03)
    assert values["kurtosis"] == pytest.approx(3, rel=0.03)
    assert values["skewness"] == pytest.approx(0, abs=0.03)
    assert values["dasdv"] == pytest.approx(sd * np.sqrt(2), rel=0.01)
    assert values["myop"] == pytest.approx(0.3173, rel=0.02)
    assert values["wamp"] / 511 == pytest.approx(0.4795, rel=0.02)  # |N(0, 2 sd²)| > sd
    assert values["zc"] / 511 == pytest.approx(1 / 2, rel=0.01)
    assert values["ssc"] / 510 == pytest.approx(2 / 3, rel=0.01)
    assert values["mean_frequency"] == pytest.approx(RATE / 4, rel=0.01)
    assert values["mdf"] == pytest.approx(RATE / 4, rel=0.02)
    assert values["vcf"] == pytest.approx((RATE / 2) ** 2 / 12, rel=0.02)
    assert values["hjorth_mobility"] == pytest.approx(np.sqrt(2), rel=0.01)
    assert values["hjorth_complexity"] == pytest.approx(np.sqrt(3 / 2), rel=0.01)
    # Two samples are within 0.2 sd of each other with a chance of erf(0.1).
    assert values["sampen"] == pytest.approx(-np.log(0.11246), rel=0.03)
    assert values["permutation_entropy"] == pytest.approx(1, abs=0.01)
    assert values["higuchi"] == pytest.approx(2, rel=0.02)
    assert values["dfa"] == pytest.approx(0.5, abs=0.1)
    assert max(abs(values[f"{kind}{p}"]) for kind in ("ar", "cc") for p in range(1, 5)) < 0.02


def test_an_autoregressive_signal_gives_back_its_coefficients_and_cepstrum():
    a, n = np.array([1.2, -0.8, 0.3, -0.1]), 4000
    x = np.zeros(n)
    noise = np.random.default_rng(0).standard_normal(n)
    for i in range(4, n):
        x[i] = a @ x[i - 4 : i][::-1] + noise[i]
    values = bank_features(cut(x[None, :, None]), ["autoregressive", "cepstral"])
    assert [values[f"ar{p}"].item() for p in range(1, 5)] == pytest.approx(a, abs=0.05)
    # c[p] is the mean of the p-th powers of the poles, over p.
    poles = np.roots([1, *-a])
    expected = [np.sum(poles**p).real / p for p in range(1, 5)]
    assert [values[f"cc{p}"].item() for p in range(1, 5)] == pytest.approx(expected, abs=0.08)


def test_a_walk_is_smoother_than_noise():
    noise = np.random.default_rng(0).normal(0, 1, (20, 512, 1))
    rough, smooth = (bank_features(cut(x), "complexity") for x in (noise, noise.cumsum(axis=1)))
    assert smooth["dfa"].mean() == pytest.approx(1.5, abs=0.15)
    assert smooth["higuchi"].mean() == pytest.approx(1.5, abs=0.1)
    for name in ("sampen", "fuzzyen", "katz", "hjorth_mobility"):
        assert smooth[name].mean() < 0.8 * rough[name].mean(), name
    # Of a walk's three samples, 1/4 ascend, 1/4 descend, and each other order has 1/8.
    shares = np.array([1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8])
    expected = -np.sum(shares * np.log(shares)) / np.log(6)
    assert smooth["permutation_entropy"].mean() == pytest.approx(expected, rel=0.01)


def test_where_no_longer_pattern_matches_sample_entropy_is_the_highest_that_can_be_told():
    x = np.random.default_rng(0).permutation(2.0 ** np.arange(12))[None, :, None]
    assert bank_features(cut(x), "sampen")["sampen"][0, 0] == pytest.approx(np.log(45))


def test_long_segments_are_counted_beyond_a_byte():
    assert count(np.ones((1000, 2), bool)).tolist() == [1000, 1000]


def test_the_default_features_have_their_old_values(emg):
    """Mean, variance, RMS and mean frequency as they were computed before there was a bank."""
    x = np.concatenate([emg, emg + 300, emg / 1e4, 0 * emg])
    values = segment_features(cut(x))
    assert tuple(values) == DEFAULT == tuple(FEATURES)
    old = x.astype(float)
    power = np.abs(np.fft.rfft(old, axis=1)) ** 2
    total = power.sum(axis=1)
    centroid = np.einsum("nfc,f->nc", power, np.fft.rfftfreq(64, 1 / RATE))
    centroid = np.divide(centroid, total, out=np.zeros_like(total), where=total > 0)
    expected = old.mean(1), old.var(1), np.sqrt((old**2).mean(1)), centroid
    for (name, v), wanted in zip(values.items(), expected, strict=True):
        assert v == pytest.approx(wanted, rel=2e-5, abs=1e-6), name


def test_rest_is_the_quiet_part_of_each_channel_and_the_default_threshold():
    x = np.random.default_rng(0).normal(0, 1, (100, 64, 2)) * [2.0, 10.0]
    x[30:] *= 20
    level = rest_level(cut(x))
    assert level == pytest.approx([2, 10], rel=0.15)
    values = bank_features(cut(x), ["wamp", "myop"])
    given = bank_features(cut(x), ["wamp", "myop"], threshold=level)
    assert all(np.array_equal(values[name], given[name]) for name in values)
    assert values["myop"][:30].mean() < 0.4 < 0.9 < values["myop"][30:].mean()


def test_features_are_chosen_by_name_or_group_in_any_case_and_each_once():
    def names(features):
        return tuple(feature.name for feature in choose(features))

    assert names(None) == names("default") == DEFAULT
    assert names(["rms", "MNF", "rms", "var"]) == ("rms", "mean_frequency", "variance")
    assert names("hudgins") == ("mav", "zc", "ssc", "wl")
    assert names(["cepstral", "cc1", "ZC"]) == ("cc1", "cc2", "cc3", "cc4", "zc")
    assert names("all") == tuple(BANK)


@pytest.mark.parametrize(
    ("asked", "near"), [("rmss", "rms"), (["mav", "sampenn"], "sampen"), ("complex", "complexity")]
)
def test_an_unknown_name_is_answered_with_the_nearest_ones(asked, near):
    with pytest.raises(ValueError, match=rf"no feature .*nearest are .*\b{near}\b"):
        feature_table(simulate("fear"), features=asked)
    with pytest.raises(ValueError, match="No features"):
        choose([])


def test_the_table_has_a_column_for_each_feature_and_channel():
    recording = simulate("fear")
    told = emg_llm.feature_table(recording, features=["rms", "cepstral"])
    assert len(told.columns) == 2 + 5 * 8
    values = bank_features(segment(clean(recording)), "cc2")["cc2"]
    assert np.array_equal(told["cc2 cheek"], values[:, 6])
    everything = emg_llm.feature_table(recording, segment_length=256, features="all")
    assert everything.shape == (23, 2 + len(BANK) * 8) and np.isfinite(everything.to_numpy()).all()
    assert emg_llm.feature_table(recording).equals(
        emg_llm.feature_table(recording, features="default")
    )


def test_every_feature_and_every_source_is_documented():
    text = DOCS.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    escaped = [[cell.replace("|", "\\|") for cell in _cells(feature)] for feature in BANK.values()]
    assert [row for row in rows if row.split("`")[1] in BANK] == [
        f"| `{name}` | {title} | {formula} | {unit} | {source} |"
        for name, title, formula, unit, source in escaped
    ]
    for short, source in SOURCES.items():
        assert f"**{short}**: {source}" in text
    cited = {s for f in BANK.values() for s in re.findall(r"[A-Z][a-z]+ \d{4}", f.source)}
    assert cited == set(SOURCES)
    assert all(f"`{name}`" in text for name in (*GROUPS, *OTHER_NAMES))


def _cells(feature):
    return feature.name, feature.title, feature.formula, feature.unit, feature.source
