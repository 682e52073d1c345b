"""Layers shared by the encoders: pooling over frames and the projection to the embedding."""

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """(n, frames, width) -> (n, 3 * width): weighted mean and spread, and the maximum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, h: Tensor) -> Tensor:
        weight = torch.softmax(self.score(h), dim=1)
        mean = (weight * h).sum(dim=1)
        spread = (weight * (h - mean[:, None]).square()).sum(dim=1).add(1e-5).sqrt()
        return torch.cat([mean, spread, h.amax(dim=1)], dim=1)


def projection(n_inputs: int, n_outputs: int, dropout: float) -> nn.Sequential:
    """Pooled frames (n, n_inputs) -> embedding (n, n_outputs)."""
    return nn.Sequential(
        nn.Dropout(min(0.9, 1.6 * dropout)),
        nn.Linear(n_inputs, n_outputs),
        nn.LayerNorm(n_outputs),
        nn.GELU(),
        nn.Dropout(dropout),
    )
