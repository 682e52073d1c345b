"""Loads a pipeline's language models: the bundle's own, or others by name.

A model that fails to load doesn't stop the rest; a sentence says why it is missing.
"""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from emg_llm.bridge import BridgeError
from emg_llm.bridge.codebook import Codebook
from emg_llm.encoders.base import EmgEncoder
from emg_llm.hub.client import HubError, resolve
from emg_llm.llms.loading import LlmError
from emg_llm.llms.memory import check_memory
from emg_llm.llms.model import EmgLLM
from emg_llm.registry import REGISTRY

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """A bundle's language models, and the encoder and codebook that make their codes.

    part(place): the folder of `llms/<name>` or `adapters/<name>`, for each of `names`.
    """

    part: Callable[[str], Path]
    names: tuple[str, ...]
    encoder: EmgEncoder
    codebook: Codebook


def load_llms(
    bundle: Bundle, wanted: Iterable[str] | None = None, taken: Iterable[str] = ()
) -> tuple[dict[str, EmgLLM], dict[str, str]]:
    """({name: EmgLLM}, {name: why it is not loaded}), each in the order of `wanted`.

    wanted: "NAME" or "NAME=ADAPTER", see `load_llm`; None means the bundle's own. taken: names of
    other models. LLMs with equal prompts share one bridge.
    """
    llms, missing, bridges = {}, {}, {}
    for each in bundle.names if wanted is None else wanted:
        name, _, adapter = each.partition("=")
        name = name.rstrip("/").rpartition("/")[2] if not adapter else name
        try:
            if name in (*taken, *llms):
                raise LlmError(f"The name {name} is taken: choose another, as in NAME=ADAPTER.")
            llm = load_llm(bundle, name if adapter else each, adapter or None)
        except (LlmError, HubError, BridgeError) as error:
            missing.setdefault(name, " ".join(str(error).split()))
        except Exception:
            log.exception("The language model %s could not be loaded", name)
            missing.setdefault(name, "It could not be loaded; see the log for details.")
        else:
            key = json.dumps(llm.bridge.to_dict())
            llm.bridge = bridges.setdefault(key, llm.bridge)
            llms[name] = llm
    return llms, missing


def load_llm(bundle: Bundle, name: str, adapter: str | None = None) -> EmgLLM:
    """Load one of the bundle's language models, or an adapter written by train/sft.py.

    adapter: its folder or Hub id; without it, `name` is one of the bundle's names, or the folder
    or Hub id of an adapter. An adapter that reads codes must have been trained on those of the
    bundle's encoder and codebook. Raises LlmError, HubError or BridgeError.
    """
    if adapter is None and name in bundle.names:
        own, base = bundle.part(f"adapters/{name}"), bundle.part(f"llms/{name}")
        return EmgLLM.from_pretrained(own, bundle.encoder, bundle.codebook, base)
    if adapter is None and name in REGISTRY:
        raise LlmError(
            f"It has not been trained on EMG: fine-tune it with train/sft.py --llm {name}, "
            f"then pass --llm {name}=FOLDER."
        )
    if adapter is None and "/" not in name and not Path(name).is_dir():
        names = ", ".join(dict.fromkeys([*bundle.names, *REGISTRY]))
        raise LlmError(f"There is no language model {name}: name one of {names}, or an adapter.")
    folder = resolve(adapter or name)
    config = _adapter_config(folder)
    if adapter and name in REGISTRY and config["name"] in REGISTRY and config["name"] != name:
        raise LlmError(f"This adapter was trained for {config['name']}, not for {name}.")
    if config["bridge"] is None:
        raise LlmError(f"The adapter {name} has no bridge in its config.json; train it again.")
    base = _base(bundle, config)
    check_memory(base, config["name"], config.get("load_in_4bit") or None)
    return EmgLLM.from_pretrained(folder, bundle.encoder, bundle.codebook, base)


def _base(bundle, config):
    """An adapter's base: as configured, or by name if its folder is on another machine."""
    base, name = str(config["base"]), config["name"]
    if Path(base).is_dir():
        return base
    if base not in REGISTRY and name in REGISTRY and (Path(base).is_absolute() or ".." in base):
        base = name
    return str(bundle.part(f"llms/{base}")) if base in bundle.names else base


def _adapter_config(folder):
    try:
        config = json.loads((folder / "config.json").read_text())
        if config["kind"] == "emg-llm-adapter":
            return config
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise LlmError(f"{folder.name} holds no adapter: name an output folder of train/sft.py.")
