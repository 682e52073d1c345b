"""TRL's SFTTrainer for adapters that stay small, and that are learned fast on a CPU too."""

from functools import partial
from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.trainer_utils import TrainOutput
from trl import SFTTrainer

from emg_llm.llms.sft_data import IGNORED

BLOCK = 256  # tokens
SMALL = 100e6  # parameters; a model of which a CPU can hold a few copies


class AdapterTrainer(SFTTrainer):
    """An SFTTrainer whose adapter is float32 and holds no whole embedding matrix.

    On a CPU the logits are made of the tokens before an answer's only, which TRL does on GPUs.
    """

    model: Any  # a PeftModel, of which nn.Module's types know nothing

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # TRL asks for the bias of the head, which tied heads with trained rows don't show.
        head = self.model.get_base_model().get_output_embeddings()
        if not hasattr(head, "bias"):
            head.bias = None
        # Small steps are lost in bfloat16, to which TRL takes the adapters of 4-bit models.
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
            if small:  # where sequences are short, its gradient is faster than the fused one's
                self.model.set_attn_implementation("eager")
            return super().train(*args, **kwargs)
        finally:
            for module in merged:
                del module.forward
            self.model.set_attn_implementation(attention)
            # Without the autocast around it, it answers as it will when it is loaded again.
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
        # Padding comes last and every token looks back only, so there is nothing to mask.
        hidden = model(
            input_ids=inputs["input_ids"],
            logits_to_keep=1,
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states[-1]
        labels = inputs["labels"][:, 1:].flatten()
        asked = torch.nonzero(labels != IGNORED).squeeze(1)
        n = len(asked)
        # A kernel is made for each shape, and kept: let there be few.
        asked = F.pad(asked, (0, -n % BLOCK))
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        with self.accelerator.autocast():
            logits = head(hidden[:, :-1].flatten(0, 1)[asked])
        loss = F.cross_entropy(logits[:n].float(), labels[asked[:n]], reduction="sum")
        if num_items_in_batch is None:
            return loss / max(n, 1)
        # It counts the tokens of every process, over which the gradients are averaged.
        return loss * self.accelerator.num_processes / num_items_in_batch

    def _save(self, output_dir=None, state_dict=None):
        # The rows that were added to the embeddings are made anew on loading, or in the adapter.
        whole = self.model.save_pretrained
        self.model.save_pretrained = partial(whole, save_embedding_layers=False)
        try:
            super()._save(output_dir, state_dict)
        finally:
            del self.model.save_pretrained


def _can_be_one(module):
    """Whether a module is a plain LoRA projection without dropout on what enters its adapter."""
    return (
        type(module) is LoraLinear
        and all(isinstance(d, nn.Identity) for d in module.lora_dropout.values())
        and not module.lora_variant  # DoRA and the like compute something else
    )


def _as_one(self, x):
    """x(W + sBA)ᵀ instead of xWᵀ + s(xAᵀ)Bᵀ: the same with a third of the work on activations."""
    delta = self.get_delta_weight(self.active_adapters[0])
    return F.linear(x, self.base_layer.weight + delta, self.base_layer.bias)
