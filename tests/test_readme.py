"""The README says what is so: its table is the bundle's, its Python runs."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def bundle_script():
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "train" / "bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_results_is_the_one_that_the_bundle_measured():
    results = json.loads((ROOT / "emg_llm" / "bundle" / "results.json").read_text())
    told = re.search(r"<!-- results -->\n(.*)\n<!-- /results -->", README, re.DOTALL).group(1)
    assert told.strip() == bundle_script().table(results)


def test_the_python_in_the_readme_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, from_the_hub = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(from_the_hub, "README.md", "exec")
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["tensor"].shape[1:] == (128, 12)
    assert names["prediction"].label in names["pipeline"].labels
    assert len(capsys.readouterr().out) > 20


@pytest.mark.parametrize("script", re.findall(r"python (train/\w+\.py)", README))
def test_every_script_that_the_readme_names_is_there(script):
    assert (ROOT / script).is_file()


def test_the_bundle_is_small_holds_no_pickle_and_names_its_command():
    files = [f for f in (ROOT / "emg_llm" / "bundle").rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 25 * 2**20
    assert {f.suffix for f in files} <= {
        ".json", ".jinja", ".md", ".safetensors", ".skops", ".npy", ".npz", ".csv",
    }  # fmt: skip
    results = json.loads((ROOT / "emg_llm" / "bundle" / "results.json").read_text())
    assert results["command"] == "python train/bundle.py"
