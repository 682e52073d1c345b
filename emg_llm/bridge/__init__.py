"""How a recording reaches a language model: the bridges by name.

A new one is a file in this folder and its class in BRIDGES.
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
    """The class of a bridge. Raises BridgeError for a name that none has."""
    if kind not in BRIDGES:
        raise BridgeError(f"No bridge {kind!r}; choose one of {', '.join(BRIDGES)}.")
    return BRIDGES[kind]


def load_bridge(
    config: Mapping[str, Any],
    encoder: EmgEncoder | None = None,
    codebook: Codebook | None = None,
) -> Bridge:
    """The bridge whose `to_dict` a configuration holds. Raises BridgeError."""
    scale = LevelScale.from_dict(config["scale"]) if config["scale"] else None
    return bridge_named(config["kind"]).of(scale, encoder, codebook)


__all__ = ["BRIDGES", "Bridge", "BridgeError", "bridge_named", "load_bridge"]
