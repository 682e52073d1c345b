import json
from time import process_time

import numpy as np
import pytest

import emg_llm
from emg_llm.plots import signals as plots
from emg_llm.signal.quality import ChannelQuality, QualityReport
from emg_llm.signal.recording import Recording


def noise(seconds=1.0, rate=2000.0, channels=8, **settings):
    rng = np.random.default_rng(0)
    signal = 20 * rng.standard_normal((int(seconds * rate), channels))
    return Recording(signal, rate, **settings)


@pytest.mark.parametrize(("seconds", "rate"), [(3, 15000), (60, 2000), (0.2, 250)])
def test_a_signal_figure_stays_light_whatever_the_recording(seconds, rate):
    figure = plots.signal_figure(noise(seconds, rate))
    assert len(figure.data) == 8
    assert len(figure.to_json()) < 400_000
    for trace in figure.data:
        end = trace.x0 + trace.dx * len(trace.y)
        assert end == pytest.approx(seconds, rel=0.01)


def test_the_envelope_keeps_a_single_spike_where_it_was():
    recording = noise(3, 15000)
    recording.signal[30000, 2] = 999
    trace = plots.signal_figure(recording).data[2]
    assert np.max(trace.y) == 999
    assert trace.dx * np.argmax(trace.y) == pytest.approx(2.0, abs=0.01)


def test_invalid_stretches_are_shaded_and_not_drawn():
    valid = np.ones(6000, bool)
    valid[2000:3000] = False
    recording = noise(3, valid=valid)
    figure = plots.signal_figure(recording)
    (shade,) = figure.layout.shapes
    assert shade.path == "M1,0V1H1.5V0Z" and shade.yref == "paper"
    y, dx = figure.data[0].y, figure.data[0].dx
    assert np.isnan(y[int(1.25 / dx)])
    assert np.isfinite(y[int(0.5 / dx)])


def test_hundreds_of_gaps_are_one_shape_and_take_no_time():
    valid, gaps = np.arange(1500) % 5 > 0, np.arange(12000).reshape(-1, 8) % 7 == 0
    recording = noise(1.5, 1000, valid=valid)
    recording = recording.replace(gaps=gaps)
    plots.signal_figure(recording)
    start = process_time()
    figure = plots.signal_figure(recording)
    assert process_time() - start < 0.5
    assert len(figure.layout.shapes) == 9 and figure.layout.shapes[0].path.count("M") == 300


def test_every_channel_is_named_and_the_unit_is_written():
    texts = [a.text for a in plots.signal_figure(noise()).layout.annotations]
    for i in range(8):
        assert any(f"channel {i + 1}" in text for text in texts)
    assert any("µV" in text for text in texts)
    assert any(
        "arbitrary" in a.text for a in plots.signal_figure(noise(unit="a.u.")).layout.annotations
    )


def test_one_wild_channel_does_not_flatten_the_others():
    recording = noise()
    recording.signal[:, 0] *= 1000
    axes = plots.signal_figure(recording).layout
    low, high = axes.yaxis2.range
    assert high - low < 1500


def test_channel_names_are_shown_as_text_not_as_markup():
    figure = plots.signal_figure(noise(channels=1, channel_names=("<a href='x'>y</a>",)))
    assert "<a" not in figure.layout.annotations[0].text


def test_the_spectrum_peaks_where_the_signal_does_and_marks_the_mains():
    recording = noise(3)
    t = np.arange(recording.n_samples) / recording.sampling_rate
    recording.signal[:, 0] += 200 * np.sin(2 * np.pi * 130 * t)
    recording.signal[:] += 100 * np.sin(2 * np.pi * 50 * t)[:, None]
    figure = plots.spectrum_figure(recording)
    trace = figure.data[0]
    assert trace.x[np.argmax(trace.y)] == pytest.approx(130, abs=2)
    assert {shape.x0 for shape in figure.layout.shapes} >= {50, 100, 150}
    assert any("50 Hz" in a.text for a in figure.layout.annotations)


def test_a_flat_channel_has_a_bar_of_no_length_in_the_snr_figure():
    report = QualityReport(
        (
            ChannelQuality("cheek", 12.0, 0.0, 0.0, False, "good"),
            ChannelQuality("jaw", float("-inf"), 0.0, 0.0, True, "poor"),
        ),
        0.0,
        "usable",
        (),
    )
    bars = {bar.name: bar for bar in plots.snr_figure(report).data}
    assert bars["poor"].x[0] == 0
    assert bars["poor"].text[0] == "no signal"
    assert bars["good"].x[0] == 12


@pytest.mark.parametrize("channels", [1, 2, 8, 16])
def test_every_figure_is_transparent_valid_json_for_any_number_of_channels(channels):
    recording = noise(channels=channels)
    report = emg_llm.assess_quality(recording)
    for figure in (
        plots.signal_figure(recording),
        plots.spectrum_figure(recording),
        plots.snr_figure(report),
    ):
        assert figure.layout.paper_bgcolor == "rgba(0, 0, 0, 0)"
        json.loads(figure.to_json())


def test_a_recording_without_a_valid_sample_can_be_plotted():
    recording = noise(valid=np.zeros(2000, bool))
    assert len(plots.signal_figure(recording).data) == 8
    plots.spectrum_figure(recording)
    plots.snr_figure(emg_llm.assess_quality(recording))
