"""The encoder inputs of recordings, on disk."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from emg_llm.data.lazy import Lazy, Spool
from emg_llm.data.processes import share_items


class Fronts(Lazy):
    """The encoder inputs of recordings: tensors (covariance, whole), see `front.front`.

    known: privilege -> for each recording the Fronts of those known of its person, as far as the
    encoder can use them; the same object for all recordings of somebody.
    """

    known: Mapping[str, Sequence[Self]] = {}

    def take(self, rows: np.ndarray) -> Self:
        """Those in `rows`."""
        part = type(self)(len(rows), lambda k: self[rows[k]])
        part.known = {p: [sets[i] for i in rows] for p, sets in self.known.items()}
        return part


class FrontStore:
    """Fronts by key, on disk. Of the symmetric covariances it keeps the upper triangles."""

    def __init__(self, n_channels: int) -> None:
        self._spool, self._at = Spool(), {}
        self._triangle = i, j = torch.triu_indices(n_channels, n_channels)
        self._place = torch.zeros(n_channels, n_channels, dtype=torch.long)
        self._place[i, j] = self._place[j, i] = torch.arange(len(i))

    def fill(self, keys: Sequence, make: Callable[[Any], tuple[Tensor, Tensor]]) -> None:
        """Store make(key) for all missing `keys`; processes share the work."""
        missing, (i, j) = [k for k in keys if k not in self._at], self._triangle

        def arrays(k):
            covariance, whole = make(missing[k])
            return covariance[..., i, j].numpy(), whole.numpy()

        fronts = share_items(arrays, len(missing))
        for key, (covariance, whole) in zip(missing, fronts, strict=True):
            self._at[key] = self._spool.append(covariance), self._spool.append(whole)

    def view(self, keys: Sequence) -> Fronts:
        """The stored fronts of `keys`."""

        def read(k):
            covariance, whole = (torch.from_numpy(self._spool[at]) for at in self._at[keys[k]])
            return covariance[..., self._place], whole

        return Fronts(len(keys), read)
