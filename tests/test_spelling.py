"""Codes as new tokens, or spelled with what a language model has."""

import itertools

import pytest

from emg_llm.bridge.reading import code_token
from emg_llm.bridge.spelling import codes_in, spell, spell_messages

TEXT = "EMG features: <emg_0_17><emg_1_3><emg_2_0><emg_3_63>, jaw +12"


def test_new_leaves_a_text_as_it_is():
    assert spell(TEXT, "new") == TEXT


def test_plain_writes_a_letter_for_the_depth_and_the_code():
    assert spell(TEXT, "plain") == "EMG features: A17B3C0D63, jaw +12"


def test_no_two_sets_of_codes_are_spelled_alike():
    codes = list(itertools.product(range(12), range(12), (0, 1, 11)))
    told = {"".join(code_token(d, c) for d, c in enumerate(row)) for row in codes}
    assert len({spell(t, "plain") for t in told}) == len(told) == len(codes)


def test_messages_keep_their_roles_and_are_not_changed():
    messages = [
        {"role": "user", "content": TEXT},
        {"role": "assistant", "content": "Emotion: fear"},
    ]
    told = spell_messages(messages, "plain")
    assert [m["role"] for m in told] == ["user", "assistant"]
    assert "A17" in told[0]["content"] and told[1] == messages[1]
    assert messages[0]["content"] == TEXT


def test_how_many_depths_and_codes_texts_hold():
    assert codes_in([TEXT, "<emg_0_5>", "Why?"]) == (4, 64)
    assert codes_in(["Why?"]) == (0, 0)


def test_what_cannot_be_spelled_is_told():
    with pytest.raises(ValueError, match="new, plain"):
        spell(TEXT, "other")
    with pytest.raises(ValueError, match="26 depths"):
        spell("<emg_26_0>", "plain")
