"""Statements of an answer that were checked, as links: what was measured is their tooltip, and a
click shows it in the signal, see `talk.js`."""

import re
from urllib.parse import urlencode

from emg_llm.report.sentence import Fact

LINK = re.compile(r'\[([^][]*)\]\(#measured[^ )]* "[^"]*"\)')


def link(words: str, fact: Fact) -> str:
    """Words of an answer as a link in Markdown."""
    if not fact.measured or set(words) & set("[]()*_`"):
        return words
    about = {"on": fact.on[0]} if fact.on else {}
    if fact.at:
        about["at"] = ",".join(f"{t:g}" for t in fact.at)
    measured = " ".join(fact.measured.split()).replace('"', "'")
    # Parentheses in an address would end it.
    return f'[{words}](#measured?{urlencode(about)} "Measured: {measured}")'


def unlinked(text: str) -> str:
    """An answer without the links of `link`."""
    return LINK.sub(r"\1", text)
