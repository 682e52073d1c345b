import numpy as np
import pytest
import torch

from emg_llm.bridge.reading import code_token
from emg_llm.llms.loading import LlmError, load_base, load_tokenizer
from emg_llm.llms.nano import (
    FAMILIES,
    LEVELS,
    MAX_LENGTH,
    N_CODES,
    N_DEPTHS,
    SITES,
    build_model,
    build_tokenizer,
    corpus,
    pretrain,
    start_with,
)
from emg_llm.signal.levels import LIMIT

PROMPT = "EMG features: <emg_0_3><emg_1_17>, jaw +12, cheek -3, SNR +15"


@pytest.fixture(scope="module")
def conversations():
    return list(corpus(400, np.random.default_rng(0)))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, conversations):
    """(name, tokenizer, a very small model)"""
    tokenizer = build_tokenizer(request.param, [m["content"] for c in conversations for m in c])
    return request.param, tokenizer, build_model(request.param, tokenizer, 32, 2, 2)


def test_levels_sites_and_codes_are_one_token_each_and_decode_back(family):
    _, tokenizer, _ = family
    levels = [f" {v:+d}" for v in range(-LIMIT, LIMIT + 1)]
    sites = [f" {site}" for site in SITES]
    codes = [code_token(d, c) for d in range(N_DEPTHS) for c in range(N_CODES)]
    seen = set()
    for text in levels + sites + codes:
        [token] = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode([token]) == text
        seen.add(token)
    assert len(seen) == len(levels) + len(sites) + len(codes)
    assert tokenizer.unk_token_id not in seen


def test_numbers_stay_one_token_inside_a_prompt(family):
    _, tokenizer, _ = family
    text = "EMG features: <emg_0_63><emg_1_6>, above the eye +1, jaw +12, cheek -40, SNR +0"
    tokens = tokenizer.tokenize(text)
    for piece in ("<emg_0_63>", "<emg_1_6>", " +1", " +12", " -40", " +0"):
        assert tokens.count(piece) == 1


def test_what_a_new_model_makes_of_a_level_is_near_what_it_makes_of_the_next(family):
    name, tokenizer, _ = family
    model = build_model(name, tokenizer)
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        x = layer.weight[tokenizer.convert_tokens_to_ids(list(LEVELS))]
        distance = torch.cdist(x, x)
        assert distance.diagonal(1).max() < 0.6 * distance.diagonal(20).min()
        # Elsewhere nothing changed: a level is as large as any other token's embedding.
        assert abs(x.std() / layer.weight.std() - 1) < 0.2


def test_all_that_is_said_decodes_to_itself(family):
    _, tokenizer, _ = family
    for messages in corpus(50, np.random.default_rng(5)):
        for m in messages:
            ids = tokenizer(m["content"], add_special_tokens=False)["input_ids"]
            assert tokenizer.decode(ids) == m["content"]
    odd = "Why? Größe 12 µV\n🙂 +400"
    assert tokenizer.decode(tokenizer(odd, add_special_tokens=False)["input_ids"]) == odd


def test_codes_and_numbers_survive_saving(family, tmp_path):
    _, tokenizer, _ = family
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    assert again(PROMPT)["input_ids"] == tokenizer(PROMPT)["input_ids"]
    assert again.chat_template == tokenizer.chat_template


def test_the_template_marks_the_answers_and_their_ends(family, conversations):
    name, tokenizer, _ = family
    for messages in conversations[:30]:
        told = tokenizer.apply_chat_template(
            messages, return_dict=True, return_assistant_tokens_mask=True
        )
        marked = [i for i, m in zip(told["input_ids"], told["assistant_masks"], strict=True) if m]
        end = FAMILIES[name].end_of_turn
        answers = [m["content"] + end for m in messages if m["role"] == "assistant"]
        assert tokenizer.decode(marked) == "".join(answers)
        # What the model is asked with is what a conversation begins with.
        asked = tokenizer.apply_chat_template(
            messages[:-1], add_generation_prompt=True, return_dict=True
        )["input_ids"]
        assert told["input_ids"][: len(asked)] == asked


