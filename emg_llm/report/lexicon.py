"""The words by which replies give units, directions, comparisons and places: `words.yaml`."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import yaml

from emg_llm.signal.montage import SYNONYMS, parse
from emg_llm.signal.recording import EMOTIONS

WORDS = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
MORE, LESS, EQUAL = WORDS["more"], WORDS["less"], WORDS["equal"]
NOT, ONLY, GENERAL = WORDS["not"], WORDS["only"], WORDS["general"]
CERTAINTY = [*EMOTIONS, *WORDS["certainty"]]
GOOD = {verdict: WORDS[verdict] for verdict in ("good", "usable", "poor")}
COUNTS = {word: n for n, words in WORDS["counts"].items() for word in words}
UNITS = {  # as spelled -> (unit in print, factor)
    spelled: (unit, float(factor))
    for unit, by_factor in WORDS["units"].items()
    for factor, spellings in by_factor.items()
    for spelled in spellings
}


def folded(text: str) -> str:
    """Lower case without accents, of the same length."""
    plain = (unicodedata.normalize("NFD", c)[0].lower()[:1] or c for c in text)
    return "".join({"μ": "µ", "−": "-", "’": "'"}.get(c, c) for c in plain)


def one_of(phrases: Iterable[str]) -> str:
    """A regular expression for any of the phrases as whole words, the longest first."""
    longest = sorted(map(re.escape, phrases), key=len, reverse=True)
    return rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)" if longest else r"(?!)"


class Places:
    """The places that a text may name, for a recording with the channels `sites`.

    named: folded name -> channels. find: [(start, end, the channels meant)] in a folded text; no
    channels where the recording has none at that place.
    """

    def __init__(self, sites: tuple[str, ...]) -> None:
        named: dict[str, tuple[str, ...]] = {}
        for word, place in _words():
            named[word] = tuple(s for s in sites if parse(s).place == place)
        for word in WORDS["body"]:
            stem = word.rstrip("s")
            named[word] = tuple(s for s in sites if stem in folded(s).replace("_", " "))
        for site in sites:
            named[folded(site).replace("_", " ")] = named[folded(site)] = (site,)
        self.sites, self.named = sites, named
        self._pattern = re.compile(
            one_of([*named]) + r"|(?<!\w)(?:channel|electrode|ch|kanal|canal)\.? ?#?(\d+)(?!\w)"
        )

    def find(self, text: str) -> list[tuple[int, int, tuple[str, ...]]]:
        return [(m.start(), m.end(), self._meant(m)) for m in self._pattern.finditer(text)]

    def _meant(self, match):
        if match[0] in self.named:
            return self.named[match[0]]
        number = int(match[1])
        return self.sites[number - 1 : number] if number else ()


@lru_cache(100)
def places_of(sites: tuple[str, ...]) -> Places:
    """The Places of a recording; building them takes longer than using them."""
    return Places(sites)


@cache
def _words() -> tuple[tuple[str, str], ...]:
    """(word, place of the face)."""
    pairs = [(site, site) for site in SYNONYMS]
    for site, others in SYNONYMS.items():
        pairs += [(name, site) for name in others.split(", ") if len(name) > 3]
    return (*pairs, *WORDS["abroad"].items())
