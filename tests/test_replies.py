"""What a language model says is counted: no labels, false statements, words of a planted label."""

import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.bridge.text import Text
from emg_llm.chat.turns import ANSWER, Chat
from emg_llm.experiments import replies
from emg_llm.experiments.replies import count_replies, free_text, replies_figures
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
    """Chats that were asked, all of which get `reply`, or what it makes of them."""
    asked = []

    def generate(llm, chats, **_):
        asked.extend(chats)
        return [reply(chat) if callable(reply) else reply for chat in chats]

    monkeypatch.setattr(replies, "generate", generate)
    return asked


def test_replies_about_every_recording_are_checked_against_it(llm, readings, monkeypatch):
    p = np.eye(3)[[0, 1, 2, 0, 1, 2]] * 0.9 + 0.03
    asked = replying(monkeypatch, f"Well, I read {LABELS[0]} here.")
    counts = count_replies(llm, readings, p, n_replies=59)
    assert counts["n_replies"] == 60
    asked = [chat.turns for chat in asked[:60]]
    assert [len(turns) for turns in asked] == [3] * 20 + [5] * 20 + [7] * 20
    told = ["Scored: " in turns[2]["content"] for turns in asked]
    assert all(told) and not any("Scored: " in m["content"] for c in asked for m in c[4::2])
    assert len({chat[0]["content"] for chat in asked}) == len(readings)
    labels = [chat[1]["content"] for chat in asked]
    right = sum(label == ANSWER.format(label=LABELS[0]) for label in labels)
    assert 0 < right < 60
    assert (counts["n_facts"], counts["n_true"]) == (60, right)
    assert counts["n_other_emotion"] == 60 - right
    again = count_replies(llm, readings, p, n_replies=60)
    assert again == counts
    assert count_replies(llm, readings, p, n_replies=60, seed=1) != counts


def places(reading, question):
    """The sites that a question names, in its order."""
    at = {site: question.find(site) for site in reading.sites}
    return sorted((site for site in at if at[site] >= 0), key=at.get)


def test_every_ordered_pair_of_sites_is_compared_and_only_what_is_true_counts(
    llm, readings, monkeypatch
):
    def stronger(chat, pick):
        level = dict(zip(chat.reading.sites, chat.reading.levels, strict=True))
        a, b, *_ = [*places(chat.reading, chat.later[-1]["content"]), "jaw", "cheek"]
        return (
            f"With {a} {level[a]:+d} dB against {b} {level[b]:+d} dB it is stronger at the "
            f"{pick((a, b), key=level.get)}."
        )

    p = np.full((6, 3), 1 / 3)
    asked = replying(monkeypatch, lambda chat: stronger(chat, max))
    counts = count_replies(llm, readings, p, n_replies=60)
    pairs = [places(chat.reading, chat.later[-1]["content"]) for chat in asked[60:116]]
    assert counts["n_pairs"] == len({tuple(pair) for pair in pairs}) == 56
    tied = counts["n_pairs"] - counts["true_pairs"]  # "stronger" is wrong for equal levels
    assert tied < 16
    for always in (lambda both, key: both[0], min):
        replying(monkeypatch, lambda chat, pick=always: stronger(chat, pick))
        lucky = count_replies(llm, readings, p, n_replies=60)["true_pairs"]
        assert lucky == 0 if always is min else 15 < lucky < 41
    replying(monkeypatch, "With jaw +1 dB against cheek +1 dB it is equally strong.")
    assert count_replies(llm, readings, p, n_replies=60)["true_pairs"] < 3  # another pair
    asked = replying(monkeypatch, "Hello.")
    assert count_replies(llm, readings, p, n_replies=9)["n_pairs"] == 9  # no more than asked for


@pytest.mark.parametrize(
    ("reply", "share"),
    [
        (lambda chat: f"I read {chat.label}: the jaw is strong.", 1.0),
        (lambda chat: f"It looks like an {chat.label} or a {chat.label} pattern.", 1.0),
        (lambda chat: f"The label has {len(chat.label)} letters, so it is {chat.label}.", 0.5),
    ],
)
def test_words_that_a_planted_label_leaves_alone_are_told_from_others(
    llm, readings, monkeypatch, reply, share
):
    asked = replying(monkeypatch, reply)
    p = np.eye(3)[[0, 1, 0, 1, 0, 1]] * 0.9 + 0.03
    figures = replies_figures([count_replies(llm, readings, p, n_replies=60)])["planted"]
    assert figures["n"] == 6
    assert figures["same_words"] == 1 if share == 1 else figures["same_words"] < 1
    for own, other in zip(asked[-12::2], asked[-11::2], strict=True):
        assert own.reading is other.reading and own.label != other.label
        assert other.scores[0][0] == other.label  # as if it were the likeliest


def test_figures_of_replies_are_shares_over_all_folds():
    one = {
        **{"n_replies": 10, "n_facts": 20, "n_true": 19, "n_stating": 8},
        **{"n_false": 1, "n_other_emotion": 0, "wrong": {"Why?": 1}},
        **{"n_facts_later": 10, "n_true_later": 9},
        **{"n_level": 15, "true_level": 15, "n_comparison": 5, "true_comparison": 4},
        **{"n_pairs": 56, "true_pairs": 42, "n_planted": 10, "n_same_words": 9},
    }
    other = one | {"n_true": 20, "n_true_later": 10, "n_false": 0, "wrong": {}}
    figures = replies_figures([one, other])
    assert [(row["kind"], row["source"], row["n"], row["true"]) for row in figures["facts"]] == [
        ("level", "copied", 30, 1.0),
        ("comparison", "computed", 10, 0.8),
        ("comparison, all pairs of sites", "computed", 112, 0.75),
    ]
    assert figures["planted"] == {"n": 20, "same_words": 0.9}
    assert figures["replies"] == {
        "n_replies": 20,
        "n_facts": 40,
        "true": 39 / 40,
        "true_later": 19 / 20,
        "replies_true": 15 / 16,
        "other_emotion": 0.0,
        "wrong_most_often": ["Why?"],
    }
    assert replies_figures([one | {"n_facts": 0, "n_true": 0}])["replies"]["true"] == 0
