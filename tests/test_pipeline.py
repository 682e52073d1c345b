import copy
import gc
import itertools
import json
import re
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import emg_llm
from emg_llm import pipeline as pipelines
from emg_llm.bridge import Bridge
from emg_llm.chat.turns import Chat, likely
from emg_llm.encoders.base import EncoderConfig
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import HubError
from emg_llm.llms.model import EmgLLM
from emg_llm.pipeline import NOT_LEARNED
from emg_llm.registry import MEAN, REPORT
from emg_llm.signal.quality import assess
from emg_llm.signal.recording import EMOTIONS
from emg_llm.signal.simulation import simulate
from tests.making import counting

pytestmark = pytest.mark.slow

LLMS = ("nano-llama2", "nano-phi3", "nano-llama3")
MODELS = ("svm", "cnn", "tcn", *LLMS)
CHAT_FIRST = "Which sites are strongest?"


@pytest.fixture(scope="module")
def sample(pipeline):
    return emg_llm.read_recording(pipeline.samples["Person 2: hard"])


@pytest.fixture
def unread(sample):
    """make() -> a recording like the sample that the pipeline has not read yet."""
    return lambda: sample.replace(signal=sample.signal * (1 + 1e-4 * next(NUMBERS)))


NUMBERS = itertools.count(1)
FEW = 4


@pytest.fixture
def forgetful(pipeline, monkeypatch):
    """The pipeline, which remembers few recordings."""
    monkeypatch.setattr(pipelines, "REMEMBERED", FEW)
    return pipeline.asking(pipeline._llms)


@pytest.fixture
def talkative(pipeline, monkeypatch):
    """The pipeline, its language model kept from ending at once: it has hardly been trained."""
    llm = pipeline.llm("nano-llama2")
    special = llm.tokenizer.all_special_ids
    monkeypatch.setattr(llm.model.generation_config, "suppress_tokens", special)
    return pipeline


def test_the_bundle_holds_no_pickle_no_path_of_this_machine_and_less_than_25_mb(quick_bundle):
    files = [f for f in quick_bundle.folder.rglob("*") if f.is_file()]
    endings = {f.suffix for f in files}
    assert not endings & {".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib"}
    assert not any("checkpoint" in str(f.relative_to(quick_bundle.folder)) for f in files)
    assert sum(f.stat().st_size for f in files) < 25 * 2**20
    for file in files:
        if file.suffix in (".json", ".md", ".jinja"):
            text = file.read_text()
            assert str(quick_bundle.work.parent) not in text, file
            assert not re.search(r'"(/|[A-Z]:\\\\)\w+/', text), file


@pytest.mark.parametrize("llm", LLMS)
def test_the_adapter_names_its_base(quick_bundle, llm):
    adapter = quick_bundle.folder / "adapters" / llm
    peft = json.loads((adapter / "adapter_config.json").read_text())
    assert peft["base_model_name_or_path"] == llm
    assert json.loads((adapter / "config.json").read_text())["base"] == llm


def test_every_part_of_the_bundle_has_a_card(quick_bundle):
    llms = (f"{kind}/{llm}" for kind in ("llms", "adapters") for llm in LLMS)
    for part in ("svm", "encoders/cnn", "encoders/tcn", "codebook", *llms):
        card = (quick_bundle.folder / part / "README.md").read_text()
        assert card.startswith("---\n") and "license: apache-2.0" in card


def test_the_bundle_says_what_it_was_trained_on_and_how_well_it_did(pipeline):
    assert pipeline.labels == EMOTIONS
    assert pipeline.models == MODELS and pipeline.llms == LLMS
    assert pipeline.not_loaded == {}
    assert "4 simulated people" in pipeline.trained_on
    measured = pipeline.results["models"]
    assert [m["model"] for m in measured] == [*MODELS, MEAN]
    assert len({m["protocol"]["split_hash"] for m in measured}) == 1  # the same test people
    for model in measured:
        assert model["n_recordings"] == 12 and model["n_subjects"] == 1
    new = pipeline.results["new_people"]["models"]
    assert [m["model"] for m in new] == [*MODELS, MEAN]
    for model in new:
        assert model["n_recordings"] == 36 and model["protocol"]["grouping"] == "all"
        assert model["log_loss"] > 0
        if model["model"] in LLMS:
            assert {"encoder", "lookup", "inputs", "facts", "planted"} <= set(model)


