"""Networks that save, load and push their configuration with their weights."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar, Self

from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from emg_llm.data.whole import whole
from emg_llm.hub.client import Pushable, resolve
from emg_llm.hub.saved import readable


class HubModule(Pushable, nn.Module, PyTorchModelHubMixin):
    """A network that saves, loads and pushes its configuration with its weights."""

    written_by: ClassVar[tuple[str, str]]  # what it is called and the script that trains it

    @property
    def fingerprint(self) -> str:
        """A hash of the weights."""
        digest = hashlib.sha256()
        for name, values in sorted(self.state_dict().items()):
            digest.update(f"{name} {tuple(values.shape)};".encode())
            digest.update(values.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save_pretrained(  # type: ignore[override]  # as everything here that is saved
        self, folder: str | Path, **settings: Any
    ) -> None:
        """Save configuration and weights: all or nothing."""
        with whole(folder, keeps=("README.md",)) as beside:
            super().save_pretrained(beside, **settings)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # as everything here that is loaded
        cls, folder_or_id: str | Path, revision: str | None = None, **settings: Any
    ) -> Self:
        """A saved network in evaluation mode, with all its weights. Raises HubError."""
        folder = resolve(folder_or_id, revision)
        with readable(folder_or_id, *cls.written_by):
            return super().from_pretrained(str(folder), **(settings | {"strict": True})).eval()
