"""Nano models: small chat LLMs of known architectures, made here from nothing.

They are pretrained on text about EMG recordings that `corpus` generates: numbers to compare,
questions and answers, what EMG is. The emotions in that text are drawn at random, so a nano
model knows the form of an answer and nothing about which muscles mean what.
"""

import numpy as np

from emg_llm.bridge import Reading, code_token, site_name
from emg_llm.conversations import conversation
from emg_llm.recording import EMOTIONS, MONTAGE

N_DEPTHS, N_CODES = 4, 64  # codebook tokens that the tokenizer knows
MAX_LEVEL = 40
LEVELS = tuple(f" {v:+d}" for v in range(-MAX_LEVEL, MAX_LEVEL + 1))
SITES = tuple(site_name(s) for s in MONTAGE)

# The answer stands between generation marks, for trainers that ask where it is.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{ '[INST] ' + message['content'] + ' [/INST]' }}
{%- elif message['role'] == 'system' -%}
{{ '<<SYS>> ' + message['content'] + ' <</SYS>>' }}
{%- else -%}
{%- generation -%}{{ message['content'] + eos_token }}{%- endgeneration -%}
{%- endif -%}
{%- endfor -%}"""


def corpus(n, rng):
    """`n` conversations about made-up recordings, as messages."""
    for _ in range(n):
        overall, spread = rng.normal(0, 6), rng.uniform(2, 9)
        levels = np.clip(np.rint(rng.normal(overall, spread, len(SITES))), -MAX_LEVEL, MAX_LEVEL)
        reading = Reading(
            SITES,
            tuple(int(v) for v in levels),
            "dB",
            tuple(rng.integers(N_CODES, size=N_DEPTHS)) if rng.random() < 0.5 else (),
            int(rng.integers(-5, 30)) if rng.random() < 0.8 else None,
        )
        yield conversation(reading, rng.choice(EMOTIONS), rng, n_follow_ups=int(rng.integers(2, 6)))


def build_tokenizer(texts, vocab_size=1536):
    """A byte-level BPE tokenizer in which a site, its level and an EMG code are one token each."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]"]
    # With the space before them: prompts are shorter, and what is equal reads equal everywhere.
    words = [*LEVELS, *(f" {site}" for site in SITES)]
    codes = [code_token(d, c) for d in range(N_DEPTHS) for c in range(N_CODES)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(words) - len(codes),
        special_tokens=marks,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Longest first, or "+1" would be found inside "+12".
    tokenizer.add_tokens(
        [AddedToken(t, normalized=False) for t in sorted(words, key=len, reverse=True) + codes]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="right",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def build_model(tokenizer, width=128, layers=4, heads=4, seed=0):
    """A Llama-2-style causal LM: untied embeddings, rotary positions, SwiGLU."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=-(-len(tokenizer) // 64) * 64,
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            max_position_embeddings=512,
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    start_levels_in_order(model, tokenizer)
    return model


def start_levels_in_order(model, tokenizer):
    """Give neighbouring levels neighbouring embeddings: random waves along the number line.

    What is learned of +7 then holds for +8 too, which a few hundred recordings can't teach.
    """
    import torch

    ids = tokenizer.convert_tokens_to_ids(LEVELS)
    at = torch.arange(len(ids))[:, None]
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            weight = layer.weight
            # Waves of 10 to 300 levels' length.
            length = 10 * 30 ** torch.rand(weight.shape[1])
            phase = 2 * torch.pi * torch.rand(weight.shape[1])
            waves = torch.cos(2 * torch.pi * at / length + phase)
            weight[ids] = waves * 2**0.5 * model.config.initializer_range


def pretrain(model, tokenizer, steps=2000, batch_size=32, learning_rate=3e-3, seed=0, log=None):
    """Train every weight on the answers of `corpus`; returns the loss of the last tenth."""
    import torch
    from torch.nn import functional as F
    from tqdm.auto import tqdm

    device = "cuda" if torch.cuda.is_available() else "cpu"
    fast = device == "cuda" or torch.cpu._is_amx_tile_supported()
    rng = np.random.default_rng((seed, 1))
    model.to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=0.05, betas=(0.9, 0.95)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=min(0.5, max(0.1, 1.5 / steps))
    )
    losses = []
    bar = tqdm(range(steps), desc="nano pretraining", unit="step", disable=log is False)
    for _ in bar:
        batch = list(corpus(batch_size, rng))
        encoded = tokenizer.apply_chat_template(
            batch,
            padding=True,
            truncation=True,
            max_length=512,
            return_tensors="pt",
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        ids = encoded["input_ids"].to(device)
        answer = torch.as_tensor(encoded["assistant_masks"]).to(device).bool()
        # The questions are text about EMG as well; the made-up numbers in them are noise.
        with torch.autocast(device, torch.bfloat16, enabled=fast):
            # Padding comes last and looks back only, so no mask is needed: it would be slower.
            hidden = model.model(input_ids=ids).last_hidden_state
            # Only the tokens before an answer's token are asked for it.
            logits = model.lm_head(hidden[:, :-1][answer[:, 1:]])
        loss = F.cross_entropy(logits.float(), ids[:, 1:][answer[:, 1:]])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
    model.eval().cpu()
    return float(np.mean(losses[-max(1, steps // 10) :]))
