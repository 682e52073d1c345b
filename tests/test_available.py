"""Which language models a pipeline has, and why it lacks others."""

import copy
import json
import re
import shutil

import numpy as np
import pytest

import emg_llm
from emg_llm.llms import memory
from emg_llm.llms.loading import load_base
from emg_llm.signal.recording import EMOTIONS, RecordingError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(pipeline):
    return emg_llm.read_recording(pipeline.samples["Person 2: hard"])


def opened(quick_bundle, *llms):
    return emg_llm.EmotionPipeline.from_pretrained(quick_bundle.folder, llms=list(llms))


def test_language_models_are_chosen_by_name_and_by_adapter(quick_bundle, pipeline, sample):
    adapter = quick_bundle.work / "adapters" / "nano-phi3"
    chosen = opened(quick_bundle, "nano-llama3", f"mine={adapter}", str(adapter))
    assert chosen.not_loaded == {}
    assert chosen.llms == ("nano-llama3", "mine", "nano-phi3")
    expected = pipeline(sample).probabilities["nano-phi3"]
    told = chosen(sample).probabilities
    for name in ("mine", "nano-phi3"):
        assert told[name] == pytest.approx(expected, abs=1e-4)


def test_language_models_that_cannot_be_had_are_told_with_the_reason(
    quick_bundle, sample, tmp_path, offline
):
    adapter = quick_bundle.work / "adapters" / "nano-llama2"
    broken, foreign = tmp_path / "broken", tmp_path / "foreign"
    shutil.copytree(adapter, broken)
    (broken / "adapter_model.safetensors").write_bytes(b"no weights")
    shutil.copytree(adapter, foreign)
    config = json.loads((foreign / "config.json").read_text())
    (foreign / "config.json").write_text(json.dumps(config | {"base": "nobody/has-this"}))
    reasons = {
        "tinyllama": ("tinyllama", "has not been trained on EMG"),
        "nonesuch": ("nonesuch", "There is no language model nonesuch"),
        "empty": (f"empty={tmp_path}", "holds no adapter"),
        "phi-3.5-mini": (f"phi-3.5-mini={adapter}", "trained for nano-llama2, not for phi-3.5"),
        "broken": (str(broken), "holds no adapter, or not all of one"),
        "foreign": (f"foreign={foreign}", "nobody/has-this can't be loaded from this machine"),
        "somewhere": ("somewhere=nobody/has-this", "is not a local folder"),
        "cnn": (f"cnn={adapter}", "The name cnn is taken"),
    }
    found = opened(quick_bundle, "nano-phi3", *(asked for asked, _ in reasons.values()))
    assert found.llms == ("nano-phi3",)
    assert list(found.not_loaded) == list(reasons)
    for name, (_, reason) in reasons.items():
        assert reason in found.not_loaded[name]
        assert "\n" not in found.not_loaded[name] and found.not_loaded[name].endswith(".")
    assert tuple(found(sample).probabilities) == ("svm", "cnn", "tcn", "nano-phi3")

    none = opened(quick_bundle, "nonesuch")
    probabilities = none(sample).probabilities
    mean = np.mean([list(p.values()) for p in probabilities.values()], axis=0)
    assert none(sample).label == EMOTIONS[mean.argmax()]
    with pytest.raises(ValueError, match="No language model is loaded"):
        next(none.chat(sample, "Why?"))


def test_a_base_that_does_not_fit_into_memory_is_not_loaded(quick_bundle, monkeypatch):
    adapter = quick_bundle.work / "adapters" / "nano-llama2"
    monkeypatch.setattr(memory, "free_memory", lambda: (10**6, "are"))
    told = opened(quick_bundle, f"mine={adapter}").not_loaded["mine"]
    assert re.match(r"It needs about \d+ MB of memory and 1 MB are free: .+\.$", told)


def test_the_memory_that_a_base_needs_is_counted_from_its_shapes(quick_bundle, tmp_path):
    base = quick_bundle.work / "base" / "nano-llama3"
    model, _ = load_base(str(base))
    whole = sum(p.numel() for p in model.parameters())
    assert memory.needed(str(base)) == int(memory.ROOM * 4 * whole)
    matrices = sum(p.numel() for n, p in model.named_parameters() if "_proj" in n or "gate" in n)
    quantised = matrices * memory.IN_4_BITS + 4 * (whole - matrices)
    assert memory.needed(str(base), load_in_4bit=True) == int(memory.ROOM * quantised)
    assert memory.needed(str(tmp_path)) is None
    free, _ = memory.free_memory()
    assert 2**20 < free < 2**45


def test_a_model_that_cannot_read_a_recording_holds_up_no_other(quick_bundle, sample, monkeypatch):
    mixed = opened(quick_bundle, "nano-phi3", "nano-llama3")

    def refuse(*_, **__):
        raise RecordingError("It reads four channels.")

    llm = mixed.llm("nano-llama3")
    monkeypatch.setattr(llm, "bridge", copy.copy(llm.bridge))
    monkeypatch.setattr(llm.bridge, "read", refuse)
    prediction = mixed(sample)
    assert tuple(prediction.probabilities) == ("svm", "cnn", "tcn", "nano-phi3")
    assert tuple(prediction.tokens) == ("nano-phi3",)
    assert "nano-llama3 can't read this recording: It reads four channels." in prediction.warnings
