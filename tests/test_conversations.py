import re
from collections import Counter

import numpy as np
import pytest

from emg_llm.bridge import Bridge, Reading
from emg_llm.conversations import (
    ANSWER,
    build_rows,
    conversation,
    correction,
    examples,
    follow_ups,
    from_share_gpt,
    share_gpt,
)
from emg_llm.llms.nano import N_CODES, corpus
from emg_llm.recording import EMOTIONS
from emg_llm.splits import held_out_split

SITES = ("above eye", "below eye", "forehead", "cheek", "jaw")
TOLD = r"([a-z ]+) ([+-]\d+) dB"


def random_reading(rng):
    levels = tuple(int(v) for v in rng.integers(-40, 41, len(SITES)))
    return Reading(SITES, levels, "dB", (1, 2), int(rng.integers(-40, 41)))


def plain(question):
    """A question however it was typed: in lower case, or without its mark."""
    return question.lower().rstrip("?")


def answers(reading, label, question):
    """Every wording of the answer to one question."""

    class Nth:
        def __init__(self, n):
            self.n = n

        def integers(self, size):
            return self.n % size

    [answer] = [
        answer for ask, answer in follow_ups(reading, label) if plain(question) in map(plain, ask)
    ]
    return {answer(Nth(n)) for n in range(4)}


def test_answers_about_strength_agree_with_the_levels():
    rng = np.random.default_rng(0)
    for _ in range(300):
        reading, label = random_reading(rng), rng.choice(EMOTIONS)
        level = dict(zip(reading.sites, reading.levels, strict=True))
        ranked = sorted(level.values())

        [strongest] = answers(reading, label, "Which sites are strongest?")
        (a, x), (b, y) = re.findall(rf"(?:are|and) {TOLD}", strongest)
        assert level[a] == int(x) == ranked[-1] and level[b] == int(y) == ranked[-2] and a != b
        [weakest] = answers(reading, label, "Which site is weakest?")
        [(c, z)] = re.findall(rf"is {TOLD}", weakest)
        assert level[c] == int(z) == ranked[0]

        for why in answers(reading, label, "Why?"):
            assert label in why
            told = re.findall(rf"(?:are |and |is |: ){TOLD}", why)
            assert [int(v) for _, v in told] == [ranked[-1], ranked[-2], ranked[0]]
            assert all(level[site] == int(v) for site, v in told)


def test_a_question_about_one_site_is_answered_with_its_level_and_its_side():
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(200):
        reading = random_reading(rng)
        for site, level in zip(reading.sites, reading.levels, strict=True):
            [told] = answers(reading, "fear", f"How strong is the {site}?")
            word = {1: "above", -1: "below", 0: "at"}[int(np.sign(level))]
            assert site in told.lower()
            assert re.findall(r"([+-]\d+) dB", told) == [f"{level:+d}"]
            assert re.findall(r"(above|below|at) a typical recording", told) == [word]
            seen.add(word)
    assert seen == {"above", "below", "at"}


def test_the_answer_about_quality_agrees_with_the_snr():
    for snr in range(-40, 41):
        reading = Reading(("jaw", "cheek"), (1, 2), "dB", (), snr)
        [told] = answers(reading, "fear", "How good is the signal?")
        assert f" {snr:+d} dB" in told
        assert ("good:" in told) == (snr >= 10)
        assert ("poor:" in told) == (snr < 3)
        assert ("usable:" in told) == (3 <= snr < 10)


def test_only_what_the_prompt_holds_is_asked_about():
    def asked(reading):
        return {question for ask, _ in follow_ups(reading, "fear") for question in ask}

    codes_only = asked(Reading(codes=(1, 2, 3)))
    assert not codes_only & {"Why?", "Which sites are strongest?", "How good is the signal?"}
    assert "How good is the signal?" not in asked(Reading(("jaw", "cheek"), (1, 2), "dB"))
    assert "How good is the signal?" in asked(Reading(("jaw", "cheek"), (1, 2), "dB", (), 3))


def test_of_a_single_site_nothing_is_strongest_but_it_can_be_asked_about():
    [told] = answers(Reading(("jaw",), (3,), "dB"), "fear", "How strong is the jaw?")
    assert "+3 dB, above a typical recording" in told
    with pytest.raises(ValueError, match="not enough values"):
        answers(Reading(("jaw",), (3,), "dB"), "fear", "Which sites are strongest?")


def test_a_level_without_a_unit_gets_none():
    [told] = answers(Reading(("jaw", "slope"), (3, -2)), "fear", "How strong is the slope?")
    assert "-2, below a typical recording" in told


def test_a_conversation_is_the_recording_its_emotion_and_different_questions():
    rng = np.random.default_rng(0)
    for _ in range(50):
        reading = random_reading(rng)
        messages = conversation(reading, "fear", rng, n_follow_ups=6)
        assert [m["role"] for m in messages] == ["user", "assistant"] * 7
        assert messages[0]["content"] == reading.prompt()
        assert messages[1]["content"] == "Emotion: fear"
        asked = follow_ups(reading, "fear")
        which = [
            next(i for i, (ask, _) in enumerate(asked) if plain(m["content"]) in map(plain, ask))
            for m in messages[2::2]
        ]
        assert len(set(which)) == 6
        for i, question in enumerate(messages[2::2]):
            assert messages[2 * i + 3]["content"] in answers(reading, "fear", question["content"])


