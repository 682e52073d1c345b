import re
from collections import Counter

import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.bridge.text import Text
from emg_llm.chat.about_emg import general_topics
from emg_llm.chat.conversations import build_rows, conversation
from emg_llm.chat.topics import topics
from emg_llm.chat.turns import ANSWER, Chat, from_share_gpt, likely, share_gpt
from emg_llm.data.splits import held_out_split
from emg_llm.llms.nano import N_CODES, corpus
from emg_llm.signal.recording import EMOTIONS

SITES = ("above the eye", "below the eye", "forehead", "cheek", "jaw")
SCORES = (("fear", 61), ("anger", 22), ("pride", 9))


def random_reading(rng):
    levels = tuple(int(v) for v in rng.integers(-40, 41, len(SITES)))
    return Reading(SITES, levels, "dB", (1, 2), int(rng.integers(-40, 41)), "good")


def plain(question):
    """A question however it was typed: with a please, in lower case, or without its mark."""
    return question.lower().removesuffix("?").removesuffix(".").removesuffix(", please")


def test_a_conversation_is_the_recording_its_emotion_and_different_questions():
    rng = np.random.default_rng(0)
    for _ in range(50):
        reading = random_reading(rng)
        messages = conversation(reading, "fear", rng, 6, SCORES).turns
        assert [m["role"] for m in messages] == ["user", "assistant"] * 7
        assert messages[0]["content"] == reading.prompt()
        assert messages[1]["content"] == "Emotion: fear"
        asked = [*topics(reading, "fear", SCORES), *general_topics()]
        questions = [m["content"] for m in messages[2::2]]
        told = Chat(reading, "fear", SCORES).asked("").turns[-1]["content"] + " "
        assert questions[0].startswith(told) and not any(told in q for q in questions[1:])
        questions[0] = questions[0].removeprefix(told)
        which = [
            next(i for i, (ask, _) in enumerate(asked) if plain(q) in map(plain, ask))
            for q in questions
        ]
        assert len(set(which)) == 6


def first_question(chat):
    """The turn in which "Why?" is asked, as a language model reads it."""
    return chat.asked("Why?").answered("So.").asked("Why?").turns[2]["content"]


def test_scores_and_ranking_come_before_the_question():
    two = Reading(SITES[:2], (3, 4), "dB")  # too few to rank
    assert first_question(Chat(two, "fear")) == "Why?"
    told = first_question(Chat(two, "fear", SCORES[:2]))
    assert told == "Scored: fear 61 %, anger 22 %. Why?"
    rng = np.random.default_rng(0)
    for _ in range(200):
        reading = random_reading(rng)
        assert "Strongest" not in reading.prompt()
        told = first_question(Chat(reading, "fear", SCORES)).removesuffix(" Why?")
        scored, _, ranked = told.partition(" Strongest: ")
        assert scored == "Scored: fear 61 %, anger 22 %, pride 9 %."
        named = re.fullmatch(r"(.+) (\S+), (.+) (\S+)\. Weakest: (.+) (\S+)\.", ranked).groups()
        values = [int(v) for v in named[1::2]]
        level = dict(zip(SITES, reading.levels, strict=True))
        assert values == [level[site] for site in named[::2]]
        assert values == [*sorted(reading.levels)[:-3:-1], min(reading.levels)]
        assert named[0] != named[2]


def test_the_likeliest_labels_lead_with_the_one_that_is_to():
    p = [0.5, 0.3, 0.15, 0.05]
    assert likely("abcd", p) == (("a", 50), ("b", 30), ("c", 15))
    assert likely("abcd", p, first="c") == (("c", 50), ("b", 30), ("a", 15))


def test_share_gpt_round_trip():
    messages = [
        {"role": "system", "content": "Be brief."},
        *Chat(random_reading(np.random.default_rng(0)), "pride").turns,
    ]
    turns = share_gpt(messages)
    assert [t["from"] for t in turns] == ["system", "human", "gpt"]
    assert from_share_gpt(turns) == messages
    named = {"human": "user", "gpt": "assistant", "system": "system"}
    assert from_share_gpt([t | {"from": named[t["from"]]} for t in turns]) == messages
    assert from_share_gpt(messages) == messages


def test_rows_keep_people_apart_and_only_training_recordings_are_varied(people):
    people = people.with_labels(["fear", "pride", "neutral"])
    split = held_out_split(people)
    bridge = Text.fit(people, split.train)
    rows = list(build_rows(people, split, bridge, variants=3, n_follow_ups=1))
    assert Counter(r["split"] for r in rows) == {"train": 9, "validation": 3, "test": 3}
    subjects = {
        part: {r["subject"] for r in rows if r["split"] == part}
        for part in ("train", "validation", "test")
    }
    assert sum(len(s) for s in subjects.values()) == len(set.union(*subjects.values())) == 3

    by_id = dict(zip(people.ids, people.recordings, strict=True))
    prompts, turns = {}, {}
    for row in rows:
        recording = by_id[row["recording_id"]]
        assert row["label"] == recording.label
        assert row["messages"][1]["content"] == ANSWER.format(label=recording.label)
        assert from_share_gpt(row["conversations"]) == row["messages"]
        prompts.setdefault(row["recording_id"], []).append(row["messages"][0]["content"])
        turns.setdefault(row["recording_id"], []).append(len(row["messages"]))
    for recording_id, said in prompts.items():
        # The first is the recording as it is; test recordings have nothing else.
        assert said[0] == bridge.read(by_id[recording_id]).prompt()
        # Of each emotion there is one trial: every other variant tells of those of other ones.
        assert [". Known trials" in prompt for prompt in said] == [False, True, False][: len(said)]
        assert len(set(said)) == len(said)
        assert turns[recording_id] == [4, 2, 2][: len(said)]  # every third is asked about

    again = list(build_rows(people, split, bridge, variants=3, n_follow_ups=1))
    assert again == rows
    assert list(build_rows(people, split, bridge, 3, 1, seed=1)) != rows


@pytest.mark.slow
def test_what_nano_models_are_pretrained_on_says_nothing_about_emotions():
    """Levels, codes and SNR have the same distribution whatever the emotion."""
    from scipy.stats import chi2_contingency, f_oneway, kruskal

    told = {e: [] for e in EMOTIONS}
    first_codes = np.zeros((len(EMOTIONS), N_CODES))
    for messages in corpus(9000, np.random.default_rng(0)):
        prompt, answer = messages[0]["content"], messages[1]["content"]
        label = answer.removeprefix("Emotion: ")
        if code := re.search(r"<emg_0_(\d+)>", prompt):
            first_codes[EMOTIONS.index(label), int(code[1])] += 1
        if "above the eye" in prompt:  # the montage
            measured = re.split(r"SNR|against|active|\. Strongest", prompt)[0]
            levels = [int(v) for v in re.findall(r"[a-z] ([+-]\d+)", measured)]
            told[label].append(levels)
    assert min(map(len, told.values())) > 400  # as often as one another
    groups = [np.array(rows) for rows in told.values()]
    n_sites = groups[0].shape[1]
    assert n_sites == 8
    p = [f_oneway(*(g[:, i] for g in groups)).pvalue for i in range(n_sites)]
    p.append(kruskal(*(g.argmax(axis=1) for g in groups)).pvalue)
    p.append(chi2_contingency(first_codes).pvalue)
    assert min(p) > 1e-4  # a leak would give something like 1e-50
