"""Plotly figures of the numbers in results.json.

As in `plots.signals`: data in, figure out, transparent, legible at a width of 350 pixels. A
figure is None where the results lack its numbers.
"""

import numpy as np
import plotly.graph_objects as go

from emg_llm.plots.style import COLOURS, DOTTED, MODEL, TEXT, _colour, _escape, _styled

# Opaque behind numbers: Plotly picks their colour by the cell's, not by the page's.
BLUES = ((0.0, "rgba(0, 114, 178, 0)"), (1e-6, "#dcebf5"), (1.0, "#0072B2"))
ACCURACY = {"title_text": "accuracy", "tickformat": ".0%", "range": [0, 1.02]}  # an axis


def confusion_figure(results):
    """Shares of the predictions for each true label, with counts in the cells."""
    counts = np.array(results.get("confusion_matrix") or [])
    labels = [_escape(name) for name in results.get("labels") or []]
    if not len(labels) or counts.shape != (len(labels), len(labels)):
        return None
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=labels,
            y=labels,
            text=np.where(counts > 0, counts.astype(str), ""),
            texttemplate="%{text}",
            colorscale=BLUES,
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=1,
            ygap=1,
            hovertemplate="%{y} read as %{x}: %{z:.0%} (%{text})<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="read as", tickangle=-60, constrain="domain", showgrid=False)
    figure.update_yaxes(title_text="true label", autorange="reversed", showgrid=False)
    return _styled(figure, height=190 + 24 * len(labels), top=8, left=80, showlegend=False)


def reliability_figure(entries):
    """Accuracy against confidence for each model; dotted after temperature scaling."""
    figure = go.Figure()
    for i, entry in _having(entries, "calibration"):
        for key, dash, what in (("bins", "solid", ""), ("bins_scaled", "dot", ", scaled")):
            if bins := entry["calibration"].get(key):
                n = np.array([b["n"] for b in bins])
                figure.add_scatter(
                    x=[b["confidence"] for b in bins],
                    y=[b["accuracy"] for b in bins],
                    text=[f"{count} recordings" for count in n],
                    name=_model(entry) + what,
                    mode="lines+markers",
                    line={"color": _colour(i), "dash": dash, "width": 1.6},
                    marker={"size": (4 + 10 * np.sqrt(n / n.sum())).tolist()},
                    hovertemplate="confidence %{x:.0%}: %{y:.0%} right, %{text}" + MODEL,
                )
    if not figure.data:
        return None
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=DOTTED, layer="below")
    figure.update_xaxes(ACCURACY | {"title_text": "confidence"})
    figure.update_yaxes(ACCURACY | {"title_text": "share that is right"})
    return _styled(figure, height=380 + 10 * len(figure.data), top=8, left=52)


def abstention_figure(entries):
    """Accuracy on a model's most confident recordings, against their share."""
    figure = go.Figure()
    for i, entry in _having(entries, "abstention"):
        figure.add_scatter(
            x=entry["abstention"]["share"],
            y=entry["abstention"]["accuracy"],
            name=_model(entry),
            mode="lines",
            line={"color": _colour(i), "width": 1.6},
            hovertemplate="surest %{x:.0%}: %{y:.0%} right" + MODEL,
        )
    if not figure.data:
        return None
    figure.update_xaxes(title_text="share of recordings answered", tickformat=".0%")
    figure.update_yaxes(ACCURACY)
    _chance(figure, entries)
    return _styled(figure, height=360, top=16, left=52)


def subject_figure(entries):
    """Accuracy for each person, sorted by the mean over the models."""
    entries = _having(entries, "per_subject")
    if not entries:
        return None
    accuracies = {}
    for point in (p for _, entry in entries for p in entry["per_subject"]):
        accuracies.setdefault(point["subject"], []).append(point["accuracy"])
    people = sorted(accuracies, key=lambda name: np.mean(accuracies[name]))
    figure = go.Figure()
    for i, entry in entries:
        points = sorted(entry["per_subject"], key=lambda p: people.index(p["subject"]))
        figure.add_scatter(
            x=[p["accuracy"] for p in points],
            y=[_escape(p["subject"]) for p in points],
            text=[f"{p['n']} recordings" for p in points],
            name=_model(entry),
            mode="markers",
            marker={"color": _colour(i), "size": 8, "opacity": 0.85},
            hovertemplate="%{y}: %{x:.0%} of %{text}" + MODEL,
        )
    figure.update_xaxes(ACCURACY | {"range": [-0.02, 1.02]})
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=[_escape(name) for name in people]
    )
    if len(people) > 40:  # names would overlap
        figure.update_yaxes(showticklabels=False, title_text=f"{len(people)} people")
    height = 120 + min(16 * len(people), 640)
    return _styled(figure, height=height, top=8, left=60)


