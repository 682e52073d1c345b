"""Whatever tells the label and is no muscle is named, with what it explains; clean data is not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import resample_poly

from emg_llm.audit.duplicates import across, describe, find_duplicates
from emg_llm.audit.report import markdown, traps_table
from emg_llm.audit.traps import find_traps, score_alone, warnings
from emg_llm.data.datasets import load_dataset
from tests.making import of, rows

LABELS = ("anger", "fear", "happiness", "neutral")
PEOPLE, TRIALS = 5, 3


@pytest.fixture(scope="module")
def clean():
    """Real-looking names: a simulator's own would not be looked at."""
    made = load_dataset(f"simulated:subjects={PEOPLE},trials={TRIALS},duration=1", LABELS)
    return of([r.replace(notes=()) for r in made.recordings])


@pytest.fixture(scope="module")
def table():
    """Five people, four emotions, ten rows of each: powers of six muscles, in random order."""
    rng = np.random.default_rng(0)
    people, labels = np.repeat(np.arange(5), 40), np.tile(np.arange(4), 50)
    muscle = rng.normal(0, 1, (4, 6))[labels] + rng.normal(0, 1, (5, 6))[people]
    x = np.exp(muscle + 0.7 * rng.standard_normal((200, 6)))
    return rows(x, [LABELS[i] for i in labels], [f"P{p}" for p in people])


def found(dataset, level="warning"):
    return {r["feature"] for r in score_alone(dataset, 0.6, False)["rows"] if r["level"] == level}


def planted(clean, change):
    """The recordings, those of anger changed: change(recording, index)."""
    return of(
        [
            change(r, i).replace(subject=r.subject) if r.label == "anger" else r
            for i, r in enumerate(clean.recordings)
        ]
    )


def sampled(r, up, down):
    x = resample_poly(r.signal, up, down, axis=0)
    return r.replace(signal=x, valid=None, sampling_rate=r.sampling_rate * up / down)


def signal(change):
    return lambda r, i: r.replace(signal=change(r.signal.astype(np.float64), r, i))


def hum(x, r, i):
    return x + 25 * np.sin(2 * np.pi * 50 * np.arange(len(x)) / r.sampling_rate + i)[:, None]


def invalid(r, i):
    valid = np.arange(r.n_samples) > 40 + i
    return r.replace(signal=r.signal * valid[:, None], valid=valid)


