"""Loads a causal LM and its tokenizer from the bundle, a folder or the Hub."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from emg_llm.hub.client import bundle_folder, in_words
from emg_llm.llms.wheels import wheel_folder
from emg_llm.registry import REGISTRY, spec_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel as Model
    from transformers import PreTrainedTokenizerBase as Tokenizer

TEMPLATES = Path(__file__).parent / "templates"
# Llama's templates insert today's date; a fixed one keeps answers reproducible.
DATE = "{%- set date_string = '26 Jul 2024' -%}"
PADDING = ("<|finetune_right_pad_id|>", "<pad>", "[PAD]")  # reserved padding tokens
BLOCK = 32, 64  # output rows and inputs of a block in bitsandbytes' CPU kernel


class LlmError(ValueError):
    """A language model can't be loaded or used; the text says what to do."""


def base_path(name: str | Path) -> str:
    """The folder or Hub id that holds the weights of a registered name, folder or Hub id.

    A wheel with the weights comes before the Hub: what was measured with them is so everywhere.
    """
    base = REGISTRY[name].base if name in REGISTRY else str(name)
    if base.startswith("bundle:"):
        return str(bundle_folder() / base.removeprefix("bundle:"))
    return str(wheel_folder(str(name)) or base)


def load_base(
    source: str | Path,
    revision: str | None = None,
    llm: str | None = None,
    load_in_4bit: bool | None = None,
) -> tuple[Model, Tokenizer]:
    """The causal LM and the tokenizer of a source, see load_model."""
    tokenizer = load_tokenizer(source, revision, llm)
    model = load_model(source, revision, llm, load_in_4bit)
    stop_at_end_of_turn(model, tokenizer)
    return model, tokenizer


def load_model(
    source: str | Path,
    revision: str | None = None,
    llm: str | None = None,
    load_in_4bit: bool | None = None,
) -> Model:
    """The causal LM of a registered name, a folder or a Hub id.

    llm: its registered name, if `source` isn't that. load_in_4bit: NF4 as in QLoRA (Dettmers et
    al. 2023, arXiv:2305.14314); None follows the registry. Weights stored in 4 bits stay in 4
    bits. Raises LlmError.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    gpu = torch.cuda.is_available()
    wanted = gpu and spec_of(llm or source).load_in_4bit if load_in_4bit is None else load_in_4bit
    kwargs: dict[str, Any] = {"dtype": half_precision() if gpu else torch.float32}
    if gpu:
        kwargs["device_map"] = {"": torch.cuda.current_device()}
    with _explained(source):
        path = base_path(source)
        config = AutoConfig.from_pretrained(path, revision=revision)
        stored = getattr(config, "quantization_config", None)
        if stored and load_in_4bit is False:
            raise LlmError(
                f"{source} is stored in fewer bits: pass the full-precision model as "
                "--model_name_or_path, or leave out --load_in_4bit."
            )
        if wanted and not stored:
            kwargs["quantization_config"] = _in_4_bits(config)
        model = AutoModelForCausalLM.from_pretrained(
            path, revision=revision, use_safetensors=True, **kwargs
        )
    if source in REGISTRY and REGISTRY[str(source)].wheel:
        # An adapter names its base, which on other machines lies elsewhere.
        model.name_or_path = model.config._name_or_path = REGISTRY[str(source)].base
    return model


@contextmanager
def _explained(source):
    """Turn errors in loading `source` into an LlmError of one sentence."""
    try:
        yield
    except LlmError:
        raise
    except Exception as error:  # a damaged or foreign file can raise anything
        raise LlmError(
            f"The language model {source} can't be loaded from this machine or from the Hub: "
            f"{in_words(error, source)}"
        ) from error


def load_tokenizer(
    source: str | Path, revision: str | None = None, llm: str | None = None
) -> Tokenizer:
    """A tokenizer with a padding token and a chat template, added if it lacks them."""
    from transformers import AutoTokenizer

    with _explained(source):
        tokenizer = AutoTokenizer.from_pretrained(base_path(source), revision=revision)
    own, ours = tokenizer.chat_template, spec_of(llm or source).template
    if ours or own is None:
        if tokenizer.eos_token is None:
            raise LlmError(f"The tokenizer of {source} has no eos_token: set one.")
        tokenizer.chat_template = (TEMPLATES / f"{ours or 'plain'}.jinja").read_text()
    elif "date_string" in own and not own.startswith(DATE):
        tokenizer.chat_template = DATE + own
    if tokenizer.pad_token is None:
        vocabulary = tokenizer.get_vocab()
        reserved = [token for token in PADDING if token in vocabulary]
        tokenizer.pad_token = [*reserved, tokenizer.eos_token or tokenizer.unk_token][0]
    return tokenizer


def trains_in_half() -> bool:
    """Whether half precision is fast here: on GPUs, and on CPUs with bfloat16 instructions."""
    return torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()


def half_precision() -> torch.dtype:
    """bfloat16, or float16 on GPUs that only emulate bfloat16."""
    gpu = torch.cuda.is_available()
    native = not gpu or torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float16


def _in_4_bits(config):
    """NF4 for every matrix that the kernels support by shape, except the head."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config)
    uneven = [
        name
        for name, module in skeleton.named_modules()
        if isinstance(module, torch.nn.Linear)
        and (module.out_features % BLOCK[0] or module.in_features % BLOCK[1])
    ]
    head = skeleton.get_output_embeddings()
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=half_precision(),
        llm_int8_skip_modules=[*uneven, *(n for n, m in skeleton.named_modules() if m is head)],
    )


