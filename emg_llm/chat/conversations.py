"""Recordings -> training conversations: prompts and ShareGPT turns.

The first exchange of every conversation is the recording and its emotion. Later ones ask about
the recording or about EMG; their answers are computed from the prompt.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from emg_llm.bridge import Bridge
from emg_llm.bridge.reading import Reading
from emg_llm.chat.about_emg import general_topics
from emg_llm.chat.topics import Topic, topics
from emg_llm.chat.turns import Chat, Scores, likely, share_gpt
from emg_llm.data.datasets import PARTS, Dataset
from emg_llm.data.splits import Split
from emg_llm.signal.missing import MOST_MISSING
from emg_llm.signal.recording import EMOTIONS

LEAST_SURE = 0.3  # least share of the likeliest label in `less_sure`
FLATTEST = 6.0  # highest temperature of the other labels there
MAX_KNOWN = 5  # labelled trials per label in a training prompt, at most
ONE_OF_MANY = 0.15  # weight of one of many similar questions, relative to a unique one


def conversation(
    reading: Reading,
    label: str,
    rng: np.random.Generator,
    n_follow_ups: int = 0,
    scores: Scores = (),
    labels: Sequence[str] = EMOTIONS,
) -> Chat:
    """A chat: the recording, its emotion, then questions with correct answers.

    scores: of the likeliest labels, `label` first.
    """
    chat = Chat(reading, label, scores)
    for ask, answer in draw_topics(reading, label, scores, labels, n_follow_ups, rng):
        chat = chat.asked(_typed(ask[rng.integers(len(ask))], rng)).answered(answer(rng))
    return chat


def less_sure(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scores float (labels,) with a random share for the likeliest label.

    An encoder is almost certain about its own training people; answers must fit any score.
    """
    p = np.maximum(scores, np.finfo(float).tiny) ** (1 / rng.uniform(1, FLATTEST))
    best, share = p.argmax(), rng.uniform(LEAST_SURE, 1)
    p[best] = 0
    p *= (1 - share) / p.sum()
    p[best] = share
    return p


def draw_topics(
    reading: Reading,
    label: str,
    scores: Scores,
    labels: Sequence[str],
    n: int,
    rng: np.random.Generator,
) -> list[Topic]:
    """`n` different topics, more about the recording than about EMG in general."""
    if not n:
        return []
    about, general = list(topics(reading, label, scores, labels)), list(general_topics(labels))
    # "Is it ..." has a question for each emotion and pair of sites, so each weighs little.
    weight = np.array([ONE_OF_MANY if ask[0].startswith("Is it ") else 1.0 for ask, _ in about])
    weight = np.r_[0.75 * weight / weight.sum(), np.full(len(general), 0.25 / len(general))]
    both = about + general
    return [both[i] for i in rng.choice(len(both), min(n, len(both)), False, weight)]


def _typed(question, rng):
    """A question as people type it: sometimes in lower case or without punctuation."""
    if rng.random() < 0.1 and question[-1] in "?.":
        question = question[:-1] + ", please" + question[-1]
    if rng.random() < 0.2:
        question = question.lower()
    return question.rstrip("?.") if rng.random() < 0.15 else question


def build_rows(
    dataset: Dataset,
    split: Split,
    bridge: Bridge,
    variants: int = 1,
    n_follow_ups: int = 1,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """The rows of a conversation dataset: the recordings of all parts of a split.

    A training recording yields `variants` slightly varied rows (see Bridge), every fourth with
    labelled trials of the person if the bridge supports them, every fifth with one to four sites
    missing, and every third with follow-up questions, since recognising emotions takes more
    examples. The others yield one row, unvaried, and calibration recordings another with sites
    missing. With a bridge of "any" scaling, what is known of the person is drawn for each row; of
    test people, nothing is known. Rows have conversations, messages, label, subject, recording_id,
    missing (the number of sites), zero (see Reading) and split.
    """
    rng = np.random.default_rng(seed)
    labels = dataset.label_names
    for part in PARTS:
        rows = getattr(split, part)
        if not len(rows):
            continue
        readings = bridge.readings(dataset, rows)
        scores = readings.scores(dataset, rows)
        people, labels_of = dataset.groups[rows], np.array([dataset.labels[i] for i in rows])
        in_training = part == "train"
        for variant in range(variants if in_training else passes(part)):
            for k, i in enumerate(rows):
                known = bridge.knows_trials and in_training and variant % 4 == 1
                trials = _trials(labels_of, people, k, rng) if known else ()
                label, percent = dataset.labels[i], None
                varied = in_training and variant
                other = rng.choice(np.flatnonzero(labels_of == label)) if varied else None
                lacking = variant % 5 == 4 if in_training else variant
                missing = _missing(bridge.n_sites, rng) if lacking else ()
                drawn = readings.ways > 1 and part != "test"
                way = int(rng.integers(readings.ways)) if drawn else 0
                reading = readings.read(k, rng if varied else None, trials, other, missing, way)
                if scores is not None:
                    p = less_sure(scores[1][k], rng) if varied else scores[1][k]
                    percent = likely(scores[0], p, label)
                n = n_follow_ups if variant % 3 == 0 else 0
                messages = conversation(reading, label, rng, n, percent or (), labels).turns
                yield {
                    "conversations": share_gpt(messages),
                    "messages": messages,
                    "label": label,
                    "subject": dataset.subjects[i] or "",
                    "recording_id": dataset.ids[i],
                    "missing": reading.missing,
                    "zero": reading.zero,
                    "split": part,
                }


def passes(part: str) -> int:
    """How many rows a recording outside training yields."""
    return 2 if part == "calibration" else 1


def _missing(n_sites, rng):
    """Some sites to leave out, at most half of them."""
    most = min(MOST_MISSING, n_sites // 2)
    return rng.choice(n_sites, rng.integers(1, most + 1), replace=False) if most else ()


def _trials(labels, people, k, rng):
    """(index, label) of some other trials of the person of recording `k`."""
    n = rng.integers(1, MAX_KNOWN + 1)
    drawn = {}
    for other in rng.permutation(np.flatnonzero(people == people[k])):
        if other != k:
            drawn.setdefault(labels[other], []).append((int(other), str(labels[other])))
    return [trial for trials in drawn.values() for trial in trials[:n]]
