"""What a visitor sees of their recordings and of the profile that was made, as HTML."""

from html import escape

from emg_llm.profile.figures import LEAST, why_not

EMPTY = (
    '<div class="result"><p class="hint">Here you will see how often your recordings are read '
    "right without your profile and with it, each left out in turn.</p></div>"
)


def counts_html(counts, labels):
    """The labels with how many recordings each has."""
    items = "".join(
        f'<li class="{("none", "one", "some")[min(counts.get(label, 0), LEAST)]}">'
        f"{escape(label)} <b>{counts.get(label, 0)}</b></li>"
        for label in labels
    )
    return f'<ul class="counts" aria-label="Recordings of each emotion">{items}</ul>'


def result_html(profile, figures):
    """The accuracy before and after, and by emotion and model."""
    head = f"<p><b>Your profile is ready.</b> {escape(profile.sentence)}</p>"
    if figures is None:
        return f'<div class="result">{head}<p class="hint">{why_not(profile)}</p></div>'
    t = figures.named
    bars = "".join(
        f'<div class="bar-row"><span>{name}</span><span class="bar"><i style="width: '
        f'{100 * n / t.n:.0f}%"></i></span><b>{n} of {t.n}</b></div>'
        for name, n in (("without", t.before), ("with your profile", t.after))
    )
    tables = "".join(
        f"<table><thead><tr><th>{what}</th><th>recordings</th><th>without</th><th>with</th></tr>"
        f"</thead><tbody>{_table_rows(tallies)}</tbody></table>"
        for what, tallies in (("emotion", figures.by_label), ("model", figures.by_model))
    )
    return (
        f'<div class="result">{head}<div class="bars">{bars}</div>'
        f'<p class="hint">{escape(figures.sentence)}</p>'
        f'<details class="folded"><summary>By emotion and by model</summary>{tables}</details>'
        "</div>"
    )


def _table_rows(tallies):
    return "".join(
        f"<tr><th>{escape(name)}</th><td>{t.n}</td><td>{t.before}</td><td>{t.after}</td></tr>"
        for name, t in tallies.items()
    )
