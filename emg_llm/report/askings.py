"""What people ask about a recording: kinds of questions, their wordings, and which is the nearest.

`questions.yaml` says which statements answer which kind of question. A classifier learns from its
wordings what the words of a question mean together, where each alone says little.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from emg_llm.report.lexicon import folded, places_of
from emg_llm.report.statements import Report
from emg_llm.signal.recording import EMOTIONS

HELD_OUT = 5  # every so many-th wording is kept for testing
EMOTIONAL = {"emotion", "probability", "second", "model", "agreement", "withheld"}
SHARPNESS = 6.0  # of the shares, per margin
LATER = 0.6  # weight of what answers a kind of question besides its first statement
# What the classifier reads in the place of names.
SITE, ELSEWHERE, EMOTION = "sitex", "elsex", "emox"


@dataclass(frozen=True)
class Asking:
    """A kind of question: the kinds of statements that answer it, at most so many of them; its
    wordings; and what may come before the answer."""

    name: str
    about: tuple[str, ...]
    most: int
    ask: tuple[str, ...]
    say: tuple[str, ...]

    def wordings(self, testing: bool = False) -> list[str]:
        """Those to learn from, or those that are kept for testing."""
        return [w for k, w in enumerate(self.ask) if (k % HELD_OUT == HELD_OUT - 1) == testing]


@cache
def askings() -> dict[str, Asking]:
    """The table of questions, by name."""
    text = Path(__file__).with_name("questions.yaml").read_text(encoding="utf-8")
    return {
        name: Asking(
            name,
            tuple(row["about"]),
            row.get("most", len(row["about"])),
            tuple(row["ask"]),
            tuple(row.get("say", ())),
        )
        for name, row in yaml.safe_load(text).items()
    }


def meant(report: Report, question: str) -> dict[str, float]:
    """Kind of statement -> how likely it answers a question about a report, from 0 to 1.

    "" stands for questions that no recording answers.
    """
    there = {s.kind for s in report}
    weights: dict[str, float] = {}
    for name, share in _shares(_masked(report, question)):
        row = askings()[name]
        about = [kind for kind in row.about if kind in there][: row.most]
        if not about and EMOTIONAL & set(row.about):
            about = ["withheld"]
        for k, kind in enumerate(about or [""]):
            weights[kind] = weights.get(kind, 0.0) + share * (LATER if k else 1.0)
    return weights


def likelihoods(report: Report, question: str) -> dict[str, float]:
    """Kind of question -> how likely a question about a report is one of it."""
    return {str(name): float(p) for name, p in _shares(_masked(report, question))}


def _masked(report, question):
    """A question without the names of places and emotions, of which a wording has any."""
    text = folded(question)
    for start, end, on in sorted(places_of(report.sites).find(text), reverse=True):
        text = f"{text[:start]}{SITE if on else ELSEWHERE}{text[end:]}"
    return re.sub(rf"\b(?:{'|'.join(EMOTIONS)})\b", EMOTION, text)


def _shares(text: str) -> Iterable[tuple[str, float]]:
    """(kind of question, its probability)."""
    from scipy.special import softmax

    vectors, classifier = _classifier()
    margins = classifier.decision_function(vectors.transform([text]))[0]
    return zip(classifier.classes_, softmax(SHARPNESS * margins), strict=True)


@cache
def _classifier():
    """(vectors of texts, a linear classifier of kinds of questions), fitted on the wordings."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import Normalizer
    from sklearn.svm import LinearSVC

    names = {"site": SITE, "other": SITE, "elsewhere": ELSEWHERE, "emotion": EMOTION}
    rows = [(folded(w.format(**names)), a.name) for a in askings().values() for w in a.wordings()]
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    words = TfidfVectorizer(token_pattern=r"\w+", ngram_range=(1, 2), sublinear_tf=True)
    vectors = make_pipeline(make_union(letters, words), Normalizer())
    texts, kinds = zip(*rows, strict=True)
    return vectors, LinearSVC(random_state=0).fit(vectors.fit_transform(texts), np.array(kinds))
