import json
from time import process_time

import numpy as np
import pytest

import emg_llm
from emg_llm.plots import signals as plots
from emg_llm.plots.features import feature_figure
from emg_llm.plots.spectrogram import spectrogram_figure
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
        end = max(trace.x) if trace.fill else trace.x0 + trace.dx * len(trace.y)
        assert end == pytest.approx(seconds, rel=0.01)


def test_a_band_goes_from_the_lowest_to_the_highest_sample_of_each_bin():
    recording = noise(3, 15000)
    recording.signal[30000, 2] = 999
    trace = plots.signal_figure(recording).data[2]
    assert trace.fill == "toself"
    assert np.max(trace.y) == 999 and np.min(trace.y) == recording.signal[:, 2].min()
    assert trace.x[np.argmax(trace.y)] == pytest.approx(2.0, abs=0.01)
    first = recording.signal[: round(float(trace.x[1]) * 15000), 2]
    assert (trace.y[0], trace.y[-1]) == (first.max(), first.min())


def test_a_short_recording_is_a_line_through_its_samples():
    recording = noise(0.5)
    trace = plots.signal_figure(recording).data[3]
    assert trace.fill is None and np.array_equal(trace.y, recording.signal[:, 3])


def test_invalid_stretches_are_shaded_and_not_drawn():
    valid = np.ones(6000, bool)
    valid[2000:3000] = False
    figure = plots.signal_figure(noise(3, valid=valid))
    (shade,) = [shape for shape in figure.layout.shapes if shape.yref == "paper"]
    assert shade.path == "M1,0V1H1.5V0Z"
    x = np.array(figure.data[0].x)
    assert not ((x > 1.01) & (x < 1.49)).any() and ((x > 0.4) & (x < 0.6)).any()


def test_hundreds_of_gaps_are_one_shape_and_take_no_time():
    valid, gaps = np.arange(1500) % 5 > 0, np.arange(12000).reshape(-1, 8) % 7 == 0
    recording = noise(1.5, 1000, valid=valid)
    recording = recording.replace(gaps=gaps)
    plots.signal_figure(recording)
    start = process_time()
    figure = plots.signal_figure(recording)
    assert process_time() - start < 0.5
    assert len(figure.layout.shapes) < 30 and figure.layout.shapes[0].path.count("M") == 300


def test_every_channel_is_named_left_of_its_row_and_one_bar_tells_the_scale():
    layout = plots.signal_figure(noise()).layout
    names = [layout[f"yaxis{i or ''}"].ticktext for i in [0, *range(2, 9)]]
    assert names == [(f"channel {i + 1}",) for i in range(8)]
    (bar,) = layout.annotations
    assert bar.text == "50<br>µV" and bar.yref == "y8"
    (bar,) = plots.signal_figure(noise(unit="a.u.")).layout.annotations
    assert "a.u." in bar.text


def test_where_a_muscle_is_active_is_shaded_in_its_row():
    recording = noise(3)
    recording.signal[:] /= 20
    recording.signal[2000:4000, 1] *= 20
    shapes = plots.signal_figure(recording).layout.shapes
    (shade,) = [shape for shape in shapes if str(shape.yref) == "y2 domain"]
    begin = float(shade.path[1:].split(",")[0])
    assert begin == pytest.approx(1, abs=0.06) and shade.fillcolor == plots.FILLS["active"]
    assert not [shape for shape in shapes if str(shape.yref) == "y3 domain"]


def test_one_wild_channel_does_not_flatten_the_others():
    recording = noise()
    recording.signal[:, 0] *= 1000
    axes = plots.signal_figure(recording).layout
    low, high = axes.yaxis2.range
    assert high - low < 1500


def test_channel_names_are_shown_as_text_not_as_markup():
    figure = plots.signal_figure(noise(channels=1, channel_names=("<a href='x'>y</a>",)))
    assert "<a" not in figure.layout.yaxis.ticktext[0]


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


def test_a_spectrogram_shows_when_a_tone_begins_in_the_time_of_the_file():
    recording = noise(4, start=5.0)
    t = np.arange(recording.n_samples) / recording.sampling_rate
    recording.signal[:, 2] += np.where(t > 2, 100 * np.sin(2 * np.pi * 150 * t), 0)
    (heat,) = spectrogram_figure(recording, 2).data
    level, time, frequency = np.array(heat.z), np.array(heat.x), np.array(heat.y)
    at = np.abs(frequency - 150).argmin()
    assert (time[0] - 5, 9 - time[-1]) == pytest.approx((0.13, 0.13), abs=0.05)
    assert level[at, time > 7.2].min() > level[at, time < 6.8].max() + 20
    assert frequency[level[:, -1].argmax()] == pytest.approx(150, abs=4)


def test_a_spectrogram_of_any_recording_is_small():
    long = noise(300, 2000, 1)
    long.signal[:] = np.random.default_rng(1).standard_normal(long.signal.shape)
    (heat,) = spectrogram_figure(long, 0).data
    assert len(heat.x) <= 400 and np.isfinite(heat.z).all()
    assert not spectrogram_figure(noise(0.1), 0).data
    valid = np.ones(8000, bool)
    valid[2000:4000] = False
    (heat,) = spectrogram_figure(noise(4, valid=valid), 0).data
    missing = np.isnan(np.array(heat.z)).all(axis=0)
    assert np.array(heat.x)[missing].min() > 1.0 and np.array(heat.x)[missing].max() < 2.0


def test_a_heat_map_compares_the_channels_in_each_feature():
    recording = noise(2)
    recording.signal[:, 3] *= 10
    (heat,) = feature_figure(emg_llm.feature_summary(recording)).data
    [rms] = [row for row, name in zip(heat.z, heat.y, strict=True) if name.startswith("RMS")]
    assert len(heat.x) == 8 and np.argmax(rms) == 3
    assert np.array(heat.z).max() == 1 and feature_figure(None) is None
