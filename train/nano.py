"""Pretrain a nano model: a small chat LLM with its own tokenizer, from scratch.

    python train/nano.py --llm nano-llama2 --output_dir runs/first/nano-llama2
    python train/nano.py --llm nano-llama3 --start_with runs/first/nano-llama2

The text is generated: conversations about invented recordings with a random emotion. The model
learns to talk about a recording and to compare its numbers, but nothing about what the muscles
mean. --start_with initialises the layers from another nano model; without it, nano-llama3 hardly
learns to look up a level. Takes 10 to 30 minutes on one core.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from trl import TrlParser

from emg_llm.evaluation.results import save_results
from emg_llm.llms.loading import load_base
from emg_llm.llms.nano import (
    FAMILIES,
    STEPS,
    STEPS_TAUGHT,
    build_model,
    build_tokenizer,
    corpus,
    pretrain,
    start_with,
)
from emg_llm.scripts import HubArguments, run, saving


@dataclass
class NanoArguments:
    """Settings of the model and its pretraining."""

    llm: str = field(
        default="nano-llama2", metadata={"help": "The model.", "choices": list(FAMILIES)}
    )
    output_dir: str | None = field(
        default=None, metadata={"help": "Output folder (default: runs/base/<llm>)."}
    )
    steps: int | None = field(
        default=None,
        metadata={
            "help": f"Optimiser steps (default: {STEPS}, or {STEPS_TAUGHT} with --start_with)."
        },
    )
    batch_size: int = field(default=32, metadata={"help": "Conversations per step."})
    learning_rate: float = field(default=3e-3, metadata={"help": "Peak learning rate."})
    tokenizer_conversations: int = field(
        default=3000, metadata={"help": "Conversations for training the tokenizer."}
    )
    seed: int = field(default=0, metadata={"help": "Seed for text and weights."})
    start_with: str | None = field(
        default=None,
        metadata={"help": "A nano model of the same shape that provides the initial layers."},
    )


def main(args, sharing):
    rng = np.random.default_rng(args.seed)
    texts = [m["content"] for c in corpus(args.tokenizer_conversations, rng) for m in c]
    tokenizer = build_tokenizer(args.llm, texts)
    model = build_model(args.llm, tokenizer, seed=args.seed)
    if args.start_with:
        start_with(model, tokenizer, *load_base(args.start_with))
    folder = args.output_dir or f"runs/base/{args.llm}"
    steps = args.steps or (STEPS_TAUGHT if args.start_with else STEPS)
    loss = pretrain(model, tokenizer, steps, args.batch_size, args.learning_rate, args.seed)
    n_parameters = sum(p.numel() for p in model.parameters())
    results = {
        "model": args.llm,
        "data": "generated conversations about made-up recordings",
        "steps": steps,
        "seed": args.seed,
        **({"start_with": Path(args.start_with).name} if args.start_with else {}),
        "loss": loss,
        "n_parameters": n_parameters,
    }
    with saving(folder, sharing) as beside:
        model.to(torch.float16).save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        save_results(beside, results)
        print(f"{args.llm}: {n_parameters / 1e6:.2f} M parameters, loss {loss:.3f}")


def make_parser():
    return TrlParser((NanoArguments, HubArguments))


if __name__ == "__main__":
    run(main, make_parser())
