# /// script
# requires-python = ">=3.11"
# dependencies = ["emg-llm"]
#
# [tool.uv.sources]
# emg-llm = { path = "..", editable = true }
# ///
"""Fine-tune a language model on EMG conversations: LoRA with TRL's SFTTrainer.

    python train/sft.py --llm nano-llama2 --dataset_name runs/conversations \\
        --output_dir runs/nano-llama2
    python train/sft.py --config train/configs/tinyllama.yaml
    accelerate launch --config_file train/configs/several_gpus.yaml \\
        train/sft.py --config train/configs/llama-3.2-3b.yaml

--dataset_name is a folder from train/conversations.py, a ShareGPT JSONL file (with an optional
`split` in each row), or a Hub id. --model_name_or_path accepts any causal LM; together with --llm
it is the location of that model's weights. Every flag of TRL's SFTConfig passes through;
--resume_from_checkpoint true continues an interrupted run from its newest whole checkpoint. Writes
the adapter, tokenizer, config.json, README.md and results.json. With --refit a second training
takes as many steps on the conversations of all people and is saved; the adapter that the figures
are of lies in `measured`.
"""

import copy
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from trl import TrlParser

from emg_llm.bridge.reading import NO_EMG
from emg_llm.bridge.spelling import SPELLINGS
from emg_llm.data.processes import is_main
from emg_llm.evaluation.metrics import control, results_of
from emg_llm.evaluation.results import headline, save_results
from emg_llm.experiments.unseen import MEASURED
from emg_llm.llms.checkpoints import checkpoint_to_resume
from emg_llm.llms.finetuning import (
    calibrate,
    calibrating_rows,
    lora_config,
    make_trainer,
    prepare,
    round_adapter,
    sft_defaults,
)
from emg_llm.llms.loading import LlmError, load_base
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.sft_data import load_rows, name_of, people_of, reading_of
from emg_llm.registry import REGISTRY, spec_of
from emg_llm.scripts import RefitArguments, measured_folder, refitted, run, saving


@dataclass
class FinetuningArguments(RefitArguments):
    """The model, the data and the adapter."""

    llm: str | None = field(
        default=None, metadata={"help": "A registered language model.", "choices": list(REGISTRY)}
    )
    model_name_or_path: str | None = field(
        default=None, metadata={"help": "Any other causal LM: a folder or a Hub id."}
    )
    model_revision: str | None = field(
        default=None, metadata={"help": "Branch, tag or commit of the model."}
    )
    dataset_name: str = field(
        default="runs/conversations", metadata={"help": "Conversations: folder, file or Hub id."}
    )
    dataset_revision: str | None = field(
        default=None, metadata={"help": "Branch, tag or commit of the dataset on the Hub."}
    )
    lora_r: int | None = field(
        default=None, metadata={"help": "Rank of the adapter (default: depends on the LLM)."}
    )
    lora_alpha: int | None = field(
        default=None, metadata={"help": "Scale of the adapter (default: depends on the LLM)."}
    )
    lora_dropout: float | None = field(
        default=None,
        metadata={"help": "Dropout of the adapter (default: depends on the LLM)."},
    )
    load_in_4bit: bool | None = field(
        default=None,
        metadata={"help": "Load in NF4, as in QLoRA (default: on a GPU, depends on the LLM)."},
    )
    spelling: str | None = field(
        default=None,
        metadata={
            "help": "Codes as new tokens, or spelled with existing ones (default: depends on the "
            "LLM).",
            "choices": list(SPELLINGS),
        },
    )


