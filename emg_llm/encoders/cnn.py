"""CNN encoder: a learned filter bank on each channel, then 2-D convolutions over channels
and time with residual blocks and attention pooling."""

import torch
from torch import nn
from torch.nn import functional as F

from emg_llm.encoders.base import EmgEncoder, EncoderConfig

FILTERS = 8
TAPS = 33
FRAME, HOP = 32, 16  # samples


class CnnEncoder(EmgEncoder):
    """(n, length, 12) -> (n, embedding_dim).

    The bank's outputs are squared, averaged over short frames and taken to dB, so amplitude
    stays information and a gain is a shift.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__(config)
        width = config.width
        self.bank = nn.Conv1d(1, FILTERS - 1, TAPS, padding=TAPS // 2, bias=False)
        self.norm = nn.BatchNorm2d(FILTERS)
        # A kernel over all channels sees their pattern; channels have a fixed order.
        self.mix = nn.Conv2d(FILTERS, width, (config.n_channels, 3), padding=(0, 1))
        n_extra = config.n_features - config.n_channels
        self.overall = nn.Linear(n_extra, width)
        self.overall_norm = nn.BatchNorm1d(n_extra)
        self.blocks = nn.Sequential(
            Residual(width, config.dropout), Residual(width, config.dropout)
        )
        self.attention = nn.Linear(width, 1)
        self.project = nn.Sequential(
            nn.Linear(3 * width, config.embedding_dim),
            nn.LayerNorm(config.embedding_dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
        )

    def embed(self, x):
        c = self.config.n_channels
        wave = x[..., :c].transpose(1, 2)  # (n, length, channels) -> (n, channels, length)
        n, _, length = wave.shape
        each = wave.reshape(n * c, 1, length)
        bank = torch.cat([each, self.bank(each)], dim=1)  # the plain signal is one of the filters
        power = F.avg_pool1d(bank.square(), FRAME, HOP)  # (n * channels, filters, frames)
        level = torch.log10(power + 1e-2).reshape(n, c, FILTERS, -1)
        level = self.norm(level.transpose(1, 2))  # (n, filters, channels, frames)
        h = F.gelu(self.mix(level)).squeeze(2)  # (n, width, frames)

        extra = x[:, 0, c:]  # constant over time
        extra = torch.sign(extra) * torch.log10(1 + extra.abs())
        h = h + self.overall(self.overall_norm(extra))[:, :, None]
        h = self.blocks(h).transpose(1, 2)  # (n, frames, width)
        weight = torch.softmax(self.attention(h), dim=1)
        mean = (weight * h).sum(dim=1)
        spread = (weight * (h - mean[:, None]).square()).sum(dim=1).add(1e-5).sqrt()
        return self.project(torch.cat([mean, spread, h.amax(dim=1)], dim=1))


class Residual(nn.Module):
    """Two convolutions over time around a shortcut; (n, width, frames) in and out."""

    def __init__(self, width, dropout):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.GELU(),
            nn.Conv1d(width, width, 5, padding=2),
            nn.BatchNorm1d(width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 5, padding=2),
        )

    def forward(self, x):
        return x + self.body(x)
