"""A cache of computed values, and recordings that cache what is computed from them."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock, RLock
from typing import Any, Self

import numpy as np

from emg_llm.signal.recording import Recording


class Memo:
    """Values by key; concurrent callers wait for the one that computes a value."""

    def __init__(self) -> None:
        self._lock, self._values = RLock(), {}

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `key`; make() computes it on the first call."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values


class Prepared(Recording):
    """A Recording that caches everything computed from it, for use by several models.

    Cleaning, quality, resampling and embeddings are kept for the lifetime of the object. A plain
    Recording caches nothing, so a long list of them stays small.
    """

    _memo: Memo

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_memo", Memo())

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """The same recording, prepared; one that already is comes back unchanged."""
        if isinstance(recording, cls):
            return recording
        prepared = object.__new__(cls)
        prepared.__dict__.update(vars(recording), _memo=Memo())
        return prepared

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        return self._memo.once(key, make)


class Recent:
    """A Memo for each of the last `most` recordings; equal recordings share one."""

    def __init__(self, most: int) -> None:
        self._most, self._memos, self._lock = most, OrderedDict(), Lock()

    def __call__(self, recording: Recording) -> Memo:
        key = recording.once("fingerprint", lambda: fingerprint(recording))
        with self._lock:
            memo = self._memos.setdefault(key, Memo())
            self._memos.move_to_end(key)
            if len(self._memos) > self._most:
                self._memos.popitem(last=False)
        return memo


def fingerprint(recording: Recording) -> bytes:
    """A hash of everything that the models read from a recording."""
    r = recording
    settings = r.signal.shape, r.sampling_rate, r.unit, r.channel_names, r.cleaned, r.start
    digest = hashlib.blake2b(repr(settings).encode())
    for values in filter(lambda v: v is not None, (r.signal, r.valid, r.gaps)):
        digest.update(np.ascontiguousarray(values).data)
    return digest.digest()
