"""Plotly figures of an encoder's embeddings.

As in `plots.signals`: data in, figure out, transparent, readable 350 pixels wide.
"""

import numpy as np
import plotly.graph_objects as go

from emg_llm.embeddings.measures import ZERO, singular_values
from emg_llm.plots.style import COLOURS, DOTTED, TEXT, _escape, _styled

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")
CURVE_POINTS = 121
MEASURES = {
    "probe": "linear probe",
    "probe_new_label": "linear probe,<br>new label",
    "silhouette": "silhouette",
    "explained_variance": "explained<br>variance",
}


def map_figure(xy, names, order, hover, shares=None):
    """Recordings as points, float (recordings, 2), coloured by their names in `order`.

    hover: each point's text; shares: the axes' shares of the variance, or None.
    """
    names = np.array(names)
    figure = go.Figure()
    for i, name in enumerate(order):
        rows = np.flatnonzero(names == name)
        # The marker distinguishes names beyond the number of colours.
        symbol = SYMBOLS[i // len(COLOURS) % len(SYMBOLS)]
        colour = COLOURS[i % len(COLOURS)]
        figure.add_scatter(
            x=xy[rows, 0].astype(np.float32),
            y=xy[rows, 1].astype(np.float32),
            mode="markers",
            name=_escape(name),
            text=[_escape(hover[row]) for row in rows],
            marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.8},
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        )
    titles = [f"component {k + 1} ({s:.0%} of the variance)" for k, s in enumerate(shares or ())]
    x_title, y_title = titles or ("t-SNE 1", "t-SNE 2")
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title)
    return _styled(figure, height=420 + 9 * len(order), top=8, left=48)


def sparsity_figure(samples):
    """Share of the values smaller than a threshold, against the threshold.

    samples: {"segments" or "recordings": float (samples, d)}. The dotted line is ZERO.
    """
    thresholds, curves = np.logspace(-9, 1, CURVE_POINTS), {}
    for name, x in samples.items():
        sizes = np.sort(np.abs(x), axis=None)
        curves[name] = thresholds, np.searchsorted(sizes, thresholds, side="left") / len(sizes)
    figure = _curves(curves, "%{y:.2%} below %{x:.1e}", "share of values below it")
    figure.add_vline(ZERO, line=DOTTED)
    return figure.update_xaxes(title_text="threshold", type="log", dtick=2, exponentformat="power")


def dimension_figure(samples, ranks):
    """Variance explained by the first k dimensions; a dotted line at each effective rank.

    samples: {name: float (samples, d)}; ranks: {name: effective rank}.
    """
    curves = {}
    for name, x in samples.items():
        variance = np.square(singular_values(x))
        held = np.cumsum(variance) / max(variance.sum(), np.finfo(float).tiny)
        curves[name] = np.arange(1, len(held) + 1), held
    figure = _curves(curves, "%{x} dimensions: %{y:.1%}", "variance explained")
    for i, name in enumerate(samples):
        figure.add_vline(ranks[name], line=DOTTED | {"color": COLOURS[i]})
    return figure.update_xaxes(title_text="dimensions", rangemode="tozero")


def separability_figure(measures):
    """Bars for label and person from `measures.separability`, with a diamond at chance."""
    figure = go.Figure()
    shown = [
        (f"<b>{who}</b> {MEASURES[key]}", measure, COLOURS[i])
        for i, who in enumerate(("label", "person"))
        for key, measure in (measures[who] or {}).items()
        if measure is not None
    ]
    outline = {"width": 1.5, "color": "white"}
    for name, measure, colour in reversed(shown):  # a bar chart's first row is at the bottom
        figure.add_bar(
            y=[name],
            x=[measure["value"]],
            orientation="h",
            error_x=_whiskers([measure["value"]], [measure["ci95"]]) if "ci95" in measure else None,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{x:.3f}<extra></extra>",
        )
        figure.add_scatter(
            y=[name],
            x=[measure["chance"]],
            mode="markers",
            marker={"symbol": "diamond", "size": 10, "color": TEXT, "line": outline},
            hovertemplate="chance %{x:.3f}<extra></extra>",
        )
    figure.update_xaxes(title_text="value, diamond: chance")
    figure.update_layout(bargap=0.35)
    return _styled(figure, height=90 + 44 * len(shown), top=8, left=110, showlegend=False)


