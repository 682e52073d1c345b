"""What was measured, for people: figures, tables, results.md and report.html."""

import numpy as np
import pandas as pd
import pytest

from emg_llm.data.whole import whole
from emg_llm.evaluation.comparison import save_comparison
from emg_llm.evaluation.metrics import evaluate
from emg_llm.evaluation.report import REPORT, result_figures, result_tables, save_report, summary
from emg_llm.plots import results as result_plots


def results(people=4, **more):
    rng = np.random.default_rng(0)
    targets = rng.integers(3, size=20 * people)
    p = rng.dirichlet(np.ones(3), len(targets)) + np.eye(3)[targets]
    groups = np.repeat([f"<P{i}>" for i in range(people)], 20)
    protocol = {"name": "leave_one_subject_out", "grouping": "subject", "folds": people}
    figures = evaluate(("anger", "fear", "pride"), targets, p / 2, groups)
    return {"model": "svm", "data": "made|here", "protocol": protocol, **figures, **more}


def curve(key, *values):
    return [
        {key: v, "accuracy": 0.5 + v / 100, "accuracy_ci95": [0.4, 0.8], "n_recordings": 9}
        for v in values
    ]


@pytest.fixture
def everything():
    return results(
        learning_curve=curve("n_people", 1, 2, 3),
        few_shot=[*curve("trials", 0), {**curve("trials", 3)[0], "gain": 0.1}],
        channels=[
            {"channel": "cheek", "accuracy": 0.4, "accuracy_ci95": [0.3, 0.5]},
            {"channel": "jaw", "accuracy": 0.6, "accuracy_ci95": [0.3, 0.9]},
        ],
    )


def test_the_confusion_figure_shows_shares_of_the_true_label_and_counts():
    held = {"labels": ["a", "b"], "confusion_matrix": [[3, 1], [0, 0]]}
    (heat,) = result_plots.confusion_figure(held).data
    assert np.array(heat.z).tolist() == [[0.75, 0.25], [0, 0]]
    assert np.array(heat.text).tolist() == [["3", "1"], ["", ""]]


def test_accuracies_stand_against_those_of_noise_and_chance():
    measured = {"accuracy": 0.6, "accuracy_ci95": [0.5, 0.7], "chance": 0.25}
    noise = measured | {"controls": {"noise_emg": {"accuracy": 0.2}}}
    dots, crosses = result_plots.comparison_figure({"a": measured, "b": noise}).data
    assert list(dots.x) == [0.6, 0.6] and list(dots.error_x.array) == pytest.approx([0.1, 0.1])
    assert (list(crosses.x), list(crosses.y)) == ([0.2], ["b"])
    assert "noise" in crosses.name


def test_numbers_in_the_confusion_figure_can_be_read_on_light_and_dark_pages():
    (heat,) = result_plots.confusion_figure(results()).data
    least = 1 / 10_000  # share of a cell that holds one of many recordings
    cells = [colour for place, colour in heat.colorscale if place > 0]
    assert min(place for place, _ in heat.colorscale if place > 0) < least
    assert heat.textfont.color is None  # Plotly's, by the colour of the cell
    assert all(colour.startswith("#") for colour in cells)  # the page doesn't shine through


def test_people_are_sorted_by_how_well_all_models_read_them():
    one = {
        "model": "x",
        "per_subject": [
            {"subject": s, "n": 1, "accuracy": a}
            for s, a in (("P1", 0.2), ("P2", 0.9), ("P3", 0.5))
        ],
    }
    two = {"model": "y", "per_subject": [{"subject": "P1", "n": 1, "accuracy": 1.0}]}
    figure = result_plots.subject_figure([one, two])
    assert list(figure.layout.yaxis.categoryarray) == ["P3", "P1", "P2"]


def test_a_model_has_one_colour_whatever_the_others_lack():
    full, bare = results(), {"model": "old", "chance": 0.5}
    first = result_plots.abstention_figure([full, bare]).data[0].line.color
    second = result_plots.abstention_figure([bare, full]).data[0].line.color
    assert first == result_plots.reliability_figure([full, bare]).data[0].line.color != second


def test_what_was_not_measured_has_no_figure():
    assert set(result_figures(results())) == {
        *("Confusion matrix", "Reliability", "Abstention", "By person")
    }
    bare = {"model": "old"}
    assert result_plots.confusion_figure(bare) is None
    assert result_plots.channel_figure(bare) is None
    for make in ("reliability_figure", "abstention_figure", "subject_figure"):
        assert getattr(result_plots, make)([bare]) is None


