"""Encoders: EMG segments -> embedding and logits; `base` is their contract."""

import json
from pathlib import Path

from safetensors import SafetensorError

from emg_llm.data.datasets import DatasetError
from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.cnn import CnnEncoder
from emg_llm.encoders.tcn import TcnEncoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import resolve

ARCHITECTURES = {"cnn": CnnEncoder, "tcn": TcnEncoder}


def build_encoder(config: EncoderConfig) -> EmgEncoder:
    """A new encoder of `config.arch`. Raises KeyError for an unknown one."""
    return ARCHITECTURES[config.arch](config)


def load_encoder(folder_or_id: str | Path, revision: str | None = None) -> EmgEncoder:
    """A saved encoder of the architecture in its configuration, in evaluation mode.

    Raises HubError, or DatasetError for a missing or incomplete encoder.
    """
    folder = resolve(folder_or_id, revision)
    try:
        config = json.loads((folder / "config.json").read_text())
        encoder = ARCHITECTURES[config["arch"]].from_pretrained(folder)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError):
        raise DatasetError(
            f"{folder_or_id} holds no encoder, or not all of one; give a folder written by "
            "train/encoder.py."
        ) from None
    if "confidence" not in config:  # an older file, with a temperature instead
        encoder.config.confidence = Confidence.from_dict(config)
    return encoder


__all__ = [
    "ARCHITECTURES",
    "EmgEncoder",
    "EncoderConfig",
    "build_encoder",
    "load_encoder",
]
