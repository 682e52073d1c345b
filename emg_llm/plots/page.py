"""A self-contained HTML page of sentences, figures and tables."""

import html
from pathlib import Path

from jinja2 import Template

PAGE = Path(__file__).with_name("page.html")


def report_page(title, sentences, figures, tables, head="", foot="", more=""):
    """The page's HTML. figures: {heading: (caption, figure)}; tables: {heading: pandas table}.

    head, foot: HTML before the sentences and at the end; more: HTML for the page's own head.
    Plotly is embedded once for all figures, about 5 MB.
    """
    from plotly.offline import get_plotlyjs

    parts = [f"<h1>{html.escape(title)}</h1>{head}", "<ul>"]
    parts += [f"<li>{html.escape(sentence)}</li>" for sentence in sentences]
    parts.append("</ul>")
    for heading, (text, figure) in figures.items():
        config = {"responsive": True, "displaylogo": False}
        drawn = figure.to_html(config=config, include_plotlyjs=False, full_html=False)
        parts.append(f"<h2>{html.escape(heading)}</h2><p>{html.escape(text)}</p>{drawn}")
    for heading, table in tables.items():
        rows = table.to_html(index=False, border=0, na_rep="–", float_format="{:.3f}".format)
        parts.append(f"<h2>{html.escape(heading)}</h2><div class='table'>{rows}</div>")
    page, body = Template(PAGE.read_text(encoding="utf-8")), "\n".join([*parts, foot])
    title, script = html.escape(title), get_plotlyjs()
    return page.render(title=title, plotlyjs=script, more=more, body=body)
