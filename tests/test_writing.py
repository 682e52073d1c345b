"""How answers are written: greedy, from what is read already, without loops."""

import psutil
import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from emg_llm.bridge.reading import Reading
from emg_llm.chat.turns import Chat
from emg_llm.llms import writing
from emg_llm.llms.loading import load_base
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.writing import LOOP, Writer, pieces, repeated, threads, without_loops
from tests.installed import needs


@pytest.fixture(scope="module")
def base(nano_folder):
    return load_base(str(nano_folder))


def greedy(model, ids, n):
    ids = torch.tensor([ids])
    for _ in range(n):
        with torch.no_grad():
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
    return ids[0].tolist()


def test_a_second_question_reads_only_what_is_new(base):
    model, tokenizer = base
    writer, read = Writer(model, tokenizer, ()), []
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(args[0].shape[1]), with_kwargs=True
    )
    first, more = list(range(100, 140)), [7, 8, 9]
    try:
        written = list(writer.tokens(first, 5))
        assert read == [40, 1, 1, 1, 1]
        read.clear()
        second = [*first, *written, *more]
        again = list(writer.tokens(second, 2))
        assert read == [4, 1]  # the last token was written and not yet read
        read.clear()
        other = list(writer.tokens(list(range(300, 330)), 1))  # another recording
        branch = list(writer.tokens([*first, *more], 2))  # and the first one once more
        assert read == [30, 3, 1]
    finally:
        hook.remove()
    assert written == greedy(model, first, 5)[40:]
    assert again == greedy(model, second, 2)[-2:]
    assert other == greedy(model, list(range(300, 330)), 1)[-1:]
    assert branch == greedy(model, [*first, *more], 2)[-2:]


def test_an_answer_that_is_stopped_leaves_what_it_read_usable(base):
    model, tokenizer = base
    writer, prompt = Writer(model, tokenizer, ()), list(range(100, 140))
    stopped = writer.tokens(prompt, 50)
    next(stopped)
    next(stopped)
    stopped.close()
    assert list(writer.tokens(prompt, 3)) == greedy(model, prompt, 3)[-3:]


def test_two_answers_at_once_do_not_disturb_each_other(base):
    model, tokenizer = base
    writer, prompt = Writer(model, tokenizer, ()), list(range(100, 140))
    list(writer.tokens(prompt, 1))
    one, two = writer.tokens(prompt, 4), writer.tokens([*prompt, 9], 4)
    mixed = [(next(one), next(two)) for _ in range(4)]
    assert [a for a, _ in mixed] == greedy(model, prompt, 4)[-4:]
    assert [b for _, b in mixed] == greedy(model, [*prompt, 9], 4)[-4:]


def test_an_answer_that_fails_leaves_nothing_behind(base, monkeypatch):
    model, tokenizer = base
    writer, prompt, following = Writer(model, tokenizer, ()), list(range(100, 140)), Writer._next

    def fails(self, ids, cache):
        following(self, ids, cache)
        raise MemoryError

    monkeypatch.setattr(Writer, "_next", fails)
    with pytest.raises(MemoryError):
        list(writer.tokens(prompt, 3))
    assert writer._kept == []


def test_a_model_that_forgets_what_it_read_reads_it_again():
    config = MistralConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        sliding_window=16,
    )
    torch.manual_seed(0)
    model, prompt = MistralForCausalLM(config).eval(), list(range(40))
    writer = Writer(model, None, ())
    for question in ([41, 42], [43]):
        asked = [*prompt, *question]
        assert list(writer.tokens(asked, 3)) == greedy(model, asked, 3)[-3:]


def test_a_model_and_its_copies_share_one_writer(base):
    llm = EmgLLM("nano", *base, ("anger", "fear"), None)
    known = llm.reading_with(None)
    assert known._writer is llm._writer


def test_a_chat_is_cut_to_what_its_writer_has_room_for(base):
    llm = EmgLLM("nano", *base, ("anger", "fear"), None)
    chat = Chat(Reading(codes=(3,))).asked("Why? " * 30).answered("So.").asked("Why?")
    short = "".join(llm.reply(chat.shorter(), 8))
    llm._writer.room = len(llm.token_ids([chat])[0]) + 7
    assert "".join(llm.reply(chat, 8)) == short
    llm._writer.room = 9
    assert "more text than I can read" in "".join(llm.reply(chat, 8))


def test_only_a_few_prompts_are_kept(base, monkeypatch):
    monkeypatch.setattr(writing, "KEPT", 2)
    writer = Writer(*base, ())
    for start in (100, 200, 300):
        list(writer.tokens(range(start, start + 20), 1))
    assert [ids[0] for ids, _ in writer._kept] == [300, 200]


def test_loops_are_cut_where_they_begin():
    sentence = list(range(LOOP + 4))
    assert list(without_loops(sentence * 3)) == sentence
    assert list(without_loops([1, 2, 3] * 40)) == [1, 2, 3]
    words = ["the", "level", "at", "the", "jaw", "is", "high"]
    assert list(without_loops(words * 20)) == words


def test_what_only_resembles_a_loop_is_written_whole():
    item = list(range(LOOP - 2))
    tokens = [x for k in range(5) for x in (*item, 100 + k)]
    assert list(without_loops(tokens)) == tokens
    assert list(without_loops([1, 1, 1, 1])) == [1, 1, 1, 1]


def test_repeated_counts_what_occurred_before():
    assert repeated([1, 2, 3]) == 0
    assert repeated([1, 2, 9, 1, 2]) == 2
    assert repeated([5] * 50) == LOOP


def test_pieces_join_to_the_text_and_hold_back_broken_characters(base):
    _, tokenizer = base
    text = "The level is ±3 µV, “high” 🙂."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    told = list(pieces(ids, tokenizer))
    assert "".join(told) == text and len(told) > 5
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in told)


def test_threads_follow_the_cores_and_the_setting(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert threads() >= 1
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: [0, 1, 2, 3], raising=False)
    assert threads() == 2


def test_llama_cpp_writes_what_pytorch_writes():
    needs("xllamacpp")
    from emg_llm.llms.llama_cpp import LlamaCppWriter
    from tests.test_smollm2 import tiny_base

    model, tokenizer = tiny_base(spread=0.2)
    prompt = tokenizer("jaw +12, cheek -3. Which is stronger? <emg_0_3>")["input_ids"]
    here, there = Writer(model, tokenizer, ()), LlamaCppWriter(model, tokenizer, 1)
    expected = "".join(here.pieces(prompt, 6))
    assert "".join(there.pieces(prompt, 6)) == expected
    assert "".join(there.pieces(prompt, 6)) == expected  # from what it has read
    stopped = there.pieces(prompt, 400)
    next(stopped)
    stopped.close()
