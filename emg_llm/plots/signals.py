"""Plotly figures of recordings: data in, figure out, no state.

Transparent backgrounds and grey text suit light and dark pages; colour-blind readers can
distinguish the colours (Okabe & Ito, 2008, with yellow darkened and black lightened). The layout
is legible at a width of 350 pixels.
"""

import math
import textwrap

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from emg_llm.plots.style import DOTTED, MODEL, TEXT, _colour, _escape, _styled
from emg_llm.signal.quality import GOOD_SNR_DB, USABLE_SNR_DB
from emg_llm.signal.spectrum import MAINS, find_hum, spectrum

VERDICT_COLOURS = {"good": "#009E73", "usable": "#E69F00", "poor": "#D55E00"}
SHADED = {"fillcolor": "rgba(213, 94, 0, 0.16)", "line": {"width": 0}, "layer": "below"}
ENVELOPE_BINS = 800
MAX_FREQUENCY = 500.0  # Hz
WIDE_SPREAD = 4.0
MEDIAN_OF = 200_000  # samples


def unit_label(unit):
    """The unit in print: µV for "uV", "arbitrary units" for "a.u."."""
    return {"uV": "µV", "a.u.": "arbitrary units"}.get(unit, unit)


def signal_figure(recording):
    """Stacked channels over the file's time, at the same scale, each around its own median.

    Long recordings appear as the envelope of their minima and maxima. Invalid stretches, and the
    gaps of single channels, are shaded and empty.
    """
    n, unit = recording.n_channels, unit_label(recording.unit)
    y, step = _envelope(recording)  # (points, channels), samples
    step /= recording.sampling_rate
    center = _centers(recording)
    half = _half_range(y - center)
    figure = make_subplots(rows=n, cols=1, shared_xaxes=True, vertical_spacing=min(0.25 / n, 0.1))
    for i, name in enumerate(recording.channel_names):
        figure.add_scatter(
            y=y[:, i].astype(np.float32),
            x0=recording.start,
            dx=step,
            name=name,
            line={"color": _colour(i), "width": 1},
            hovertemplate=f"%{{x:.3f}} s: %{{y:.1f}} {unit}<extra></extra>",
            row=i + 1,
            col=1,
        )
        axis = "y" if i == 0 else f"y{i + 1}"
        _note(figure, f"<b>{_escape(name)}</b>", f"{axis} domain", _colour(i))
        figure.update_yaxes(
            range=[center[i] - half, center[i] + half], dtick=_nice(half), row=i + 1, col=1
        )
    empty = np.isnan(y)
    everywhere = empty.all(axis=1)
    # One shape for many stretches: hundreds of shapes take Plotly seconds, here and in the page.
    alone = [(f"y{i + 1 if i else ''} domain", empty[:, i] & ~everywhere) for i in range(n)]
    figure.layout.shapes = [
        {"type": "path", "path": path, "xref": "x", "yref": yref} | SHADED
        for yref, mask in [("paper", everywhere), *alone]
        if (path := _boxes(mask, recording.start, step))
    ]
    figure.update_xaxes(title_text="time (s)", row=n, col=1)
    # Plotly's own range would begin with the valid signal.
    figure.update_xaxes(range=[recording.start, recording.start + recording.duration])
    note = f"amplitude in {unit}, all channels at the same scale"
    if empty.any():
        note += "<br>shaded: invalid samples"
    _note(figure, note, "paper", yshift=17, align="left")
    return _styled(figure, height=max(200, 74 * n + 90), top=56, left=44, showlegend=False)


def spectrum_figure(recording):
    """Power spectral density of each channel (Welch, bins of 2 Hz), dB re 1 u²/Hz."""
    unit, rate = unit_label(recording.unit), recording.sampling_rate
    figure = go.Figure()
    if recording.valid.sum() >= 8:
        power = spectrum(recording, step=2.0)
        f = power.frequency
        shown = (f > 0) & (f <= MAX_FREQUENCY)
        level = 10 * np.log10(power.density[shown] + 1e-12)
        for i, name in enumerate(recording.channel_names):
            figure.add_scatter(
                x=f[shown].astype(np.float32),
                y=level[:, i].astype(np.float32),
                name=_escape(name),
                line={"color": _colour(i), "width": 1.3},
                hovertemplate="%{x:.0f} Hz: %{y:.1f} dB" + MODEL,
            )
        mains = find_hum(recording).frequency
        top = min(MAX_FREQUENCY, rate / 2)
        for frequency in [mains] if mains else MAINS:
            name = f"{frequency:g} Hz" + (" mains" if mains else "")
            for harmonic in np.arange(frequency, top, frequency)[: 6 if mains else 1]:
                figure.add_vline(
                    harmonic,
                    line=DOTTED,
                    opacity=0.7,
                    annotation_text=name if harmonic == frequency else None,
                    annotation_position="top right" if frequency == MAINS[-1] else "top",
                    annotation_font={"size": 10, "color": TEXT},
                )
        figure.update_xaxes(range=[0, top])
    figure.update_xaxes(title_text="frequency (Hz)")
    figure.update_yaxes(title_text=f"power density (dB re 1 {unit}²/Hz)")
    return _styled(figure, height=400 + 12 * recording.n_channels, top=28, left=48)


