"""One HTML page of sentences, figures and tables that opens anywhere, without a network."""

import html

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; }}
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }}
li {{ overflow-wrap: anywhere; }}
h2 {{ margin-top: 2.5rem; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: 0.2rem 0.7rem; border-bottom: 1px solid #8884; }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0; }}
</style>
<script>{plotlyjs}</script>
</head>
<body>
{body}
</body>
</html>
"""


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
    return PAGE.format(title=html.escape(title), plotlyjs=get_plotlyjs(), body="\n".join(parts))
