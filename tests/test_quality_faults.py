"""Each fault is found on its own channel, and on no other; clean recordings have none."""

import re
import tracemalloc
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from scipy import signal as sps
from scipy.ndimage import uniform_filter1d

from emg_llm.plots import signals as plots
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import CRITERIA, assess_quality
from emg_llm.signal.quality.criteria import BY_NAME, PAIR, SEVERITIES
from emg_llm.signal.quality.page import markdown
from emg_llm.signal.quality.snr import MOST_DB
from emg_llm.signal.recording import Recording
from emg_llm.signal.simulation import simulate
from emg_llm.signal.spectrum import find_hum
from tests.faults import ecg, hum, muscles, recorded

ROOT = Path(__file__).parents[1]
RATES = (1000.0, 2000.0, 15000.0)


def low(x, cut, rate, order=2):
    return sps.sosfiltfilt(sps.butter(order, cut, fs=rate, output="sos"), x)


def held(b):
    return np.where(np.arange(len(b)) < len(b) // 2, b, b[len(b) // 2])


def at_the_rail(b):
    return np.where(np.arange(len(b)) < len(b) // 2, b, 3 * b.max())


def open_lead(b, t, rng):
    noise = rng.standard_normal(len(b))
    return np.where(t < t[-1] / 2, b, hum(t, 50, 800, 100, 200) + noise)


def glitch(b):
    return np.where(np.arange(len(b)) == len(b) // 3, 4e6, b)


def angle(t):
    return 20 + 15 * np.sin(np.pi * t) + 3 * np.sin(2.2 * np.pi * t)


# name: (criterion, what becomes of channel b; t in s)
FAULTS = {
    "flat": ("dead", lambda b, t, rate, rng: np.full(len(b), 3.0)),
    "fell off": ("stuck", lambda b, t, rate, rng: held(b)),
    "at the rail": ("stuck", lambda b, t, rate, rng: at_the_rail(b)),
    "open lead": ("off", lambda b, t, rate, rng: open_lead(b, t, rng)),
    "clipped": ("clipped", lambda b, t, rate, rng: np.clip(b, -25, 25)),
    "clipped, then noise": (
        "clipped",
        lambda b, t, rate, rng: np.clip(b, -20, 20) + 0.05 * rng.standard_normal(len(b)),
    ),
    "clipped above, offset": ("clipped", lambda b, t, rate, rng: np.minimum(b, 20) + 500),
    "one glitch": ("glitch", lambda b, t, rate, rng: glitch(b)),
    "sentinel": ("sentinel", lambda b, t, rate, rng: np.where(rng.random(len(b)) < 0.01, -9999, b)),
    "ECG": ("ECG", lambda b, t, rate, rng: 1000 * ecg(t[-1] + 1 / rate, rate)),
    "slow ECG": ("ECG", lambda b, t, rate, rng: -1000 * ecg(t[-1] + 1 / rate, rate, 50)),
    "rectified": ("envelope", lambda b, t, rate, rng: np.abs(b)),
    "rectified, centred": ("envelope", lambda b, t, rate, rng: np.abs(b) - np.abs(b).mean()),
    "envelope": (
        "envelope",
        lambda b, t, rate, rng: uniform_filter1d(np.abs(b), int(0.1 * rate)),
    ),
    "time": ("monotone", lambda b, t, rate, rng: t),
    "counter": ("monotone", lambda b, t, rate, rng: np.arange(len(b)) % 256),
    "angle": ("no EMG", lambda b, t, rate, rng: angle(t)),
    "angle, rounded": ("no EMG", lambda b, t, rate, rng: angle(t).round(1)),
    "angle, noisy": (
        "no EMG",
        lambda b, t, rate, rng: angle(t) + 0.02 * rng.standard_normal(len(b)),
    ),
    "hum": ("hum", lambda b, t, rate, rng: b + hum(t, 50, 200)),
    "hum, harmonics": ("hum", lambda b, t, rate, rng: b + hum(t, 60, 0, 60, 60)),
    "movement": (
        "motion",
        lambda b, t, rate, rng: (
            b + 3e3 * low(rng.standard_normal(len(b)) * (rate / 2e3) ** 0.5, 5, rate)
        ),
    ),
    "low-passed": ("bandwidth", lambda b, t, rate, rng: low(b, 100, rate, 4)),
    "upsampled": (
        "bandwidth",
        lambda b, t, rate, rng: np.interp(t, t[:: int(rate / 200)], b[:: int(rate / 200)]),
    ),
    "noise": ("little activity", lambda b, t, rate, rng: 1.5 * rng.standard_normal(len(b))),
}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_on_its_own_channel_and_named_for_what_it_is(fault, rate):
    criterion, change = FAULTS[fault]
    x, rng = muscles(rate=rate), np.random.default_rng(1)
    x[:, 1] = change(x[:, 1], np.arange(len(x)) / rate, rate, rng)
    report = assess_quality(recorded(x, rate))
    assert [c.faults for c in report.channels] == [(), (criterion,), (), ()]
    (finding,) = report.findings
    assert finding.channels == ("jaw",) and finding.text in report.messages
    assert report.channels[1].verdict == {"note": "good"}.get(finding.severity, finding.severity)
    assert finding.severity in ("note", "usable", "poor") and "jaw" in finding.text
    assert report.channels[1].snr_db <= MOST_DB


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("offset", [0, 5000])
def test_a_clean_recording_is_good_and_nothing_is_said(rate, offset):
    report = assess_quality(recorded(muscles(rate=rate) + offset, rate))
    assert report.verdict == "good" and not report.findings and not report.messages
    assert all(15 < c.snr_db < 40 and c.spectral_snr_db > 8 for c in report.channels)
    assert all(330 < c.bandwidth_hz < 500 for c in report.channels)


@pytest.mark.parametrize("emotion", ["anger", "delight", "fear", "disgust"])
def test_a_simulated_face_has_no_fault_but_muscles_that_hardly_rise_above_their_rest(emotion):
    recordings = [simulate(emotion, person) for person in range(4)]
    verdicts = [assess_quality(r).verdict for r in recordings]
    assert "poor" not in verdicts
    assert {f.criterion for r in recordings for f in assess_quality(r).findings} <= {
        "low SNR",
        "no rest",
        "little activity",
    }


def test_hum_is_told_with_its_frequency_and_harmonics_and_is_filtered_out():
    x = muscles()
    t = np.arange(len(x)) / 2000
    pure = clean(recorded(x)).signal
    for mains, amplitudes, lines in (
        (50, (30, 0, 60), (50, 150)),
        (60, (0, 60, 60), (120, 180)),
        (50, (0, 60, 60, 0, 30), (100, 150, 250)),
    ):
        recording = recorded(x + hum(t, mains, *amplitudes)[:, None])
        report = assess_quality(recording)
        assert report.mains == lines and find_hum(recording).frequency == mains
        assert all(str(line) in report.messages[0] for line in lines)
        left = clean(recording).signal[1000:-1000] - pure[1000:-1000]
        assert left.std() < 0.4 * pure.std()  # the notches take some EMG too


def test_a_lone_line_is_no_hum():
    x = muscles()
    x[:, 1] += hum(np.arange(len(x)) / 2000, 150, 50)
    assert find_hum(recorded(x)).frequency is None


def alike(x):
    (finding,) = assess_quality(recorded(x)).findings
    return finding.criterion, finding.channels


def test_copies_shared_electrodes_and_crosstalk_are_told_apart():
    x, noise = muscles(), np.random.default_rng(2).standard_normal(12000)
    first, own = x[:, 0].copy(), x[:, 1].copy()
    for change, criterion in (
        (first, "copy"),
        (-2 * first, "copy"),
        (first + 1.5 * noise, "one electrode"),
        (first + 0.35 * own, "crosstalk"),
    ):
        x[:, 1] = change
        assert alike(x) == (criterion, ("cheek", "jaw"))
    x[:, 1] = 0.4 * first + own
    assert not assess_quality(recorded(x)).findings


def test_lost_packets_and_gaps_are_told():
    x = muscles()
    for start in range(0, len(x), 400):
        x[start : start + 60] = x[start]
    (finding,) = assess_quality(recorded(x)).findings
    assert finding.criterion == "lost packets" and finding.value == pytest.approx(0.15, abs=0.01)
    valid = np.arange(len(x)) % 400 >= 60
    report = assess_quality(recorded(np.where(valid[:, None], muscles(), 0), valid=valid))
    assert report.invalid == pytest.approx(0.15) and report.messages[0].startswith("15.0%")
    assert report.verdict == "usable" and {c.verdict for c in report.channels} == {"good"}


def test_steady_emg_without_rest_is_usable_and_noise_is_poor():
    rng, x = np.random.default_rng(3), muscles()
    x[:, 1] = muscles(seconds=60, noise=0)[:, 0][300:12300].std() * sps.lfilter(
        *sps.butter(2, (50, 150), "bandpass", fs=2000), 3 * rng.standard_normal(12000)
    ) + 0.2 * rng.standard_normal(12000)
    report = assess_quality(recorded(x))
    assert report.channels[1].faults == ("no rest",) and report.channels[1].verdict == "usable"


@pytest.mark.parametrize("step", [0.5, 2.0])
def test_an_snr_is_bounded_by_the_resolution_of_the_file(step):
    x = muscles(noise=0.0)
    rounded = np.round(x / step) * step
    fine, coarse = (assess_quality(recorded(v)).channels[0] for v in (x, rounded))
    power = np.mean(clean(recorded(x)).signal[:, 0] ** 2)
    assert fine.snr_db <= MOST_DB
    for ratio in (coarse.snr_db, coarse.spectral_snr_db):
        assert ratio <= 10 * np.log10(power / (step**2 / 12)) + 12


def test_a_glitch_makes_no_high_snr():
    x = muscles()
    expected = assess_quality(recorded(x)).channels[1].snr_db
    x[4000, 1] = 4e6
    assert assess_quality(recorded(x)).channels[1].snr_db == pytest.approx(expected, abs=6)


def test_every_criterion_says_one_sentence_and_can_be_met():
    assert len(BY_NAME) == len(CRITERIA)
    for row in CRITERIA:
        limits = [getattr(row, s) for s in SEVERITIES]
        assert any(v is not None for v in limits), row.name
        assert {*row.hides} - {"*"} <= {*BY_NAME}, row.name
        text = row.sentence("a and b" if row.of == PAIR else "a", 1.0, "50 Hz")
        assert "{" not in text and text.endswith(".") and len(text) < 200
        known = sorted((v for v in limits if v is not None), reverse=row.below)
        assert known == [v for v in limits if v is not None], row.name
        assert row.severity(np.nan) == ""
        margin = -1e-6 if row.below else 1e-6
        assert (
            row.severity(known[-1] + margin)
            == [s for s in SEVERITIES if getattr(row, s) in known][-1]
        )


def test_the_page_shows_the_table_of_criteria():
    page = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    table = re.search("<!-- criteria -->\n(.*?)\n<!-- /criteria -->", page, re.DOTALL)[1]
    assert table == markdown(), "put what emg_llm.signal.quality.page.markdown() makes there"
    assert f"exceeds {MOST_DB:g} dB" in " ".join(page.split())


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e30, 3e38])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_any_amplitude_gets_a_report_without_a_number_that_is_none(scale):
    x = np.clip(muscles(seconds=2, noise=1) / 100, -1, 1) * scale
    report = assess_quality(recorded(x, unit="a.u."))
    for channel in report.channels:
        numbers = [v for v in vars(channel).values() if isinstance(v, float)]
        assert not np.isnan(numbers).any()


def long(seconds, rate=15000.0):
    x = np.random.default_rng(0).standard_normal((int(seconds * rate), 8), dtype=np.float32)
    x[: len(x) // 2] *= 20
    return Recording(x, rate)


def test_a_long_recording_is_judged_and_drawn_in_little_memory_and_time():
    recording = long(60)
    tracemalloc.start()
    start = process_time()
    assess_quality(recording)
    plots.signal_figure(recording)
    plots.spectrum_figure(recording)
    took, (_, peak) = process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * recording.signal.nbytes  # on top of the signal itself
    assert took < 6  # a tenth of ten minutes, with a wide margin


def test_a_figure_of_600_gaps_is_drawn_at_once():
    valid = np.arange(60000) % 100 >= 30
    x = np.where(valid[:, None], np.random.default_rng(0).standard_normal((60000, 8)), 0)
    recording = Recording(x, 2000, valid=valid)
    plots.signal_figure(recording)  # plotly loads what it needs
    start = process_time()
    figure = plots.signal_figure(recording)
    assert process_time() - start < 0.5
    assert len(figure.data) == 8