def test_a_prediction_has_the_sets_of_models_with_calibration_people(pipeline, unread, monkeypatch):
    assert pipeline.mean.fitted_on == "validation people" and pipeline(unread()).sets == {}
    monkeypatch.setattr(pipeline.svm, "confidence", Confidence(threshold=1.0, level=0.9))
    monkeypatch.setattr(pipeline, "mean", Confidence(threshold=0.0, level=0.9))
    prediction = pipeline(unread())
    assert set(prediction.sets) == {"svm", MEAN} and len(prediction.sets["svm"]) == 12
    assert prediction.sets[MEAN] == (prediction.label,)


def test_every_sample_is_predicted_by_every_model(pipeline):
    assert len(pipeline.samples) == 4
    said = []
    for name, path in pipeline.samples.items():
        montage = pipeline.montages.get(name)
        prediction = pipeline(emg_llm.read_recording(path, montage=montage))
        assert tuple(prediction.probabilities) == MODELS
        for p in prediction.probabilities.values():
            assert tuple(p) == EMOTIONS
            assert sum(p.values()) == pytest.approx(1, abs=1e-5)
            assert min(p.values()) >= 0
        mean = np.mean([list(prediction.probabilities[llm].values()) for llm in LLMS], axis=0)
        assert prediction.label == EMOTIONS[mean.argmax()]
        assert tuple(prediction.tokens) == tuple(prediction.prompts) == LLMS
        for llm, tokens in prediction.tokens.items():
            assert len(tokens) == 4
            assert all(re.fullmatch(rf"<emg_{d}_\d+>", t) for d, t in enumerate(tokens))
            assert "".join(tokens) in prediction.prompts[llm]
        said.append(prediction.probabilities)
    for model in MODELS:  # what is told depends on the recording
        assert len({tuple(p[model].values()) for p in said}) == 4


@pytest.fixture
def done(monkeypatch):
    """How often signals are cleaned, searched for hum and judged, and models asked."""
    done, counted = counting(monkeypatch)
    counted(scipy.fft, "dct")
    counted(scipy.signal, "welch")
    counted(assess, "QualityReport")
    counted(EncoderConfig, "tensor")
    counted(Bridge, "read")
    counted(EmgLLM, "probabilities")
    return done


def test_a_recording_is_cleaned_judged_embedded_read_and_scored_once(pipeline, unread, done):
    """By three language models of one bridge, a prediction, another of the same file, a chat."""
    recording = unread()
    prediction = pipeline(recording)
    again = recording.replace(signal=recording.signal.copy())
    assert pipeline(again) is prediction
    for llm in LLMS:
        pipeline.checked(again, "Because.")
        next(pipeline.chat(again, "Why?", llm=llm))
    once = ("QualityReport", "tensor", "read")
    of_each_channel = dict.fromkeys(("dct", "welch"), recording.n_channels)
    assert done == dict.fromkeys(once, 1) | of_each_channel | {"probabilities": len(LLMS)}


def test_what_is_known_is_kept_of_the_last_few_recordings_and_found_again_the_same(
    forgetful, unread, done
):
    recording = unread()
    first = forgetful(recording)
    for k in range(FEW):
        assert forgetful(recording) is first, k
        forgetful(unread())
    done.clear()
    assert forgetful(recording) == first  # it was asked for again and again, so it is still known
    assert not done
    for _ in range(FEW):
        forgetful(unread())
    done.clear()
    again = forgetful(recording)
    assert again == first and again is not first and done["probabilities"] == len(LLMS)


