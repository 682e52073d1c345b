"""Fine-tune a language model on EMG conversations: LoRA with TRL's SFTTrainer.

    python train/sft.py --llm nano-llama2 --dataset_name runs/conversations \\
        --output_dir runs/nano-llama2

--dataset_name is what train/conversations.py wrote, a ShareGPT JSONL file, or a Hub id. Any
causal LM goes in with --model_name_or_path; together with --llm it says where that one's
weights are. Every flag of TRL's SFTConfig passes through;
--resume_from_checkpoint true goes on where an interrupted run stopped. Writes the adapter,
tokenizer, config.json, README.md and results.json.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from trl import SFTConfig, TrlParser

from emg_llm import hub
from emg_llm.evaluation import control, evaluate, headline, save_results
from emg_llm.llms.finetuning import (
    LORA_ALPHA,
    LORA_DROPOUT,
    LORA_R,
    first_prompt,
    load_rows,
    lora_config,
    make_trainer,
    sft_defaults,
    validation_temperature,
)
from emg_llm.llms.model import EmgLLM, LlmError, load_base, save_config
from emg_llm.llms.registry import REGISTRY
from emg_llm.training import run


@dataclass
class FinetuningArguments:
    """What is fine-tuned on what."""

    llm: str | None = field(
        default=None, metadata={"help": "A registered language model.", "choices": list(REGISTRY)}
    )
    model_name_or_path: str | None = field(
        default=None, metadata={"help": "Any other causal LM: a folder or a Hub id."}
    )
    model_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit."})
    dataset_name: str = field(
        default="runs/conversations", metadata={"help": "Conversations: folder, file or Hub id."}
    )
    lora_r: int = field(default=LORA_R, metadata={"help": "Rank of the adapter."})
    lora_alpha: int = field(default=LORA_ALPHA, metadata={"help": "Scale of the adapter."})
    lora_dropout: float = field(default=LORA_DROPOUT, metadata={"help": "Dropout before it."})


def main(args, training):
    source = args.model_name_or_path or args.llm
    if not source:
        raise LlmError(f"Give --llm ({', '.join(REGISTRY)}) or --model_name_or_path.")
    # The trainer would push a pickle and a card of its own.
    push, training.push_to_hub = training.push_to_hub, False
    checkpoint = interrupted_at(training)
    rows, info = load_rows(args.dataset_name)
    model, tokenizer = load_base(source, args.model_revision)
    peft_config = lora_config(tokenizer, args.lora_r, args.lora_alpha, args.lora_dropout)
    trainer = make_trainer(
        model, tokenizer, rows["train"], training, peft_config, rows.get("validation")
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    if not trainer.is_world_process_zero():
        return

    folder = Path(training.output_dir)
    name = args.llm or Path(source).name
    llm = EmgLLM(name, trainer.model, tokenizer, info["labels"], info["bridge"])
    llm.temperature = validation_temperature(llm, rows.get("validation"))
    save_config(folder, llm.name, llm.labels, llm.bridge, llm.temperature, base=source)
    (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle

    test = rows.get("test") or rows.get("validation")
    if test:
        measure(llm, test, folder, info, training.seed)
    print(f"Saved to {folder}")
    if push:
        repo_id = training.hub_model_id or folder.resolve().name
        print(f"Pushed to {hub.push(folder, repo_id, training.hub_private_repo)}")


def interrupted_at(training):
    """The checkpoint to go on from: the folder that was named, or the last one for `true`."""
    from transformers.trainer_utils import get_last_checkpoint

    named = training.resume_from_checkpoint
    if not named:
        return None
    folder = named
    if named.lower() == "true":
        there = Path(training.output_dir).is_dir()
        folder = get_last_checkpoint(training.output_dir) if there else None
    if folder is None or not Path(folder).is_dir():
        raise LlmError(
            f"--resume_from_checkpoint {named}: there is no checkpoint; start without the flag, or "
            "name a folder checkpoint-… of --output_dir."
        )
    return folder


def measure(llm, rows, folder, info, seed):
    """Score the test people's recordings and write results.json and predictions.csv."""
    targets = np.array([llm.labels.index(r["label"]) for r in rows])
    subjects = [r.get("subject") or None for r in rows]
    ids = [r.get("recording_id") or f"row {i + 1}" for i, r in enumerate(rows)]
    groups = np.array([s or i for s, i in zip(subjects, ids, strict=True)])
    probabilities = llm.probabilities([first_prompt(r) for r in rows], progress=True)
    results = {
        "model": llm.name,
        "data": info["data"],
        "protocol": info["protocol"],
        **evaluate(llm.labels, targets, probabilities, groups, seed),
    }
    silent = llm.probabilities(["EMG features: none"]).repeat(len(rows), axis=0)
    results["controls"]["no_emg"] = control(targets, silent, groups, seed)
    save_results(folder, results, ids, subjects, targets, probabilities)
    hub.write_card(
        folder,
        f"EMG-LLM adapter: {llm.name}",
        results,
        "from emg_llm.llms.model import EmgLLM\n\n"
        "llm = EmgLLM.from_pretrained(folder, encoder, codebook)",
        ["lora", "peft"],
    )
    print(headline(results))


def make_parser(arguments):
    parser = TrlParser((FinetuningArguments, SFTConfig))
    # The defaults that suit the language model that was asked for; flags come before them.
    named = [
        a.partition("=")[2] or b
        for a, b in zip(arguments, [*arguments[1:], ""], strict=True)
        if a.split("=")[0] == "--llm"
    ]
    defaults = sft_defaults(named[0] if named else None)
    parser.set_defaults(output_dir=f"runs/{named[0] if named else 'adapter'}", **defaults)
    return parser


if __name__ == "__main__":
    run(main, make_parser(sys.argv[1:]))
