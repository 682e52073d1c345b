"""Plotly figures of recordings: data in, figure out, no state.

Transparent backgrounds and grey text suit light and dark pages; colour-blind readers can
distinguish the colours (Okabe & Ito, 2008, with yellow darkened and black lightened). The layout
is legible at a width of 350 pixels.
"""

import math
import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from emg_llm.plots.style import DOTTED, MODEL, TEXT, _colour, _escape, _styled
from emg_llm.signal.envelope import envelope, scale
from emg_llm.signal.gaps import runs
from emg_llm.signal.marks import marks
from emg_llm.signal.quality import GOOD_SNR_DB, USABLE_SNR_DB
from emg_llm.signal.recording import Recording
from emg_llm.signal.spectrum import MAINS, find_hum, spectrum

VERDICT_COLOURS = {"good": "#009E73", "usable": "#E69F00", "poor": "#D55E00"}
INK, ACCENT, CLIPPED = "#66748a", "#0072B2", "#D55E00"
FILLS = {"active": "rgba(0, 114, 178, 0.16)", "absent": "rgba(115, 123, 136, 0.28)"}
ROW_PX, GAP = 74, 0.1  # of a row: its height, and the share of it that is empty
MAX_FREQUENCY = 500.0  # Hz


def unit_label(unit):
    """The unit in print: µV for "uV", "arbitrary units" for "a.u."."""
    return {"uV": "µV", "a.u.": "arbitrary units"}.get(unit, unit)


def signal_figure(recording: Recording) -> go.Figure:
    """Channels in rows over the file's time, all at one scale, each around its own median.

    A long recording is a band from the lowest to the highest sample of each bin, a short one a
    line through its samples. Where each channel is active is shaded, and where it is clipped has a
    bar on top; what has no samples is grey and empty.
    """
    n, unit = recording.n_channels, unit_label(recording.unit)
    found, (center, half) = envelope(recording), scale(recording)
    marked = marks(recording).between(-math.inf, math.inf, found.step if found.size > 1 else 0)
    time = found.start + found.step * np.arange(len(found.low) + 1)
    data, shapes = [], [_stretches(marked.invalid, "paper", fillcolor=FILLS["absent"])]
    layout: dict[str, Any] = {}
    for i, name in enumerate(recording.channel_names):
        number = str(i + 1) if i else ""
        top = 1 - i / n
        layout[f"yaxis{number}"] = {
            "domain": [max(0.0, top - (1 - GAP) / n), top],
            "range": [center[i] - half, center[i] + half],
            "tickvals": [center[i]],
            "ticktext": [_wrapped(name)],
            "fixedrange": True,
        }
        domain = f"y{number} domain"
        shapes.append(_stretches(marked.active[i], domain, fillcolor=FILLS["active"]))
        shapes.append(_stretches(marked.lacking[i], domain, fillcolor=FILLS["absent"]))
        on_top = {"fillcolor": CLIPPED, "layer": "above", "top": 0.08}
        shapes.append(_stretches(marked.clipped[i], domain, **on_top))
        if found.size == 1:
            trace = {"x0": found.start, "dx": found.step, "y": found.low[:, i]}
        else:
            x, y = _band(time, found.low[:, i], found.high[:, i])
            trace = {"x": x.astype(np.float32), "y": y.astype(np.float32)}
            trace |= {"fill": "toself", "fillcolor": INK, "hoveron": "points"}
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "yaxis": f"y{number}",
                "name": name,
                "line": {"color": INK, "width": 1 if found.size == 1 else 0.6},
                "hovertemplate": f"%{{x:.3f}} s: %{{y:.1f}} {unit}<extra></extra>",
                **trace,
            }
        )
    whole = [recording.start, recording.start + recording.duration]
    # Plotly's own range would begin with the valid signal.
    layout["xaxis"] = {"title": {"text": "time (s)"}, "range": whole, "anchor": f"y{number}"}
    if marked.peak is not None:
        shapes.append({"type": "line", "x0": marked.peak, "x1": marked.peak, "y0": 0, "y1": 1})
        shapes[-1] |= {"xref": "x", "yref": "paper", "line": DOTTED}
    figure = go.Figure({"data": data, "layout": layout | {"shapes": [*filter(None, shapes)]}})
    _scale_bar(figure, f"y{number}", center[-1] - half, nice(0.45 * half), unit)
    _styled(figure, height=max(200, ROW_PX * n + 90), top=16, left=44, showlegend=False)
    return figure.update_layout(margin_r=56)


