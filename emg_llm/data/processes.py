"""Work that the processes of `accelerate launch` share; a process alone does all of it.

What is shared is what is the same for everyone: each process computes some rows and all get the
whole result, so that they go through one training side by side and end with the same weights.
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
    # Without being told, processes that have no GPU would each take themselves for the only one.
    cpu = not torch.cuda.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")
    found = PartialState(cpu=cpu)
    if found.num_processes > 1:
        _leave_at_exit()
    return found


@cache
def _leave_at_exit():
    # A process that ends while its connections are open can be aborted by their threads.
    atexit.register(PartialState().destroy_process_group)


def device() -> str:
    """The kind of device that this process trains on, "cuda" or "cpu"."""
    return state().device.type


def is_main() -> bool:
    """Whether this process is the one that prints and writes files."""
    return state().is_main_process


def share_rows(
    compute: Callable[..., tuple[torch.Tensor, ...]], *values: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """compute(*values), where each process computes some of the rows.

    values: tensors of n rows; compute gives a tuple of tensors, row i from row i alone.
    """
    n, processes = len(values[0]), state().num_processes
    if processes == 1:
        return compute(*values)
    size = -(-n // processes)
    # Shares must be equally long to be gathered: the last ones repeat the last row.
    mine = (torch.arange(size) + size * state().process_index).clamp_max(n - 1)
    return tuple(gather(x.contiguous())[:n] for x in compute(*(v[mine] for v in values)))


def share_items(make: Callable[[int], Item], n: int) -> Iterator[Item]:
    """make(i) for i = 0 … n - 1, in order, where each process makes some of them.

    An error in words (ValueError) that one process meets is raised by all.
    """
    processes, index = state().num_processes, state().process_index
    step = BLOCK * processes
    for start in range(0, n, step):
        mine = range(start + index, min(n, start + step), processes)
        made = gather_object([(i, _attempt(make, i)) for i in mine])
        for _, item in sorted(made, key=lambda pair: pair[0]):
            if isinstance(item, ValueError):
                raise item
            yield item


def _attempt(make, i):
    try:
        return make(i)
    except ValueError as error:
        return error
