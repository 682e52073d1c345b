"""Traps in a dataset: what tells the label and isn't muscle, and people under two names.

Each thing is scored alone, by a tree that is tested on new people. Not all of them are errors: a
long expression makes a long recording. But a score owes them as much as is said here.
"""

import numpy as np

from emg_llm.audit.alone import figures, folds_by_person, predict_alone
from emg_llm.audit.columns import is_coded, no_measurement
from emg_llm.audit.leak import recording_features
from emg_llm.audit.people import may_be_one
from emg_llm.audit.traits import (
    MEASURED,
    NAMED,
    from_median,
    name_traits,
    recording_traits,
)

ABOVE_CHANCE = 3.5  # standard deviations of permuted labels; a dozen things are tried
RARE = 1e-5  # p of a label's hits; a dozen things with a dozen labels each are tried
ALMOST_ALL = 0.95  # accuracy of a column of codes that counts as the label itself
STANDS_OUT = 0.9, 0.5  # a column's share of the way from chance to all, and that of the others
# Muscles hide some of these and disturb others, so they must tell a label more clearly: with a
# precision this far on the way from chance to 1.
MIXED, CLEAR = ("hum", "noise", "offset"), 0.4
TOGETHER = "everything that isn't muscle"
# What no model of this project reads, so that it is worth a note and no warning.
DRIFT = "If they were recorded in this order, whatever drifts (electrodes, fatigue) tells it too."
UNREAD = {"name": "No model here reads names.", "number": DRIFT, "order": DRIFT}


def find_traps(dataset, model=None, progress=True):
    """`score_alone` and, under "people", the pairs who may be one person: for results.json."""
    return score_alone(dataset, model, progress) | {"people": _people(dataset)}


def score_alone(dataset, model=None, progress=True):
    """How much each thing explains that isn't muscle: {"chance", "model", "rows"}.

    model: the accuracy of the audit's own model on new people, for comparison. Rows have "feature",
    "level" ("warning", "note" or ""), "accuracy" with its interval, "explains" (of what the model
    reads above chance; None where it reads nothing) and a "sentence".
    """
    chance = float(np.bincount(dataset.targets).max() / len(dataset))
    folds = folds_by_person(dataset)
    rows = (
        _columns(dataset, folds)
        if dataset.recordings is None
        else _traits(dataset, folds, progress)
    )
    rows += _names(dataset, folds)
    for row in rows:
        above = None if model is None or model <= chance else model - chance
        row["explains"] = above and float(np.clip((row["accuracy"] - chance) / above, 0, 1))
        row["sentence"] = _sentence(row, chance)
    rows = [{k: v for k, v in row.items() if k not in ("words", "why")} for row in rows]
    return {"chance": chance, "model": model, "rows": rows}


def warnings(traps):
    """The sentences of everything that was found, the gravest first."""
    found = [p["sentence"] for p in traps["people"]]
    rows = [r for r in traps["rows"] if r["level"] == "warning"]
    return found + [r["sentence"] for r in sorted(rows, key=lambda r: -r["accuracy"])]


def _row(dataset, name, words, x, folds):
    """The figures of one thing alone; "tells" says whether it predicts the label."""
    same = bool(not np.ptp(x, axis=0).any() or not folds)
    if same:  # the same in all
        predicted = np.full(len(dataset), np.bincount(dataset.targets).argmax())
    else:
        predicted = predict_alone(x, dataset.targets, folds)
    row = {"feature": name, "words": words, "same": same} | figures(predicted, dataset)
    clear = row["z"] >= ABOVE_CHANCE or row["best"]["p"] < RARE
    return row | {"tells": bool(clear and not same)}


def _traits(dataset, folds, progress):
    """A row for each of MEASURED, and one for all of them together."""
    traits = recording_traits(dataset, progress)
    rows = [_row(dataset, name, MEASURED[name], x, folds) for name, x in traits.items()]
    both = _row(dataset, TOGETHER, TOGETHER, np.hstack(list(traits.values())), folds)
    share = np.bincount(dataset.targets) / len(dataset)
    for row in rows:
        label = share[dataset.label_names.index(row["best"]["label"])]
        clear = row["best"]["precision"] >= label + CLEAR * (1 - label)
        row["tells"] &= row["feature"] not in MIXED or bool(clear)
        row["level"] = "warning" if row["tells"] else ""
    return [*rows, both | {"level": "note" if both["tells"] else ""}]


def _names(dataset, folds):
    """A row for each of NAMED."""
    rows = []
    for name, x in name_traits(dataset).items():
        row = _row(dataset, name, NAMED[name], x, folds)
        row["level"] = ("note" if name in UNREAD else "warning") if row["tells"] else ""
        row["why"] = UNREAD.get(name, "") if row["tells"] else ""
        rows.append(row)
    return rows


def _columns(dataset, folds):
    """A row for each column of a feature table; what can't be muscle gets a warning."""
    rows, kinds = [], len(dataset.label_names)
    for c, name in enumerate(dataset.columns):
        x = dataset.table[:, [c]]
        x = np.hstack([x, from_median(x, dataset.groups)])
        row = _row(dataset, name, f"the column {name}", x, folds)
        row["why"] = no_measurement(dataset, c)
        if row["accuracy"] >= ALMOST_ALL and is_coded(x[:, 0], kinds):
            row["why"] = "It is the label under another name, or its code."
        rows.append(row | {"level": "warning" if row["why"] else ""})
    share = np.array([(r["accuracy"] - 1 / kinds) / (1 - 1 / kinds) for r in rows])
    for i, row in enumerate(rows):
        others = [share[j] for j, r in enumerate(rows) if j != i and not r["why"]]
        if row["why"] or not others:
            continue
        if share[i] >= STANDS_OUT[0] and np.median(others) < STANDS_OUT[1]:
            row["level"] = "warning"
            row["why"] = "It tells almost every label, unlike all other columns: what is it?"
    return rows


def _sentence(row, chance):
    low, high = row["accuracy_ci95"]
    words = row["words"][0].upper() + row["words"][1:]
    if row.get("same"):
        return f"{words}: the same in all." if not row.get("why") else f"{words}. {row['why']}"
    text = (
        f"From {row['words']} alone, a tree reads {_percent(row['accuracy'])} (95 % "
        f"interval {100 * low:.1f} to {_percent(high)}; chance {_percent(chance)})"
    )
    if row["tells"]:
        if row["explains"] is not None:
            text += f", {100 * row['explains']:.0f} % of what the model reads above chance"
        best = row["best"]
        text += (
            f"; best at {best['label']}, of which it finds {_percent(best['recall'])} and is right "
            f"in {_percent(best['precision'])}"
        )
    return f"{text}. {row.get('why', '')}".strip()


def _people(dataset):
    pairs = may_be_one(dataset, recording_features(dataset))
    for pair in pairs:
        a, b = pair["people"]
        pair["sentence"] = (
            f"{a} and {b} may be one person: they differ no more ({pair['distance']:.2g}) than two "
            f"halves of one person's recordings ({pair['halves']:.2g}), and the next person is far "
            f"({pair['others']:.2g}). If they are one, give both one name."
        )
    return pairs


def _percent(share):
    return f"{100 * share:.1f} %"
