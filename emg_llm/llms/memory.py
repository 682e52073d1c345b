"""Checks whether a language model fits into memory before it is loaded."""

import re
from contextlib import suppress
from pathlib import Path

import torch

from emg_llm.llms.loading import LlmError, base_path, half_precision
from emg_llm.registry import spec_of

ROOM = 1.25  # factor for the adapter, activations and the key-value cache
IN_4_BITS = 4.5 / 8  # bytes per quantised weight, including its share of the block's scale
CONTAINER = Path("/sys/fs/cgroup")  # Linux keeps a container's limits here


def check_memory(
    source: str | Path, llm: str | None = None, load_in_4bit: bool | None = None
) -> None:
    """Raise LlmError if the base `source` needs more memory than is free; see load_model.

    A base without a readable config.json passes: loading it explains the error.
    """
    need = needed(source, llm, load_in_4bit)
    free, of = free_memory()
    if need is not None and need > free:
        raise LlmError(
            f"It needs about {_size(need)} of memory and {_size(free)} {of} free: close "
            "other programs, or use a larger machine."
        )


def needed(
    source: str | Path, llm: str | None = None, load_in_4bit: bool | None = None
) -> int | None:
    """Bytes that a base takes when loaded by load_model, or None if unknown.

    Computed from the shapes that its config.json implies, without reading weights.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(base_path(source))
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError, ImportError):
        return None
    gpu = torch.cuda.is_available()
    wanted = gpu and spec_of(llm or source).load_in_4bit if load_in_4bit is None else load_in_4bit
    dtype = half_precision() if gpu else torch.float32
    stored = getattr(config, "quantization_config", None)
    matrices = 0
    if wanted or stored:  # all matrices but the head
        head = model.get_output_embeddings()
        linear = (m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head)
        matrices = sum(m.weight.numel() for m in linear)
    rest = sum(p.numel() for p in model.parameters()) - matrices
    return int(ROOM * (matrices * IN_4_BITS + rest * dtype.itemsize))


def free_memory() -> tuple[int, str]:
    """(bytes, whose memory): the GPU's, or without one the machine's or the container's."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0], "of the GPU's are"
    import psutil

    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no container, or no limit ("max")
        limit, used = ((CONTAINER / f"memory.{k}").read_text() for k in ("max", "current"))
        cached = re.search(r"inactive_file (\d+)", (CONTAINER / "memory.stat").read_text())
        free = min(free, int(limit) - int(used) + int(cached[1] if cached else 0))
    return free, "are"


def _size(n):
    return f"{n / 1e6:.0f} MB" if n < 1e9 else f"{n / 1e9:.1f} GB"
