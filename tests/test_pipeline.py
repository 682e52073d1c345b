import json
import re

import numpy as np
import pytest

import emg_llm
from emg_llm.hub import HubError
from emg_llm.recording import EMOTIONS, RecordingError
from emg_llm.simulation import simulate

pytestmark = pytest.mark.slow

MODELS = ("svm", "cnn", "nano-llama2")
CHAT_FIRST = "Which sites are strongest?"


@pytest.fixture(scope="module")
def sample(pipeline):
    return emg_llm.read_recording(next(iter(pipeline.samples.values())))


@pytest.fixture
def talkative(pipeline, monkeypatch):
    """The pipeline, its language model kept from ending at once: it has hardly been trained."""
    llm = pipeline._llms["nano-llama2"]
    special = llm.tokenizer.all_special_ids
    monkeypatch.setattr(llm.model.generation_config, "suppress_tokens", special)
    return pipeline


@pytest.fixture(scope="module")
def shipped():
    return emg_llm.EmotionPipeline.from_pretrained()


def test_the_bundle_holds_no_pickle_no_path_of_this_machine_and_less_than_10_mb(quick_bundle):
    files = [f for f in quick_bundle.folder.rglob("*") if f.is_file()]
    endings = {f.suffix for f in files}
    assert not endings & {".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib"}
    assert not any("checkpoint" in str(f.relative_to(quick_bundle.folder)) for f in files)
    assert sum(f.stat().st_size for f in files) < 10 * 2**20
    for file in files:
        if file.suffix in (".json", ".md", ".jinja"):
            text = file.read_text()
            assert str(quick_bundle.work.parent) not in text, file
            assert not re.search(r'"(/|[A-Z]:\\\\)\w+/', text), file


def test_the_adapter_names_its_base(quick_bundle):
    adapter = quick_bundle.folder / "adapters" / "nano-llama2"
    peft = json.loads((adapter / "adapter_config.json").read_text())
    assert peft["base_model_name_or_path"] == "nano-llama2"
    assert json.loads((adapter / "config.json").read_text())["base"] == "nano-llama2"


def test_every_part_of_the_bundle_has_a_card(quick_bundle):
    for part in ("svm", "encoder", "codebook", "llms/nano-llama2", "adapters/nano-llama2"):
        card = (quick_bundle.folder / part / "README.md").read_text()
        assert card.startswith("---\n") and "license: apache-2.0" in card


def test_the_bundle_says_what_it_was_trained_on_and_how_well_it_did(pipeline):
    assert pipeline.labels == EMOTIONS
    assert pipeline.models == MODELS and pipeline.llms == ("nano-llama2",)
    assert "4 simulated people" in pipeline.trained_on
    measured = pipeline.results["models"]
    assert [m["model"] for m in measured] == list(MODELS)
    assert len({m["protocol"]["split_hash"] for m in measured}) == 1  # the same test people
    for model in measured:
        assert model["n_recordings"] == 12 and model["n_subjects"] == 1


def test_every_sample_is_predicted_by_every_model(pipeline):
    assert len(pipeline.samples) == 4
    said = []
    for path in pipeline.samples.values():
        prediction = pipeline(emg_llm.read_recording(path))
        assert tuple(prediction.probabilities) == MODELS
        for p in prediction.probabilities.values():
            assert tuple(p) == EMOTIONS
            assert sum(p.values()) == pytest.approx(1, abs=1e-5)
            assert min(p.values()) >= 0
        language = prediction.probabilities["nano-llama2"]
        assert prediction.label == max(language, key=language.get)
        assert len(prediction.tokens) == 4
        assert all(re.fullmatch(rf"<emg_{d}_\d+>", t) for d, t in enumerate(prediction.tokens))
        said.append(prediction.probabilities)
    for model in MODELS:  # what is told depends on the recording
        assert len({tuple(p[model].values()) for p in said}) == 4


def test_a_recording_is_predicted_the_same_way_every_time(pipeline, sample):
    assert pipeline(sample) == pipeline(sample)


def test_the_llm_scores_the_prompt_that_its_bridge_makes(pipeline, sample):
    llm = pipeline._llms["nano-llama2"]
    reading = llm.bridge.read(sample)
    prediction = pipeline(sample)
    assert reading.tokens == prediction.tokens
    assert len(reading.levels) == 8
    expected = llm.probabilities([reading.prompt()])[0]
    np.testing.assert_allclose(
        list(prediction.probabilities["nano-llama2"].values()), expected, rtol=1e-5
    )


def test_the_shipped_chat_streams_what_the_signal_shows_and_the_same_every_time(shipped):
    for path in shipped.samples.values():
        recording = emg_llm.read_recording(path)
        pieces = list(shipped.chat(recording, CHAT_FIRST))
        assert len(pieces) > 5 and all(pieces)
        assert list(shipped.chat(recording, CHAT_FIRST, llm="nano-llama2")) == pieces
        reading = shipped._llms["nano-llama2"].bridge.read(recording)
        (first, level), (second, _) = reading.ranking[:2]
        assert f"{first} {level:+d} dB and {second}" in "".join(pieces)
        assert "Checked against the signal" not in "".join(pieces)


def test_what_was_said_before_is_part_of_the_chat(talkative, sample):
    llm = talkative._llms["nano-llama2"]
    history = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello.", "metadata": None},
    ]
    prompt = llm.bridge.read(sample).prompt()
    said = "".join(talkative.chat(sample, CHAT_FIRST, history=history))
    expected = llm.reply(
        [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": f"Emotion: {talkative(sample).label}"},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": CHAT_FIRST},
        ]
    )
    assert said and said == "".join(expected)


def test_an_unknown_language_model_is_said_in_one_sentence(pipeline, sample):
    with pytest.raises(ValueError, match=r"No language model 'gpt-9'; loaded are nano-llama2\."):
        next(pipeline.chat(sample, "Why?", llm="gpt-9"))


def test_two_channels_are_refused_in_one_sentence(pipeline, sample):
    two = sample.replace(signal=sample.signal[:, :2], channel_names=("a", "b"))
    with pytest.raises(RecordingError, match=r"8 channels and this recording has 2") as caught:
        pipeline(two)
    assert "\n" not in str(caught.value)
    with pytest.raises(RecordingError, match="this recording has 2"):
        next(pipeline.chat(two, "Why?"))


def test_warnings_say_what_is_unusual_about_a_recording(pipeline):
    good = simulate("happiness", seed=7)
    told = " ".join(pipeline(good).warnings)
    assert "unit" not in told and "lasts only" not in told and "Hz" not in told
    [unit] = set(pipeline(good.replace(unit="a.u.")).warnings) - set(pipeline(good).warnings)
    assert "microvolts" in unit
    slow = simulate("happiness", seed=7, sampling_rate=500.0)
    assert any("At 500 Hz" in w for w in pipeline(slow).warnings)
    n = int(0.2 * good.sampling_rate)
    short = good.replace(signal=good.signal[:n], valid=good.valid[:n])
    assert any("lasts only 0.20 s" in w for w in pipeline(short).warnings)


def test_a_folder_without_a_bundle_is_said_in_one_sentence(tmp_path, offline):
    with pytest.raises(HubError, match="holds no bundle"):
        emg_llm.EmotionPipeline.from_pretrained(tmp_path)
    with pytest.raises(HubError, match="is no folder here"):
        emg_llm.EmotionPipeline.from_pretrained("nobody/has-this")
