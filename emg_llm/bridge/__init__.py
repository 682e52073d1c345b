"""Bridges, by name: how a recording reaches a language model.

To add one, write a module in this folder and list its class in BRIDGES.
"""

from collections.abc import Mapping
from typing import Any

from emg_llm.bridge.base import Bridge, BridgeError
from emg_llm.bridge.both import Both
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.text import Text
from emg_llm.bridge.tokens import Tokens
from emg_llm.encoders.base import EmgEncoder
from emg_llm.signal.levels import LevelScale

BRIDGES: dict[str, type[Bridge]] = {bridge.kind: bridge for bridge in (Text, Tokens, Both)}


def bridge_named(kind: str) -> type[Bridge]:
    """The class of a bridge. Raises BridgeError for an unknown name."""
    if kind not in BRIDGES:
        raise BridgeError(f"No bridge {kind!r}; choose one of {', '.join(BRIDGES)}.")
    return BRIDGES[kind]


def load_bridge(
    config: Mapping[str, Any],
    encoder: EmgEncoder | None = None,
    codebook: Codebook | None = None,
) -> Bridge:
    """The bridge from the result of its `to_dict`. Raises BridgeError."""
    scale = LevelScale.from_dict(config["scale"]) if config["scale"] else None
    bridge = bridge_named(config["kind"]).of(scale, encoder, codebook)
    for name, made_from in config.get("codec", {}).items():  # older ones don't say
        if getattr(bridge, name).fingerprint != made_from:
            raise BridgeError(
                f"The conversations that this model learned from were made with another {name}: "
                f"give that one as --{name}, or make conversations and fine-tune again."
            )
    return bridge


__all__ = ["BRIDGES", "Bridge", "BridgeError", "bridge_named", "load_bridge"]
