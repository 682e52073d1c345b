"""Checkpoints of a fine-tuning: which one is whole, so that it can be continued.

Nothing is unpickled here: only sizes and checksums are read.
"""

import json
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from emg_llm.data.processes import is_main
from emg_llm.llms.loading import LlmError

ADAPTER = "adapter_config.json", "adapter_model.safetensors"
STATE = "trainer_state.json"  # written last
OPTIMIZER = "optimizer.pt", "scheduler.pt"
AGAIN = "start without the flag, or name a folder checkpoint-… of --output_dir."


def checkpoint_to_resume(flag: str | None, output_dir: str | Path) -> str | None:
    """The checkpoint that --resume_from_checkpoint means: a folder, or the newest whole for `true`.

    Says which newer ones are damaged and skipped. Raises LlmError if there is none.
    """
    if not flag:
        return None
    if flag.lower() != "true":
        found = [Path(flag)] if Path(flag).is_dir() else []
    else:
        folders = Path(output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*")
        found = [f for f in folders if f.is_dir() and _step(f) is not None]
        found.sort(key=_step, reverse=True)
    if not found:
        raise LlmError(f"--resume_from_checkpoint {flag}: there is no checkpoint; {AGAIN}")
    for folder in found:
        reason = damage(folder)
        if not reason:
            return str(folder)
        if is_main() and folder is not found[-1]:
            print(f"{folder} is skipped: {reason}.")
    raise LlmError(f"--resume_from_checkpoint {flag}: {folder} is not whole ({reason}); {AGAIN}")


def damage(folder: Path) -> str:
    """What is wrong with a checkpoint, "" if it is whole."""
    for name in (*ADAPTER, *OPTIMIZER, STATE):
        if not (folder / name).is_file():
            return f"{name} is missing"
    if not any(folder.glob("rng_state*.pth")):
        return "rng_state.pth is missing"
    for path in sorted(folder.iterdir()):
        if not _whole(path):
            return f"{path.name} is damaged"
    state = json.loads((folder / STATE).read_text())
    if _step(folder) not in (None, state.get("global_step")):
        return f"{STATE} is of another checkpoint"
    best = state.get("best_model_checkpoint")
    if best and Path(best).is_dir() and not all(_whole(Path(best, name)) for name in ADAPTER):
        return f"the best checkpoint so far, {Path(best).name}, is damaged"
    return ""


def _step(folder):
    """The number of optimiser steps in a checkpoint's name, or None."""
    number = folder.name.removeprefix(f"{PREFIX_CHECKPOINT_DIR}-")
    return int(number) if number.isdecimal() else None


def _whole(path):
    """Whether a file of a checkpoint can be read to its end."""
    try:
        if path.suffix == ".json":
            return isinstance(json.loads(path.read_text()), dict)
        if path.suffix == ".safetensors":
            with safe_open(path, "np"):
                return True
        if path.suffix in (".pt", ".pth"):  # an archive with checksums
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is None
    except (OSError, ValueError, SafetensorError, zipfile.BadZipFile):
        return False
    return True
