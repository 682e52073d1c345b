"""Cleaning takes away what is not muscle, and leaves what is; resampling keeps amplitudes."""

import numpy as np
import pytest
from scipy import signal as sps

from emg_llm.signal.preprocessing import BAND, clean, detect_mains, resample
from emg_llm.signal.recording import Recording, RecordingError
from tests.faults import noise_like_emg

RATE = 2000
T = np.arange(3 * RATE) / RATE
MIDDLE = slice(1000, -1000)  # 2 s: every whole and half hertz is a bin


def sine(frequency, amplitude=50.0):
    return amplitude * np.sin(2 * np.pi * frequency * T)


def recording(*channels, rate=RATE, **more):
    """Channels of arrays (samples,), each over a little amplifier noise."""
    noise = np.random.default_rng(0).standard_normal((len(channels[0]), len(channels)))
    return Recording(np.stack(channels, axis=1) + noise, rate, **more)


def amplitude(x, frequency):
    """Of the sine of that frequency in the middle 2 s of x, sampled at RATE."""
    x = x[MIDDLE]
    return np.abs(np.fft.rfft(x))[round(frequency * len(x) / RATE)] * 2 / len(x)


@pytest.mark.parametrize("tone", [80, 110, 135])  # 10 Hz or more from what is notched
@pytest.mark.parametrize("mains", [50, 60])
def test_cleaning_removes_hum_and_drift_and_keeps_the_muscles_band(tone, mains):
    drift = 300 * T + sine(0.5, 200) + 1000
    x = clean(recording(sine(tone) + sine(mains, 200) + drift, sine(tone))).signal
    for channel in x.T:
        assert amplitude(channel, tone) == pytest.approx(50, rel=0.05)
    assert amplitude(x[:, 0], mains) < 0.01 * 200
    assert np.abs(x[MIDDLE].mean(axis=0)).max() < 0.1
    assert amplitude(x[:, 0], 0.5) < 0.01 * 200


def test_a_muscle_tone_at_150_hz_stays_where_there_is_no_hum():
    x = clean(recording(sine(150))).signal
    assert amplitude(x[:, 0], 150) == pytest.approx(50, rel=0.05)


def test_what_lies_outside_the_emg_band_is_removed():
    x = clean(recording(sine(5) + sine(800))).signal[:, 0]
    assert amplitude(x, 5) < 1 and amplitude(x, 800) < 1


def test_cleaning_delays_nothing_and_does_the_same_forwards_and_backwards():
    burst = np.where((T > 1.4) & (T < 1.6), sine(120), 0)
    forwards = recording(burst + sine(50, 100))
    x = clean(forwards).signal[:, 0]
    assert np.argmax(np.correlate(x, burst, "full")) == len(T) - 1
    backwards = clean(forwards.replace(signal=forwards.signal[::-1])).signal[::-1, 0]
    assert np.allclose(x, backwards, atol=0.1)


def filtered_step_by_step(x, rate, mains=None):
    """Each filter of its own forwards and backwards over x, padded as scipy does."""
    x = sps.sosfiltfilt(sps.butter(4, BAND, "bandpass", fs=rate, output="sos"), x, axis=0)
    for harmonic in np.arange(mains, BAND[1], mains)[:6] if mains else ():
        x = sps.filtfilt(*sps.iirnotch(harmonic, Q=30, fs=rate), x, axis=0)
    return x


@pytest.mark.parametrize("rate", [1024, 2000, 15000])
@pytest.mark.parametrize("hum", [0.0, 100.0])
def test_cleaning_at_once_is_filtering_step_by_step(rate, hum):
    wave = 20 * noise_like_emg(int(3.01 * rate), rate, 8, np.random.default_rng(0))
    raw = Recording(wave, rate)
    wave = hum * np.sin(2 * np.pi * 50 * np.arange(raw.n_samples) / rate)
    raw = raw.replace(signal=raw.signal + wave[:, None])
    # Near the ends the two differ in what they think lies beyond.
    middle = slice(int(1.2 * rate), -int(1.2 * rate))
    x = clean(raw).signal
    expected = filtered_step_by_step(raw.signal.astype(float), rate, 50 if hum else None)
    assert np.abs(x - expected)[middle].max() < 0.01 * expected[middle].std() + 0.002 * hum


