"""Throughput of fine-tuning: the trainer of train/sft.py against TRL's own.

    python benchmarks/finetuning.py --dataset_name runs/conversations
    python benchmarks/finetuning.py --llm tinyllama --dataset_name runs/conversations --rows 256

Both train the same LoRA adapter for one epoch on the same conversations, with the same batch size
and precision and with the loss on the answers. They alternate, so that other load on the machine
affects both. Tokens are those of the conversations, without padding.
"""

import tempfile
import time
from dataclasses import dataclass, field

import datasets
import numpy as np
from trl import SFTConfig, SFTTrainer, TrlParser

from emg_llm.bridge.spelling import spell_messages
from emg_llm.llms.finetuning import lora_config, make_trainer, prepare, sft_defaults
from emg_llm.llms.loading import load_base
from emg_llm.llms.sft_data import load_rows, messages_of
from emg_llm.registry import REGISTRY, spec_of
from emg_llm.scripts import run


@dataclass
class BenchmarkArguments:
    """Settings of the benchmark."""

    llm: str = field(
        default="nano-llama2", metadata={"help": "A language model.", "choices": list(REGISTRY)}
    )
    model_name_or_path: str | None = field(
        default=None, metadata={"help": "Location of its weights (default: as registered)."}
    )
    dataset_name: str = field(
        default="runs/conversations", metadata={"help": "Conversations: folder, file or Hub id."}
    )
    rows: int = field(default=320, metadata={"help": "Conversations in an epoch."})
    repeats: int = field(default=3, metadata={"help": "Epochs for each trainer."})


def ours(model, tokenizer, rows, args, adapter, spelling):
    return make_trainer(model, tokenizer, rows, args, adapter, spelling=spelling)


def bare(model, tokenizer, rows, args, adapter, spelling):
    """TRL as documented: messages, a LoraConfig and `assistant_only_loss`."""
    messages = [{"messages": spell_messages(messages_of(row), spelling)} for row in rows]
    args.assistant_only_loss = True
    return SFTTrainer(
        model=model,
        args=args,
        train_dataset=datasets.Dataset.from_list(messages),
        processing_class=tokenizer,
        peft_config=adapter,
    )


def tokens_per_second(make, args, rows):
    """Tokens of the conversations per second of an epoch."""
    spec = spec_of(args.llm)
    model, tokenizer = load_base(args.model_name_or_path or args.llm, llm=args.llm)
    prepare(model, tokenizer, {"train": rows}, spec.spelling)
    shape = spec.lora_r, spec.lora_alpha, spec.lora_dropout
    adapter = lora_config(model, tokenizer, spec.spelling, *shape)
    defaults = sft_defaults(args.llm)
    same = (
        *("learning_rate", "use_cpu", "bf16", "fp16", "dataloader_pin_memory", "report_to"),
        *("per_device_train_batch_size", "gradient_accumulation_steps", "max_length"),
        "activation_checkpointing",
    )
    if make is bare:
        defaults = {name: defaults[name] for name in same if name in defaults}
    with tempfile.TemporaryDirectory() as folder:
        defaults |= {"num_train_epochs": 1, "save_strategy": "no", "disable_tqdm": True}
        config = SFTConfig(output_dir=folder, **(defaults | {"logging_steps": 10**6}))
        trainer = make(model, tokenizer, rows, config, adapter, spec.spelling)
        n_tokens = sum(len(ids) for ids in trainer.train_dataset["input_ids"])
        start = time.perf_counter()
        trainer.train()
        return n_tokens / (time.perf_counter() - start)


def main(args):
    rows = load_rows(args.dataset_name)[0]["train"][: args.rows]
    rates = np.array(
        [
            [tokens_per_second(make, args, rows) for make in (ours, bare)]
            for _ in range(args.repeats)
        ]
    )
    (here, there), ratio = np.median(rates, axis=0), np.median(rates[:, 0] / rates[:, 1])
    print(
        f"{args.llm}, {len(rows)} conversations: {here:,.0f} tokens/s, TRL's own trainer "
        f"{there:,.0f} tokens/s; ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    run(main, TrlParser((BenchmarkArguments,)))
