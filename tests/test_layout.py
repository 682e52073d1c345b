"""The rooms of the package: each imports only rooms below it, and no module outgrows its idea."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "emg_llm"
FLOORS = (  # from the ground up; rooms on one floor don't know each other
    {"signal", "registry"},
    {"data", "hub", "plots"},
    {"evaluation"},
    {"svm", "encoders"},
    {"bridge", "report"},
    {"chat", "profile"},
    {"llms"},
    {"experiments", "pipeline", "ui"},
    {"audit", "embeddings", "scripts"},
)
FLOOR = {room: k for k, rooms in enumerate(FLOORS) for room in rooms}
FACES = {"__init__", "__main__"}  # they only hand on
MOST_LINES, MOST_AT_THE_TOP = 330, 7
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {dotted(path): path for path in MODULES}


def room(module):
    """`signal` of `emg_llm.signal.quality`; the package itself is one of FACES."""
    return [*module.split("."), "__init__"][1]


def imported(source):
    """Modules of the package that a source imports, at its head or where they are needed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in FILES)
        if isinstance(node, ast.ImportFrom) and node.module in FILES:
            names = [f"{node.module}.{a.name}" for a in node.names]
            submodules = [name for name in names if name in FILES]
            yield from submodules
            if len(submodules) < len(names) and node.module != "emg_llm":
                yield node.module


def upwards(module, source):
    """Rooms that a module's source imports and may not."""
    mine = room(module)
    others = {room(other) for other in imported(source)} - {mine, *FACES}
    return {other for other in others if mine not in FACES and FLOOR[other] >= FLOOR[mine]}


@pytest.mark.parametrize("module", FILES)
def test_a_room_imports_only_rooms_below_it(module):
    up = upwards(module, FILES[module].read_text())
    assert not up, f"{room(module)} is below {', '.join(sorted(up))}: move what they share down"


@pytest.mark.parametrize(
    "line",
    [
        "from emg_llm.llms.model import EmgLLM",
        "from emg_llm import ui",
        "import emg_llm.pipeline",
        "def f():\n    from emg_llm.evaluation import metrics",
    ],
)
def test_an_import_upwards_is_found_in_every_form(line):
    assert upwards("emg_llm.data.splits", line)


def test_modules_import_each_other_in_no_circle():
    arrows = {m: {*imported(path.read_text())} - {m} for m, path in FILES.items()}
    while arrows:
        free = [m for m, others in arrows.items() if not others & set(arrows)]
        assert free, f"a circle among {', '.join(sorted(arrows))}"
        for module in free:
            del arrows[module]


def test_modules_stay_short_and_few_lie_outside_a_room():
    long = {str(p.relative_to(ROOT)): n for p in MODULES if (n := len(_lines(p))) > MOST_LINES}
    assert not long
    assert len([*PACKAGE.glob("*.py")]) <= MOST_AT_THE_TOP


def test_every_room_is_installed():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {*told} - {"emg_llm.hub_cards"} == {
        dotted(path) for path in PACKAGE.rglob("__init__.py")
    }


def _lines(path):
    return path.read_text().splitlines()
