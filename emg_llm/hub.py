"""Where trained things live: the bundle in this package, a folder, or the Hub."""

from pathlib import Path


def bundle_folder():
    """The bundle that ships with the package."""
    return Path(__file__).parent / "bundle"