def main(args, training):
    source = args.model_name_or_path or args.llm
    if not source:
        raise LlmError(f"Give --llm ({', '.join(REGISTRY)}) or --model_name_or_path.")
    is_main()  # connect the processes before any of them can fail
    # The trainer itself would push a pickle and its own card.
    push, training.push_to_hub = training.push_to_hub, False
    folder = Path(training.output_dir)
    measured = folder / MEASURED if args.refit else folder
    training.output_dir, again = str(measured), copy.deepcopy(training)
    checkpoint = checkpoint_to_resume(training.resume_from_checkpoint, measured)
    rows, info, everybody = lessons(args)
    trainer, llm = train(args, training, rows, info, source, checkpoint)
    training.push_to_hub = push
    base = {"base": source, "base_revision": args.model_revision}
    with saving(folder, training) as beside:
        measured = beside / MEASURED if args.refit else beside
        if trainer.is_world_process_zero():
            calibrate(llm, *calibrating_rows(rows))
            llm.save_adapter(measured, **base)
            if test := rows.get("test") or rows.get("validation"):
                measure(llm, test, measured, info)
        if everybody:
            trainer.accelerator.wait_for_everyone()
            confidence = llm.confidence
            # As many steps as the checkpoint had that was measured.
            again.max_steps = trainer.state.best_global_step or trainer.state.global_step
            again.output_dir, again.save_strategy, again.eval_strategy = str(folder), "no", "no"
            del trainer, llm  # frees their memory
            rows, info = everybody
            trainer, llm = train(args, again, rows, info, source)
            if trainer.is_world_process_zero():
                llm.confidence = confidence
                llm.save_adapter(beside, **base)
                if (measured / "results.json").exists():
                    results = json.loads((measured / "results.json").read_text())
                    names = [name_of(row, i) for i, row in enumerate(rows["train"])]
                    learned = dict(zip(names, people_of(rows["train"]), strict=True))
                    save_results(beside, refitted(results, list(learned.values())))


def lessons(args):
    """(rows to measure with, their info, and None or (rows of everybody, their info) to refit)."""
    source, revision = args.dataset_name, args.dataset_revision
    at = measured_folder(source, args.refit) if Path(source).is_dir() else source
    rows, info = load_rows(at, revision)
    if not args.refit:
        return rows, info, None
    everybody, about = load_rows(source, revision)
    return rows, info, ({"train": [r for part in everybody.values() for r in part]}, about)


def train(args, training, rows, info, source, checkpoint=None):
    """(the trainer after training on the rows, its EmgLLM)."""
    spec = spec_of(args.llm or source)
    spelling = args.spelling or spec.spelling
    model, tokenizer = load_base(source, args.model_revision, args.llm, args.load_in_4bit)
    prepare(model, tokenizer, rows, spelling)
    shape = args.lora_r or spec.lora_r, args.lora_alpha or spec.lora_alpha
    dropout = spec.lora_dropout if args.lora_dropout is None else args.lora_dropout
    peft_config = lora_config(model, tokenizer, spelling, *shape, dropout)
    trainer = make_trainer(
        model, tokenizer, rows["train"], training, peft_config, rows.get("validation"), spelling
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    if spec.half_adapter:
        round_adapter(trainer.model)
    name = args.llm or Path(source).name
    of = info["labels"], info["bridge"]
    reads = {"spelling": spelling, "grounded": info.get("grounded", "")}
    return trainer, EmgLLM(name, trainer.model, tokenizer, *of, **reads)


def measure(llm, rows, folder, info):
    """Score the test people and write results.json and predictions.csv."""
    targets = np.array([llm.labels.index(r["label"]) for r in rows])
    subjects = [r.get("subject") or None for r in rows]
    ids, groups = [name_of(r, i) for i, r in enumerate(rows)], people_of(rows)
    probabilities = llm.probabilities([reading_of(r) for r in rows], progress=True)
    about = llm.name, info["data"], info["protocol"], llm.labels
    results = results_of(*about, targets, probabilities, groups, llm.confidence)
    silent = llm.probabilities([NO_EMG]).repeat(len(rows), axis=0)
    results["controls"]["no_emg"] = control(targets, silent, groups)
    save_results(folder, results, ids, subjects, targets, probabilities)
    print(headline(results))


def make_parser():
    from trl import SFTConfig  # loads bitsandbytes, whose log emg_llm.llms has silenced by now

    arguments = sys.argv[1:]
    parser = TrlParser((FinetuningArguments, SFTConfig))
    # Defaults depend on the language model; flags and configuration files override them.
    name = value_of(arguments, "--llm")
    file = value_of(arguments, "--config")
    if file and not name and Path(file).is_file():
        name = (yaml.safe_load(Path(file).read_text()) or {}).get("llm")
    parser.set_defaults(output_dir=f"runs/{name or 'adapter'}", **sft_defaults(name))
    return parser


def value_of(arguments, flag):
    """The value of `--flag value` or `--flag=value`, or None."""
    for given, following in zip(arguments, [*arguments, None][1:], strict=True):
        if given.split("=")[0] == flag:
            return given.partition("=")[2] or following
    return None


if __name__ == "__main__":
    run(main, make_parser())
