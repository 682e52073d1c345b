"""What is worked out once and kept, and recordings that keep what is made of them."""

from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any, Self

from emg_llm.signal.recording import Recording


class Memo:
    """Values by key. Whoever asks for one while it is being worked out waits for it."""

    def __init__(self) -> None:
        self._lock, self._values = RLock(), {}

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What make() gave when the key was first asked for."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]


class Prepared(Recording):
    """A Recording on its way through several models: whatever is made of it, is made once.

    Cleaning, quality, resampling and embeddings are kept as long as this is. A plain Recording
    keeps nothing, so a long list of them stays as small as it is.
    """

    _memo: Memo

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_memo", Memo())

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """The same recording, prepared; itself if it is."""
        if isinstance(recording, cls):
            return recording
        prepared = object.__new__(cls)
        prepared.__dict__.update(vars(recording), _memo=Memo())
        return prepared

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        return self._memo.once(key, make)
