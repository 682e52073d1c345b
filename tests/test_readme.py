"""README and docs say what is so: tables are the bundle's, commands parse, Python runs."""

import argparse
import importlib.util
import json
import re
import runpy
import shlex
import sys
import tomllib
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from accelerate.commands.launch import launch_command_parser

import emg_llm
from emg_llm import scripts
from emg_llm.__main__ import make_parser
from emg_llm.experiments.tables import real_table, table
from emg_llm.hub.publish import SPACE_FILES
from emg_llm.registry import REGISTRY
from emg_llm.signal.readers.formats import FORMATS
from tests.test_layout import FLOORS

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
README, ARCHITECTURE = PAGES["README.md"], PAGES["docs/architecture.md"]
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
STARTS = "python ", "make ", "accelerate launch ", "hf jobs uv run "
every_page = pytest.mark.parametrize("page", PAGES)


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


def commands(page):
    """Command lines of a page, in its blocks and within its text, without their comments."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    lines = [part.strip() for line in lines for part in line.split("&&")]
    prose = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", prose)
    return [shlex.split(line, comments=True) for line in lines if line.startswith(STARTS)]


COMMANDS = sorted({shlex.join(words) for page in PAGES for words in commands(page)})


def bundle_script():
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "train" / "bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Found(Exception):
    """The parser of a program, which goes no further."""


def parser_of(script, arguments):
    """The parser that a script makes for its arguments."""

    def found(*given):
        raise Found(*[each for each in given if isinstance(each, argparse.ArgumentParser)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *arguments])
        patch.setattr(scripts, "run", found)
        patch.setattr(argparse.ArgumentParser, "parse_args", found)
        with pytest.raises(Found) as caught:
            runpy.run_path(str(ROOT / script), run_name="__main__")
    [parser] = caught.value.args
    parser.allow_abbrev = False
    return parser


def parse(words):
    """Let the program that a command names parse it, and nothing else; SystemExit if it can't."""
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {w for w in words[1:] if "=" not in w} <= set(targets)
        return
    if words[0] == "accelerate":
        launched = launch_command_parser().parse_args(words[2:])
        words = ["python", launched.training_script, *launched.training_script_args]
    if words[0] == "hf":  # the script lies in the Space
        [at] = [i for i, word in enumerate(words) if word.startswith("https://")]
        words = ["python", words[at].partition("/resolve/main/")[2], *words[at + 1 :]]
    if words[1:3] == ["-m", "emg_llm"]:
        make_parser().parse_args(words[3:])
        return
    parser = parser_of(words[1], words[2:])
    getattr(parser, "parse_args_and_config", parser.parse_args)(words[2:])


@every_page
def test_the_table_of_results_is_the_one_that_the_bundle_measured(page):
    results = json.loads((ROOT / "emg_llm" / "bundle" / "results.json").read_text())
    told = re.findall(r"<!-- results -->\n(.*)\n<!-- /results -->", PAGES[page], re.DOTALL)
    assert len(told) == (page in ("README.md", "docs/results.md"))
    assert all(text.strip() == table(results) for text in told)


def test_the_table_of_real_people_is_the_one_that_the_bundle_measured():
    results = json.loads((ROOT / "emg_llm" / "bundle" / "results.json").read_text())
    pages = README, PAGES["docs/results.md"]
    for page in pages:
        [told] = re.findall(r"<!-- real -->\n(.*)\n<!-- /real -->", page, re.DOTALL)
        assert told.strip() == real_table(results)


def test_the_table_of_formats_is_the_one_that_is_read():
    rows = ["| ending | what it is | needs |", "|---|---|---|"]
    for form in FORMATS:
        endings = " ".join(f"`{ending}`" for ending in form.endings + form.companions)
        rows.append(f"| {endings} | {form.words} | {form.libraries[0] if form.optional else ''} |")
    told = re.findall(
        r"<!-- formats -->\n(.*)\n<!-- /formats -->",
        PAGES["docs/data-and-protocols.md"],
        re.DOTALL,
    )
    assert told == ["\n".join(rows)]


