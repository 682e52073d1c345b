"""Which emotion a file is of, by its name: "Anger_2.csv", "S03_happiness_1.npy", "wut 4.edf"."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

WORDS = {  # beside the labels themselves, without accents
    "anger": "angry rage furious wut wutend arger zorn zornig",
    "anxiety": "anxious worry worried angst angstlich sorge besorgt",
    "contempt": "contemptuous verachtung verachtlich",
    "delight": "delighted entzucken entzuckt begeisterung begeistert",
    "disgust": "disgusted ekel abscheu",
    "fear": "afraid scared fearful furcht schreck",
    "happiness": "happy joy smile freude glucklich gluck frohlich lacheln",
    "neutral": "rest resting baseline relaxed ruhe ruhig entspannt",
    "perplexity": "perplexed confused confusion ratlosigkeit ratlos verwirrt verwirrung",
    "pride": "proud stolz",
    "sadness": "sad traurig traurigkeit trauer",
    "surprise": "surprised uberraschung uberrascht erstaunen erstaunt",
}

SPELLED = {  # umlauts in two letters
    "aerger": "arger",
    "wuetend": "wutend",
    "aengstlich": "angstlich",
    "veraechtlich": "verachtlich",
    "entzueck": "entzuck",
    "glueck": "gluck",
    "froehlich": "frohlich",
    "laecheln": "lacheln",
    "ueberrasch": "uberrasch",
}


def label_of(name: str, labels: Iterable[str]) -> str:
    """The one of `labels` that a file's name tells, or "" where it tells none, or several.

    name: of the file, or its path, whose last folder counts where the name itself tells nothing.
    """
    labels, path = tuple(labels), Path(str(name).replace("\\", "/"))
    for part in (path.stem, path.parent.name):
        part = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", unicodedata.normalize("NFC", part))
        words = set(re.findall(r"[a-z]+", _folded(part)))
        named = [e for e in labels if words & {e.lower(), *WORDS.get(e, "").split()}]
        if named:
            return named[0] if len(named) == 1 else ""
    return ""


def _folded(text):
    """Lower case without accents; an umlaut may be written as two letters, as in "aerger"."""
    text = unicodedata.normalize("NFD", text).lower().replace("ß", "ss")
    plain = "".join(c for c in text if not unicodedata.combining(c))
    for spelled, word in SPELLED.items():
        plain = plain.replace(spelled, word)
    return plain