def test_everything_that_was_measured_is_written(tmp_path, everything):
    save_report(tmp_path, everything)
    page = (tmp_path / "report.html").read_text()
    assert page.count('class="plotly-graph-div"') == 7
    assert page.count("plotly.js v") == 1 and '<script src="' not in page
    assert "<P0>" not in page and "&lt;P0&gt;" in page
    text = (tmp_path / "results.md").read_text()
    assert "## One channel alone" in text and "| jaw | 0.600 | 0.300 | 0.900 |" in text
    assert "The best channel alone, jaw: 0.600." in text
    assert "1: 0.510, 2: 0.520, 3: 0.530" in text
    shots = pd.read_csv(tmp_path / "few_shot.csv")
    assert list(shots["trials"]) == [0, 3] and list(shots["accuracy_ci95_low"]) == [0.4, 0.4]
    assert "| 0 | 0.500 | 0.400 | 0.800 | 9 | – |" in text
    assert list(pd.read_csv(tmp_path / "per_class.csv")["label"]) == ["anger", "fear", "pride"]


def test_a_table_of_an_earlier_run_does_not_stay_beside_other_results(tmp_path, everything):
    for measured in (everything, results()):
        with whole(tmp_path, owns=REPORT) as beside:
            save_report(beside, measured)
            (beside / "results.json").write_text("{}")
    assert not (tmp_path / "channels.csv").exists() and (tmp_path / "per_class.csv").exists()
    assert set(result_tables(results())) == {"per_class", "per_subject"}


def test_a_score_on_people_who_were_trained_on_says_so():
    found = results()
    assert any("Nobody who is scored is in the training data" in s for s in summary(found))
    found["protocol"] |= {"name": "held_out_sessions", "grouping": "session"}
    told = " ".join(summary(found))
    assert "no score for new people" in told and "Nobody who" not in told


def test_a_single_persons_results_can_be_told(tmp_path):
    save_report(tmp_path, results(people=1))
    assert "conformal" not in (tmp_path / "results.md").read_text()


def test_models_side_by_side_are_one_table_in_three_files(tmp_path):
    svm, llm = results(), results(model="nano")
    llm |= {
        "encoder": {"accuracy": 0.75, "accuracy_ci95": [0.7, 0.8]},
        "probe": {"accuracy": 0.7},
        "free_text": {"n": 10, "not_a_label": 0.1, "agrees": 0.9},
        "replies": {"true": 0.99},
        "few_shot": [*curve("trials", 0), *curve("trials", 3)],
    }
    interval = {"accuracy_ci95": [0.3, 0.4], "accuracy": 0.35}
    for name, at_chance in (("no_emg", True), ("random_base", False)):
        llm["controls"][name] = interval | {"at_chance": at_chance}
    rows, people = np.arange(80), np.repeat(np.arange(4), 20)
    better = np.where(rows % 5, rows % 2, 1)
    scored = {"svm": (rows, rows % 2, people), "nano-<b>": (rows[::-1], better[::-1], people[::-1])}
    svm["model"] = "svm"
    save_comparison(tmp_path, {"svm": svm, "nano-<b>": llm}, scored)
    table = pd.read_csv(tmp_path / "table.csv", converters={"no emg": str, "random base": str})
    assert list(table.model) == ["svm", "nano-<b>"]
    assert list(table.accuracy) == [svm["accuracy"], llm["accuracy"]]
    assert list(table.chance) == [1 / 3, 1 / 3]
    row = table.iloc[1]
    assert (row["encoder"], row["no label"], row["true"]) == (0.75, 0.1, 0.99)
    assert (row["no emg"], row["random base"], row["3 trials"]) == ("0.350", "0.350 *", 0.53)
    assert row["points over svm"].startswith("'+10.0 (+4.7 to +15.3, p = 0.0")
    assert row["people"] == 4 and "shuffled labels" not in table
    assert table.iloc[0].isna()[["points over svm", "encoder"]].all()
    text = (tmp_path / "table.md").read_text()
    assert "0.350 *" in text and "| nan |" not in text
    page = (tmp_path / "table.html").read_text()
    assert (
        "nano-&lt;b&gt;" in page and "<b>" not in page.partition("<body")[2].partition("<script")[0]
    )
