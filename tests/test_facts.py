import numpy as np
import pytest

from emg_llm.bridge.reading import Reading
from emg_llm.chat.facts import KINDS, check
from emg_llm.chat.topics import topics
from emg_llm.chat.turns import Chat
from emg_llm.report.check import marked, unmarked
from emg_llm.signal.recording import EMOTIONS

SITES = ("above the eye", "beside the mouth", "cheek", "jaw")
READING = Reading(
    SITES, (3, 5, -9, 8), "dB", (), 12, "usable", 6, (0.4, 2.1), 1.0, (("fear", 3), ("anger", 9))
)
SCORES = (("fear", 61), ("anger", 22), ("pride", 9))
CHAT = Chat(READING, "fear", SCORES)


@pytest.mark.parametrize(
    ("reply", "holds"),
    [
        ("The strongest sites are jaw +8 dB and beside the mouth +5 dB.", True),
        ("The strongest sites are above the eye +3 dB and jaw +8 dB.", False),
        ("The strongest sites are jaw +8 dB and beside the mouth +6 dB.", False),
        ("Jaw (+8 dB) and beside the mouth (+5 dB) lead as strongest, cheek -9 is weakest.", True),
        ("The strongest site is beside the mouth.", False),
        ("The weakest site is jaw +8 dB.", False),
        ("The level at the jaw +8 dB is above a typical recording.", True),
        ("The level at the jaw +3 dB is above a typical recording.", False),
        ("The level at the jaw +8 dB is below a typical recording.", False),
        ("The level at the cheek -9 dB is below a typical recording.", True),
        ("With jaw +8 dB against above the eye +3 dB it is stronger at the jaw.", True),
        ("With cheek -9 dB against above the eye +3 dB it is stronger at the cheek.", False),
        ("With cheek -9 dB against above the eye +3 dB it is weaker at the cheek.", True),
        ("With jaw +8 dB against above the eye +3 dB it is stronger at the cheek.", False),
        ("With jaw +8 dB against above the eye +3 dB it is equally strong.", False),
        ("Measured against neutral +6 dB it is stronger on the whole.", True),
        ("Measured against neutral +6 dB it is weaker on the whole.", False),
        ("Measured against neutral -6 dB it is stronger on the whole.", False),
        ("The signal is of quality usable, with SNR +12 dB: read it with care.", True),
        ("The signal is of quality good, with SNR +12 dB.", False),
        ("The signal is of quality usable, with SNR -12 dB.", False),
        ("The muscles are active 0.4 to 2.1 s, peak 1.0 s.", True),
        ("The muscles are active 0.4 to 2.3 s, peak 1.0 s.", False),
        ("The muscles are active 0.4 to 2.1 s, peak 1.1 s.", False),
        ("I am fairly sure: fear 61 %, then anger 22 %.", True),
        ("I am sure: fear 61 %.", False),
        ("I am fairly sure: fear 16 %.", False),
        ("After fear 61 % come anger 22 % and pride 9 %.", True),
        ("The nearest known trial is fear 3 dB off.", True),
        ("The nearest known trial is anger 9 dB off.", False),
        ("I read fear.", True),
        ("This looks like anger.", False),
        ("It looks like an anger pattern.", False),
        ("This could be sadness.", False),
    ],
)
def test_what_a_reply_states_is_recomputed(reply, holds):
    facts = check(reply, CHAT)
    assert facts
    assert all(fact.holds for fact in facts) == holds


@pytest.mark.parametrize("reply", ["", "Hello.", "EMG measures small voltages.", "More than ten."])
def test_what_says_nothing_about_the_recording_is_no_fact(reply):
    assert check(reply, CHAT) == ()


def test_an_emotion_that_was_asked_about_may_be_named():
    assert check("No, I read fear, not sadness.", CHAT.asked("Is it sadness?"))[0].holds
    told = check("No, I read fear, not sadness.", CHAT.asked("Why?"))
    assert [fact.holds for fact in told] == [True, False]
    every = f"I choose among {', '.join(EMOTIONS)}."
    assert check(every, CHAT) == ()


def test_every_answer_that_is_taught_holds_and_false_ones_are_found():
    rng = np.random.default_rng(0)
    n, found, missed, kinds = 0, 0, 0, set()
    for k in range(30):
        levels = rng.permutation(np.arange(-9, 12))[:4]
        reading = Reading(
            SITES,
            tuple(map(int, levels)),
            "dB",
            (),
            k - 5,
            ("good", "usable", "poor")[k % 3],
            k - 15,
            (0.1 * k, 0.1 * k + 1),
            0.1 * k + 0.5,
            (("fear", k),),
        )
        other = Reading(
            SITES,
            tuple(int(v) + 12 for v in levels[::-1]),
            "dB",
            (),
            k,
            ("poor", "good")[k % 2],
            20 + k,
            (0.1 * k + 0.3, 0.1 * k + 2),
            0.1 * k + 0.9,
            (("anger", k + 1),),
        )
        for ask, answer in topics(reading, "fear", SCORES):
            reply = answer(rng)
            facts = check(reply, Chat(reading, "fear", SCORES).asked(ask[0]))
            assert facts, reply
            assert all(fact.holds for fact in facts), reply
            n += len(facts)
            kinds |= {fact.kind for fact in facts}
            wrong = (("anger", 50), ("fear", 30), ("pride", 1))
            against = check(reply, Chat(other, "anger", wrong).asked(ask[0]))
            found += sum(not fact.holds for fact in against)
            missed += all(fact.holds for fact in against)
    assert n > 1500 and found > 0.9 * n and missed == 0
    assert kinds == set(KINDS)


def test_a_comparison_is_computed_and_its_levels_are_copied():
    facts = check("With jaw +8 dB against above the eye +3 dB it is stronger at the jaw.", CHAT)
    assert [KINDS[fact.kind] for fact in facts] == ["copied", "copied", "computed"]


def test_no_answer_claims_to_be_a_reason():
    rng = np.random.default_rng(0)
    for reading in (READING, Reading(codes=(1, 2)), Reading(SITES[:2], (3, 5))):
        for ask, answer in topics(reading, "fear", SCORES):
            for _ in range(4):
                reply = answer(rng)
                assert "because" not in reply and "pattern" not in reply
                if "Why?" in ask:
                    assert "Measured" in reply or len(reading.levels) < 3
                    assert check(reply, Chat(reading, "fear", SCORES))


def test_marks_stand_after_what_was_measured_only_and_come_off_again():
    reply = "The level at the jaw +3 dB is above a typical recording. I read fear."
    told = marked(reply, check(reply, Chat(READING, "fear")))
    assert told == (
        "The level at the jaw +3 dB ✗ (measured: jaw +8 dB) is above a typical recording ✓. "
        "I read fear."
    )
    assert unmarked(told) == reply
    assert marked("Hello.", ()) == "Hello."
