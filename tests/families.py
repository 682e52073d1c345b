"""Small random LLMs of the three real families, with tokenizers of the same kind.

The tokenizers are trained here: sentencepiece's BPE with byte fallback, as TinyLlama and Phi-3
have it, and byte-level BPE with Llama 3's special tokens. The real ones are used as well where
they are (EMG_LLM_SHARED, or `shared` beside the repository).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHARED = Path(os.environ.get("EMG_LLM_SHARED", Path(__file__).parents[2] / "shared"))


@dataclass(frozen=True)
class Family:
    """llm: its registered name. real: its tokenizer's folder. end: what ends an answer."""

    llm: str
    real: str
    end: str
    tied: bool = False


FAMILIES = (
    Family("tinyllama", "tinyllama-1.1b-chat", "</s>"),
    Family("phi-3.5-mini", "phi-3.5-mini-instruct", "<|end|>"),
    Family("llama-3.2-3b", "llama-3.2-3b-instruct", "<|eot_id|>", tied=True),
)


def make_tokenizer(family):
    """A tokenizer of the family's kind, with less than a thousand tokens."""
    from emg_llm.llms.nano import corpus

    conversations = corpus(60, np.random.default_rng(0))
    texts = [m["content"] for messages in conversations for m in messages]
    return _byte_level(texts) if family.tied else _sentencepiece(texts, family)


def _sentencepiece(texts, family):
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaTokenizer

    raw = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    marks = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=marks, show_progress=False)
    raw.train_from_iterator(texts, trainer)
    learned = json.loads(raw.to_str())["model"]
    phi = family.llm == "phi-3.5-mini"
    end = "<|endoftext|>" if phi else "</s>"
    tokenizer = LlamaTokenizer(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],
        eos_token=end,
        pad_token=end,
        add_bos_token=not phi,
        padding_side="left" if phi else "right",
    )
    if phi:
        turns = ("<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
        tokenizer.add_tokens([AddedToken(t, rstrip=True, special=True) for t in turns])
    return tokenizer


def _byte_level(texts):
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    words = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    marks = ["begin_of_text", "end_of_text", "finetune_right_pad_id", "eot_id"]
    marks += ["start_header_id", "end_header_id"]
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=[f"<|{mark}|>" for mark in marks],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>"
    )


def make_model(family, tokenizer):
    """A random model of the family's architecture class, 64 wide and two layers deep.

    Its feed-forward layers are 96 wide, which 4-bit kernels don't take as an input.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

    torch.manual_seed(0)
    shape = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": family.tied,
    }
    if family.llm == "phi-3.5-mini":
        rope = {"rope_type": "longrope", "rope_theta": 1e4, "factor": 2.0}
        rope |= {"short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
        rope |= {"original_max_position_embeddings": 1024}
        # Phi-3.5 has a few more rows than tokens.
        rows = len(tokenizer) + 53
        return Phi3ForCausalLM(Phi3Config(vocab_size=rows, rope_parameters=rope, **shape))
    if family.tied:
        rope = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0}
        rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 256}
        shape |= {"rope_parameters": rope}
    config = LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=2, **shape)
    return LlamaForCausalLM(config)
