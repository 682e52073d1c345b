"""The words by which replies give units, directions, comparisons and places."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

from emg_llm.signal.montage import SYNONYMS, parse
from emg_llm.signal.recording import EMOTIONS

# unit in print -> (dimension, factor)
UNITS: dict[str, tuple[str, float]] = {}
for _dimension, _spellings in {
    "µV": {1: "µv uv microvolt microvolts mikrovolt microvoltios", 1e-3: "nv nanovolt nanovolts",
           1e3: "mv millivolt millivolts milivoltios", 1e6: "v volt volts voltios"},
    "dB": {1: "db decibel decibels dezibel decibelios"},
    "Hz": {1: "hz hertz", 1e3: "khz kilohertz"},
    "s": {1: "s sec secs second seconds sekunden sekunde segundos segundo secondes seconde",
          1e-3: "ms millisecond milliseconds", 60: "min mins minute minutes minuten minutos",
          3600: "h hour hours"},
    "%": {1: "% percent prozent"},
    "channels": {1: "channel channels electrode electrodes sensors kanale kanalen elektroden "
                    "canales electrodos canaux"},
    "samples": {1: "samples"},
    "models": {1: "models"},
}.items():  # fmt: skip
    for _factor, _words in _spellings.items():
        UNITS |= {_word: (_dimension, float(_factor)) for _word in _words.split()}

COUNTS = {
    word: n
    for n, words in {
        2: "two zwei dos deux", 3: "three drei tres trois", 4: "four vier cuatro quatre",
        5: "five funf cinco cinq", 6: "six sechs seis", 7: "seven sieben siete sept",
        8: "eight acht ocho huit", 9: "nine", 10: "ten", 12: "twelve", 16: "sixteen",
    }.items()
    for word in words.split()
}  # fmt: skip

MORE = "stronger higher larger louder greater bigger starker hoher fuerte fort".split()
MORE += ["more active", "more activity"]
LESS = "weaker lower smaller quieter schwacher debil faible".split() + ["less active"]
EQUAL = ["equally strong", "as strong as", "same strength", "gleich stark"]
GOOD = {
    "good": "good fine excellent clean great gut buena bueno bonne bon".split(),
    "usable": "usable acceptable fair okay ok brauchbar aceptable utilisable".split(),
    "poor": "poor bad terrible unusable schlecht mala malo mauvaise mauvais".split(),
}
NOT = """no not none neither never without nor cannot kein keine keinen nicht sin ningun ninguna
pas aucun aucune isn't doesn't don't wasn't can't aren't isnt doesnt nothing""".split()
ONLY = "only nur solo seulement".split()
# What follows is said of recordings in general, or of what should be, not of this one.
GENERAL = """should if need needs typically usually normally expect expects
trained ideally example recommend recommended must band""".split()
# Beside these, a share is how likely something is, which no signal shows.
CERTAINTY = [*EMOTIONS, "sure", "certain", "probability", "confidence", "confident", "accuracy"]
CERTAINTY += ["likely", "chance", "right", "sicher", "wahrscheinlich", "seguro", "interval"]
BELOW = "below,under,less than,fewer than,unter,menos de,moins de".split(",")
ABOVE = "above,over,more than,at least,uber,mas de,plus de".split(",")

# Names of places that are on no face, and of those of the face in other languages.
ABROAD = {
    "kiefer": "jaw", "wange": "cheek", "stirn": "forehead", "mejilla": "cheek", "frente": "forehead",
    "mandibula": "jaw", "joue": "cheek", "machoire": "jaw", "le front": "forehead",
    "du front": "forehead", "au front": "forehead",
}  # fmt: skip
BODY = """biceps triceps bizeps trizeps bicep tricep forearm forearms calf thigh quadriceps hamstring
shoulder shoulders deltoid trapezius neck chin mentalis lips tongue throat temporalis platysma
gastrocnemius soleus tibialis wrist fingers abdomen buccinator wade nacken schulter hombro cuello
pantorrilla cou epaule mollet""".split()


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

    named: folded name -> channels. find: [(start, end, the channels meant)] in a folded text; no channels where the recording has
    none at that place.
    """

    def __init__(self, sites: tuple[str, ...]) -> None:
        named: dict[str, tuple[str, ...]] = {}
        for word, place in _words():
            named[word] = tuple(s for s in sites if parse(s).place == place)
        for word in BODY:
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
    return (*pairs, *ABROAD.items())
