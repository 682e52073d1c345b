"""The scripts in train/, run in this process: none has to load its libraries anew."""

import io
import logging
import os
import random
import sys
import traceback
import warnings
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

import datasets
import huggingface_hub
import numpy as np
import torch

from emg_llm import scripts

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.stem for path in (ROOT / "train").glob("*.py"))


@cache
def load_script(name, folder="train"):
    """The module train/<name>.py, or one of another folder."""
    spec = spec_from_file_location(f"{folder}_{name}", ROOT / folder / f"{name}.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where the types of a dataclass's fields are looked up
    spec.loader.exec_module(module)
    return module


def run_script(name, *flags, folder, offline=True):
    """Run train/<name>.py with these flags in a folder, as from a shell: a CompletedProcess.

    offline: whether the Hub is out of reach. What the script sets for its process, such as seeds
    and variables of the environment, is set back afterwards.
    """
    script = load_script(name)
    command = [str(ROOT / "train" / f"{name}.py"), *map(str, flags)]
    out, err = io.StringIO(), io.StringIO()
    with (
        global_state_restored(),
        without_hub(offline),
        patch.object(sys, "argv", command),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = exit_code(lambda: scripts.run(script.main, script.make_parser()))
    return CompletedProcess(command, code, out.getvalue(), err.getvalue())


def exit_code(run):
    """The exit code that a process has which does nothing else; prints what Python would."""
    try:
        run()
    except SystemExit as left:
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
            return 1
        return left.code or 0
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextmanager
def without_hub(offline):
    with (
        patch.dict(os.environ, {"HF_HUB_OFFLINE": "1"} if offline else {}),
        patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", offline),
        patch.object(datasets.config, "HF_HUB_OFFLINE", offline),
    ):
        yield


@contextmanager
def global_state_restored():
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers[:]
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with patch.dict(os.environ), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
