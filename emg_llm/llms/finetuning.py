"""LoRA fine-tuning on conversations, with TRL's SFTTrainer; the loss is on the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emg_llm.bridge import Bridge
from emg_llm.bridge.reading import code_token
from emg_llm.bridge.spelling import CODE, codes_in
from emg_llm.data.splits import CALIBRATION, SCORED, VALIDATION
from emg_llm.evaluation.confidence import Confidence
from emg_llm.llms.loading import add_tokens, half_precision, load_base, trains_in_half
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.sft_data import Row, messages_of, people_of, reading_of, to_examples
from emg_llm.registry import LORA_ALPHA, LORA_DROPOUT, LORA_R, spec_of

if TYPE_CHECKING:  # slow to import, and only training needs them
    from peft import LoraConfig, PeftModel
    from trl import SFTConfig

    from emg_llm.llms.trainer import AdapterTrainer


def sft_defaults(name: str | None) -> dict[str, Any]:
    """Defaults of SFTConfig for a language model on this machine."""
    import torch

    gpu = torch.cuda.is_available()
    half = half_precision() if trains_in_half() else None
    return {
        "learning_rate": 2e-4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "use_cpu": not gpu,
        "bf16": half == torch.bfloat16,
        "fp16": half == torch.float16,
        "dataloader_pin_memory": gpu,
        "report_to": "none",
        "logging_steps": 20,
        "save_strategy": "epoch",
        "save_total_limit": 1,
        # Conversations of similar length share a batch, which saves padding.
        "train_sampling_strategy": "group_by_length",
        "pad_to_multiple_of": 8 if gpu else 32,  # a CPU compiles a kernel for each length
        **spec_of(name).training,
    }


def prepare(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Mapping[str, Sequence[Row]],
    spelling: str,
) -> None:
    """Add a token for each EMG code if the spelling is "new"."""
    if spelling != "new":
        return
    texts = (m["content"] for part in rows.values() for r in part for m in messages_of(r))
    depths, codes = codes_in(texts)
    # A codebook has a power of two codes, of which these rows may lack some.
    codes = 1 << (codes - 1).bit_length() if codes else 0
    add_tokens(model, tokenizer, [code_token(d, c) for d in range(depths) for c in range(codes)])


def lora_config(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase | None,
    spelling: str = "new",
    r: int = LORA_R,
    alpha: int = LORA_ALPHA,
    dropout: float = LORA_DROPOUT,
    target: str = "all-linear",
) -> LoraConfig:
    """LoRA on every projection; the embeddings of EMG code tokens are trained too."""
    from peft import LoraConfig

    rows = None
    if spelling == "new":
        codes = sorted(i for t, i in tokenizer.get_vocab().items() if CODE.fullmatch(t))
        embeddings = model.get_input_embeddings()
        name = next(n for n, module in model.named_modules() if module is embeddings)
        rows = {name.rpartition(".")[2]: codes} if codes else None
    return LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=target,
        task_type="CAUSAL_LM",
        trainable_token_indices=rows,
    )


def make_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    args: SFTConfig,
    peft_config: LoraConfig,
    validation: Sequence[Row] | None = None,
    spelling: str = "new",
) -> AdapterTrainer:
    """An SFTTrainer over rows of conversations.

    With validation rows it keeps the checkpoint that has the lowest loss on their labels.
    """
    from emg_llm.llms.trainer import AdapterTrainer

    if validation and args.save_strategy != "no":
        args.eval_strategy, args.eval_steps = args.save_strategy, args.save_steps
        args.load_best_model_at_end, args.metric_for_best_model = True, "eval_loss"
        args.greater_is_better = False
    args.dataset_kwargs = {"skip_prepare_dataset": True}  # the rows are token ids already
    room = getattr(model.config, "max_position_embeddings", None)
    args.max_length = min(filter(None, (args.max_length, room)), default=None)

    def examples(part, n_answers=None):
        return to_examples(part, tokenizer, spelling, args.max_length, n_answers)

    return AdapterTrainer(
        model=model,
        args=args,
        train_dataset=examples(rows),
        eval_dataset=examples(validation, n_answers=1) if validation else None,
        processing_class=tokenizer,
        peft_config=peft_config,
    )


def finetune(
    name: str,
    parts: Mapping[str, Sequence[Row]],
    labels: Sequence[str],
    bridge: Bridge,
    output_dir: str,
    seed: int = 0,
    spelling: str | None = None,
    **training: Any,
) -> EmgLLM:
    """An EmgLLM fine-tuned on {part: rows of conversations}, with the defaults of its base.

    spelling: of EMG codes; None means the registry's. training: settings of SFTConfig.
    Validation rows, if any, select the best checkpoint; see `calibrating_rows` for the rows that
    its confidence is fitted to.
    """
    from trl import SFTConfig

    model, tokenizer = load_base(name)
    spec, validation = spec_of(name), parts.get("validation")
    spelling = spelling or spec.spelling
    defaults = sft_defaults(name) | {"disable_tqdm": False}
    if not validation:
        defaults["save_strategy"] = "no"
    args = SFTConfig(output_dir=output_dir, seed=seed, **(defaults | training))
    prepare(model, tokenizer, parts, spelling)
    shape = spec.lora_r, spec.lora_alpha, spec.lora_dropout
    peft_config = lora_config(model, tokenizer, spelling, *shape)
    trainer = make_trainer(
        model, tokenizer, parts["train"], args, peft_config, validation, spelling
    )
    trainer.train()
    if spec.half_adapter:
        round_adapter(trainer.model)
    llm = EmgLLM(name, trainer.model, tokenizer, labels, bridge, spelling=spelling)
    calibrate(llm, *calibrating_rows(parts))
    return llm


def round_adapter(model: PeftModel) -> None:
    """Round an adapter to bfloat16, in which it is saved: half the size, no loss on saving."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.bfloat16().float()


def calibrating_rows(parts: Mapping[str, Sequence[Row]]) -> tuple[Sequence[Row], str]:
    """(the rows that a Confidence is fitted on, who they are); see Split.calibrating."""
    if parts.get("calibration"):
        return parts["calibration"], CALIBRATION
    return parts.get("validation", ()), VALIDATION if parts.get("test") else SCORED


def calibrate(llm: EmgLLM, rows: Sequence[Row], fitted_on: str) -> None:
    """Fit the confidence of a language model, if there are rows."""
    if not rows:
        return
    scores = llm.label_scores([reading_of(r) for r in rows])
    targets = np.array([llm.labels.index(r["label"]) for r in rows])
    missing = np.array([r.get("missing") or 0 for r in rows])
    known = np.array([r.get("zero") or "" for r in rows])
    whole = missing == 0
    of = scores[whole], targets[whole], people_of(rows)[whole], fitted_on
    fitted = Confidence.fit(*of, known=known[whole])
    of = scores[~whole], targets[~whole], missing[~whole], known[~whole]
    llm.confidence = fitted.with_missing(*of)
