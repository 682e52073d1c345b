"""Quality: a known signal gets a known SNR, and each fault is found on its own channel."""

import numpy as np
import pytest

from emg_llm.signal.once import Prepared
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import assess_quality, snr_db
from emg_llm.signal.recording import Recording
from emg_llm.signal.simulation import simulate
from tests.making import emg

RATE, N = 2000, 6000
NAMES = tuple("abcd")


def bursts(ratio=10.0, floor=5.0, seed=0):
    """float (samples, 4): noise of `floor`, `ratio` times as strong in the middle third."""
    x = floor * np.random.default_rng(seed).standard_normal((N, 4))
    x[N // 3 : 2 * N // 3] *= ratio
    return x


def recording(x, **more):
    return Recording(x, RATE, NAMES, **more)


def faulty(report):
    return [c.name for c in report.channels if c.verdict == "poor"]


@pytest.mark.parametrize("ratio", [4, 10, 30])
def test_snr_of_a_burst_is_the_power_above_the_floor(ratio):
    expected = 10 * np.log10((ratio**2 - 1) / 3)  # a third of the time
    # The tenth percentile of a window's power lies somewhat below the floor's mean.
    assert snr_db(recording(bursts(ratio))) == pytest.approx(expected, abs=2.0)


def test_snr_rises_with_the_burst_and_not_with_the_gain():
    weak, strong = snr_db(recording(bursts(3))), snr_db(recording(bursts(6)))
    assert (strong > weak + 4).all()
    for gain in (100, 1e-6):
        amplified = recording(gain * bursts(3), unit="a.u.")
        assert np.allclose(snr_db(amplified), weak, atol=0.01)


def test_noise_without_activity_has_a_low_snr_and_is_poor():
    report = assess_quality(recording(bursts(ratio=1)))
    assert report.snr_db < 0 and report.verdict == "poor"
    assert any("Little activity" in m for m in report.messages)


def test_a_good_recording_is_called_good_and_nothing_is_held_against_it():
    report = assess_quality(recording(bursts(10)))
    assert report.verdict == "good" and report.messages == () and report.invalid == 0
    assert [c.name for c in report.channels] == list(NAMES)
    assert report.snr_db == pytest.approx(np.median([c.snr_db for c in report.channels]))


def test_a_prepared_recording_is_cleaned_and_judged_once():
    prepared = Prepared.of(recording(bursts(10)))
    cleaned, report = clean(prepared), assess_quality(prepared)
    assert clean(prepared) is cleaned and assess_quality(prepared) is report
    assert assess_quality(recording(bursts(10))) == report
    louder = prepared.replace(signal=2 * prepared.signal)
    assert clean(louder) is not cleaned  # what changed is another recording


def test_an_invalid_gap_is_no_quiet_moment():
    x, valid = bursts(10), np.ones(N, bool)
    valid[4500:5500] = False  # a sixth of the trial: more than the tenth percentile
    x[~valid] = 0
    with_gap = snr_db(recording(x, valid=valid))
    assert with_gap == pytest.approx(snr_db(recording(bursts(10))), abs=2.0)


def test_a_flat_channel_is_found_and_named():
    x = bursts()
    x[:, 2] = 3.0
    report = assess_quality(recording(x))
    assert [c.flat for c in report.channels] == [False, False, True, False]
    assert faulty(report) == ["c"] and report.verdict == "usable"
    assert any("No signal" in m and "c." in m for m in report.messages)


def test_clipping_is_found_and_its_share_is_known():
    x = bursts()
    x[:, 1] = np.clip(x[:, 1], -40, 40)
    report = assess_quality(recording(x))
    clipped = [c.clipped for c in report.channels]
    # Two neighbours on the same rail: P(|z| > 0.8) / 2 each, in a third of the trial
    assert clipped[1] == pytest.approx(2 * 0.212**2 / 3, abs=0.01)
    assert clipped[0] == clipped[2] == clipped[3] == 0
    assert report.channels[1].verdict == "usable"
    assert any("clips on: b" in m for m in report.messages)


def test_heavy_clipping_is_poor():
    x = bursts()
    x[:, 1] = np.clip(x[:, 1], -3, 3)
    assert faulty(assess_quality(recording(x))) == ["b"]


@pytest.mark.parametrize("mains", [50, 60])
def test_strong_hum_is_found_on_the_channel_that_has_it(mains):
    x = bursts()
    x[:, 3] += 200 * np.sin(2 * np.pi * mains * np.arange(N) / RATE)
    report = assess_quality(recording(x))
    excess = [c.mains_db for c in report.channels]
    assert excess[3] > 20 > max(excess[:3])
    assert any(f"hum at {mains} Hz on: d" in m for m in report.messages)
    # It is filtered out before the SNR is taken.
    assert report.channels[3].snr_db == pytest.approx(report.channels[0].snr_db, abs=3)


def test_invalid_samples_are_counted_and_reported():
    valid = np.arange(N) >= N // 5
    report = assess_quality(recording(bursts(), valid=valid))
    assert report.invalid == pytest.approx(0.2) and report.verdict == "usable"
    assert any(m.startswith("20.0%") for m in report.messages)


def test_a_recording_without_valid_signal_gets_a_report_and_no_exception():
    report = assess_quality(recording(bursts(), valid=np.zeros(N, bool)))
    assert report.verdict == "poor" and report.invalid == 1 and report.messages


def test_simulated_recordings_are_usable():
    verdicts = [assess_quality(simulate(e, 1)).verdict for e in ("anger", "fear", "happiness")]
    assert "poor" not in verdicts


def poor(x, rate=1000.0):
    """The quality of signals that rest in their first half."""
    x = x.copy()
    x[: len(x) // 2] *= 0.05
    return assess_quality(Recording(x.astype(np.float32), rate, ("a", "b", "c"), "uV"))


def test_an_electrode_that_comes_off_is_poor():
    x = emg(3000, 3)
    x[1700:, 0] = 3.0
    report = poor(x)
    assert report.channels[0].verdict == "poor" and report.channels[1].verdict != "poor"
    assert any("come off" in m and "a." in m for m in report.messages)


def test_a_single_wild_sample_is_poor():
    x = emg(3000, 3)
    x[2500, 1] = 4e6
    report = poor(x)
    assert [c.verdict == "poor" for c in report.channels] == [False, True, False]
    assert report.channels[1].wild == 1


def test_copies_repeated_values_and_amplified_signals_are_said():
    x = np.repeat(emg(800, 3), 4, axis=0)
    assert any("about 4 times" in m for m in poor(x).messages)
    x = emg(3000, 3)
    x[:, 2] = x[:, 0]
    assert any("a and c hold the same" in m for m in poor(x).messages)
    assert any("Tens of millivolts" in m for m in poor(1e4 * emg(3000, 3)).messages)
    assert not any("same" in m or "times" in m for m in poor(emg(3000, 3)).messages)
