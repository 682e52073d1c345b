"""LoRA fine-tuning on conversations, with TRL's SFTTrainer; the loss is on the answers."""

from emg_llm.bridge import code_token
from emg_llm.conversations import examples, from_share_gpt

# The original project's.
LORA_R, LORA_ALPHA, LORA_DROPOUT = 16, 32, 0.1


def to_examples(rows):
    """Rows with `messages` or ShareGPT `conversations` -> a `datasets` table of examples.

    One example for each answer: what came before is its prompt, so that the loss covers the
    answer and its end of turn whatever the chat template looks like.
    """
    import datasets

    found = []
    for row in rows:
        messages = row.get("messages") or from_share_gpt(row["conversations"])
        found += examples(messages)
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


CODE_PREFIX = code_token(0, 0).split("0")[0]


def make_trainer(model, tokenizer, train, args, peft_config, evaluation=None):
    """A ready SFTTrainer; `train` and `evaluation` are tables of examples."""
    from trl import SFTTrainer

    return SFTTrainer(
        model=model,
        args=args,
        train_dataset=train,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        peft_config=peft_config,
    )