@pytest.mark.parametrize("seconds", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("grid", [49.97, 50.0, 60.04])
def test_hum_rings_at_neither_end_of_a_short_recording(seconds, grid):
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * RATE)) / RATE
    quiet = Recording(rng.standard_normal((len(t), 8)), RATE)
    hum = sum(
        300 / k * np.sin(2 * np.pi * k * grid * t[:, None] + rng.uniform(0, 6, 8))
        for k in (1, 2, 3)
    )
    x = clean(quiet.replace(signal=quiet.signal + hum)).signal
    ends = np.concatenate([x[:200], x[-200:]])
    assert ends.std() < 2 * clean(quiet).signal.std()


def test_a_drifting_end_does_not_become_a_burst():
    x = clean(recording(1000 * T)).signal
    assert np.abs(x[:200]).max() < 20 and np.abs(x[-200:]).max() < 20


def test_cleaning_twice_is_cleaning_once():
    once = clean(recording(sine(110) + sine(50, 100)))
    assert once.cleaned and clean(once) is once


def test_cleaning_leaves_the_raw_recording_as_it_was():
    raw = recording(sine(110) + 500)
    before = raw.signal.copy()
    clean(raw)
    assert np.array_equal(raw.signal, before) and not raw.cleaned


def test_invalid_rows_at_the_ends_are_cut_off_and_leave_no_trace():
    whole = clean(recording(sine(110)))
    x, valid = recording(sine(110)).signal, np.ones(len(T), bool)
    valid[:700] = valid[-300:] = False
    for sentinel in (0.0, -1000.0):
        x[~valid] = sentinel
        cut = clean(Recording(x, RATE, valid=valid))
        assert cut.n_samples == len(T) - 1000 and cut.valid.all()
        assert np.allclose(cut.signal[600:-600], whole.signal[1300:-900], atol=0.5)


def test_an_invalid_gap_holds_zeros_and_does_not_ring_into_its_surroundings():
    x, valid = recording(sine(110)).signal, np.ones(len(T), bool)
    valid[3000:3200] = False
    x[~valid] = -1000.0
    gap = clean(Recording(x, RATE, valid=valid))
    assert (gap.signal[3000:3200] == 0).all() and not gap.valid[3000:3200].any()
    assert np.abs(gap.signal[gap.valid]).max() < 100  # the tone is 50, the sentinel 1000


def test_too_little_valid_signal_is_refused_in_words():
    valid = np.zeros(len(T), bool)
    valid[:20] = True
    with pytest.raises(RecordingError, match="32 samples"):
        clean(recording(sine(110), valid=valid))


def test_a_rate_that_cannot_hold_emg_is_refused_in_words():
    with pytest.raises(RecordingError, match="export it at"):
        clean(recording(sine(5), rate=40))


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_hum_is_found_though_a_single_channel_of_eight_has_it(mains):
    noise = 10 * np.random.default_rng(1).standard_normal((len(T), 8))
    for seed in range(5):
        x = np.random.default_rng(seed).permuted(noise, axis=0)
        assert detect_mains(Recording(x, RATE))[0] is None
        x[:, 3] += sine(mains, 100)
        found, excess = detect_mains(Recording(x, RATE))
        assert found == mains and excess.argmax() == 3 and excess[3] > 20


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_no_hum_is_found_in_a_short_recording_without_any(seconds):
    x = np.random.default_rng(0).standard_normal((50, int(seconds * RATE), 8))
    found = [detect_mains(Recording(one, RATE))[0] is not None for one in x]
    assert np.mean(found) < 0.2


@pytest.mark.parametrize("rate", [1000, 1500, 1024, 4000, 15000])
def test_resampling_keeps_amplitude_frequency_and_duration(rate):
    tone = recording(sine(120))
    there = resample(tone, rate)
    assert there.sampling_rate == rate
    assert there.duration == pytest.approx(tone.duration, abs=2 / rate)
    back = resample(there, RATE)
    assert amplitude(back.signal[:, 0], 120) == pytest.approx(50, rel=0.03)
    middle = there.signal[there.n_samples // 3 : -there.n_samples // 3, 0]
    assert np.sqrt(2) * middle.std() == pytest.approx(50, rel=0.05)


def test_resampling_down_does_not_fold_high_frequencies_back():
    x = resample(recording(sine(900)), 1000).signal[:, 0]
    assert x[200:-200].std() < 2  # the tone would appear at 100 Hz with 35


def test_resampling_keeps_invalid_rows_invalid():
    valid = np.ones(len(T), bool)
    valid[2000:4000] = False
    half = resample(recording(sine(120), valid=valid), 1000)
    assert half.valid.sum() == pytest.approx(2000, abs=2)
    assert not half.valid[1010:1990].any() and (half.signal[1010:1990] == 0).all()


def test_resampling_to_the_same_rate_changes_nothing():
    tone = recording(sine(120))
    assert resample(tone, 2000.0) is tone
