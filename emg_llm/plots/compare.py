"""Two recordings side by side: how strong each site is."""

from collections.abc import Sequence

import plotly.graph_objects as go

from emg_llm.plots.style import COLOURS, TEXT, _escape, _styled


def comparison_figure(
    sites: Sequence[str], values: Sequence[Sequence[float]], names: Sequence[str], axis: str
) -> go.Figure:
    """A line for each of `sites` between two marks.

    values: of two recordings, float (sites,) each; names: theirs; axis: what the values are.
    """
    rows = [_escape(site) for site in sites]
    figure = go.Figure()
    x, y = [], []
    for row, first, second in zip(rows, *values, strict=True):
        x += [first, second, None]
        y += [row, row, None]
    line = {"color": TEXT, "width": 2}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    marks = zip(values, names, ("circle", "diamond"), COLOURS, strict=False)
    for each, name, symbol, colour in marks:
        figure.add_scatter(
            x=list(each),
            y=rows,
            mode="markers",
            name=_escape(name),
            marker={"symbol": symbol, "size": 12, "color": colour},
            hovertemplate="%{y}: %{x:.1f}<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title=axis, fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    return _styled(figure, height=150 + 30 * len(rows), top=16, left=20)
