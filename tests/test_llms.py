from dataclasses import replace

import numpy as np
import pytest
import torch

from emg_llm.bridge.reading import Reading
from emg_llm.chat.turns import Chat
from emg_llm.evaluation.confidence import Confidence
from emg_llm.llms import writing
from emg_llm.llms.loading import LlmError, load_base
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.nano import corpus
from emg_llm.llms.scoring import SCORING_BATCH
from emg_llm.llms.sft_data import reading_of
from emg_llm.signal.recording import EMOTIONS

LABELS = ("anger", "anxiety", "fear", "happiness")
PROMPTS = [
    "EMG features: none",
    "EMG features: <emg_0_3><emg_1_17>, jaw +12, cheek -3, SNR +15",
    "EMG features: <emg_0_63><emg_1_0><emg_2_5><emg_3_9>",
    "EMG features: above the eye +1, below the eye -40, forehead +0, cheek +33, jaw -7, SNR -2",
]
READINGS = [Reading(given=prompt) for prompt in PROMPTS]


@pytest.fixture(scope="module")
def llm(nano_folder):
    model, tokenizer = load_base(str(nano_folder))
    return EmgLLM("nano", model, tokenizer, (*LABELS, "fear of anger"), None)


def slow_score(llm, prompt, label):
    """One answer at a time, without padding, token by token."""
    tokenizer = llm.tokenizer
    before = tokenizer(f"<|user|>\n{prompt}</s>\n<|assistant|>\n", add_special_tokens=False)[
        "input_ids"
    ]
    answer = tokenizer(f"Emotion: {label}</s>", add_special_tokens=False)["input_ids"]
    total, ids = 0.0, list(before)
    for token in answer:
        with torch.no_grad():
            logits = llm.model(input_ids=torch.tensor([ids])).logits[0, -1]
        total += float(torch.log_softmax(logits.double(), -1)[token])
        ids.append(token)
    assert answer[-1] == tokenizer.eos_token_id
    return total


def test_label_scores_are_the_log_likelihoods_of_the_complete_answers(llm):
    expected = [[slow_score(llm, p, label) for label in llm.labels] for p in PROMPTS]
    np.testing.assert_allclose(llm.label_scores(READINGS), expected, atol=1e-3)


def test_a_score_depends_on_its_own_prompt_and_label_alone(llm):
    rng = np.random.default_rng(0)
    many = [reading_of({"messages": m}) for m in corpus(40, rng)] + READINGS
    assert len(many) > SCORING_BATCH
    together = llm.label_scores(many)
    alone = np.concatenate([llm.label_scores([p]) for p in many])
    np.testing.assert_allclose(together, alone, atol=1e-3)
    order = rng.permutation(len(many))
    np.testing.assert_allclose(
        llm.label_scores([many[i] for i in order]), together[order], atol=1e-3
    )
    turned = EmgLLM("nano", llm.model, llm.tokenizer, llm.labels[::-1], None)
    np.testing.assert_allclose(turned.label_scores(many[:5]), together[:5, ::-1], atol=1e-3)


def test_probabilities_sum_to_one_and_follow_the_scores(llm):
    p = llm.probabilities(READINGS)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    scores = llm.label_scores(READINGS)
    np.testing.assert_array_equal(p.argsort(axis=1), scores.argsort(axis=1))
    np.testing.assert_allclose(np.log(p[:, 0] / p[:, 1]), scores[:, 0] - scores[:, 1], atol=1e-6)
    warm = EmgLLM("nano", llm.model, llm.tokenizer, llm.labels, None, Confidence(4.0))
    np.testing.assert_allclose(
        np.log(warm.probabilities(READINGS)[:, 0] / warm.probabilities(READINGS)[:, 1]),
        (scores[:, 0] - scores[:, 1]) / 4,
        atol=1e-6,
    )
    assert (warm.probabilities(READINGS).max(axis=1) < p.max(axis=1)).all()


def test_the_prior_of_the_labels_is_taken_away(llm):
    scores = llm.label_scores(READINGS)
    known = Confidence(prior=tuple(scores[0]))
    fair = EmgLLM("nano", llm.model, llm.tokenizer, llm.labels, None, known)
    p = fair.probabilities(READINGS)
    np.testing.assert_allclose(p[0], 1 / len(llm.labels))
    expected = np.exp(scores - scores[0])
    np.testing.assert_allclose(p, expected / expected.sum(axis=1, keepdims=True))