TRAPS = {
    "sampling rate": lambda r, i: sampled(r, 3, 4),
    "length": lambda r, i: r.replace(signal=r.signal[: 1600 + i], valid=None),
    "unit": lambda r, i: r.replace(unit="a.u."),
    "file format": lambda r, i: r.replace(format=".csv"),
    "resolution": signal(lambda x, r, i: x.round(1)),
    "hum": signal(hum),
    "noise": signal(lambda x, r, i: 1.5 * x),
    "offset": signal(lambda x, r, i: x + 60),
    "clipping": signal(lambda x, r, i: np.clip(x, *np.percentile(x, (2, 98)))),
    "dead channels": signal(lambda x, r, i: x * (np.arange(8) != 3)),
    "invalid samples": invalid,
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_one_emotion_recorded_otherwise_is_named_by_what_differs(clean, trap):
    result = score_alone(planted(clean, TRAPS[trap]), 0.6, False)
    [row] = [r for r in result["rows"] if r["feature"] == trap]
    assert row["level"] == "warning" and row["best"]["label"] == "anger"
    assert row["best"]["recall"] > 0.8 and row["accuracy"] > 0.4
    # What it explains: of the way from chance to the model's score.
    assert row["explains"] == pytest.approx(min(1, (row["accuracy"] - 0.25) / 0.35))
    assert f"{100 * row['accuracy']:.1f} %" in row["sentence"] and "anger" in row["sentence"]


def test_clean_recordings_and_a_clean_table_raise_nothing(clean, table):
    for dataset in (clean, table, load_dataset("simulated:subjects=4,trials=1,duration=1,seed=3")):
        traps = find_traps(dataset, 0.6, False)
        assert warnings(json.loads(json.dumps(traps))) == []
        assert find_duplicates(dataset, progress=False) == []


def with_column(table, values, name="x"):
    columns = (*table.columns, name)
    return replace(table, table=np.column_stack([table.table, values]), columns=columns)


def clock(table):
    at = np.argsort(table.targets + 0.1 * np.random.default_rng(0).random(len(table)))
    ordered = table.take(at[np.argsort(table.groups[at], kind="stable")])
    start = np.unique(ordered.groups, return_inverse=True)[1] * 1.3
    return with_column(ordered, 9 + start + np.tile(np.arange(40) ** 1.02 / 60, 5), "u7")


COLUMNS = {
    "the label in code": lambda t: with_column(t, t.targets, "u7"),
    "the label with noise": lambda t: with_column(
        t, t.targets + 0.1 * np.random.default_rng(0).standard_normal(len(t)), "u7"
    ),
    "the label in other numbers": lambda t: with_column(
        t, np.array([31.5, 4, 77, 12])[t.targets], "u7"
    ),
    "row number": lambda t: with_column(t, np.arange(len(t)), "u7"),
    "row number, shuffled": lambda t: with_column(
        t, np.random.default_rng(0).permutation(len(t)), "u7"
    ),
    "trial of each person": lambda t: with_column(t, np.tile(np.arange(40), 5), "u7"),
    "trial of each label": lambda t: with_column(t, np.tile(np.arange(10).repeat(4), 5), "u7"),
    "time of day": clock,
    "its name": lambda t: with_column(t, np.random.default_rng(0).random(len(t)), "time_of_day"),
}


@pytest.mark.parametrize("trap", COLUMNS)
def test_a_column_that_is_no_measurement_is_named(table, trap):
    dataset = COLUMNS[trap](table)
    assert found(dataset) == {dataset.columns[-1]}


def test_names_that_tell_the_label_are_named(table):
    hidden = table.take(np.random.default_rng(0).permutation(len(table)))
    hidden = replace(hidden, ids=tuple(f"r{i}" for i in range(len(table))))
    assert found(hidden) | found(hidden, "note") == set()
    label, number = hidden.labels, [LABELS.index(y) for y in hidden.labels]
    shown = replace(hidden, ids=tuple(f"{y}_{i}" for i, y in enumerate(label)))
    assert found(shown, "note") == {"name"}
    numbered = replace(hidden, ids=tuple(f"p_{100 * n}" for n in number))
    assert found(numbered, "note") == {"number"}
    people = tuple(f"{s}e{n}" for s, n in zip(hidden.subjects, number, strict=True))
    assert "person" in found(replace(hidden, subjects=people))
    assert found(replace(hidden, sessions=tuple(f"e{n}" for n in number))) == {"session"}


def test_an_order_that_tells_the_label_is_a_note(table):
    assert "order" in found(table, "note")  # anger, fear, happiness, neutral, anger, …
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    assert "order" not in found(shuffled, "note")


@pytest.mark.parametrize("how", ["trials", "labels"])
def test_one_person_under_two_names_is_named(how):
    dataset = load_dataset("simulated:subjects=6,trials=2,duration=0.5")
    emotions = sorted(set(dataset.labels))

    def name(i):
        subject = dataset.subjects[i]
        half = i % 2 if how == "trials" else emotions.index(dataset.labels[i]) % 2
        return "somebody else" if subject.endswith("P003") and half else subject

    two = replace(dataset, subjects=tuple(map(name, range(len(dataset)))))
    [pair] = find_traps(two, progress=False)["people"]
    assert pair["people"] == ["sim0-P003", "somebody else"]
    assert "may be one person" in pair["sentence"]


@pytest.mark.parametrize("jitter", [1e-6, 0.01])
def test_a_row_copied_to_another_person_with_jitter_is_found(table, jitter):
    x = table.table.copy()
    x[150] = x[3] * np.exp(jitter * np.random.default_rng(0).standard_normal(6))
    dataset = with_column(replace(table, table=x), np.arange(len(table)), "row")
    [copy] = find_duplicates(dataset)
    assert (copy.first, copy.second, copy.kind) == (3, 150, "copy")
    assert across(dataset, copy) == "people" and "jitter" in describe(dataset, copy)


def test_the_page_and_the_table_say_what_was_found(table):
    traps = find_traps(with_column(table, table.targets, "u7"), 0.6, False)
    results = {"not_muscle": traps, "warnings": warnings(traps), "duplicates": [], "refused": None}
    figures = {"accuracy": 0.6, "accuracy_ci95": [0.5, 0.7]}
    level = {"points": 1.0, "points_ci95": [-1.0, 2.0]}
    results |= {
        **{"data": "d", "n_recordings": 200, "n_subjects": 5, "labels": LABELS, "units": "Rows."},
        **{"model": "knn", "chance": 0.25, "lone_labels": [], "preset": None},
        "splits": [{"split": s, "recording": figures} for s in ("segments", "people")],
        "leak": {"from": "segments", "to": "people", "recording": level},
    }
    page = markdown(results)
    assert "| **u7** | 1.000 (" in page and "–1.000) | 0.250 | 100 % |" in page
    assert "**Warning:** From the column u7 alone, a tree reads 100.0 %" in page
    assert "the label under another name" in page
    made = traps_table(results).set_index("feature")
    assert made.loc["u7", "level"] == "warning" and made.loc["x0", "level"] == ""