def snr_distribution_figure(snr, labels, label_names):
    """Box and points of the SNR of the recordings, dB (recordings,), for each label."""
    labels = np.array(labels)
    figure = go.Figure()
    for i, name in reversed(list(enumerate(label_names))):
        figure.add_box(
            x=snr[labels == name].astype(np.float32),
            name=_escape(name),
            boxpoints="all",
            jitter=0.4,
            pointpos=0,
            marker={"size": 3, "opacity": 0.5, "color": COLOURS[i % len(COLOURS)]},
            line={"width": 1.3},
            hovertemplate="%{x:.1f} dB<extra>%{y}</extra>",
        )
    figure.update_xaxes(title_text="SNR (dB)")
    return _styled(figure, height=100 + 30 * len(label_names), top=8, left=80, showlegend=False)


def snr_accuracy_figure(bins, chance):
    """Accuracy with its interval in the bins of `analysis.snr_accuracy`."""
    accuracy = [b["accuracy"] for b in bins]
    figure = go.Figure()
    figure.add_scatter(
        x=[b["median_db"] for b in bins],
        y=accuracy,
        error_y=_whiskers(accuracy, [b["ci95"] for b in bins]),
        mode="lines+markers",
        line={"color": COLOURS[0], "width": 2},
        marker={"size": 8},
        text=[f"{b['low_db']:.1f} to {b['high_db']:.1f} dB, {b['n']} recordings" for b in bins],
        hovertemplate="%{y:.1%}, %{text}<extra></extra>",
    )
    figure.add_hline(chance, line=DOTTED)
    figure.update_xaxes(title_text="SNR (dB), median of each bin")
    figure.update_yaxes(title_text="accuracy, dotted: chance", tickformat=".0%", range=[0, 1.05])
    return _styled(figure, height=320, top=8, left=48, showlegend=False)


def embedding_figures(results, table, embedded):
    """{heading: (caption, figure)} for the results of `analysis.measure_embeddings`."""
    samples = {"segments": embedded.segments, "recordings": embedded.recordings}
    shares = results["map"]["explained_variance"]
    xy, labels = table[["x", "y"]].to_numpy(), results["labels"]
    people = table["subject"].fillna("unknown")
    return {
        "Map by label": (
            "Each point is a recording. The axes are the two directions of largest variance."
            if shares
            else "Each point is a recording. t-SNE keeps neighbours together; distances between "
            "clusters, and their sizes, mean little.",
            map_figure(xy, table["label"], labels, table["recording_id"], shares),
        ),
        "Map by person": (
            "The same points. Mixed colours mean that the map doesn't separate people.",
            map_figure(xy, people, sorted(set(people)), table["recording_id"], shares),
        ),
        "Label and person": (
            "How well a linear probe reads the label from new people and the person from new "
            "recordings, and how far these form clusters. Whiskers: 95 % intervals over people.",
            separability_figure(results["separability"]),
        ),
        "Sparsity": (
            f"The dotted line is at {ZERO:g}, the original project's threshold for zero.",
            sparsity_figure(samples),
        ),
        "Dimensions": (
            "Variance explained by the first dimensions. Dotted: effective rank (Roy & Vetterli, "
            "2007).",
            dimension_figure(samples, {name: results[name]["effective_rank"] for name in samples}),
        ),
        "SNR by label": (
            "Power above the quietest tenth of a trial, relative to it; median over the channels. "
            "Labels differ where an expression has no quiet moment or little activity.",
            snr_distribution_figure(embedded.snr_db, table["label"], labels),
        ),
        "SNR and accuracy": (
            "Each bin has equally many recordings. Whiskers: 95 % intervals over people.",
            snr_accuracy_figure(results["snr_accuracy"]["bins"], results["chance"]),
        ),
    }


def _curves(curves, hover, title):
    """A line for each of {name: (x, y)}; y is a share, `title` its axis."""
    figure = go.Figure()
    for (name, (x, y)), colour in zip(curves.items(), COLOURS, strict=False):
        line, extra = {"color": colour, "width": 2}, "<extra>%{fullData.name}</extra>"
        figure.add_scatter(x=x, y=y, name=name, line=line, hovertemplate=hover + extra)
    figure.update_yaxes(title_text=title, tickformat=".0%", range=[0, 1.02])
    return _styled(figure, height=320, top=8, left=48)


def _whiskers(values, intervals):
    low, high = np.transpose(intervals)
    return {
        "type": "data",
        "symmetric": False,
        "array": np.maximum(high - values, 0),
        "arrayminus": np.maximum(values - low, 0),
        "color": TEXT,
        "thickness": 1.3,
        "width": 4,
    }
