"""Fine-tuning the three large LLMs on this machine: tokens per second and peak memory.

    python benchmarks/full_size.py
    python benchmarks/full_size.py --llms tinyllama --batch_size 4 --layers 2

The models have their published shapes and random weights, so nothing is downloaded. They are
loaded in 4 bits and get an adapter as in train/sft.py. Prints one table. --layers makes them
shallower, for a test without a GPU.
"""

import tempfile
import time
from dataclasses import dataclass, field

import datasets
import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Phi3Config, TrainerCallback
from trl import SFTConfig, TrlParser

from emg_llm.llms.finetuning import lora_config, sft_defaults
from emg_llm.llms.loading import load_model, load_tokenizer
from emg_llm.llms.trainer import AdapterTrainer
from emg_llm.scripts import run

# From the config.json of each on the Hub.
SHAPES = {
    "tinyllama": LlamaConfig(
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=22,
        num_attention_heads=32,
        num_key_value_heads=4,
        vocab_size=32000,
    ),
    "phi-3.5-mini": Phi3Config(
        hidden_size=3072,
        intermediate_size=8192,
        num_hidden_layers=32,
        num_attention_heads=32,
        vocab_size=32064,
        max_position_embeddings=4096,
        pad_token_id=0,
    ),
    "llama-3.2-3b": LlamaConfig(
        hidden_size=3072,
        intermediate_size=8192,
        num_hidden_layers=28,
        num_attention_heads=24,
        num_key_value_heads=8,
        head_dim=128,
        vocab_size=128256,
        tie_word_embeddings=True,
    ),
}


@dataclass
class BenchmarkArguments:
    """Settings of the benchmark."""

    llms: list[str] = field(
        default_factory=lambda: list(SHAPES),
        metadata={"help": "Language models.", "choices": list(SHAPES)},
    )
    batch_size: int | None = field(
        default=None, metadata={"help": "Conversations per batch (default: as in train/sft.py)."}
    )
    length: int = field(default=512, metadata={"help": "Tokens per conversation."})
    steps: int = field(
        default=10, metadata={"help": "Batches, of which the first two are warm-up."}
    )
    layers: int | None = field(default=None, metadata={"help": "Layers (default: all)."})


class Clock(TrainerCallback):
    """Records the end time of each step."""

    def __init__(self):
        self.ends = []

    def on_step_end(self, args, state, control, **kwargs):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def train(name, args):
    """(parameters, tokens per second, peak GPU memory in GiB) of one language model."""
    gpu = torch.cuda.is_available()
    config = SHAPES[name]
    config.num_hidden_layers = args.layers or config.num_hidden_layers
    with tempfile.TemporaryDirectory() as folder:
        with torch.device("cuda" if gpu else "cpu"):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        n_parameters = model.num_parameters()
        model.save_pretrained(folder)
        del model
        if gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        model = load_model(folder, llm=name, load_in_4bit=True)
        defaults = sft_defaults(name) | {"gradient_accumulation_steps": 1, "save_strategy": "no"}
        defaults |= {"max_steps": args.steps, "disable_tqdm": True, "logging_steps": 10**6}
        defaults["dataset_kwargs"] = {"skip_prepare_dataset": True}
        if args.batch_size:
            defaults["per_device_train_batch_size"] = args.batch_size
        batch_size = defaults["per_device_train_batch_size"]
        rows = np.random.default_rng(0).integers(3, config.vocab_size, (64, args.length))
        examples = {"input_ids": rows, "labels": rows, "length": [args.length] * len(rows)}
        clock = Clock()
        trainer = AdapterTrainer(
            model=model,
            args=SFTConfig(output_dir=folder, **defaults),
            train_dataset=datasets.Dataset.from_dict(examples),
            processing_class=load_tokenizer("nano-llama2"),  # the examples are token ids already
            peft_config=lora_config(model, None, spelling="plain"),
            callbacks=[clock],
        )
        trainer.train()
    seconds = (clock.ends[-1] - clock.ends[1]) / (len(clock.ends) - 2)
    peak = torch.cuda.max_memory_allocated() / 2**30 if gpu else np.nan
    return n_parameters, batch_size * args.length / seconds, peak


def main(args):
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"| {where}, 4-bit LoRA | parameters | tokens/s | peak GPU memory |\n|---|---|---|---|")
    for name in args.llms:
        n_parameters, rate, peak = train(name, args)
        print(f"| {name} | {n_parameters / 1e9:.2f} B | {rate:,.0f} | {peak:.1f} GiB |", flush=True)


if __name__ == "__main__":
    run(main, TrlParser((BenchmarkArguments,)))