def end_of_turn(tokenizer: Tokenizer) -> tuple[str, int]:
    """(text, id) of the token that ends an answer in the chat template."""
    answer = "\N{BLACK SQUARE}"
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]
    rest = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(answer)[2]
    ids = tokenizer(rest, add_special_tokens=False)["input_ids"]
    special = [i for i in ids if i in tokenizer.added_tokens_decoder]
    if not special:
        raise LlmError(
            "The chat template of this tokenizer ends answers without a special token, so a "
            "model can't learn where to stop: use a template that has one."
        )
    return tokenizer.added_tokens_decoder[special[0]].content, special[0]


def stop_at_end_of_turn(model: Model, tokenizer: Tokenizer) -> None:
    """Stop generation at the chat template's end of turn, besides the model's own end tokens."""
    config = model.generation_config
    ends = config.eos_token_id
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    config.eos_token_id = list(dict.fromkeys([*ends, end_of_turn(tokenizer)[1]]))
    config.pad_token_id = tokenizer.pad_token_id


def embeddings(model: Model) -> list[torch.nn.Parameter]:
    """The weights (tokens, width) of the input embeddings and of the head."""
    layers = model.get_input_embeddings(), model.get_output_embeddings()
    return [layer.get_parameter("weight") for layer in layers]


def grow_embeddings(model: Model, n_tokens: int) -> None:
    """Give every token an embedding; new ones are the mean of the others."""
    n_rows = len(embeddings(model)[0])
    if n_tokens <= n_rows:
        return
    model.resize_token_embeddings(n_tokens, pad_to_multiple_of=64, mean_resizing=False)
    with torch.no_grad():
        for weight in embeddings(model):
            weight[n_rows:] = weight[:n_rows].float().mean(dim=0).to(weight)


def add_tokens(model: Model, tokenizer: Tokenizer, tokens: Iterable[str]) -> None:
    """Add tokens, each with the mean of the present embeddings."""
    from tokenizers import AddedToken

    n_old, vocabulary = len(tokenizer), tokenizer.get_vocab()
    new = [t for t in tokens if t not in vocabulary]
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in new])
    grow_embeddings(model, len(tokenizer))
    with torch.no_grad():
        weight = embeddings(model)[0]
        ids = tokenizer.convert_tokens_to_ids(new)
        weight[ids] = weight[:n_old].float().mean(dim=0).to(weight)


def in_half(file: Path) -> None:
    """Store weights in bfloat16 where that loses nothing, see `round_adapter`."""
    weights = load_file(file)
    half = {name: weight.bfloat16() for name, weight in weights.items()}
    if all(torch.equal(half[name].to(w.dtype), w) for name, w in weights.items()):
        save_file(half, file, metadata={"format": "pt"})