def test_share_gpt_round_trip():
    messages = [
        {"role": "system", "content": "Be brief."},
        *conversation(random_reading(np.random.default_rng(0)), "pride", np.random.default_rng(0)),
    ]
    turns = share_gpt(messages)
    assert [t["from"] for t in turns] == ["system", "human", "gpt"]
    assert from_share_gpt(turns) == messages
    named = {"human": "user", "gpt": "assistant", "system": "system"}
    assert from_share_gpt([t | {"from": named[t["from"]]} for t in turns]) == messages
    assert from_share_gpt(messages) == messages


def test_one_example_for_each_answer_with_all_that_came_before():
    messages = conversation(
        random_reading(np.random.default_rng(0)), "pride", np.random.default_rng(0), 2
    )
    found = examples(messages)
    assert len(found) == 3
    for i, example in enumerate(found):
        assert example["completion"] == [messages[2 * i + 1]]
        assert example["prompt"] == messages[: 2 * i + 1]
        assert example["completion"][0]["role"] == "assistant"
        assert example["prompt"][-1]["role"] == "user"


def test_rows_keep_people_apart_and_only_training_recordings_are_varied(people):
    people = people.with_labels(["fear", "pride", "neutral"])
    split = held_out_split(people)
    bridge = Bridge.fit("text", people, split.train)
    rows = list(build_rows(people, split, bridge, variants=3, n_follow_ups=1))
    assert Counter(r["split"] for r in rows) == {"train": 9, "validation": 3, "test": 3}
    subjects = {
        part: {r["subject"] for r in rows if r["split"] == part}
        for part in ("train", "validation", "test")
    }
    assert sum(len(s) for s in subjects.values()) == len(set.union(*subjects.values())) == 3

    by_id = dict(zip(people.ids, people.recordings, strict=True))
    prompts = {}
    for row in rows:
        recording = by_id[row["recording_id"]]
        assert row["label"] == recording.label
        assert row["messages"][1]["content"] == ANSWER.format(label=recording.label)
        assert len(row["messages"]) == 4
        assert from_share_gpt(row["conversations"]) == row["messages"]
        prompts.setdefault(row["recording_id"], []).append(row["messages"][0]["content"])
    for recording_id, said in prompts.items():
        # The first is the recording as it is; test recordings have nothing else.
        assert said[0] == bridge.read(by_id[recording_id]).prompt()
        assert len(set(said)) == len(said)

    again = list(build_rows(people, split, bridge, variants=3, n_follow_ups=1))
    assert again == rows
    assert list(build_rows(people, split, bridge, 3, 1, seed=1)) != rows


def test_what_nano_models_are_pretrained_on_says_nothing_about_emotions():
    """Levels, codes and SNR have the same distribution whatever the emotion."""
    from scipy.stats import chi2_contingency, f_oneway, kruskal

    told = {e: [] for e in EMOTIONS}
    first_codes = np.zeros((len(EMOTIONS), N_CODES))
    for messages in corpus(6000, np.random.default_rng(0)):
        prompt, answer = messages[0]["content"], messages[1]["content"]
        label = answer.removeprefix("Emotion: ")
        levels = [
            int(v) for v in re.findall(r"[a-z] ([+-]\d+)", re.split(r"SNR|\. Strongest", prompt)[0])
        ]
        told[label].append(levels)
        if code := re.search(r"<emg_0_(\d+)>", prompt):
            first_codes[EMOTIONS.index(label), int(code[1])] += 1
    assert min(map(len, told.values())) > 400  # as often as one another
    groups = [np.array(rows) for rows in told.values()]
    n_sites = groups[0].shape[1]
    assert n_sites == 8
    p = [f_oneway(*(g[:, i] for g in groups)).pvalue for i in range(n_sites)]
    p.append(kruskal(*(g.argmax(axis=1) for g in groups)).pvalue)
    p.append(chi2_contingency(first_codes).pvalue)
    assert min(p) > 1e-4  # a leak would give something like 1e-50


@pytest.mark.parametrize(
    ("reply", "holds"),
    [
        ("The strongest sites are jaw +8 dB and beside mouth +5 dB.", True),
        ("The strongest sites are above eye +3 dB and jaw +8 dB.", False),
        ("The strongest sites are jaw +8 dB and beside mouth +6 dB.", False),
        ("Jaw (+8 dB) and beside mouth (+5 dB) lead as strongest, cheek (-9 dB) is weakest.", True),
        ("The weakest site is jaw +8 dB.", False),
        ("At jaw the level is +8 dB, above a typical recording.", True),
        ("At jaw the level is +3 dB, above a typical recording.", False),
    ],
)
def test_a_reply_that_the_signal_contradicts_is_corrected(reply, holds):
    sites = ("above eye", "beside mouth", "cheek", "jaw")
    told = correction(Reading(sites, (3, 5, -9, 8), "dB"), reply)
    assert (told == "") == holds
    measured = "above eye +3, beside mouth +5, cheek -9, jaw +8"
    assert holds or measured in told
    assert holds or "Strongest: jaw +8, beside mouth +5. Weakest: cheek -9." in told
