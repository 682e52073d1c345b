"""Nano models: small chat LLMs of three common architectures, trained from scratch.

They are pretrained on generated text about EMG recordings (`corpus`): comparisons of numbers,
questions and answers, facts about EMG. Its emotions are drawn at random, so a nano model learns
the form of an answer but not which muscles express an emotion. The exception: if the prompt lists
a person's labelled trials, it learns to name the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from emg_llm.bridge.reading import NEAREST_KNOWN, ZEROS, Reading, code_token, site_name
from emg_llm.chat.conversations import conversation, less_sure
from emg_llm.chat.turns import Message, Scores, likely
from emg_llm.llms.loading import TEMPLATES, LlmError, embeddings, trains_in_half
from emg_llm.signal.levels import LIMIT
from emg_llm.signal.recording import EMOTIONS, MONTAGE

if TYPE_CHECKING:
    from transformers import PreTrainedModel as Model
    from transformers import PreTrainedTokenizerBase as Tokenizer

N_DEPTHS, N_CODES = 4, 64  # the codes that the tokenizers have
LEVELS = tuple(f" {v:+d}" for v in range(-LIMIT, LIMIT + 1))
COUNTS = tuple(f" {v}" for v in range(101))  # percent, and distances
TIMES = tuple(f" {t / 10:.1f}" for t in range(100))  # seconds
SITES = tuple(site_name(s) for s in MONTAGE)
OTHER_SITES = (
    *("corrugator", "zygomaticus", "frontalis", "masseter", "orbicularis oculi", "mentalis"),
    *("orbicularis oris", "levator labii", "depressor", "temporalis", "biceps", "triceps"),
    *("wrist flexor", "wrist extensor", "deltoid", "trapezius", "quadriceps", "left cheek"),
    *("right cheek", "chin", "brow", "beside the nose", "under the chin", "calf", "hamstrings"),
)
MAX_LENGTH = 512  # tokens
STEPS, STEPS_TAUGHT = 2000, 1100  # of pretraining, from scratch and from a trained model
TIED = 5.0  # factor on the initial embeddings where input and output share them


@dataclass(frozen=True)
class Family:
    """The special tokens of a family of LLMs: padding, beginning, end of text and of a turn."""

    pad: str
    bos: str
    eos: str
    end_of_turn: str
    others: tuple[str, ...] = ()


FAMILIES = {
    "nano-llama2": Family("<pad>", "<s>", "</s>", "</s>", ("<|user|>", "<|assistant|>")),
    "nano-phi3": Family(
        "<|endoftext|>", "<s>", "<|endoftext|>", "<|end|>", ("<|user|>", "<|assistant|>")
    ),
    "nano-llama3": Family(
        *("<|finetune_right_pad_id|>", "<|begin_of_text|>", "<|eot_id|>", "<|eot_id|>"),
        ("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>"),
    ),
}


def corpus(n: int, rng: np.random.Generator) -> Iterator[list[Message]]:
    """`n` conversations about invented recordings, as messages."""
    for _ in range(n):
        labels: tuple[str, ...] = EMOTIONS
        if rng.random() < 0.3:  # models for fewer emotions
            n_labels = rng.integers(2, len(EMOTIONS))
            labels = tuple(EMOTIONS[i] for i in sorted(rng.permutation(12)[:n_labels]))
        reading = _made_up(labels, rng)
        label = str(rng.choice(labels))
        if reading.known and rng.random() < 0.9:
            label = reading.known[0][0]
        scores: Scores = ()
        if rng.random() < 0.85:
            p = less_sure(rng.dirichlet(np.full(len(labels), 0.3)), rng)
            scores = likely(labels, p, label)
        n_follow_ups = int(rng.integers(2, 6))
        yield conversation(reading, label, rng, n_follow_ups, scores, labels).turns


def _made_up(labels, rng):
    codes = tuple(rng.integers(N_CODES, size=N_DEPTHS)) if rng.random() < 0.5 else ()
    if codes and rng.random() < 0.2:  # the tokens bridge
        return Reading(codes=codes)
    sites = SITES
    if rng.random() < 0.2:
        size = int(rng.integers(2, 13))
        sites = tuple(str(s) for s in rng.permutation(OTHER_SITES)[:size])
        if rng.random() < 0.3:
            word = str(rng.choice(("channel", "Ch", "EMG", "electrode")))
            sites = tuple(f"{word} {k + 1}" for k in range(size))
    overall, spread = rng.normal(0, 6), rng.uniform(2, 9)
    levels = np.clip(np.rint(rng.normal(overall, spread, len(sites))), -LIMIT, LIMIT)
    details = {}
    if rng.random() < 0.7:
        start = rng.uniform(0, 2)
        end = start + rng.uniform(0.2, 4 if rng.random() < 0.8 else 9)
        details["active"] = round(start, 1), round(end, 1)
        details["peak"] = round(rng.uniform(start, end), 1)
    if rng.random() < 0.8:
        details["snr"] = int(rng.integers(-5, 35))
        details["quality"] = str(rng.choice(("good", "usable", "poor")))
    if rng.random() < 0.7:
        details["neutral"] = int(np.clip(round(rng.normal(8, 9)), -LIMIT, LIMIT))
    if rng.random() < 0.35:
        off = np.sort(rng.integers(1, 20, min(NEAREST_KNOWN, len(labels))))
        off[1:] += int(rng.integers(0, 6))
        nearest = rng.permutation(labels)[: len(off)]
        details["known"] = tuple((str(n), int(d)) for n, d in zip(nearest, off, strict=True))
    if rng.random() < 0.2:
        details["zero"] = str(rng.choice(list(ZEROS)))
    unit = "dB" if rng.random() < 0.85 else ""
    return Reading(sites, tuple(int(v) for v in levels), unit, codes, **details)


def build_tokenizer(name: str, texts: Iterable[str], vocab_size: int = 1664) -> Tokenizer:
    """A byte-level BPE tokenizer with one token for each site, number and EMG code.

    name: one of FAMILIES; gives it the special tokens and the chat template.
    """
    import tokenizers
    from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    family = FAMILIES[name]
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = "<unk>", family.pad, family.bos, family.eos, family.end_of_turn, *family.others
    # With their leading space: prompts are shorter, and a word is the same token everywhere.
    words = [*LEVELS, *COUNTS, *TIMES, *(f" {site}" for site in SITES)]
    codes = [code_token(d, c) for d in range(N_DEPTHS) for c in range(N_CODES)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(words) - len(codes),
        special_tokens=list(dict.fromkeys(marks)),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Longest first, or "+1" would match inside "+12".
    added = sorted(words, key=len, reverse=True) + codes
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in added])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.pad,
        padding_side="right",
        chat_template=(TEMPLATES / f"{name}.jinja").read_text(),
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_LENGTH,
    )


def build_model(
    name: str,
    tokenizer: Tokenizer,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    seed: int = 0,
) -> Model:
    """A causal LM with random weights, in the architecture of `name`.

    nano-llama2: untied embeddings, as many key heads as query heads (Touvron et al. 2023,
    arXiv:2307.09288); nano-phi3: fused projections, long rope (Abdin et al. 2024,
    arXiv:2404.14219); nano-llama3: tied embeddings, rope in three bands (arXiv:2407.21783).
    """
    from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

    family = FAMILIES[name]
    shape = {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": MAX_LENGTH,
        "tie_word_embeddings": False,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.convert_tokens_to_ids(family.end_of_turn),
        "pad_token_id": tokenizer.pad_token_id,
    }
    rope: dict[str, Any] = {"rope_theta": 1e4, "factor": 2.0}
    rope["original_max_position_embeddings"] = MAX_LENGTH // 2
    model: Model
    torch.manual_seed(seed)
    if name == "nano-phi3":
        same = [1.0] * (width // heads // 2)
        rope |= {"rope_type": "longrope", "short_factor": same, "long_factor": same}
        model = Phi3ForCausalLM(Phi3Config(**shape, rope_parameters=rope))
    elif name == "nano-llama3":
        shape["tie_word_embeddings"] = True
        rope |= {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        model = LlamaForCausalLM(LlamaConfig(**shape, rope_parameters=rope))
        # Tied embeddings stay at the scale of the output; they must start large enough to stand
        # out from what the layers add.
        with torch.no_grad():
            embeddings(model)[0].mul_(TIED)
    else:
        model = LlamaForCausalLM(LlamaConfig(**shape))
    start_levels_in_order(model, tokenizer, TIED if shape["tie_word_embeddings"] else 1.0)
    return model


def start_levels_in_order(model: Model, tokenizer: Tokenizer, scale: float = 1.0) -> None:
    """Start neighbouring levels with similar embeddings: random waves along the number line.

    Training on +7 then generalises to +8, which a few hundred recordings can't teach.
    """
    ids = tokenizer.convert_tokens_to_ids(list(LEVELS))
    at = torch.arange(len(LEVELS))[:, None]
    with torch.no_grad():
        for weight in embeddings(model):
            # Wavelengths of 10 to 300 levels.
            length = 10 * 30 ** torch.rand(weight.shape[1])
            phase = 2 * torch.pi * torch.rand(weight.shape[1])
            waves = torch.cos(2 * torch.pi * at / length + phase)
            weight[ids] = waves * 2**0.5 * model.config.initializer_range * scale


def start_with(model: Model, tokenizer: Tokenizer, taught: Model, its_tokenizer: Tokenizer) -> None:
    """Copy the layers and the embeddings of common tokens from a trained model of the same shape.

    This transfers comparing and looking up, which a model with tied embeddings alone hardly learns
    within 4,000 steps; it learns its own output embeddings. Raises LlmError if the shapes differ.
    """
    old, new = its_tokenizer.get_vocab(), tokenizer.get_vocab()
    same = [token for token in new if token in old]
    rows, theirs = [new[t] for t in same], [old[t] for t in same]
    try:
        model.model.layers.load_state_dict(_layers(taught, model.config.model_type == "phi3"))
        model.model.norm.load_state_dict(taught.model.norm.state_dict())
    except (RuntimeError, AttributeError):
        raise LlmError(
            f"The layers of this {taught.config.model_type} model have another shape: start with a "
            "nano model of the same architecture and size."
        ) from None
    with torch.no_grad():
        kept = 1 if model.config.tie_word_embeddings else 2
        for weight, other in zip(embeddings(model)[:kept], embeddings(taught), strict=False):
            weight[rows] = other[theirs].to(weight)


def _layers(model, fused):
    """The weights of a model's layers; `fused` joins projections as in Phi-3."""
    weights = model.model.layers.state_dict()
    joined = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
    for whole, parts in joined.items() if fused else ():
        for name in [n for n in weights if parts[0] in n]:
            pieces = [weights.pop(name.replace(parts[0], part)) for part in parts]
            weights[name.replace(parts[0], whole)] = torch.cat(pieces)
    return weights


