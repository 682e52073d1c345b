"""The three real families, as small random models, go all the way from conversations to chat."""

import itertools
import os

import numpy as np
import pytest
import torch
from safetensors import safe_open

from emg_llm.bridge.reading import Reading
from emg_llm.bridge.spelling import SPELLINGS, spell
from emg_llm.chat.conversations import conversation
from emg_llm.chat.turns import Chat
from emg_llm.llms.finetuning import lora_config, make_trainer, prepare, sft_defaults
from emg_llm.llms.loading import TEMPLATES, LlmError, end_of_turn, load_base, load_tokenizer
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.sft_data import IGNORED, reading_of, to_examples
from emg_llm.registry import REGISTRY
from tests.families import FAMILIES, SHARED, make_model, make_tokenizer

LABELS = ("anger", "anxiety", "fear", "happiness")
CHAT = [
    {"role": "user", "content": "EMG features: <emg_0_17><emg_1_3>, jaw +12"},
    {"role": "assistant", "content": "Emotion: anger"},
    {"role": "user", "content": "Why?\nTell me."},
    {"role": "assistant", "content": "The jaw is strong: +12.\nSo I read anger."},
]
RENDERED = {
    "tinyllama": "<|user|>\n{0}</s>\n<|assistant|>\n{1}</s>\n<|user|>\n{2}</s>\n<|assistant|>\n",
    "phi-3.5-mini": "<|user|>\n{0}<|end|>\n<|assistant|>\n{1}<|end|>\n<|user|>\n{2}<|end|>\n"
    "<|assistant|>\n",
    "llama-3.2-3b": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{0}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{1}<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{2}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
}


def kinds():
    for family, real in itertools.product(FAMILIES, (False, True)):
        folder = SHARED / "tokenizers" / family.real
        missing = real and not folder.is_dir()
        mark = pytest.mark.skipif(missing, reason=f"{family.real} is not in EMG_LLM_SHARED")
        name = f"{family.llm}{'-real' if real else ''}"
        yield pytest.param((family, folder if real else None), id=name, marks=mark)


