"""Encoders: EMG segments -> an embedding and logits, all under the contract of `base`."""

from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.cnn import CnnEncoder
from emg_llm.encoders.tcn import TcnEncoder

ARCHITECTURES = {"cnn": CnnEncoder, "tcn": TcnEncoder}


def build_encoder(config):
    """A new encoder of `config.arch`; raises KeyError for an unknown one."""
    return ARCHITECTURES[config.arch](config)


def load_encoder(folder_or_id, revision=None):
    """A saved encoder, of the architecture that its configuration names, ready to predict."""
    import json

    from emg_llm.hub import resolve

    folder = resolve(folder_or_id, revision)
    arch = json.loads((folder / "config.json").read_text())["arch"]
    return ARCHITECTURES[arch].from_pretrained(folder)


__all__ = ["ARCHITECTURES", "EmgEncoder", "EncoderConfig", "build_encoder", "load_encoder"]
