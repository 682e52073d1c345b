"""What is exported as CSV is data in a spreadsheet, whatever a file calls its channels."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import emg_llm
from emg_llm.data.tables import csv_bytes
from emg_llm.evaluation.results import save_results

ROOT = Path(__file__).parents[1]
FORMULAS = ('=HYPERLINK("http://x","y")', "+1", "-x", "@SUM(A1)", "\t=1", "\r=1")


def read(data):
    return pd.read_csv(BytesIO(data), keep_default_na=False)


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_text_begins_like_a_formula_in_cells_or_headers(formula):
    table = read(csv_bytes(pd.DataFrame({formula: [-1.5, 2.0], "name": [formula, "a\r=b"]})))
    harmless = "'" + formula.replace("\r", " ")
    assert list(table.columns) == [harmless, "name"] and list(table[harmless]) == [-1.5, 2.0]
    assert list(table["name"]) == [harmless, "a =b"]


def test_numbers_stay_numbers_and_what_is_missing_stays_empty():
    table = pd.DataFrame(
        {"x": [-1.5, np.nan], "n": [-1, 2], "who": ["P1", None], "ok": [True, False]}
    )
    assert csv_bytes(table).decode() == table.to_csv(index=False)
    assert csv_bytes(pd.DataFrame({"x": [-1.5]})) == b"x\n-1.5\n"


def test_predictions_name_recordings_without_formulas(tmp_path):
    results = {"labels": ["=anger", "fear"]}
    save_results(tmp_path, results, ["=1/a"], ["@P"], [0], np.array([[0.9, 0.1]]))
    table = read((tmp_path / "predictions.csv").read_bytes())
    assert list(table.iloc[0])[:4] == ["'=1/a", "'@P", "'=anger", "'=anger"]
    assert table["p_fear"][0] == 0.1


def test_a_feature_table_is_the_same_as_ever():
    table = emg_llm.feature_table(emg_llm.simulate("fear"))
    assert csv_bytes(table).decode() == table.to_csv(index=False)


@pytest.mark.parametrize("room", ["emg_llm", "train"])
def test_every_table_is_written_that_way(room):
    direct = [p.name for p in (ROOT / room).rglob("*.py") if ".to_csv(" in p.read_text()]
    assert direct == (["tables.py"] if room == "emg_llm" else [])
