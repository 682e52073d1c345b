"""TRL's SFTTrainer, with small adapters and fast training on CPUs."""

import shutil
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, TrainOutput
from trl import SFTTrainer

from emg_llm.llms.sft_data import IGNORED

BLOCK = 256  # tokens
SMALL = 100e6  # parameters; a CPU's memory holds a few copies of such a model


class AdapterTrainer(SFTTrainer):
    """An SFTTrainer whose adapter is float32 and contains no whole embedding matrix.

    On a CPU it computes logits only where the labels need them, as TRL does on GPUs.
    """

    model: Any  # a PeftModel; the base class only promises an nn.Module

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # TRL reads the bias of the head, which a tied head with trained rows lacks.
        head = self.model.get_base_model().get_output_embeddings()
        if not hasattr(head, "bias"):
            head.bias = None
        # TRL casts the adapters of 4-bit models to bfloat16, which rounds small steps away.
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        small = self.args.device.type == "cpu" and self.model.num_parameters() < SMALL
        merged = [m for m in self.model.modules() if small and _can_be_one(m)]
        attention = self.model.config._attn_implementation
        try:
            for module in merged:
                module.forward = MethodType(_as_one, module)
            if small:  # its gradient is faster than fused attention's on short sequences
                self.model.set_attn_implementation("eager")
            return super().train(*args, **kwargs)
        finally:
            for module in merged:
                del module.forward
            self.model.set_attn_implementation(attention)
            # Without autocast it answers as after loading.
            self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        if inputs["input_ids"].device.type != "cpu" or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        # Padding comes last and attention is causal, so no mask is needed.
        hidden = model(
            input_ids=inputs["input_ids"],
            logits_to_keep=1,
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states[-1]
        labels = inputs["labels"][:, 1:].flatten()
        at = torch.nonzero(labels != IGNORED).squeeze(1)
        n = len(at)
        # Few shapes, since each compiles and caches a kernel.
        at = F.pad(at, (0, -n % BLOCK))
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        with self.accelerator.autocast():
            logits = head(hidden[:, :-1].flatten(0, 1)[at])
        loss = F.cross_entropy(logits[:n].float(), labels[at[:n]], reduction="sum")
        if num_items_in_batch is None:
            return loss / max(n, 1)
        # The count covers all processes, over which gradients are averaged.
        return loss * self.accelerator.num_processes / num_items_in_batch

    def _save_checkpoint(self, model, trial):
        # Files of an earlier run that stopped while saving must not complete this checkpoint.
        name = f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        if self.args.should_save:
            shutil.rmtree(Path(self.args.output_dir, name), ignore_errors=True)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(model, trial)

    def _save(self, output_dir=None, state_dict=None):
        # Added embeddings are recreated on loading, or are part of the adapter.
        whole = self.model.save_pretrained
        self.model.save_pretrained = partial(whole, save_embedding_layers=False)
        try:
            super()._save(output_dir, state_dict)
        finally:
            del self.model.save_pretrained


def _can_be_one(module):
    """Whether a module is a plain LoRA projection without dropout."""
    return (
        type(module) is LoraLinear
        and all(isinstance(d, nn.Identity) for d in module.lora_dropout.values())
        and not module.lora_variant  # DoRA and the like compute something else
    )


def _as_one(self, x):
    """x(W + sBA)ᵀ, which equals xWᵀ + s(xAᵀ)Bᵀ with a third of the work on activations."""
    delta = self.get_delta_weight(self.active_adapters[0])
    return F.linear(x, self.base_layer.weight + delta, self.base_layer.bias)