def test_the_recordings_themselves_are_not_kept(pipeline, unread):
    recording = unread()
    signal = weakref.ref(recording.signal)
    pipeline(recording)
    list(pipeline.chat(recording, "Why?"))
    del recording
    gc.collect()
    assert signal() is None


def test_another_recording_is_never_taken_for_the_one_before(pipeline, sample):
    first = pipeline(sample)
    for change in (
        {"signal": sample.signal * 1.001},
        {"sampling_rate": sample.sampling_rate / 2},
        {"unit": "a.u."},
        {"start": 1.0},
        {"valid": np.arange(sample.n_samples) > 100},
    ):
        assert pipeline(sample.replace(**change)) is not first


def test_people_who_ask_at_once_get_what_one_would(forgetful, unread, done):
    one, other = unread(), unread()
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(forgetful, [one, other] * 2))
    assert done["read"] == 2 and done["probabilities"] == 2 * len(LLMS)
    assert at_once[:2] == at_once[2:] and at_once[0] != at_once[1]
    for _ in range(FEW):
        forgetful(unread())
    assert [forgetful(one), forgetful(other)] == at_once[:2]


def test_the_llms_score_the_prompt_that_their_bridge_makes(pipeline, sample):
    prediction = pipeline(sample)
    for name in LLMS:
        llm = pipeline.llm(name)
        reading = llm.bridge.read(sample)
        assert reading.tokens == prediction.tokens[name]
        assert len(reading.levels) == 8
        expected = llm.probabilities([reading])[0]
        np.testing.assert_allclose(
            list(prediction.probabilities[name].values()), expected, rtol=1e-5
        )


@pytest.mark.parametrize("earlier", [0, 1, 2])
def test_the_chat_begins_with_the_reading_and_its_scores_come_with_the_first_question(
    talkative, sample, earlier
):
    llm = talkative.llm("nano-llama2")
    marked = "The strongest site is jaw +8 dB ✗ (measured: jaw -9 dB), SNR +8 ✓."
    history = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": marked, "metadata": None},
    ] * earlier
    reading = llm.bridge.read(sample)
    scores = likely(llm.labels, llm.probabilities([reading])[0])
    chat = Chat(reading, scores[0][0], scores)
    for message in history[::2]:
        chat = chat.asked(message["content"]).answered("The strongest site is jaw +8 dB, SNR +8.")
    chat = chat.asked(CHAT_FIRST)
    assert chat.turns[2]["content"].startswith(f"Scored: {scores[0][0]} ")
    before = copy.deepcopy(history)
    said = "".join(talkative.chat(sample, CHAT_FIRST, llm="nano-llama2", history=history))
    assert said and said == "".join(llm.reply(chat))
    assert history == before


def test_a_model_that_never_learned_a_kind_of_question_does_not_answer_another(talkative, sample):
    for question in ("How many channels are there?", "welche Elektrode ist kaputt?"):
        said = "".join(talkative.chat(sample, question, llm="nano-llama2"))
        assert said == NOT_LEARNED
        report = "".join(talkative.chat(sample, question, llm=REPORT))
        assert report and "I don't know" not in report


def test_what_a_reply_states_is_marked_as_the_signal_has_it(pipeline, sample):
    for name in LLMS:
        llm = pipeline.llm(name)
        reading = llm.bridge.read(sample)
        site, level = reading.ranking[0]
        scored = likely(llm.labels, llm.probabilities([reading])[0])[0][0]
        other = next(label for label in EMOTIONS if label not in (scored, "neutral"))
        reply = f"I read {scored}. The strongest site is {site} {level:+d} dB ✗ (measured: 3)."
        told = pipeline.checked(sample, reply)
        assert told == f"I read {scored}. The strongest site is {site} {level:+d} dB ✓."
        assert pipeline.checked(sample, f"I read {other}, I am sure.") == (
            f"I read {other}, I am sure."
        )


def test_an_unknown_language_model_is_said_in_one_sentence(pipeline, sample):
    with pytest.raises(
        ValueError, match=r"No language model 'gpt-9'; choose from nano-llama2, nano-phi3"
    ):
        next(pipeline.chat(sample, "Why?", llm="gpt-9"))


