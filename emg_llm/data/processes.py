"""Work divided among the processes of `accelerate launch`; a single process does all of it.

Each process computes some rows and all get the complete result, so that they run the same training
in parallel and end with the same weights.
"""

import atexit
from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather, gather_object, parse_flag_from_env

Item = TypeVar("Item")
BLOCK = 16  # items that each process makes before they are exchanged


def state() -> PartialState:
    """accelerate's PartialState; the first call waits for the other processes."""
    # By default, each process without a GPU would act as if it were the only one.
    cpu = not torch.cuda.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")
    partial = PartialState(cpu=cpu)
    if partial.num_processes > 1:
        _leave_at_exit()
    return partial


@cache
def _leave_at_exit():
    # The threads of open connections can abort a process that exits.
    atexit.register(PartialState().destroy_process_group)


def device() -> str:
    """The type of device that this process trains on, "cuda" or "cpu"."""
    return state().device.type


def is_main() -> bool:
    """Whether this process prints and writes files."""
    return state().is_main_process


def share_rows(
    compute: Callable[..., tuple[torch.Tensor, ...]], *values: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """compute(*values), with the rows divided among the processes.

    values: tensors of n rows; compute returns a tuple of tensors, row i from row i only.
    """
    n, processes = len(values[0]), state().num_processes
    if processes == 1:
        return compute(*values)
    size = -(-n // processes)
    # gather needs shares of equal length, so the last ones repeat the last row.
    mine = (torch.arange(size) + size * state().process_index).clamp_max(n - 1)
    return tuple(gather(x.contiguous())[:n] for x in compute(*(v[mine] for v in values)))


def share_items(make: Callable[[int], Item], n: int) -> Iterator[Item]:
    """make(i) for i = 0 … n - 1, in order, divided among the processes.

    A ValueError in one process is raised in all.
    """
    processes, index = state().num_processes, state().process_index
    step = BLOCK * processes
    for start in range(0, n, step):
        mine = range(start + index, min(n, start + step), processes)
        pairs = gather_object([(i, _attempt(make, i)) for i in mine])
        for _, item in sorted(pairs, key=lambda pair: pair[0]):
            if isinstance(item, ValueError):
                raise item
            yield item


def _attempt(make, i):
    try:
        return make(i)
    except ValueError as error:
        return error