def snr_figure(report):
    """Signal-to-noise ratio of each channel of a QualityReport, coloured by its verdict."""
    figure = go.Figure()
    channels = report.channels[::-1]
    for verdict, colour in VERDICT_COLOURS.items():
        rows = [c for c in channels if c.verdict == verdict]
        if rows:
            figure.add_bar(
                y=[_wrapped(c.name) for c in rows],
                x=[c.snr_db if math.isfinite(c.snr_db) else 0.0 for c in rows],
                text=["no signal" if c.flat else f"{c.snr_db:.0f} dB" for c in rows],
                customdata=[", ".join(c.faults) or "nothing" for c in rows],
                textposition="auto",
                textangle=0,
                cliponaxis=False,
                name=verdict,
                orientation="h",
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate="%{y}: %{text}<br>against it: %{customdata}" + MODEL,
            )
    for level in (USABLE_SNR_DB, GOOD_SNR_DB):
        figure.add_vline(level, line=DOTTED)
    figure.update_yaxes(categoryorder="array", categoryarray=[_wrapped(c.name) for c in channels])
    figure.update_xaxes(title_text=f"SNR (dB), dotted at {USABLE_SNR_DB:g} and {GOOD_SNR_DB:g}")
    figure.update_layout(bargap=0.3)
    return _styled(figure, height=max(200, 36 * len(channels) + 110), top=8, left=80)


def _note(figure, text, yref, colour=TEXT, **more):
    """Left-aligned text above an axis or, for "paper", above the whole figure."""
    font = {"size": 11, "color": colour}
    place = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": yref, "yanchor": "bottom"}
    figure.add_annotation(text=text, font=font, showarrow=False, **place, **more)


def _envelope(recording, bins=ENVELOPE_BINS):
    """(points, channels), alternating minima and maxima, NaN where invalid; samples per point.

    A short signal keeps every sample.
    """
    signal, size = recording.signal, math.ceil(recording.n_samples / bins)
    if size <= 2:
        present = [recording.present(i) for i in range(recording.n_channels)]
        return np.where(np.stack(present, axis=1), signal, np.nan), 1.0
    n, whole, rest = signal.shape[1], len(signal) // size, len(signal) % size
    y = np.full((whole + (rest > 0), 2, n), np.nan, np.float32)
    for i in range(n):  # one at a time: a long recording is large
        x = np.where(recording.present(i), signal[:, i], np.float32(np.nan))
        rows = x[: whole * size].reshape(whole, size)
        y[:whole, 0, i], y[:whole, 1, i] = (
            np.fmin.reduce(rows, axis=1),
            np.fmax.reduce(rows, axis=1),
        )
        if rest:
            y[whole, :, i] = np.fmin.reduce(x[-rest:]), np.fmax.reduce(x[-rest:])
    return y.reshape(-1, n), size / 2


def _centers(recording):
    """The median of each channel's valid samples, of some of them where there are many."""
    rows = np.flatnonzero(recording.valid)
    if not len(rows):
        return np.zeros(recording.n_channels)
    return np.median(recording.signal[rows[:: 1 + len(rows) // MEDIAN_OF]], axis=0)


def _half_range(centred):
    """Half the height of every row; one outlying channel must not flatten the others."""
    spread = np.nan_to_num(np.nanmax(np.abs(centred), axis=0, initial=0.0))
    typical = np.median(spread[spread > 0]) if (spread > 0).any() else 1.0
    return 1.08 * float(min(spread.max(initial=0.0) or 1.0, WIDE_SPREAD * typical))


def _nice(value):
    """A round number above half of `value`: a row has three ticks, at its multiples."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(k * power for k in (8, 6, 5, 4, 3, 2, 1) if k * power <= value * (1 + 1e-9))


def _boxes(mask, start, step):
    """A path around each run of True, from 0 to 1 in y; mask: bool, `step` seconds apart."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return " ".join(f"M{a:.6g},0V1H{b:.6g}V0Z" for a, b in start + step * edges)


def _wrapped(name, width=16):
    return "<br>".join(_escape(line) for line in textwrap.wrap(name, width)) or " "
