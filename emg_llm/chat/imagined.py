"""Reports to learn answering from: measured recordings with what models might say of them.

A model that learns answering must not learn what is likely: emotions, probabilities and figures of
accuracy are drawn at random, and some recordings lose channels or get the names of other muscles.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from emg_llm.bridge import Bridge
from emg_llm.chat.asking import grounded_conversation
from emg_llm.chat.levels import levels
from emg_llm.chat.turns import share_gpt
from emg_llm.data.datasets import Dataset, DatasetError
from emg_llm.evaluation.prediction import Prediction, headline
from emg_llm.registry import MEAN, REGISTRY
from emg_llm.report import Report
from emg_llm.report.measured import measured
from emg_llm.report.models import of_prediction, of_results
from emg_llm.signal.recording import EMOTIONS, Recording, RecordingError

OTHER = 0.25  # share of recordings that no model reads
DISTURBED = 0.3  # share of the others with a dead, humming, clipped or stuck channel
MUSCLES = (
    *("biceps", "triceps", "deltoid", "trapezius", "tibialis anterior", "gastrocnemius", "soleus"),
    *("vastus lateralis", "vastus medialis", "rectus femoris", "flexor carpi radialis"),
    *("extensor digitorum", "left forearm", "right forearm", "thigh", "neck", "channel 1", "EMG 2"),
)
UNLIKE = (
    "This is unlike the facial EMG that the models learned from; check that the electrodes are on "
    "the face, at the sites named.",
    "The signal looks like noise alone, steady and equally strong on all channels; check that the "
    "electrodes touch the skin and are connected to the amplifier.",
    "The channels have no names, so it isn't known which muscle each one is of; give the montage.",
)
MODELS = ("svm", "cnn", "tcn", *REGISTRY)


def grounded_rows(
    dataset: Dataset,
    rows: Sequence[int] | np.ndarray,
    bridge: Bridge,
    n: int,
    n_questions: int,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """`n` training rows: chats of `n_questions` about the reports on some recordings.

    Raises DatasetError for a feature table.
    """
    for i in rng.choice(np.asarray(rows, int), n, replace=n > len(rows)):
        recording = dataset.item(int(i))
        if not isinstance(recording, Recording):
            raise DatasetError("Reports need recordings; a feature table has none.")
        report = imagined(recording, bridge, rng)
        chat = grounded_conversation(report, rng, n_questions)
        yield {
            "conversations": share_gpt(chat.turns),
            "messages": chat.turns,
            "label": "",
            "subject": dataset.subjects[i] or "",
            "recording_id": dataset.ids[i],
            "missing": 0,
            "zero": "",
            "split": "train",
        }


def imagined(recording: Recording, bridge: Bridge, rng: np.random.Generator) -> Report:
    """A report on a recording, or on something made from it, with what models might say."""
    recording = recording.replace(label=None, subject=None)
    other = rng.random() < OTHER
    if other:
        recording = _of_others(recording, rng)
    elif rng.random() < DISTURBED:
        recording = _disturbed(recording, rng)
    report, why = measured(recording), str(rng.choice(UNLIKE)) if other else ""
    try:
        known = levels(bridge.read(recording))
    except RecordingError as error:
        known, why = (), str(error)
    prediction = Prediction(None, {}, withheld=why)
    if not why:
        report, voices = report.adding(known), _voices(rng)
        prediction = Prediction(headline(voices, voices), voices)
    said = *of_prediction(prediction, [*prediction.probabilities]), *of_results(*_record(rng))
    return report.adding(said)


def _of_others(recording, rng):
    """Some of the channels, with their names or those of other muscles, at another strength."""
    n = int(rng.integers(1, min(6, recording.n_channels) + 1))
    kept = rng.permutation(recording.n_channels)[:n]
    names = tuple(str(name) for name in rng.choice(MUSCLES, n, replace=False))
    if rng.random() < 0.4:
        names = tuple(recording.channel_names[k] for k in kept)
    gain = np.exp(rng.normal(0, 1, n)).astype(np.float32)
    return recording.replace(signal=recording.signal[:, kept] * gain, channel_names=names)


def _disturbed(recording, rng):
    """With one or two channels dead, humming, clipped or stuck."""
    x, n = recording.signal.copy(), recording.n_samples
    t = np.arange(n) / recording.sampling_rate
    for channel in rng.permutation(recording.n_channels)[: rng.integers(1, 3)]:
        own = x[:, channel]
        kind = rng.integers(4)
        if kind == 0:
            own[:] = 0
        elif kind == 1:
            line = rng.choice([50, 60])
            own += (rng.uniform(2, 6) * own.std() * np.sin(2 * np.pi * line * t)).astype(own.dtype)
        elif kind == 2:
            most = np.quantile(np.abs(own), rng.uniform(0.6, 0.8))
            own[:] = own.clip(-most, most)
        else:
            start = int(n * rng.uniform(0.2, 0.6))
            own[start:] = own[start]
    return recording.replace(signal=x)


def _voices(rng):
    """model -> label -> probability, of models that agree more or less."""
    names = rng.permutation(MODELS)[: rng.integers(2, 7)]
    common = rng.normal(0, rng.uniform(0.5, 2.5), len(EMOTIONS))
    voices = {}
    for name in names:
        logits = common + rng.normal(0, rng.uniform(0.2, 1), len(EMOTIONS))
        p = np.exp(logits - logits.max())
        voices[str(name)] = dict(zip(EMOTIONS, (p / p.sum()).tolist(), strict=True))
    return voices


def _record(rng):
    """(results, what was learned from): how often models were right, and what they learned from."""
    people, others = int(rng.integers(8, 400)), int(rng.integers(4, 60))
    accuracy = float(rng.uniform(0.15, 0.95))
    row = {"model": str(rng.choice([MEAN, *MODELS])), "accuracy": accuracy}
    row["chance"] = 1 / int(rng.choice([4, 7, 12, 12, 12]))
    of = "simulated facial EMG of {} simulated people and tested on {} others"
    trained_on = (
        f"Trained on {of.format(people, others)}; no recording of a real person is in these models."
    )
    return {"models": [row]}, trained_on
