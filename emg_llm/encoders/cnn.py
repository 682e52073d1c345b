"""CNN encoder: 2-D convolutions over channels and time, residual blocks, attention pooling."""

from torch import Tensor, nn

from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.front import BANDS, unflatten
from emg_llm.encoders.layers import AttentionPooling, projection


class CnnEncoder(EmgEncoder):
    """(n, length, 12) -> (n, embedding_dim)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        width, c = config.width, config.n_channels
        # The channels' order is fixed, so one kernel over all of them sees their pattern.
        self.mix = nn.Conv2d(len(BANDS) * c, width, (c, 3), padding=(0, 1))
        self.blocks = nn.Sequential(
            Residual(width, config.dropout), Residual(width, config.dropout)
        )
        self.pool = AttentionPooling(width)
        self.project = projection(3 * width, self.deep_dim, config.dropout)

    def deep(self, course: Tensor) -> Tensor:
        h = unflatten(course, self.config.n_channels)  # (n, frames, bands, channels, channels)
        h = h.flatten(2, 3).permute(0, 2, 3, 1)  # (n, bands * channels, channels, frames)
        h = self.blocks(self.mix(h).squeeze(2)).transpose(1, 2)  # (n, frames, width)
        return self.project(self.pool(h))


class Residual(nn.Module):
    """Two convolutions over time with a skip connection; (n, width, frames) in and out."""

    def __init__(self, width: int, dropout: float) -> None:
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

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)