# Chat


def chat(n_exchanges, scores=()):
    said = Chat(READINGS[1], "fear", scores)
    for i in range(n_exchanges):
        said = said.asked(f"How strong is it at the jaw? {i}")
        said = said.answered(f"The level at the jaw is +{i}.")
    return said.asked("Why?")


def test_a_reply_streams_pieces_and_is_greedy(llm):
    pieces = list(llm.reply(chat(1), max_new_tokens=24))
    assert len(pieces) > 1 and all(pieces)
    assert list(llm.reply(chat(1), max_new_tokens=24)) == pieces
    ids = llm.tokenizer.apply_chat_template(
        chat(1).turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    n = ids.shape[1]
    for _ in range(24):
        with torch.no_grad():
            ids = torch.cat([ids, llm.model(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
        if ids[0, -1] == llm.tokenizer.eos_token_id:
            break
    assert "".join(pieces) == llm.tokenizer.decode(ids[0, n:], skip_special_tokens=True)


def test_a_reply_that_nobody_waits_for_is_not_written_to_its_end(llm, monkeypatch):
    monkeypatch.setattr(llm._writer, "ends", frozenset())
    monkeypatch.setattr(writing, "LOOP", 10**6)  # random weights repeat themselves
    seen = []
    hook = llm.model.register_forward_hook(lambda *_: seen.append(1))
    try:
        reply = llm.reply(chat(1), max_new_tokens=300)
        next(reply)
        reply.close()
    finally:
        hook.remove()
    assert 0 < len(seen) < 300


def test_of_a_chat_that_is_too_long_the_oldest_exchanges_are_forgotten(llm):
    long = chat(60)
    room = llm.model.config.max_position_embeddings - 24

    def latest(k):
        """The chat with its last k exchanges and the question."""
        return replace(long, later=long.later[-2 * k - 1 :])

    def n_tokens(chat):
        encoded = llm.tokenizer.apply_chat_template(
            chat.turns, add_generation_prompt=True, return_dict=True
        )
        return len(encoded["input_ids"])

    kept = next(k for k in range(60, 0, -1) if n_tokens(latest(k)) <= room)
    assert 2 < kept < 60
    answer = "".join(llm.reply(long, max_new_tokens=24))
    assert answer
    assert answer == "".join(llm.reply(latest(kept), max_new_tokens=24))


def test_scores_are_told_with_the_first_question_that_is_left(llm, monkeypatch):
    prompts = []
    template = llm.tokenizer.apply_chat_template

    def spied(messages, **kwargs):
        prompts.append(messages[0])
        return template(messages, **kwargs)

    monkeypatch.setattr(llm.tokenizer, "apply_chat_template", spied)
    long = chat(60, (("fear", 81), ("anger", 9)))
    next(llm.reply(long, max_new_tokens=4))
    assert len(prompts[-1]) < len(prompts[0])
    for messages in (prompts[0], prompts[-1]):
        told = [m["content"] for m in messages if "Scored:" in m["content"]]
        assert told == [messages[2]["content"]]
    first = long.turns[-len(prompts[-1]) + 2]
    assert told == [f"Scored: fear 81 %, anger 9 %. {first['content']}"]


def test_a_single_message_that_is_too_long_gets_a_sentence(llm):
    assert list(llm.reply(Chat(READINGS[1], "fear").asked("why " * 3000))) == [
        "That is more text than I can read at once; please ask in fewer words."
    ]


def test_the_emotions_are_answers_that_differ(llm):
    every, read = EmgLLM("nano", llm.model, llm.tokenizer, EMOTIONS, None), []
    with llm.model.register_forward_pre_hook(
        lambda _, args, given: read.extend(given["input_ids"]), with_kwargs=True
    ):
        every.label_scores(READINGS[:1])
    [ids] = read
    # What they begin with is read once, then what each has of its own, up to its end.
    _, answers = llm.tokenizer.decode(ids).split("Emotion:")
    assert answers == "".join(f" {emotion}{llm.tokenizer.eos_token}" for emotion in EMOTIONS)


def test_an_llm_that_is_nowhere_is_said_in_one_line(offline):
    with pytest.raises(LlmError, match="nobody/has-this can't be loaded") as caught:
        load_base("nobody/has-this")
    assert "\n" not in str(caught.value)