def test_each_twin_has_the_architecture_of_its_family(family):
    name, _, model = family
    names = {n for n, _ in model.named_parameters()}
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert tied == (name == "nano-llama3")
    assert any("qkv_proj" in n for n in names) == (name == "nano-phi3")
    assert (
        model.config.rope_parameters["rope_type"]
        == {
            "nano-llama2": "default",
            "nano-phi3": "longrope",
            "nano-llama3": "llama3",
        }[name]
    )
    assert model.config.max_position_embeddings == MAX_LENGTH


@pytest.mark.slow
def test_pretraining_lowers_the_loss_and_leaves_a_model_that_loads(family, tmp_path):
    _, tokenizer, model = family
    first = pretrain(model, tokenizer, steps=2, batch_size=8, log=False)
    later = pretrain(model, tokenizer, steps=60, batch_size=8, learning_rate=5e-3, log=False)
    assert later < 0.85 * first
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _ = load_base(str(tmp_path))
    ids = torch.tensor([tokenizer(PROMPT)["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(again(input_ids=ids).logits, model(input_ids=ids).logits)


def test_a_model_starts_with_the_layers_of_another_and_the_embeddings_of_the_same_tokens():
    conversations = corpus(60, np.random.default_rng(0))
    texts = [m["content"] for c in conversations for m in c]
    tokenizers = {n: build_tokenizer(n, texts) for n in FAMILIES}
    models = {n: build_model(n, t, width=32, layers=2, heads=2) for n, t in tokenizers.items()}
    taught, here = models["nano-llama2"], models["nano-llama3"]
    before = here.get_input_embeddings().weight.detach().clone()
    start_with(here, tokenizers["nano-llama3"], taught, tokenizers["nano-llama2"])
    for (_, a), (_, b) in zip(
        taught.model.layers.named_parameters(), here.model.layers.named_parameters(), strict=True
    ):
        torch.testing.assert_close(a, b)
    after = here.get_output_embeddings().weight  # tied
    for token in (" +7", " jaw", "<emg_0_3>"):
        there, at = (tokenizers[n].get_vocab()[token] for n in ("nano-llama2", "nano-llama3"))
        torch.testing.assert_close(after[at], taught.get_input_embeddings().weight[there])
    own = tokenizers["nano-llama3"].get_vocab()["<|start_header_id|>"]
    torch.testing.assert_close(after[own], before[own])
    with pytest.raises(LlmError, match="have another shape"):
        start_with(taught, tokenizers["nano-llama2"], models["nano-phi3"], tokenizers["nano-phi3"])


def test_fused_projections_take_up_what_separate_ones_learned():
    conversations = corpus(60, np.random.default_rng(0))
    texts = [m["content"] for c in conversations for m in c]
    names = "nano-llama2", "nano-phi3"
    tokenizers = [build_tokenizer(n, texts) for n in names]
    taught, here = (
        build_model(n, t, width=32, layers=2, heads=2)
        for n, t in zip(names, tokenizers, strict=True)
    )
    start_with(here, tokenizers[1], taught, tokenizers[0])
    here.model.rotary_emb.attention_scaling = 1.0  # this and the epsilon are each family's own
    for module in here.modules():
        if hasattr(module, "variance_epsilon"):
            module.variance_epsilon = taught.config.rms_norm_eps
    words = [" +7", " jaw", "<emg_0_3>", " -12"]
    with torch.no_grad():
        ours, theirs = (
            model(input_ids=torch.tensor([tokenizer.convert_tokens_to_ids(words)])).logits[0]
            for model, tokenizer in ((here, tokenizers[1]), (taught, tokenizers[0]))
        )
    at = [tokenizer.convert_tokens_to_ids(words) for tokenizer in tokenizers]
    torch.testing.assert_close(ours[:, at[1]], theirs[:, at[0]])
