"""One HTML page of sentences, figures and tables that opens anywhere, without a network."""

import html
from pathlib import Path

from jinja2 import Template

PAGE = Path(__file__).with_name("page.html")


def report_page(title, sentences, figures, tables):
    """The page as text: sentences, {heading: (text, figure)} and {heading: pandas table}.

    Plotly is embedded once for all figures, about 5 MB.
    """
    from plotly.offline import get_plotlyjs

    parts = [f"<h1>{html.escape(title)}</h1>", "<ul>"]
    parts += [f"<li>{html.escape(sentence)}</li>" for sentence in sentences]
    parts.append("</ul>")
    for heading, (text, figure) in figures.items():
        drawn = figure.to_html(
            full_html=False,
            include_plotlyjs=False,
            config={"responsive": True, "displaylogo": False},
        )
        parts.append(f"<h2>{html.escape(heading)}</h2><p>{html.escape(text)}</p>{drawn}")
    for heading, table in tables.items():
        rows = table.to_html(index=False, border=0, na_rep="–", float_format="{:.3f}".format)
        parts.append(f"<h2>{html.escape(heading)}</h2><div class='table'>{rows}</div>")
    page = Template(PAGE.read_text(encoding="utf-8"))
    return page.render(title=html.escape(title), plotlyjs=get_plotlyjs(), body="\n".join(parts))
