"""Random variations of training recordings, drawn for each batch.

They act on the encoders' input, channel covariances by frame and band: float tensors
(n, segments, frames, bands, channels, channels), with one draw for each of the n recordings. On
covariances, gain, added noise, a lost channel and a rotated armband are exact and cheap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Augmentation:
    """The strength of each variation; zero turns it off."""

    overall_db: float = 2.0  # standard deviation of a recording's gain
    gain_db: float = 2.0  # standard deviation of a channel's gain
    noise_snr_db: float = 0.0  # lowest SNR of added noise, drawn up to 30 dB above it
    drop_channel: float = 0.0  # probability for each channel
    band_stop: float = 0.0  # probability for each band
    rotation: int = 0  # maximum, in electrodes of an armband
    time_shift: int = 0  # maximum, in frames
    time_warp: float = 0.0  # maximum relative change of tempo
    mixup: float = 0.4  # Beta parameter; mixes the body's inputs and the labels


def augment(x: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """A new tensor like x, with all variations in `settings` except mixup."""
    draw = Draws(generator, x)
    gain = draw.gains(settings.overall_db, settings.gain_db)
    if settings.drop_channel:
        gain = gain * torch.where(draw.uniform(x.shape[-1]) < settings.drop_channel, 1e-2, 1.0)
    x = x * (gain[:, :, None] * gain[:, None, :])[:, None, None, None]
    if settings.noise_snr_db:
        x = add_noise(x, settings.noise_snr_db + 30 * draw.uniform())
    if settings.band_stop:
        # The first band is the whole signal.
        stopped = draw.uniform(x.shape[3] - 1) < settings.band_stop
        kept = torch.cat([torch.ones_like(stopped[:, :1], dtype=x.dtype), 1.0 - 1.0 * stopped], 1)
        x = x * kept[:, None, None, :, None, None]
    if settings.rotation:
        x = rotate(x, draw.integers(settings.rotation))
    if settings.time_shift or settings.time_warp:
        tempo = 1 + settings.time_warp * (2 * draw.uniform() - 1)
        x = retime(x, draw.integers(settings.time_shift), tempo)
    return x


class Draws:
    """Random numbers for a batch, a row for each recording."""

    def __init__(self, generator: Generator, x: Tensor) -> None:
        self.generator, self.n, self.channels = generator, len(x), x.shape[-1]

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(self.n, *shape, generator=self.generator)

    def gains(self, overall_db: float, channel_db: float) -> Tensor:
        """Amplitude gains (n, channels)."""
        overall = torch.randn(self.n, 1, generator=self.generator)
        each = torch.randn(self.n, self.channels, generator=self.generator)
        return 10 ** ((overall_db * overall + channel_db * each) / 20)

    def integers(self, most: int) -> Tensor:
        """Whole numbers from -most to +most, (n,)."""
        return torch.randint(-most, most + 1, (self.n,), generator=self.generator)


def add_noise(x: Tensor, snr_db: Tensor) -> Tensor:
    """Add equal white noise to all channels, snr_db (n,) below the recording's power."""
    power = x[:, :, :, 0].diagonal(dim1=-2, dim2=-1).mean(dim=(1, 2, 3))
    noise = power * 10 ** (-snr_db / 10)
    return x + noise[:, None, None, None, None, None] * torch.eye(x.shape[-1])


def rotate(x: Tensor, places: Tensor) -> Tensor:
    """Rotate an armband by `places` (n,) electrodes."""
    c = x.shape[-1]
    order = (torch.arange(c) - places[:, None]) % c
    rows = torch.arange(len(x))
    moved = x.permute(0, 4, 5, 1, 2, 3)[rows[:, None, None], order[:, :, None], order[:, None, :]]
    return moved.permute(0, 3, 4, 5, 1, 2)


def retime(x: Tensor, shift: Tensor, tempo: Tensor) -> Tensor:
    """Delay by `shift` (n,) frames and speed up `tempo` (n,) times around the middle."""
    n_frames = x.shape[2]
    middle = (n_frames - 1) / 2
    at = (torch.arange(n_frames) - middle)[None] * tempo[:, None] + middle - shift[:, None]
    at = at.round().long().clamp(0, n_frames - 1)
    return x[torch.arange(len(x))[:, None], :, at].transpose(1, 2)


def mix(
    inputs: Sequence[Tensor], targets: Tensor, alpha: float, generator: Generator
) -> tuple[list[Tensor], Tensor]:
    """Mixup (Zhang et al., ICLR 2018) of tensors (n, …) and of label shares (n, labels)."""
    n = len(targets)
    order = torch.randperm(n, generator=generator)
    one = torch._sample_dirichlet(torch.full((n, 2), alpha), generator)[:, 0]  # Beta

    def mixed(v):
        w = one.reshape(n, *[1] * (v.ndim - 1)).to(v)
        return w * v + (1 - w) * v[order]

    return [mixed(v) for v in inputs], mixed(targets)
