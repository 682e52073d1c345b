"""A recording, or why it can't be read, as one row of a table of many."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from emg_llm.evaluation.prediction import Prediction, mean_of
from emg_llm.report.statements import Report


@dataclass(frozen=True)
class Row:
    """file: its name. quality: good, usable or poor, "" where it can't be read. emotion: "" where
    withheld. confidence: the mean probability of the emotion over the models that decide, from 0 to
    1, None where withheld. why: the sentence of why no emotion is named.
    """

    file: str
    quality: str = ""
    emotion: str = ""
    confidence: float | None = None
    why: str = ""


COLUMNS = tuple(field.name for field in fields(Row))
FORMULA = "=", "+", "-", "@", "\t", "\r"  # what a spreadsheet would run


def row(file: str, report: Report, prediction: Prediction) -> Row:
    """The Row of a recording; report: at least on its signal."""
    quality = str(report.value("quality") or "")
    if prediction.label is None:
        return Row(file, quality, why=prediction.withheld)
    mean = mean_of(prediction.probabilities, prediction.voters)
    return Row(file, quality, prediction.label, round(mean[prediction.label], 4))


def to_csv(rows: Iterable[Row]) -> str:
    """The rows as CSV with a line of COLUMNS; no cell begins as a formula does."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in rows:
        writer.writerow([_cell(value) for value in astuple(each)])
    return out.getvalue()


def _cell(value):
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
