"""Encoders: EMG segments -> embedding and logits; `base` is their contract."""

import json
from pathlib import Path

from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.cnn import CnnEncoder
from emg_llm.encoders.tcn import TcnEncoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import resolve
from emg_llm.hub.saved import readable

ARCHITECTURES = {"cnn": CnnEncoder, "tcn": TcnEncoder}


def build_encoder(config: EncoderConfig) -> EmgEncoder:
    """A new encoder of `config.arch`. Raises KeyError for an unknown one."""
    return ARCHITECTURES[config.arch](config)


def load_encoder(folder_or_id: str | Path, revision: str | None = None) -> EmgEncoder:
    """A saved encoder of the architecture in its configuration, in evaluation mode.

    Raises HubError.
    """
    folder = resolve(folder_or_id, revision)
    with readable(folder_or_id, *EmgEncoder.written_by):
        config = json.loads((folder / "config.json").read_text())
        architecture = ARCHITECTURES[config["arch"]]
    encoder = architecture.from_pretrained(folder)
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
