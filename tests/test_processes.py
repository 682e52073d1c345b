"""Processes of `accelerate launch` share work, and end with what one would have."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emg_llm.data.processes import is_main, share_items, share_rows

SCRIPT = Path(__file__).parents[1] / "train" / "encoder.py"
DATA = "simulated:subjects=4,trials=1,duration=0.6"
SHARES = """
import json, sys
import torch
from emg_llm.data.processes import is_main, share_items, share_rows, state

def shared(damaged):
    made = []

    def make(i):
        made.append(i)
        if i == damaged:
            raise ValueError(f"number {i} is damaged")
        return [i] * i  # items need not be equally long

    try:
        return list(share_items(make, 37)), made
    except ValueError as error:
        return str(error), made

seen = []

def compute(a, b):
    seen.extend(a[:, 0].tolist())
    return a + b, a.sum(1)

a, b = torch.arange(14.0).reshape(7, 2), torch.ones(7, 2)
told = {"whole": shared(None), "damaged": shared(35), "main": is_main()}
told |= {"rows": [x.tolist() for x in share_rows(compute, a, b)], "seen": seen}
with open(f"{sys.argv[1]}/{state().process_index}.json", "w") as file:
    json.dump(told, file)
"""


EVENTS = ["init emg-llm", "config", "log 1", "log 2", "finish"]
TRACKER = """
class config:
    update = lambda values, allow_val_change: print("config")

class init:
    def __init__(self, project):
        print("init", project)

    def log(self, values, step):
        print("log", step)

    def finish(self):
        print("finish")
"""


def test_a_process_alone_does_all_of_it():
    assert is_main()
    assert list(share_items(lambda i: i * i, 40)) == [i * i for i in range(40)]
    rows = torch.arange(5)
    assert share_rows(lambda x: (2 * x,), rows)[0].tolist() == [0, 2, 4, 6, 8]
    with pytest.raises(ValueError, match="invalid literal"):
        list(share_items(lambda i: int("no number" if i == 3 else i), 5))


@pytest.mark.slow
def test_two_processes_do_half_each_and_both_have_it_all(launch, tmp_path):
    (tmp_path / "shares.py").write_text(SHARES)
    done = launch(tmp_path / "shares.py", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    a = torch.arange(14.0).reshape(7, 2)
    items = {"whole": [[i] * i for i in range(37)], "damaged": "number 35 is damaged"}
    for case, expected in items.items():
        assert [each[case][0] for each in told] == [expected] * 2
        made = [each[case][1] for each in told]
        assert sorted(made[0] + made[1]) == list(range(37))
        assert [len(m) for m in made] == [19, 18]
    for each in told:
        assert each["rows"] == [(a + 1).tolist(), a.sum(1).tolist()]
    assert told[0]["seen"] == [0, 2, 4, 6] and told[1]["seen"] == [8, 10, 12, 12]
    assert [each["main"] for each in told] == [True, False]


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_one_of_them_writes_it(
    launch, run_script, tmp_path, monkeypatch
):
    tracker = tmp_path / "trackio" / "__init__.py"
    for path, text in ((tracker, TRACKER), (tmp_path / "trackio-1.dist-info" / "METADATA", "")):
        path.parent.mkdir()
        path.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    flags = ("--data", DATA, "--epochs", 2, "--scaling", "person", "--output_dir")
    alone = run_script("encoder", *flags, tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr[-3000:]
    together = launch(SCRIPT, "--report_to", "trackio", *flags, tmp_path / "together")
    assert together.returncode == 0, together.stderr[-3000:]
    assert together.stdout.count("Saved to") == 1
    assert [e for e in together.stdout.splitlines() if e in EVENTS] == EVENTS
    one, two = (load_file(tmp_path / f / "model.safetensors") for f in ("alone", "together"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-5, atol=1e-6)
    written = [
        json.loads((tmp_path / f / "results.json").read_text()) for f in ("alone", "together")
    ]
    assert written[0]["confusion_matrix"] == written[1]["confusion_matrix"]
    assert {p.name for p in (tmp_path / "together").iterdir()} == {
        p.name for p in (tmp_path / "alone").iterdir()
    }


@pytest.mark.slow
def test_a_mistake_is_told_once_by_two_processes(launch, tmp_path):
    done = launch(SCRIPT, "--data", "no/such/place")
    assert done.returncode != 0
    assert done.stderr.count("error: --data no/such/place: no such folder") == 1
