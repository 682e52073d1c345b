"""A bridge that nobody knows: one class and one line of the registry take it everywhere."""

import numpy as np
import pytest

from emg_llm.bridge import BRIDGES
from emg_llm.bridge.base import Bridge, powers
from emg_llm.bridge.reading import Reading
from emg_llm.data.splits import leave_one_subject_out
from emg_llm.experiments.fitted import FoldTraining
from emg_llm.experiments.language_models import as_fitted, llm_on
from emg_llm.hub.cards import write_card
from emg_llm.llms.model import EmgLLM


class Loudness(Bridge):
    """One number for a recording: how strong it is on the whole."""

    kind = "loudness"
    about = "one number, its strength in decibels"
    needs = ("scale",)

    def fields(self, recording):
        return {"sites": ("whole face",), "levels": (self.level(recording),), "unit": "dB"}

    def told(self, dataset, rows):
        return [Strengths(self, dataset, rows)]

    def level(self, item):
        return round(float(self.scale.continuous(powers(item, self.scale.names)).mean()))


class Strengths:
    def __init__(self, bridge, dataset, rows):
        self.found = [bridge.fields(dataset.item(i)) for i in rows]

    def fields(self, k, rng=None, trials=(), other=None, missing=(), way=0):
        level = self.found[k]["levels"][0] + (0 if rng is None else round(3 * rng.normal()))
        return self.found[k] | {"levels": (level,)}

    def scores(self, dataset, rows):
        return None


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(BRIDGES, Loudness.kind, Loudness)


def test_it_is_trained_measured_saved_described_and_asked(
    registered, people, nano_folder, tmp_path
):
    data = people.with_labels(["anger", "neutral"])
    split = next(iter(leave_one_subject_out(data)))
    how = FoldTraining(bridge="loudness", variants=4)
    fitted = llm_on(str(nano_folder), data, split, how=how, max_steps=3, disable_tqdm=True)
    assert fitted.adapt is None  # it can't tell known trials
    p = fitted.ask(data, split.test)
    assert p.shape == (2, 2) and np.allclose(p.sum(axis=1), 1)
    assert fitted.beside(data, split.train, split.test) == {}  # it reads no codes

    fitted.model.save_adapter(tmp_path, base=str(nano_folder))
    write_card(tmp_path)
    assert Loudness.about in " ".join((tmp_path / "README.md").read_text().split())
    again = EmgLLM.from_pretrained(tmp_path)
    assert isinstance(again.bridge, Loudness)
    np.testing.assert_allclose(as_fitted(again).ask(data, split.test), p, atol=1e-5)
    recording = data.recordings[int(split.test[0])]
    reading = again.bridge.read(recording)
    assert reading == Reading(("whole face",), reading.levels, "dB")
    np.testing.assert_allclose(again(recording), again.probabilities([reading])[0], atol=1e-6)
