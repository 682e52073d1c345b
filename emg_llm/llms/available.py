"""Loads a pipeline's language models: the bundle's own, or others by name.

A model that fails to load doesn't stop the rest; a sentence says why it is missing.
"""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from emg_llm.bridge import BridgeError, load_bridge
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.text import Text
from emg_llm.encoders.base import EmgEncoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import HubError, resolve
from emg_llm.llms.api import ApiLLM
from emg_llm.llms.loading import LlmError, load_tokenizer
from emg_llm.llms.memory import check_memory
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.server import ApiServer
from emg_llm.registry import REGISTRY, is_address, spec_of

log = logging.getLogger(__name__)


AnyLLM = EmgLLM | ApiLLM


@dataclass(frozen=True)
class Bundle:
    """A bundle's language models, and the encoder and codebook that make their codes.

    part(place): the folder of `adapters/<name>` for each of `names`, and of `llms/<name>` for those
    whose base is in the bundle.
    """

    part: Callable[[str], Path]
    names: tuple[str, ...]
    encoder: EmgEncoder
    codebook: Codebook


def load_llms(
    bundle: Bundle, wanted: Iterable[str], taken: Iterable[str] = ()
) -> tuple[dict[str, AnyLLM], dict[str, str]]:
    """({name: language model}, {name: why it is not loaded}), each in the order of `wanted`.

    wanted: "NAME", "NAME=ADAPTER" or "NAME=http://HOST:PORT/v1#MODEL", see `load_llm`. taken:
    names of other models. LLMs with equal prompts share one bridge, and
    adapters are merged into their weights.
    """
    llms: dict[str, AnyLLM] = {}
    missing, bridges = {}, {}
    for each in wanted:
        source, _, adapter = each.partition("=")
        name = source
        if not adapter or is_address(adapter):
            name = source.rstrip("/").rpartition("/")[2]
        try:
            if name in (*taken, *llms):
                raise LlmError(f"The name {name} is taken: choose another, as in NAME=ADAPTER.")
            llm = load_llm(bundle, source, adapter or None)
            if isinstance(llm, EmgLLM):
                llm.merge()
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


def load_llm(bundle: Bundle, name: str, adapter: str | None = None) -> AnyLLM:
    """Load one of the bundle's language models, or an adapter written by train/sft.py.

    adapter: its folder or Hub id, or a server's address, see `load_api`; without it, `name` is one
    of the bundle's names, or the folder or Hub id of an adapter. An adapter that reads codes must
    have been trained on those of the bundle's encoder and codebook. Raises LlmError, HubError or
    BridgeError.
    """
    if adapter is not None and is_address(adapter):
        return load_api(bundle, name, adapter)
    if adapter is None and name in bundle.names:
        own = bundle.part(f"adapters/{name}")
        base = _base(bundle, _adapter_config(own))
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


def load_api(bundle: Bundle, name: str, address: str) -> ApiLLM:
    """A language model on a server, `http://HOST:PORT/v1[#MODEL]`.

    name: one of the bundle's, or an adapter's folder or Hub id, if the server runs that adapter;
    any other name is of a model that knows nothing of EMG and reads levels in words. Raises
    LlmError, HubError or BridgeError.
    """
    server = ApiServer(address)
    ours = name in bundle.names or "/" in name or Path(name).is_dir()
    if not ours:
        if not bundle.names:
            raise LlmError("The bundle has no language model whose scale of levels it could read.")
        config = _adapter_config(bundle.part(f"adapters/{bundle.names[0]}"))
        scale = load_bridge(config["bridge"], bundle.encoder, bundle.codebook).scale
        return ApiLLM(name, server, config["labels"], Text.of(scale, None, None))
    folder = bundle.part(f"adapters/{name}") if name in bundle.names else resolve(name)
    config = _adapter_config(folder)
    own = any(folder.glob("tokenizer*"))
    base = _base(bundle, config)
    return ApiLLM(
        name.rstrip("/").rpartition("/")[2],
        server,
        config["labels"],
        load_bridge(config["bridge"], bundle.encoder, bundle.codebook),
        Confidence.from_dict(config.get("confidence", config)),
        config.get("spelling", "new"),
        load_tokenizer(folder if own else base, llm=config["name"]),
        config.get("grounded", ""),
    )


def _base(bundle, config):
    """An adapter's base: as configured, or by name if its folder is on another machine."""
    base, name = str(config["base"]), config["name"]
    if Path(base).is_dir():
        return base
    if base not in REGISTRY and name in REGISTRY and (Path(base).is_absolute() or ".." in base):
        base = name
    own = base in bundle.names and spec_of(base).wheel is None
    return str(bundle.part(f"llms/{base}")) if own else base


def _adapter_config(folder):
    try:
        config = json.loads((folder / "config.json").read_text())
        if config["kind"] == "emg-llm-adapter":
            return config
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise LlmError(f"{folder.name} holds no adapter: name an output folder of train/sft.py.")
