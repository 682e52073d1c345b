"""What some machines lack: tests of it are skipped there, and fail in continuous integration."""

import os
from importlib.util import find_spec

import pytest


def needs(*modules):
    """Skip the test that calls it without these modules; fail with CI=true, where all are there."""
    if lacking := [name for name in modules if find_spec(name) is None]:
        message = f"{', '.join(lacking)} isn't installed; `make setup` installs it."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
