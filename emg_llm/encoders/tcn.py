"""TCN encoder: dilated causal convolutions in residual blocks, attention pooling.

After Bai et al., arXiv:1803.01271. The output at a frame depends only on samples up to the end of
that frame, so the same weights can follow a live signal.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.layers import AttentionPooling, projection

KERNEL = 3
DILATIONS = (1, 2, 4)


class TcnEncoder(EmgEncoder):
    """(n, length, 12) -> (n, embedding_dim)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        width = config.width
        self.enter = nn.Linear(self.n_inputs, width)
        self.blocks = nn.Sequential(*(Causal(width, d, config.dropout) for d in DILATIONS))
        self.pool = AttentionPooling(width)
        self.project = projection(3 * width, self.deep_dim, config.dropout)

    def over_time(self, course: Tensor) -> Tensor:
        """(n, frames, inputs) -> (n, frames, width); a frame depends on none after it."""
        return self.blocks(self.enter(course).transpose(1, 2)).transpose(1, 2)

    def deep(self, course: Tensor) -> Tensor:
        return self.project(self.pool(self.over_time(course)))


class Causal(nn.Module):
    """Two dilated causal convolutions with a skip connection; (n, width, frames)."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.past = (KERNEL - 1) * dilation
        # Normalised within each frame: statistics over time would look ahead.
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(width, width, KERNEL, dilation=dilation) for _ in range(2)]
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            h = F.gelu(norm(h.transpose(1, 2)).transpose(1, 2))
            h = convolution(F.pad(self.dropout(h), (self.past, 0)))
        return x + h
