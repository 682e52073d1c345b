"""Questions and answers about EMG and the model that need no recording."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import yaml

from emg_llm.chat.topics import Topic, choice
from emg_llm.signal.recording import EMOTIONS


def general_topics(labels: Sequence[str] = EMOTIONS) -> Iterator[Topic]:
    """The topics about EMG and the model."""
    names = ", ".join(labels[:-1]) + f" and {labels[-1]}"
    for topic in _texts():
        yield tuple(topic["ask"]), choice(*topic["answers"])
    yield (
        ("Which emotions do you know?", "What can you recognise?"),
        choice(f"I choose among {names}."),
    )


@cache
def _texts():
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