def pretrain(
    model: Model,
    tokenizer: Tokenizer,
    steps: int,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    seed: int = 0,
    log: bool = True,
) -> float:
    """Train every weight on `corpus`; returns the mean loss of the last tenth of the steps."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rng = np.random.default_rng((seed, 1))
    torch.nn.Module.to(model.train(), device)
    if device == "cpu":  # its gradient is faster than fused attention's
        model.set_attn_implementation("eager")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=0.05, betas=(0.9, 0.95)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=min(0.75, max(0.1, 1.5 / steps))
    )
    losses = []
    bar = tqdm(range(steps), desc="nano pretraining", unit="step", disable=not log)
    batches = _batches(batch_size, rng)
    for _ in bar:
        batch = next(batches)
        # Padding to multiples keeps the shapes few: each compiles and caches a kernel.
        encoded: Any = tokenizer.apply_chat_template(
            batch,
            padding=True,
            truncation=True,
            max_length=MAX_LENGTH,
            return_tensors="pt",
            return_dict=True,
            return_assistant_tokens_mask=True,
            tokenizer_kwargs={"pad_to_multiple_of": 32},
        )
        ids = encoded["input_ids"].to(device)
        answer = torch.as_tensor(encoded["assistant_masks"]).to(device).bool()
        at = torch.nonzero(answer[:, 1:].flatten()).squeeze(1)
        at = F.pad(at, (0, -len(at) % 256), value=-1)
        # The loss covers answers only: the numbers in the prompts are random.
        with torch.autocast(device, torch.bfloat16, enabled=trains_in_half()):
            # Padding comes last and attention is causal, so no mask is needed.
            hidden = model.model(input_ids=ids).last_hidden_state
            logits = model.lm_head(hidden[:, :-1].flatten(0, 1)[at])
        targets = ids[:, 1:].flatten()[at].masked_fill(at < 0, -100)
        loss = F.cross_entropy(logits.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
    model.eval().cpu().set_attn_implementation("sdpa")
    return float(np.mean(losses[-max(1, steps // 10) :]))


def _batches(size, rng, pool=16):
    """Endless batches of conversations of similar length."""
    while True:
        drawn = sorted(corpus(pool * size, rng), key=lambda c: sum(len(m["content"]) for m in c))
        for k in rng.permutation(pool):
            yield drawn[k * size : (k + 1) * size]
