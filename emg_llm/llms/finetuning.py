"""LoRA fine-tuning on conversations, with TRL's SFTTrainer; the loss is on the answers."""

from emg_llm.conversations import ANSWER, examples, from_share_gpt
from emg_llm.llms.model import EmgLLM, LlmError, load_base
from emg_llm.llms.registry import REGISTRY
from emg_llm.reading import code_token

CODE_PREFIX = code_token(0, 0).split("0")[0]

# The original project's.
LORA_R, LORA_ALPHA, LORA_DROPOUT = 16, 32, 0.1


def to_examples(rows, n_answers=None):
    """Rows with `messages` or ShareGPT `conversations` -> a `datasets` table of examples.

    One example for each answer: what came before is its prompt, so that the loss covers the
    answer and its end of turn whatever the chat template looks like. n_answers: only the
    first so many of each row.
    """
    import datasets

    found = []
    for row in rows:
        messages = row.get("messages") or from_share_gpt(row["conversations"])
        found += examples(messages)[:n_answers]
    return datasets.Dataset.from_list(found)


def lora_config(tokenizer, r=LORA_R, alpha=LORA_ALPHA, dropout=LORA_DROPOUT, target="all-linear"):
    """LoRA on every projection; the rows of EMG tokens, where the tokenizer has them, train too."""
    from peft import LoraConfig

    vocabulary = tokenizer.get_vocab()
    codes = sorted(i for token, i in vocabulary.items() if token.startswith(CODE_PREFIX))
    return LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=target,
        task_type="CAUSAL_LM",
        trainable_token_indices={"embed_tokens": codes} if codes else None,
    )


def sft_defaults(name):
    """Defaults of SFTConfig for a language model: what suits it and this machine."""
    import torch

    gpu = torch.cuda.is_available()
    return {
        "learning_rate": 2e-4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "dataloader_pin_memory": gpu,
        "report_to": "none",
        "logging_steps": 20,
        "save_strategy": "epoch",
        "save_total_limit": 1,
        **(REGISTRY[name].training if name in REGISTRY else {}),
    }


def make_trainer(model, tokenizer, rows, args, peft_config, validation=None):
    """A ready SFTTrainer over rows of conversations.

    With rows of validation people it ends with the checkpoint that reads them best: the least
    loss on their labels, asked whenever a checkpoint is saved.
    """
    from trl import SFTTrainer

    if validation and args.save_strategy != "no":
        args.eval_strategy, args.eval_steps = args.save_strategy, args.save_steps
        args.load_best_model_at_end, args.metric_for_best_model = True, "eval_loss"
        args.greater_is_better = False
    return SFTTrainer(
        model=model,
        args=args,
        train_dataset=to_examples(rows),
        eval_dataset=to_examples(validation, n_answers=1) if validation else None,
        processing_class=tokenizer,
        peft_config=peft_config,
    )


def finetune(name, rows, labels, bridge, output_dir, seed=0, **training):
    """An EmgLLM fine-tuned on rows of conversations, with the defaults of its base."""
    from trl import SFTConfig

    model, tokenizer = load_base(name)
    args = SFTConfig(
        output_dir=output_dir,
        seed=seed,
        **(sft_defaults(name) | {"save_strategy": "no", "disable_tqdm": False} | training),
    )
    trainer = make_trainer(model, tokenizer, rows, args, lora_config(tokenizer))
    trainer.train()
    return EmgLLM(name, trainer.model, tokenizer, labels, bridge)


def validation_temperature(llm, rows):
    """The temperature of least loss on the validation rows; 1 where there are none."""
    import torch

    from emg_llm.calibration import fit_temperature

    if not rows:
        return 1.0
    scores = llm.label_scores([first_prompt(r) for r in rows])
    targets = [llm.labels.index(r["label"]) for r in rows]
    return fit_temperature(torch.from_numpy(scores), targets)


def first_prompt(row):
    """What the user says first in a row: the recording."""
    messages = row.get("messages") or from_share_gpt(row["conversations"])
    return next(m["content"] for m in messages if m["role"] == "user")


def load_rows(path):
    """Conversations and what is known about them.

    path: what train/conversations.py wrote, a JSON or JSONL file, or a dataset's Hub id.
    Returns ({part: list of rows}, {"labels", "bridge", "data", "protocol"}).
    """
    import json
    from pathlib import Path

    import datasets

    path = Path(path)
    try:
        if path.is_dir() and (path / "dataset_dict.json").exists():
            parts = datasets.load_from_disk(str(path))
        elif path.is_file():
            parts = datasets.load_dataset("json", data_files=str(path))
        else:
            parts = datasets.load_dataset(str(path))
    except (FileNotFoundError, ConnectionError, ValueError, datasets.exceptions.DatasetsError) as e:
        raise LlmError(
            f"--dataset_name {path}: no conversations there ({str(e).strip().splitlines()[0]}). "
            "Make them with train/conversations.py."
        ) from None
    rows = {part: list(table) for part, table in parts.items()}
    if "train" not in rows or not {"messages", "conversations"} & set(rows["train"][0]):
        raise LlmError(
            f"{path.name} needs a train split with a column 'conversations' (ShareGPT) or "
            "'messages'."
        )
    info = {"data": path.name, "protocol": {"name": "given"}, "bridge": None}
    if (path / "bridge.json").exists():
        info |= json.loads((path / "bridge.json").read_text())
    else:
        for row in (r for part in rows.values() for r in part):
            row.setdefault("label", first_label(row))
        info["labels"] = sorted({r["label"] for r in rows["train"]})
    return rows, info


def first_label(row):
    """The label that the first answer of a row names."""
    messages = row.get("messages") or from_share_gpt(row["conversations"])
    answer = next(m["content"] for m in messages if m["role"] == "assistant")
    return answer.removeprefix(ANSWER.format(label="")).strip()
