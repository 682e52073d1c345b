"""Colours and layout shared by all figures."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#A89A00", "#8A8A8A")
TEXT = "#737b88"
GRID = "rgba(128, 138, 150, 0.25)"
FONTS = "system-ui, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
DOTTED = {"color": TEXT, "width": 1, "dash": "dot"}
MODEL = "<extra>%{fullData.name}</extra>"  # the box beside a hover text


def _colour(i):
    return COLOURS[i % len(COLOURS)]


def _escape(text):
    """Text without markup: Plotly renders some HTML, and names come from files."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _styled(figure, *, height, top, left, showlegend=True):
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": GRID,
        "automargin": True,
        "title_standoff": 8,
        "title_font": {"size": 12},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure.update_layout(
        template="none",
        height=height,
        autosize=True,
        margin={"l": left, "r": 14, "t": top, "b": 44, "pad": 2},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"family": FONTS, "size": 11, "color": TEXT},
        showlegend=showlegend,
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "reversed" if all(t.type == "bar" for t in figure.data) else "normal",
            "font": {"size": 11},
        },
        hoverlabel={"font": {"size": 12}},
        modebar={"orientation": "v", "bgcolor": "rgba(0, 0, 0, 0)", "color": TEXT},
    )
