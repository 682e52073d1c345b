"""What a bundle's folder says without loading any of its models."""

from functools import cached_property
from pathlib import Path
from typing import Any

from emg_llm.hub.saved import read_json


class BundleFolder:
    """A folder with a config.json, results.json, samples, and folders of models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = read_json(folder / "config.json")
        self.labels = tuple(self.config["labels"])
        self.trained_on = self.config["trained_on"]

    @cached_property
    def results(self) -> dict[str, Any]:
        """The bundle's results.json."""
        path = self.folder / "results.json"
        return read_json(path) if path.exists() else {}

    @property
    def samples(self) -> dict[str, Path]:
        """name -> path of the bundle's sample recordings."""
        at = self.folder / "samples"
        return {name: at / file for name, file in self.config.get("samples", {}).items()}

    @property
    def montages(self) -> dict[str, str]:
        """name -> montage of the sample recordings whose channels have no names."""
        return self.config.get("montages", {})