def test_the_python_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    code = [text for page in PAGES for text in blocks(page, "python")]
    assert any("USER/" in text for text in code)
    for text in code:
        compiled, names = compile(text, "README.md", "exec"), {}
        if "USER/" not in text:  # from the Hub
            exec(compiled, names)
            if text in README:
                assert names["tensor"].shape[1:] == (128, 12)
                assert names["prediction"].label in names["pipeline"].labels
            assert len(capsys.readouterr().out) > 20


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_its_program_understands(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    parse(shlex.split(command))


@pytest.mark.parametrize(
    "command",
    [
        "make coffee",
        "python train/svm.py --data simulated --no_such_flag 1",
        "python train/sft.py --llm nano-llama2 --learning_rat 1e-3",
        "python app.py --lllm nano-llama2",
        "python -m emg_llm publish --namespace USER --dry-runs",
        "accelerate launch train/encoder.py --arch rnn",
    ],
)
def test_a_wrong_command_would_be_found(command, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises((SystemExit, ValueError, AssertionError)):
        parse(shlex.split(command))


def test_every_training_script_and_benchmark_is_in_the_documentation():
    told = "\n".join(PAGES.values())
    for script in (*(ROOT / "train").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")):
        assert script.relative_to(ROOT).as_posix() in told


@cache
def flags():
    """Every flag of a program of the project, and those of others that its pages name."""
    programs = ["app.py", *(f"train/{path.name}" for path in (ROOT / "train").glob("*.py"))]
    texts = [parser_of(program, ["--help"]).format_help() for program in programs]
    texts += [(ROOT / "emg_llm" / "__main__.py").read_text(), launch_command_parser().format_help()]
    others = {"--config", "--config_file", "--multi_gpu"}  # which their parsers' help leaves out
    others |= {"--flavor", "--secrets", "--rm"}  # of hf and docker
    others |= {"--enable-lora", "--max-lora-rank", "--lora-modules", "--chat-template"}  # of vllm
    return others | {flag for text in texts for flag in FLAG.findall(text)}


@every_page
def test_every_flag_that_is_named_is_one_of_a_program(page):
    told = re.findall(r"^```bash\n.*?^```|`[^`\n]+`", PAGES[page], re.DOTALL | re.MULTILINE)
    assert {flag for code in told for flag in FLAG.findall(code)} <= flags()


def linked(page):
    """(file, anchor) of every link within the project."""
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', text):
        target, _, anchor = "".join(link).partition("#")
        if not target.startswith(("http:", "https:")):
            path = (ROOT / page).parent / target if target else ROOT / page
            yield path.resolve(), anchor


@every_page
def test_links_lead_to_files_and_headings_that_a_space_has_too(page):
    sent = {path.resolve() for pattern in SPACE_FILES for path in ROOT.glob(pattern)}
    for path, anchor in linked(page):
        assert path in sent, f"{page} links to {path}, which is not there or not in a Space"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


@every_page
def test_files_that_are_named_are_there(page):
    code = re.findall(r"`([^`\n]+)`", PAGES[page])
    paths = [
        c for c in code if re.match(r"(emg_llm|train|tests|docs|benchmarks|hub_cards|\.ci)/", c)
    ]
    assert all((ROOT / path).exists() for path in paths)


def test_every_page_of_the_documentation_can_be_reached_from_the_readme():
    assert {path for path, _ in linked("README.md")} >= {(ROOT / p).resolve() for p in PAGES} - {
        ROOT / "README.md"
    }


def test_the_readme_fits_150_lines_and_cites_this_version():
    assert len(README.splitlines()) <= 150
    assert f"version = {{{emg_llm.__version__}}}" in README


def test_the_picture_and_the_table_of_rooms_are_the_plan_that_imports_follow():
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", ARCHITECTURE, re.MULTILINE)
    assert [{room for n, room in rows if int(n) == k} for k in range(len(FLOORS))] == [*FLOORS]
    svg = {"svg": "http://www.w3.org/2000/svg"}
    picture = ElementTree.parse(ROOT / "docs" / "floors.svg")
    for k, rooms in enumerate(FLOORS):
        drawn = picture.findall(f".//svg:g[@id='floor-{k}']/svg:text[@class='room']", svg)
        assert {text.text for text in drawn} == rooms


def test_every_language_model_that_has_a_name_is_in_the_table_of_bases():
    told = re.findall(
        r"^\| `([\w.-]+)` \| (.*?) \|", PAGES["docs/language-models.md"], re.MULTILINE
    )
    bases = {name: base.strip("`") for name, base in told if name in REGISTRY}
    assert set(bases) == set(REGISTRY)
    assert all(bases[name] == spec.base for name, spec in REGISTRY.items() if ":" not in spec.base)


def test_extras_that_are_installed_by_name_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    told = re.findall(r"pip install -e '\.\[(\w+)\]'", "\n".join(PAGES.values()))
    assert told and set(told) <= set(extras)


def test_the_bundle_is_small_holds_no_pickle_and_names_its_command():
    files = [f for f in (ROOT / "emg_llm" / "bundle").rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 15 * 2**20
    assert {f.suffix for f in files} <= {
        ".json", ".jinja", ".md", ".safetensors", ".skops", ".npy", ".npz", ".csv",
    }  # fmt: skip
    results = json.loads((ROOT / "emg_llm" / "bundle" / "results.json").read_text())
    assert results["command"] == "python train/bundle.py"