def test_columns_in_another_order_give_the_same_probabilities(pipeline, sample):
    order = np.random.default_rng(1).permutation(8)
    for places in (np.arange(8)[::-1], order):
        names = [sample.channel_names[i] for i in places]
        other = pipeline(sample.replace(signal=sample.signal[:, places], channel_names=names))
        for model, expected in pipeline(sample).probabilities.items():
            assert other.probabilities[model] == pytest.approx(expected, abs=1e-5), model
        assert other.warnings == pipeline(sample).warnings


def test_without_known_sites_the_emotion_is_withheld_and_no_model_is_asked(pipeline, unread, done):
    unnamed = unread().replace(channel_names=())
    prediction = pipeline(unnamed)
    assert prediction.label is None and prediction.probabilities == {}
    assert "doesn't say where its 8 channels were recorded" in prediction.withheld
    assert "'face'" in prediction.withheld
    answer = "".join(pipeline.chat(unnamed, "Which emotion is this?"))
    assert prediction.withheld in answer and not any(label in answer for label in EMOTIONS)
    assert "The strongest channel is channel" in "".join(pipeline.chat(unnamed, "strongest one?"))
    told = pipeline.checked(unnamed, "The strongest channel is channel 40.")
    assert "✗ (measured" in told or "✗ (recorded" in told
    assert not done["tensor"] + done["read"] + done["probabilities"]
    two = unnamed.replace(signal=unnamed.signal[:, :2], channel_names=("a", "b"))
    assert "has none of the sites" in pipeline(two).withheld


def test_what_the_encoder_finds_unlike_its_people_is_withheld(pipeline, unread, done, monkeypatch):
    encoder = pipeline.encoders["cnn"]
    monkeypatch.setattr(encoder, "unlike", lambda _: "It is a leg.", raising=False)
    prediction = pipeline(unread())
    assert (prediction.label, prediction.withheld) == (None, "It is a leg.")
    assert not done["probabilities"]


def test_a_model_that_fails_is_left_out_with_a_warning(pipeline, unread, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(type(pipeline.svm), "predict_proba", broken)
    nothing = np.full((1, 12), np.nan)
    monkeypatch.setattr(pipeline.llm("nano-phi3"), "probabilities", lambda _: nothing)
    prediction = pipeline(unread())
    assert set(prediction.probabilities) == set(prediction.prompts) | {"cnn", "tcn"}
    assert set(prediction.prompts) == {"nano-llama2", "nano-llama3"}
    text = "{} failed and is left out; the log has the details."
    assert {text.format(model) for model in ("svm", "nano-phi3")} <= set(prediction.warnings)
    assert prediction.label in EMOTIONS


def test_where_no_bridge_reads_a_recording_the_other_models_do(pipeline, unread, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    for name in pipeline.llms:
        monkeypatch.setattr(type(pipeline.llm(name).bridge), "read", broken)
    recording = unread()
    assert set(pipeline(recording).probabilities) == {"svm", "cnn", "tcn"}
    report = pipeline.report(recording)
    assert report.value("emotion") and report.of("rms") and not report.of("level")


def test_dead_and_missing_electrodes_are_warnings(pipeline, sample, monkeypatch):
    monkeypatch.setattr(pipeline.encoders["cnn"], "unlike", lambda _: "", raising=False)
    dead = sample.replace(signal=sample.signal * (np.arange(8) > 3))
    prediction = pipeline(dead)
    assert tuple(prediction.probabilities) == MODELS
    assert any("No signal on above the eye, below the eye" in w for w in prediction.warnings)
    some = sample.replace(signal=sample.signal[:, :6], channel_names=sample.channel_names[:6])
    assert any("No channel is at cheek and jaw" in w for w in pipeline(some).warnings)


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
    with pytest.raises(HubError, match="is not a local folder"):
        emg_llm.EmotionPipeline.from_pretrained("nobody/has-this")