def _scale_bar(figure, yref, bottom, value, unit):
    """One bar beside the last row: all rows have the same scale."""
    place = {"xref": "paper", "yref": yref, "x0": 1.012, "x1": 1.012}
    figure.add_shape(
        type="line", y0=bottom, y1=bottom + value, line={"color": TEXT, "width": 2}, **place
    )
    label = f"{value:g} {'a.u.' if unit == 'arbitrary units' else unit}".replace(" ", "<br>")
    at = {"xref": "paper", "x": 1.018, "xanchor": "left", "align": "left"}
    figure.add_annotation(
        text=label, yref=yref, y=bottom + value / 2, showarrow=False, font={"size": 11}, **at
    )


def _band(time, low, high):
    """The outline of a band with steps, a part for each run of bins: x, y with NaN between."""
    there, parts = ~np.isnan(low), []
    for first, last in runs(there, 1):
        edges = np.repeat(time[first : last + 1], 2)[1:-1]
        upper, lower = np.repeat(high[first:last], 2), np.repeat(low[first:last], 2)
        x, y = np.r_[edges, edges[::-1], np.nan], np.r_[upper, lower[::-1], np.nan]
        parts.append((x, y))
    if not parts:
        return time[:0], low[:0]
    x, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    return x[:-1], y[:-1]


def _stretches(spans, yref, fillcolor, layer="below", top=1.0):
    """One shape for many stretches, float (stretches, 2) s; hundreds of shapes take seconds."""
    path = " ".join(f"M{a:.6g},{1 - top:g}V1H{b:.6g}V{1 - top:g}Z" for a, b in spans)
    if not path:
        return None
    line = {"width": 0}
    return {"type": "path", "path": path, "xref": "x", "yref": yref, "fillcolor": fillcolor} | {
        "line": line,
        "layer": layer,
    }


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
                    annotation_text=name if harmonic == frequency else "",
                    annotation_position="top right" if frequency == MAINS[-1] else "top",
                    annotation_font={"size": 10, "color": TEXT},
                )
        figure.update_xaxes(range=[0, top])
        there = level[:, (power.density[shown] > 0).any(axis=0)]
        if there.size:  # a dead channel would flatten the others
            figure.update_yaxes(range=[float(there.min()) - 3, float(there.max()) + 3])
    figure.update_xaxes(title_text="frequency (Hz)")
    figure.update_yaxes(title_text=f"power density (dB re 1 {unit}²/Hz)")
    return _styled(figure, height=400 + 12 * recording.n_channels, top=28, left=48)


def _decibels(value):
    """With a minus sign, and none for zero."""
    return f"{value:.0f} dB".replace("-0 ", "0 ").replace("-", "−")


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
                text=["no signal" if c.flat else _decibels(c.snr_db) for c in rows],
                customdata=[", ".join(c.faults) or "nothing" for c in rows],
                textposition="auto",
                textangle=0,
                cliponaxis=False,
                name=verdict,
                orientation="h",
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate="%{y}: %{text}<br>against it: %{customdata}" + MODEL,
            )
    for level, name in ((USABLE_SNR_DB, "usable"), (GOOD_SNR_DB, "good")):
        said = {"text": f"{name} from {level:g}", "font": {"size": 10}, "textangle": 0}
        height = {"y": 1.0, "yanchor": "bottom", "xanchor": "left" if name == "good" else "right"}
        figure.add_vline(level, line=DOTTED, annotation=said | height)
    figure.update_yaxes(categoryorder="array", categoryarray=[_wrapped(c.name) for c in channels])
    figure.update_xaxes(title_text="SNR (dB)")
    figure.update_layout(bargap=0.3)
    return _styled(figure, height=max(200, 36 * len(channels) + 110), top=22, left=80)


def nice(least: float) -> float:
    """The least round number that is `least` or more."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= least * (1 - 1e-9))


def _wrapped(name, width=16):
    return "<br>".join(_escape(line) for line in textwrap.wrap(name, width)) or " "
