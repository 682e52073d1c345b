"""The fixed front end of every encoder: the power of the channels and their correlations.

Short frames of the signal become covariance matrices of the channels in a few frequency bands.
The matrix logarithm turns a gain into a shift, and makes the distance between two matrices
independent of the unit (Arsigny et al., SIAM J. Matrix Anal. Appl. 2007, 29(1):328).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emg_llm.signal.features import is_dead, tensor_column

BANDS = ((20.0, 450.0), (20.0, 60.0), (60.0, 120.0), (120.0, 230.0))  # Hz
FRAME, HOP = 0.32, 0.16  # seconds
# Correlations below this many standard errors count as chance.
CERTAIN = 3.0
# About this much of surface EMG's band carries power, which limits the number of independent
# samples per second.
EFFECTIVE_WIDTH = 100.0  # Hz
SHRINKAGE, FLOOR = 0.02, 1e-4


def front(x: Tensor, n_channels: int, sampling_rate: float) -> tuple[Tensor, Tensor]:
    """A network's inputs from segments (n, length, features), see `segment_tensor`.

    Returns the covariances by frame and band, and for the whole segment (n, 1 + channels) the
    mean frequency in Hz and the channels' mean squares.
    """
    wave, pitch = x[..., :n_channels], x[:, 0, tensor_column(n_channels, "mean_frequency"), None]
    whole = torch.cat([pitch, wave.square().mean(dim=1)], dim=1)
    return covariances(wave, sampling_rate), whole


def n_dead(whole: Tensor) -> int:
    """How many channels of a recording carry no signal, from its (n, 1 + channels) of `front`."""
    return int(is_dead(whole[:, 1:].mean(dim=0).cpu().numpy()).sum())


def silenced(
    covariance: Tensor, whole: Tensor, channels: Sequence[int] | np.ndarray
) -> tuple[Tensor, Tensor]:
    """The result of `front` for the same recording without a signal on some `channels`."""
    kept = torch.ones(covariance.shape[-1])
    kept[list(channels)] = 0
    there = whole[:, 1:] > 0
    # Silent channels count as 0 Hz in the mean frequency.
    left = (there & kept.bool()).sum(dim=1) / there.sum(dim=1).clamp_min(1)
    whole = torch.cat([whole[:, :1] * left[:, None], whole[:, 1:] * kept], dim=1)
    return covariance * kept[:, None] * kept, whole


def frames(length: int, sampling_rate: float) -> tuple[int, int]:
    """(samples per frame, samples between frame starts) for segments of `length`."""
    return min(length, round(FRAME * sampling_rate)), max(1, round(HOP * sampling_rate))


def covariances(wave: Tensor, sampling_rate: float) -> Tensor:
    """Channel covariances (n, frames, bands, channels, channels), u² for a signal in u.

    wave: (n, length, channels). A frame depends on no sample after its end.
    """
    size, hop = frames(wave.shape[1], sampling_rate)
    window = torch.hann_window(size, periodic=False, dtype=wave.dtype, device=wave.device)
    cut = wave.unfold(1, size, hop)  # (n, frames, channels, size)
    spectrum = torch.fft.rfft(cut * window)
    frequency = torch.fft.rfftfreq(size, 1 / sampling_rate)
    scale = 2 / (size * window.square().sum())
    bands = []
    for low, high in BANDS:
        inside = spectrum[..., (frequency >= low) & (frequency < high)]
        parts = torch.cat([inside.real, inside.imag], dim=-1)
        bands.append(scale * parts @ parts.transpose(-1, -2))
    return torch.stack(bands, dim=2)


def log_covariances(covariance: Tensor, seconds: float) -> Tensor:
    """Matrix logarithms, symmetric, the same shape (…, bands, channels, channels).

    covariance: relative to a typical recording's power, over `seconds` of signal. Correlations
    are first shrunk by what chance explains in a signal of that length.
    """
    width = torch.tensor([min(high - low, EFFECTIVE_WIDTH) for low, high in BANDS])
    chance = (CERTAIN / (2 * width * seconds).sqrt()).clamp_max(0.9).to(covariance)[:, None, None]
    sd = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(1e-12).sqrt()
    outer = sd[..., :, None] * sd[..., None, :]
    r = covariance / outer
    r = torch.sign(r) * (r.abs() - chance).clamp_min(0) / (1 - chance)
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    mean = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    values, vectors = torch.linalg.eigh(
        torch.where(eye.bool(), covariance, r * outer) + (SHRINKAGE * mean + FLOOR) * eye
    )
    return (vectors * values.clamp_min(FLOOR / 2).log()[..., None, :]) @ vectors.transpose(-1, -2)


def log_powers(covariance: Tensor) -> Tensor:
    """Logarithms of the channels' powers, (…, bands * channels), floored as `log_covariances` is.

    covariance: (…, bands, channels, channels), relative to a typical recording's power.
    """
    return covariance.diagonal(dim1=-2, dim2=-1).clamp_min(FLOOR).log().flatten(-2)


def flatten(matrices: Tensor) -> Tensor:
    """Symmetric (…, bands, c, c) -> (…, bands * c * (c + 1) / 2), preserving distances."""
    c = matrices.shape[-1]
    i, j = torch.triu_indices(c, c)
    weight = torch.where(i == j, 1.0, 2**0.5).to(matrices)
    return (matrices[..., i, j] * weight).flatten(-2)


def unflatten(vectors: Tensor, channels: int) -> Tensor:
    """The inverse of `flatten`: (…, features) -> (…, bands, channels, channels)."""
    i, j = torch.triu_indices(channels, channels)
    weight = torch.where(i == j, 1.0, 2**-0.5).to(vectors)
    parts = vectors.unflatten(-1, (len(BANDS), len(i))) * weight
    place = torch.zeros(channels, channels, dtype=torch.long)
    place[i, j] = place[j, i] = torch.arange(len(i))
    return parts[..., place.flatten()].unflatten(-1, (channels, channels))
