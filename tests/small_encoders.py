"""Encoders that are small enough for a test, and segments for them."""

import numpy as np
import pytest
import torch

from emg_llm.encoders import ARCHITECTURES, EncoderConfig, build_encoder

every_architecture = pytest.mark.parametrize("arch", ARCHITECTURES)


def config(arch, channels=8, labels=("anger", "fear", "pride"), **more):
    settings = {"width": 8, "embedding_dim": 16, "segment_length": 256, "dropout": 0.0} | more
    return EncoderConfig(
        arch, list(labels), n_channels=channels, n_features=channels + 4, **settings
    )


def build(arch, **more):
    torch.manual_seed(0)
    return build_encoder(config(arch, **more)).eval()


def segments(n=6, length=256, channels=8, seed=0, scale=20.0):
    """float32 (n, length, channels + 4), the last four constant over time."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, scale, (n, length, channels + 4)).astype(np.float32)
    x[:, :, channels:] = np.abs(x[:, :1, channels:])
    return torch.from_numpy(x)
