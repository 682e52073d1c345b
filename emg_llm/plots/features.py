"""A figure of features by channel."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from emg_llm.plots.signals import _wrapped
from emg_llm.plots.style import _styled


def feature_figure(table: pd.DataFrame | None) -> go.Figure | None:
    """A heat map, features by channels, of a `feature_summary`; None without one.

    Colours: each value as a share of its feature's largest, since the units differ.
    """
    if table is None:
        return None
    names = [name for name in table.columns if name != "channel"]
    values = table[names].to_numpy(np.float64).T
    largest = np.nanmax(np.abs(values), axis=1, keepdims=True, initial=0.0)
    shares = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    figure = go.Figure(
        go.Heatmap(
            x=[_wrapped(name) for name in table["channel"]],
            y=[_wrapped(name, 24) for name in names],
            z=shares.astype(np.float32),
            customdata=values,
            colorscale="Viridis",
            zmin=min(0.0, float(np.nanmin(shares, initial=0.0))),
            zmax=1,
            xgap=2,
            ygap=2,
            colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
            hovertemplate="%{y}, %{x}: %{customdata:.4g}<extra></extra>",
        )
    )
    figure.update_xaxes(side="top", showgrid=False, fixedrange=True, tickangle=-40)
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True)
    height = 150 + 26 * len(names)
    return _styled(figure, height=height, top=60, left=80, showlegend=False)
