"""A figure of one channel's spectrum over time."""

import numpy as np
import plotly.graph_objects as go

from emg_llm.plots.signals import MAX_FREQUENCY, unit_label
from emg_llm.plots.style import DOTTED, _styled
from emg_llm.signal.recording import Recording
from emg_llm.signal.spectrum import TINY, find_hum, slower

WINDOW_S = 0.256  # about 4 Hz
COLUMNS = 400
SHOWN = (5, 99.8)  # percentiles of the levels, at either end of the colours


def spectrogram(
    recording: Recording, channel: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(time (columns,) s in the file's time, frequency (bins,) Hz, level (bins, columns)).

    Levels: dB re 1 u²/Hz in Hann windows of 0.256 s; a column of a long recording is the mean of
    several. NaN where half of a window is missing. None for a recording of less than two windows.
    """
    slow = slower(recording)
    rate, x, present = slow.sampling_rate, slow.signal[:, channel], slow.present(channel)
    length = round(WINDOW_S * rate)
    if length < 16 or len(x) < 2 * length:
        return None
    hop = int(np.clip(len(x) / COLUMNS, max(1, length // 8), length))
    windows = np.lib.stride_tricks.sliding_window_view(x, length)[::hop]
    shape = np.hanning(length).astype(np.float32)
    values = (windows - windows.mean(axis=1, keepdims=True)) * shape
    power = np.abs(np.fft.rfft(values, axis=1)) ** 2 * (2 / (rate * np.square(shape).sum()))
    there = np.lib.stride_tricks.sliding_window_view(present, length)[::hop].mean(axis=1) >= 0.5
    power[~there] = np.nan
    frequency = np.fft.rfftfreq(length, 1 / rate)
    kept = (frequency > 0) & (frequency <= MAX_FREQUENCY)
    together = -(-len(power) // COLUMNS)
    edges = np.arange(0, len(power), together)
    sums = np.add.reduceat(np.nan_to_num(power[:, kept]), edges, axis=0)
    n = np.add.reduceat(there, edges, dtype=int)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        level = 10 * np.log10(sums / n + TINY)
    middle = (np.minimum(edges + together, len(power)) + edges - 1) / 2 * hop + length / 2
    return slow.start + middle / rate, frequency[kept], level.T


def spectrogram_figure(recording: Recording, channel: int) -> go.Figure:
    """The spectrum over the file's time; dotted: the lines of mains hum."""
    whole = [recording.start, recording.start + recording.duration]
    figure = go.Figure()
    if found := spectrogram(recording, channel):
        time, frequency, level = found
        known = level[np.isfinite(level)]
        unit = unit_label(recording.unit)
        low, high = np.percentile(known, SHOWN) if known.size else (0, 1)
        figure.add_heatmap(
            x=time,
            y=frequency,
            z=level.astype(np.float32),
            colorscale="Viridis",
            zmin=low,
            zmax=high,
            colorbar={
                "title": {"text": f"dB re<br>1 {unit}²/Hz"},
                "thickness": 10,
                "outlinewidth": 0,
            },
            hovertemplate="%{x:.2f} s, %{y:.0f} Hz: %{z:.1f} dB<extra></extra>",
        )
        for line in find_hum(recording).lines[:6]:
            if line <= frequency[-1]:
                figure.add_hline(line, line=DOTTED | {"color": "#ffffff"}, opacity=0.8)
    figure.update_xaxes(title_text="time (s)", range=whole, showgrid=False)
    figure.update_yaxes(title_text="frequency (Hz)", showgrid=False)
    return _styled(figure, height=300, top=10, left=48, showlegend=False)
