"""What a language model says is counted: answers that are no label, reasons that don't hold."""

import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.bridge.text import Text
from emg_llm.chat.turns import ANSWER, Chat
from emg_llm.experiments import replies
from emg_llm.experiments.replies import count_reasons, free_text, reasons_figures
from emg_llm.llms.generation import generate
from emg_llm.llms.loading import load_base
from emg_llm.llms.model import EmgLLM

LABELS = ("anger", "fear", "pride")


@pytest.fixture(scope="module")
def llm(nano_folder, people):
    model, tokenizer = load_base(str(nano_folder))
    return EmgLLM("nano", model, tokenizer, LABELS, Text.fit(people, range(12)))


def test_answers_at_once_are_those_that_are_given_one_by_one(llm):
    questions = ["Hello", "EMG features: jaw +12, cheek -3, SNR +15", "Why do you say that?"]
    chats = [Chat(Reading(given=q)) for q in questions]
    at_once = generate(llm, chats, max_new_tokens=8)
    assert at_once == [generate(llm, [chat], max_new_tokens=8)[0] for chat in chats]
    assert at_once == ["".join(llm.reply(chat, max_new_tokens=8)) for chat in chats]


def test_an_answer_counts_as_a_label_only_when_it_is_one_and_agrees_with_the_scores():
    p = np.eye(3)[[0, 1, 2, 0]]
    said = [ANSWER.format(label=label) for label in ("anger", "pride", "pride")]
    found = free_text(LABELS, p, [f" {said[0]}\n", said[1], said[2], "Emotion: angry"])
    assert found == {"n": 4, "not_a_label": 0.25, "agrees": 0.5}


@pytest.fixture
def readings(llm, people):
    return llm.bridge.read_dataset(people, np.arange(6))


def replying(monkeypatch, reply):
    asked = []

    def generate(llm, chats, **_):
        asked.extend(chats)
        return [reply] * len(chats)

    monkeypatch.setattr(replies, "generate", generate)
    return asked


def test_replies_about_every_recording_are_checked_against_it(llm, readings, monkeypatch):
    p = np.eye(3)[[0, 1, 2, 0, 1, 2]] * 0.9 + 0.03
    asked = replying(monkeypatch, f"Well, I read {LABELS[0]} here.")
    counts = count_reasons(llm, readings, p, n_replies=59)
    assert len(asked) == counts["n_replies"] == 60
    asked = [chat.turns for chat in asked]
    assert [len(turns) for turns in asked] == [3] * 20 + [5] * 20 + [7] * 20
    told = ["Scored: " in turns[2]["content"] for turns in asked]
    assert all(told) and not any("Scored: " in m["content"] for c in asked for m in c[4::2])
    assert len({chat[0]["content"] for chat in asked}) == len(readings)
    labels = [chat[1]["content"] for chat in asked]
    right = sum(label == ANSWER.format(label=LABELS[0]) for label in labels)
    assert 0 < right < 60
    assert (counts["n_facts"], counts["n_true"]) == (60, right)
    assert counts["n_other_emotion"] == 60 - right
    again = count_reasons(llm, readings, p, n_replies=60)
    assert again == counts
    assert count_reasons(llm, readings, p, n_replies=60, seed=1) != counts


def test_figures_of_reasons_are_shares_over_all_folds():
    one = {
        **{"n_replies": 10, "n_facts": 20, "n_true": 19, "n_stating": 8},
        **{"n_false": 1, "n_other_emotion": 0, "wrong": {"Why?": 1}},
        **{"n_facts_later": 10, "n_true_later": 9},
    }
    other = one | {"n_true": 20, "n_true_later": 10, "n_false": 0, "wrong": {}}
    assert reasons_figures([one, other]) == {
        "n_replies": 20,
        "n_facts": 40,
        "true": 39 / 40,
        "true_later": 19 / 20,
        "replies_true": 15 / 16,
        "other_emotion": 0.0,
        "wrong_most_often": ["Why?"],
    }
    assert reasons_figures([one | {"n_facts": 0, "n_true": 0}])["true"] == 0
