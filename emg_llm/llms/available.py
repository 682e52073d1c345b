"""The language models of a pipeline: those of its bundle, and those that were asked for by name.

One that can't be had is no reason to stop: what is missing is said in a sentence.
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
    """Where a bundle's language models are, and what makes the codes that they read.

    part(place) -> folder of `llms/<name>` or `adapters/<name>`, for each of `names`.
    """

    part: Callable[[str], Path]
    names: tuple[str, ...]
    encoder: EmgEncoder
    codebook: Codebook


def load_llms(
    bundle: Bundle, wanted: Iterable[str] | None = None, taken: Iterable[str] = ()
) -> tuple[dict[str, EmgLLM], dict[str, str]]:
    """({name: EmgLLM}, {name: why it is not loaded}), each in the order of `wanted`.

    wanted: "NAME" or "NAME=ADAPTER", see `load_llm`; the bundle's own where None. taken: names
    that other models have. LLMs whose prompts are the same share one bridge.
    """
    llms, missing, bridges = {}, {}, {}
    for each in bundle.names if wanted is None else wanted:
        name, _, adapter = each.partition("=")
        name = name.rstrip("/").rpartition("/")[2] if not adapter else name
        try:
            if name in (*taken, *llms):
                raise LlmError(f"The name {name} is taken: give it another, as in NAME=ADAPTER.")
            llm = load_llm(bundle, name if adapter else each, adapter or None)
        except (LlmError, HubError, BridgeError) as error:
            missing.setdefault(name, " ".join(str(error).split()))
        except Exception:
            log.exception("The language model %s could not be loaded", name)
            missing.setdefault(
                name, "It could not be loaded, or not all of it is there; the log has the details."
            )
        else:
            key = json.dumps(llm.bridge.to_dict())
            llm.bridge = bridges.setdefault(key, llm.bridge)
            llms[name] = llm
    return llms, missing


def load_llm(bundle: Bundle, name: str, adapter: str | None = None) -> EmgLLM:
    """An EmgLLM: one of the bundle's, or of an adapter that train/sft.py wrote.

    adapter: folder or Hub id; where None, `name` is one of the bundle's, or the adapter's own
    folder or Hub id. Codes come from the bundle's encoder and codebook, so an adapter that reads
    codes must have been trained on theirs. Raises LlmError, HubError or BridgeError in words.
    """
    if adapter is None and name in bundle.names:
        own, base = bundle.part(f"adapters/{name}"), bundle.part(f"llms/{name}")
        return EmgLLM.from_pretrained(own, bundle.encoder, bundle.codebook, base)
    if adapter is None and name in REGISTRY:
        raise LlmError(
            f"It has not learned to read EMG yet: fine-tune it with train/sft.py --llm {name} "
            f"and name its folder, --llm {name}=FOLDER."
        )
    if adapter is None and "/" not in name and not Path(name).is_dir():
        known = ", ".join(dict.fromkeys([*bundle.names, *REGISTRY]))
        raise LlmError(f"There is no language model {name}: name one of {known}, or an adapter.")
    folder = resolve(adapter or name)
    config = _adapter_config(folder)
    if adapter and name in REGISTRY and config["name"] in REGISTRY and config["name"] != name:
        raise LlmError(f"This adapter was trained for {config['name']}, not for {name}.")
    if config["bridge"] is None:
        raise LlmError(f"The adapter of {name} doesn't say how a recording becomes its prompt.")
    base = _base(bundle, config)
    check_memory(base, config["name"], config.get("load_in_4bit") or None)
    return EmgLLM.from_pretrained(folder, bundle.encoder, bundle.codebook, base)


def _base(bundle, config):
    """Where an adapter's base is: as it says, or by name where that folder is of elsewhere."""
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
    raise LlmError(f"{folder.name} holds no adapter: name a folder that train/sft.py wrote.")
