"""What the encoders' bodies share: pooling over frames and the way to the embedding."""

import torch
from torch import nn


class AttentionPooling(nn.Module):
    """(n, frames, width) -> (n, 3 * width): weighted mean and spread, and the maximum."""

    def __init__(self, width):
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, h):
        weight = torch.softmax(self.score(h), dim=1)
        mean = (weight * h).sum(dim=1)
        spread = (weight * (h - mean[:, None]).square()).sum(dim=1).add(1e-5).sqrt()
        return torch.cat([mean, spread, h.amax(dim=1)], dim=1)


class Projection(nn.Module):
    """(n, direct), (n, deep) -> (n, embedding_dim).

    The deep path is dropped out more than the direct one, so that what a straight line can
    read, which carries best from person to person, is read by one.
    """

    def __init__(self, direct, deep, config):
        super().__init__()
        self.direct = nn.Sequential(nn.Dropout(config.dropout / 2), nn.Linear(direct, config.width))
        self.deep = nn.Dropout(min(0.9, 1.6 * config.dropout))
        self.out = nn.Sequential(
            nn.Linear(config.width + deep, config.embedding_dim),
            nn.LayerNorm(config.embedding_dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
        )

    def forward(self, direct, deep):
        return self.out(torch.cat([self.direct(direct), self.deep(deep)], dim=1))