@pytest.fixture(scope="module", params=kinds())
def base(request, tmp_path_factory):
    """(family, folder with a random model and the tokenizer that it was saved with)"""
    family, real = request.param
    folder = tmp_path_factory.mktemp(family.llm)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(real) if real else make_tokenizer(family)
    make_model(family, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return family, str(folder)


@pytest.fixture(scope="module")
def tokenizer(base):
    family, folder = base
    return load_tokenizer(folder, llm=family.llm)


@pytest.fixture(scope="module")
def rows():
    """Four recordings of each of four labels; the first code says which."""
    rng = np.random.default_rng(0)
    found = []
    for i, second in itertools.product(range(4), range(4)):
        reading = Reading(("jaw", "cheek", "brow"), (i, -3, second), "dB", (i, second))
        messages = conversation(reading, LABELS[i], rng, n_follow_ups=1).turns
        found.append({"messages": messages, "label": LABELS[i]})
    return found


# Templates


def test_turns_are_written_as_the_family_documents(base, tokenizer):
    family, _ = base
    asked = tokenizer.apply_chat_template(CHAT[:3], add_generation_prompt=True, tokenize=False)
    assert asked == RENDERED[family.llm].format(*(m["content"] for m in CHAT))
    told = tokenizer.apply_chat_template(CHAT, tokenize=False)
    assert told == asked + CHAT[3]["content"] + family.end


def test_the_shipped_template_of_tinyllama_writes_the_same(base, tokenizer):
    family, _ = base
    shipped = SHARED / "tokenizers" / family.real
    from transformers import AutoTokenizer

    if family.llm != "tinyllama" or not shipped.is_dir():
        pytest.skip("only this one ships with a template here")
    shipped = AutoTokenizer.from_pretrained(shipped)
    assert shipped.chat_template != tokenizer.chat_template
    for n, ask in ((1, True), (3, True), (2, False), (4, False)):
        ours, theirs = (
            t.apply_chat_template(CHAT[:n], add_generation_prompt=ask, tokenize=False)
            for t in (tokenizer, shipped)
        )
        assert theirs == ours + ("" if ask else "\n")


def test_the_date_is_always_the_same(base, tokenizer):
    before = tokenizer.apply_chat_template(CHAT, tokenize=False)
    today = 'strftime_now("%d %b %Y")'
    template = "{% if not date_string is defined %}{% set date_string = " + today
    template += " %}{% endif %}{{ date_string }}" + tokenizer.chat_template
    assert "Today" not in before or "26 Jul 2024" in before
    family, folder = base
    copy = load_tokenizer(folder, llm=family.llm)
    copy.chat_template = template
    other = f"{folder}-dated"
    copy.save_pretrained(other)
    dated = load_tokenizer(other).apply_chat_template(CHAT, tokenize=False)
    assert dated.startswith("26 Jul 2024")


def test_what_is_learned_is_each_answer_and_the_end_of_its_turn(base, tokenizer):
    family, _ = base
    assert end_of_turn(tokenizer)[0] == family.end
    for spelling in SPELLINGS:
        [example] = to_examples([{"messages": CHAT}], tokenizer, spelling)
        ids, labels = np.array(example["input_ids"]), np.array(example["labels"])
        learned = labels != IGNORED
        assert (ids[learned] == labels[learned]).all() and learned.any() and not learned.all()
        starts = np.flatnonzero(np.diff(learned.astype(int)) == 1) + 1
        assert len(starts) == 2
        for turn, begin in zip((1, 3), starts, strict=True):
            end = begin + np.argmin(np.append(learned[begin:], False))
            said = tokenizer.decode(ids[begin:end])
            assert said == spell(CHAT[turn]["content"], spelling) + family.end
            # It is asked as it was learned.
            before = [m | {"content": spell(m["content"], spelling)} for m in CHAT[:turn]]
            asked = tokenizer.apply_chat_template(
                before, add_generation_prompt=True, return_dict=True
            )
            assert list(ids[:begin]) == asked["input_ids"]
        # The template's own marks say the same.
        marked = tokenizer.apply_chat_template(
            [m | {"content": spell(m["content"], spelling)} for m in CHAT],
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        assert list(ids) == marked["input_ids"]
        assert list(learned) == [bool(m) for m in marked["assistant_masks"]]


def test_exchanges_that_do_not_fit_are_left_out_whole(tokenizer):
    [whole] = to_examples([{"messages": CHAT}], tokenizer)
    [first] = to_examples([{"messages": CHAT}], tokenizer, n_answers=1)
    assert first["input_ids"] == whole["input_ids"][: first["length"]]
    for length in (first["length"], whole["length"] - 1):
        [cut] = to_examples([{"messages": CHAT}], tokenizer, max_length=length)
        assert cut == first
    with pytest.raises(LlmError, match="There is no answer to learn"):
        to_examples([{"messages": CHAT}], tokenizer, max_length=first["length"] - 1)


def test_a_template_that_would_teach_another_prompt_is_refused(base):
    family, folder = base
    broken = load_tokenizer(folder, llm=family.llm)
    ours = broken.chat_template
    broken.chat_template = ours.replace("{%- if add_generation_prompt -%}", "{%- if false -%}")
    with pytest.raises(LlmError, match="doesn't write an answer as prompt, answer and"):
        to_examples([{"messages": CHAT}], broken)
    broken.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    with pytest.raises(LlmError, match="without a special token"):
        to_examples([{"messages": CHAT}], broken)


# All the way


@pytest.fixture(scope="module", params=SPELLINGS)
def tuned(request, base, rows, tmp_path_factory):
    """(family, spelling, EmgLLM, its folder, parameters before and after)"""
    from trl import SFTConfig

    family, source = base
    spelling, folder = request.param, tmp_path_factory.mktemp("tuned")
    model, tokenizer = load_base(source, llm=family.llm, load_in_4bit=True)
    prepare(model, tokenizer, {"train": rows}, spelling)
    defaults = sft_defaults(family.llm) | {
        **{"save_strategy": "no", "max_steps": 6, "disable_tqdm": True, "learning_rate": 5e-3},
        **{"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1},
    }
    trainer = make_trainer(
        *(model, tokenizer, rows, SFTConfig(output_dir=str(folder), **defaults)),
        *(lora_config(model, tokenizer, spelling), None, spelling),
    )
    named = dict(trainer.model.named_parameters())
    before = {n: (p.requires_grad, p.detach().clone()) for n, p in named.items()}
    trainer.train()
    llm = EmgLLM(family.llm, trainer.model, tokenizer, LABELS, None, spelling=spelling)
    llm.save_adapter(folder, base=source)
    return family, spelling, llm, folder, before, dict(trainer.model.named_parameters())


@pytest.mark.slow
def test_every_trainable_parameter_changes_and_no_other(tuned):
    family, spelling, llm, _, before, after = tuned
    trainable = {n for n, (trains, _) in before.items() if trains}
    lora = {n for n in trainable if "lora_" in n}
    projections = 4 if family.llm == "phi-3.5-mini" else 7
    assert len(lora) == 2 * projections * 2
    assert len(trainable - lora) == (spelling == "new")
    for name, (trains, old) in before.items():
        assert torch.equal(old, after[name].detach()) != trains, name
        assert not trains or after[name].dtype == torch.float32
    quantised = [n for n, (_, p) in before.items() if p.dtype == torch.uint8]
    assert len(quantised) == (projections - 1) * 2  # down_proj's shape is not for the kernels
    assert not any("down_proj" in name for name in quantised)
    assert llm.model.get_base_model().config.tie_word_embeddings == family.tied


@pytest.mark.slow
def test_a_saved_adapter_is_small_and_loads_as_it_was(tuned, rows):
    family, spelling, llm, folder, *_ = tuned
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        sizes = {n: file.get_slice(n).get_shape() for n in file.keys()}  # noqa: SIM118
    codes = [s for n, s in sizes.items() if "trainable_tokens" in n]
    # Four depths or codes were seen, of which a codebook has a power of two.
    assert codes == ([[2 * 4, 64]] if spelling == "new" else [])
    assert all("lora_" in n or "trainable_tokens" in n for n in sizes)
    assert not any(f.endswith((".bin", ".pt", ".pkl")) for f in os.listdir(folder))

    again = EmgLLM.from_pretrained(folder)
    assert (again.name, again.spelling, again.labels) == (family.llm, spelling, LABELS)
    assert again.model.get_base_model().is_loaded_in_4bit
    assert again.tokenizer.get_vocab() == llm.tokenizer.get_vocab()
    prompts = [spell(r["messages"][0]["content"], spelling) for r in rows]
    for ids in (t.tokenizer(prompts)["input_ids"] for t in (llm, again)):
        assert ids == llm.tokenizer(prompts)["input_ids"]
    told = [reading_of(r) for r in rows]
    scores, other = llm.label_scores(told), again.label_scores(told)
    np.testing.assert_allclose(other, scores, atol=1e-4)
    np.testing.assert_allclose(again.probabilities(told), llm.probabilities(told), atol=1e-5)
    assert scores.std(axis=0).min() > 1e-4  # it reads the prompts


@pytest.mark.slow
def test_it_chats_until_its_turn_ends(tuned):
    family, _, llm, *_ = tuned
    end = end_of_turn(llm.tokenizer)[1]
    assert llm.tokenizer.convert_ids_to_tokens(end) == family.end
    assert end in llm.model.generation_config.eos_token_id
    first, emotion, question = (m["content"] for m in CHAT[:3])
    chat = Chat(Reading(given=first), emotion.removeprefix("Emotion: ")).asked(question)
    answer = "".join(llm.reply(chat, max_new_tokens=8))
    assert answer and not any(mark in answer for mark in ("<|", "</s>"))
    head = llm.model.get_output_embeddings()
    stop = head.register_forward_hook(
        lambda *a: torch.nn.functional.one_hot(torch.tensor([[end]]), a[2].shape[-1]) * 9.0
    )
    ids = llm.tokenizer.apply_chat_template(
        llm.spelled(chat), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = llm.model.generate(**ids, max_new_tokens=8, do_sample=False)
    stop.remove()
    assert made[0, ids["input_ids"].shape[1] :].tolist() == [end]


def test_every_registered_llm_says_where_it_comes_from_and_has_its_template():
    for family in FAMILIES:
        spec = REGISTRY[family.llm]
        assert spec.base.startswith("unsloth/") and spec.load_in_4bit
        assert spec.license and spec.link.startswith("https://huggingface.co/")
        assert (TEMPLATES / f"{spec.template}.jinja").is_file()
        batch = spec.training["per_device_train_batch_size"]
        assert batch * spec.training["gradient_accumulation_steps"] == 32
