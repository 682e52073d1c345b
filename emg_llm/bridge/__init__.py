"""How a recording reaches a language model."""

from emg_llm.bridge.bridge import BRIDGES, Bridge, BridgeError, Prepared

__all__ = ["BRIDGES", "Bridge", "BridgeError", "Prepared"]