def curve_figure(points, x, title, chance=None):
    """Accuracy with its interval over `x`, a key of the points; `title` names the axis."""
    if not points:
        return None
    at = [p[x] for p in points]
    low, high = zip(*(p["accuracy_ci95"] for p in points), strict=True)
    figure = go.Figure()
    figure.add_scatter(
        x=[*at, *at[::-1]],
        y=[*high, *low[::-1]],
        mode="lines",
        fill="toself",
        fillcolor="rgba(0, 114, 178, 0.16)",
        line={"width": 0},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=at,
        y=[p["accuracy"] for p in points],
        text=[f"{a:.0%} to {b:.0%}" for a, b in zip(low, high, strict=True)],
        mode="lines+markers",
        line={"color": COLOURS[0], "width": 1.8},
        hovertemplate="%{x}: %{y:.0%} (%{text})<extra></extra>",
    )
    figure.update_xaxes(title_text=title, tickvals=at)
    figure.update_yaxes(ACCURACY)
    _chance(figure, [{"chance": chance}])
    return _styled(figure, height=340, top=16, left=52, showlegend=False)


def comparison_figure(results):
    """Accuracy of {name: results} with intervals, against chance and against EMG that is noise; a
    circle marks the encoder behind the codes."""
    figure = go.Figure()
    figure.add_scatter(
        x=[r["accuracy"] for r in results.values()],
        y=[_escape(name) for name in results],
        mode="markers",
        name="model",
        marker={"color": COLOURS[0], "size": 9},
        error_x=_interval(results.values(), COLOURS[0], 1.4),
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    coded = {_escape(n): r["encoder"]["accuracy"] for n, r in results.items() if "encoder" in r}
    if coded:
        figure.add_scatter(
            x=list(coded.values()),
            y=list(coded),
            mode="markers",
            name="its encoder",
            marker={"color": COLOURS[1], "size": 12, "symbol": "circle-open"},
            hovertemplate="encoder of %{y}: %{x:.1%}<extra></extra>",
        )
    of_noise = {name: (r.get("controls") or {}).get("noise_emg") for name, r in results.items()}
    noise = {_escape(n): c["accuracy"] for n, c in of_noise.items() if isinstance(c, dict)}
    if noise:
        figure.add_scatter(
            x=list(noise.values()),
            y=list(noise),
            mode="markers",
            name="noise instead of EMG",
            marker={"color": TEXT, "size": 9, "symbol": "x-thin-open"},
            hovertemplate="%{y}, noise instead of EMG: %{x:.1%}<extra></extra>",
        )
    for chance in {r["chance"] for r in results.values()}:
        figure.add_vline(chance, line=DOTTED)
    figure.update_xaxes(ACCURACY)
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, height=140 + 26 * len(results), top=8, left=120)


def channel_figure(results):
    """Accuracy with one channel alone, beside that of all together."""
    points = sorted(results.get("channels") or [], key=lambda p: p["accuracy"])
    if not points:
        return None
    figure = go.Figure()
    figure.add_bar(
        x=[p["accuracy"] for p in points],
        y=[_escape(p["channel"]) for p in points],
        orientation="h",
        marker={"color": COLOURS[0]},
        error_x=_interval(points, TEXT, 1.2),
        hovertemplate="%{y} alone: %{x:.0%}<extra></extra>",
    )
    for level, dash in ((results.get("accuracy"), "solid"), (results.get("chance"), "dot")):
        if level is not None:
            figure.add_vline(level, line=DOTTED | {"dash": dash})
    figure.update_xaxes(title_text="accuracy (line: all channels)", tickformat=".0%", range=[0, 1])
    return _styled(figure, height=120 + 26 * len(points), top=8, left=80, showlegend=False)


def _having(entries, key):
    """(place, results) of those that hold `key`: a model keeps its colour in every figure."""
    return [(i, e) for i, e in enumerate(entries) if e.get(key)]


def _model(entry):
    return _escape(entry.get("model", "?"))


def _interval(points, colour, thickness):
    return {
        "type": "data",
        "symmetric": False,
        "array": [p["accuracy_ci95"][1] - p["accuracy"] for p in points],
        "arrayminus": [p["accuracy"] - p["accuracy_ci95"][0] for p in points],
        "color": colour,
        "thickness": thickness,
    }


def _chance(figure, entries):
    for chance in {e.get("chance") for e in entries} - {None}:
        figure.add_hline(
            chance,
            line=DOTTED,
            annotation_text="chance",
            annotation_font={"size": 10, "color": TEXT},
            annotation_position="bottom right",
        )
