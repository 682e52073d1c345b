"""The bridge `both`: codes, and levels in words and numbers."""

from typing import Any

import numpy as np

from emg_llm.bridge.base import Told
from emg_llm.bridge.text import Text
from emg_llm.bridge.tokens import Tokens
from emg_llm.data.datasets import Dataset
from emg_llm.signal.recording import Recording


class Both(Text, Tokens):
    """The fields of `text` and of `tokens`."""

    kind = "both"
    about = f"{Tokens.about}, and as {Text.about}"
    needs = (*Text.needs, *Tokens.needs)

    def fields(self, recording: Recording) -> dict[str, Any]:
        return Text.fields(self, recording) | Tokens.fields(self, recording)

    def told(self, dataset: Dataset, rows: np.ndarray) -> list[Told]:
        return Text.told(self, dataset, rows) + Tokens.told(self, dataset, rows)
