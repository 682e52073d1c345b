"""Encoders that earlier versions saved."""

from typing import Any

from torch import Tensor, nn


def fill_in(encoder: nn.Module, weights: dict[str, Tensor], *_: Any) -> None:
    """Add what encoders saved by earlier versions lack: they find every recording familiar."""
    weights.pop("typical", None)  # how wide a person's recordings spread, no longer used
    for name, value in encoder.state_dict().items():
        if name.startswith("familiar.") and weights.get(name, value).shape != value.shape:
            del weights[name]  # another way to compare
        if name.startswith("familiar.") or name in ("usual", "related"):
            weights.setdefault(name, value)
