"""The audit: the leak is measured, the same signal is found twice, and both are refused."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly

from emg_llm.audit import MODELS, measure_leak, segment_units
from emg_llm.audit_report import finding, markdown, table
from emg_llm.datasets import Dataset, DatasetError, load_dataset
from emg_llm.duplicates import across, describe, find_duplicates, require_disjoint
from emg_llm.original import original_split, original_tensor
from emg_llm.recording import Recording, RecordingError
from emg_llm.splits import Split

RATE = 2000
SOME = "simulated:subjects=4,trials=2,duration=1.5"


def of(recordings, **about):
    """A Dataset of recordings."""
    return Dataset(
        "planted",
        tuple(r.recording_id for r in recordings),
        tuple(r.label for r in recordings),
        tuple(r.subject for r in recordings),
        recordings=tuple(recordings),
        **about,
    )


def rows(features, labels, subjects, ids=None):
    """A Dataset of feature rows."""
    return Dataset(
        "rows",
        tuple(ids or (f"row {i + 1}" for i in range(len(labels)))),
        tuple(labels),
        tuple(subjects),
        table=np.asarray(features, float),
        columns=tuple(f"x{i}" for i in range(np.shape(features)[1])),
    )


def row_of(results, split):
    return next(row for row in results["splits"] if row["split"] == split)


# --- the same signal twice -------------------------------------------------------------------


@pytest.fixture(scope="module")
def independent():
    """Recordings of two people, 3 s each: none has anything to do with another."""
    return list(load_dataset("simulated:subjects=2,trials=1").recordings)


def noisy(x, share, rng):
    return x + share * x.std(axis=0) * rng.standard_normal(x.shape)


def spliced(x, other):
    x = x.copy()
    x[RATE // 2 : 3 * RATE // 2] = other[RATE : 2 * RATE]
    return x


# What is planted, from which recording, and how the audit must name it.
DISGUISES = {
    "exact": ("identical", 3.0, lambda r, rng: r.signal),
    "gain, offset and noise": ("copy", 3.0, lambda r, rng: noisy(3.7 * r.signal + 5, 0.1, rng)),
    "gain of each channel": ("copy", 3.0, lambda r, rng: r.signal * rng.uniform(0.3, 3, 8)),
    "turned over": ("copy", 3.0, lambda r, rng: -r.signal),
    "rounded": ("copy", 3.0, lambda r, rng: r.signal.round()),
    "a short shift": ("copy", 2.9, lambda r, rng: np.roll(r.signal, 201, axis=0)),
    "a long shift": ("stretch", 2.3, lambda r, rng: np.roll(r.signal, -1401, axis=0)),
    "a cut": ("cut", 1.0, lambda r, rng: r.signal[2027:4027]),
}


@pytest.fixture(scope="module")
def planted(independent):
    """(dataset, its duplicates): the disguises, by another person; the rest is independent."""
    rng = np.random.default_rng(0)
    more = [
        source.replace(signal=disguise(source, rng), valid=None, subject="thief", recording_id=name)
        for source, (name, (_, _, disguise)) in zip(
            independent[5:], DISGUISES.items(), strict=False
        )
    ]
    more.append(
        independent[0].replace(
            signal=resample_poly(independent[0].signal, 1, 2), valid=None, sampling_rate=RATE / 2,
            subject="thief", recording_id="another rate",
        )
    )  # fmt: skip
    dataset = of([*independent, *more])
    return dataset, find_duplicates(dataset, progress=False)


@pytest.mark.parametrize("name", [*DISGUISES, "another rate"])
def test_a_disguised_copy_is_found_and_named_with_its_source(independent, planted, name):
    dataset, found = planted
    [duplicate] = [d for d in found if dataset.ids[d.second] == name]
    kind, seconds, _ = DISGUISES.get(name, ("copy", 3.0, None))
    source = 0 if name == "another rate" else 5 + list(DISGUISES).index(name)
    assert (duplicate.first, duplicate.kind) == (source, kind)
    assert duplicate.seconds == pytest.approx(seconds, abs=0.15)
    assert duplicate.similarity > 0.9
    assert across(dataset, duplicate) == "people"
    assert name in describe(dataset, duplicate) and dataset.ids[source] in describe(
        dataset, duplicate
    )


def test_only_what_was_planted_is_found(planted):
    dataset, found = planted
    assert [dataset.ids[d.second] for d in found if dataset.subjects[d.second] != "thief"] == []
    assert len(found) == len(DISGUISES) + 1


def test_where_a_cut_lies_is_told(planted):
    _, found = planted
    [cut] = [d for d in found if d.kind == "cut"]
    assert cut.shift == pytest.approx(2027 / RATE, abs=0.005)


def test_a_recording_spliced_from_two_is_paired_with_both(independent):
    x = spliced(independent[1].signal, independent[2].signal)
    found = find_duplicates(
        of([*independent, independent[1].replace(signal=x, recording_id="spliced")]), False
    )
    assert [(d.first, d.second, d.kind) for d in found] == [(1, 24, "stretch"), (2, 24, "stretch")]
    assert [d.seconds for d in found] == pytest.approx([1.5, 1.0], abs=0.15)


def heartbeats(t, rng):
    beats = np.arange(rng.uniform(0, 0.8), 3, 0.8)
    return 300 * sum(np.exp(-(((t - b) / 0.012) ** 2)) for b in beats)


INTERFERENCE = {
    "hum": lambda t, rng: 1000 * np.sin(2 * np.pi * 50.1 * t + rng.uniform(0, 6)),
    "heartbeats": heartbeats,
    "a click": lambda t, rng: 20000 * (np.abs(t - rng.uniform(0.3, 2.7)) < 0.002),
}


@pytest.mark.parametrize("name", INTERFERENCE)
def test_interference_that_recordings_have_in_common_is_no_copy(independent, name):
    rng, t = np.random.default_rng(0), np.arange(3 * RATE) / RATE
    disturbed = [
        r.replace(signal=r.signal + INTERFERENCE[name](t, rng)[:, None]) for r in independent
    ]
    assert find_duplicates(of(disturbed), progress=False) == []


def test_long_recordings_are_compared_block_by_block(independent, monkeypatch):
    # Blocks of 0.8 s: the copy lies across several, and begins in the middle of one.
    monkeypatch.setattr("emg_llm.duplicates.BLOCK", 400)
    part = independent[3].replace(
        signal=independent[3].signal[1111:], valid=None, recording_id="part"
    )
    [found] = find_duplicates(of([*independent, part]), False)
    assert (found.first, found.kind) == (3, "cut")
    assert found.shift == pytest.approx(1111 / RATE, abs=0.005)


def test_recordings_with_other_channels_and_invalid_samples_are_no_obstacle(independent):
    valid = np.arange(3 * RATE) >= 300
    gap = independent[0].replace(
        signal=independent[0].signal * valid[:, None], valid=valid, recording_id="gap"
    )
    few = independent[1].replace(
        signal=independent[1].signal[:, :2], channel_names=(), recording_id="few"
    )
    [found] = find_duplicates(of([*independent, gap, few]), False)
    assert (found.first, found.second) == (0, 24)


def test_identical_rows_of_a_table_are_found_across_people_and_within():
    x = np.random.default_rng(0).random((6, 3))
    x[3], x[5] = x[0], x[4]
    data = rows(x, "abcabc", ["P1", "P1", "P1", "P2", "P2", "P2"])
    found = find_duplicates(data)
    assert [(d.first, d.second, across(data, d)) for d in found] == [(0, 3, "people"), (4, 5, None)]


# --- refusal ---------------------------------------------------------------------------------


def test_a_copy_under_another_name_is_refused_by_name(independent):
    copy = independent[0].replace(subject="thief", recording_id="loot")
    with pytest.raises(DatasetError, match=r"sim0-P001_anger_1 \(sim0-P001\) and loot \(thief\)"):
        require_disjoint(of([*independent, copy]))


def test_a_copy_within_a_person_is_refused_only_where_the_split_tears_it_apart(independent):
    sessions = ("monday",) * len(independent) + ("tuesday",)
    data = of([*independent, independent[0].replace(recording_id="again")], sessions=sessions)
    every, is_first = np.arange(len(data)), np.array(data.subjects) == "sim0-P001"
    people = Split.of(data, "people", "subject", 0, (every[is_first], [], every[~is_first]))
    days = Split.of(data, "days", "session", 0, (every[:-1], [], every[-1:]))
    require_disjoint(data)
    require_disjoint(data, people)
    with pytest.raises(DatasetError, match=r"split days: .* and again .* are identical"):
        require_disjoint(data, days)


def test_a_copy_of_unknown_people_or_across_given_parts_is_refused(independent):
    unknown = [r.replace(subject=None) for r in independent]
    with pytest.raises(DatasetError, match="again are identical"):
        require_disjoint(of([*unknown, unknown[0].replace(recording_id="again")]))
    parts = ("train",) * 24 + ("test",)
    with pytest.raises(DatasetError, match="sim0-P001"):  # the person alone is reason enough
        require_disjoint(
            of([*independent, independent[0].replace(recording_id="again")], splits=parts)
        )


def test_what_shares_nothing_passes(independent):
    require_disjoint(of(independent))


# --- the leak --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def some():
    return load_dataset(SOME)


@pytest.fixture(scope="module")
def leak(some):
    return measure_leak(some)


def test_each_stricter_split_scores_less_on_simulated_people(leak):
    for level in ("segment", "recording"):
        random, recordings, people = (row[level]["accuracy"] for row in leak["splits"])
        assert random > recordings > people > leak["chance"]
        assert leak["leak"][level]["points"] == pytest.approx(100 * (random - people))
    assert leak["leak"]["segment"]["points"] > 10
    assert leak["leak"]["segment"]["points_ci95"][0] > 0
    assert row_of(leak, "segments")["recording"]["accuracy"] > 0.9


def test_intervals_hold_the_accuracy_they_are_about(leak):
    for row in leak["splits"]:
        low, high = row["segment"]["accuracy_ci95"]
        assert low <= row["segment"]["accuracy"] <= high and high - low < 0.5


def test_the_finding_says_the_figures_and_that_it_is_leak(leak):
    people = row_of(leak, "people")["segment"]["accuracy"]
    assert f"{100 * people:.1f} %" in finding(leak) and "chance is 8.3 %" in finding(leak)
    assert f"{leak['leak']['segment']['points']:.1f} points" in finding(leak)
    assert "is leak" in finding(leak)


def test_where_rows_are_independent_no_leak_is_claimed():
    rng = np.random.default_rng(0)
    labels, people = np.tile(["a", "b"], 100), np.repeat([f"P{i}" for i in range(10)], 20)
    x = rng.standard_normal((200, 3)) + (labels == "b")[:, None]
    found = measure_leak(rows(x, labels, people))
    assert abs(found["leak"]["recording"]["points"]) < 5
    assert "can't be told from none" in finding(found)


def test_rows_that_only_tell_the_person_score_chance_across_people():
    rng = np.random.default_rng(0)
    # A person's trials of one label lie close together, anywhere: nothing holds across people.
    where = 10 * rng.standard_normal((8, 2, 2))
    x = (where[:, :, None] + 0.1 * rng.standard_normal((8, 2, 10, 2))).reshape(-1, 2)
    people, labels = np.repeat([f"P{i}" for i in range(8)], 20), np.tile(["a"] * 10 + ["b"] * 10, 8)
    for model in MODELS:
        found = measure_leak(rows(x, labels, people), model=model)
        assert row_of(found, "segments")["recording"]["accuracy"] > 0.95
        assert row_of(found, "people")["recording"]["accuracy"] < 0.75
        assert list(found["leak"]) == ["from", "to", "recording"]  # a row is a whole recording


def test_the_scaler_sees_everything_at_random_and_only_what_trains_elsewhere():
    rng = np.random.default_rng(0)
    labels, people = np.tile(["a", "b"], 100), np.repeat(["P1", "P2"], 100)
    x = np.column_stack([np.where(labels == "a", -1, 1), 0.3 * rng.standard_normal(200)])
    x[150, 0] = 1e6  # a scaler that sees it flattens the column that tells the labels apart
    found = measure_leak(rows(x, labels, people))
    random, strict = (row["recording"]["accuracy"] for row in found["splits"])
    assert random < 0.65 < 0.7 < strict < 0.85  # P2 is told right, P1 is not


def test_without_names_there_is_no_score_across_people_and_it_says_so(some):
    nameless = replace(some, subjects=(None,) * len(some))
    found = measure_leak(nameless)
    assert [row["split"] for row in found["splits"]] == ["segments", "recordings"]
    assert found["leak"]["to"] == "recordings" and found["leak"]["segment"]["points"] > 0
    page = markdown(found | {"duplicates": [], "refused": None})
    assert "no score across people" in page and "unknown people" in page


def test_a_label_that_one_person_alone_has_is_pointed_out():
    labels, people = [*"aabbaabbaabbcc"], [*["P1"] * 4, *["P2"] * 4, *["P3"] * 6]
    x = np.random.default_rng(0).random((14, 2))
    page = markdown(measure_leak(rows(x, labels, people)) | {"duplicates": [], "refused": None})
    assert "Only one person has c," in page


def test_rows_of_one_recording_id_are_kept_together():
    rng = np.random.default_rng(0)
    # 20 recordings of 10 rows, one person each two; ids start anew for each label.
    at = 10 * rng.standard_normal((20, 2))
    x = np.repeat(at, 10, axis=0) + 0.1 * rng.standard_normal((200, 2))
    labels, people = (
        np.repeat(["a", "b"] * 10, 10),
        np.repeat([f"P{i // 2}" for i in range(20)], 10),
    )
    found = measure_leak(rows(x, labels, people, ids=["1"] * 200))
    assert found["n_recordings"] == 20
    assert row_of(found, "segments")["segment"]["accuracy"] > 0.95
    assert row_of(found, "recordings")["segment"]["accuracy"] < 0.8


def test_many_segments_are_thinned_evenly(some):
    everything, thinned = segment_units(some), segment_units(some, max_segments=400)
    assert len(everything) > 400 >= len(thinned) > 200
    assert set(thinned.owner) == set(range(len(some))) and "one in" in thinned.what
    assert thinned.features.shape[1] == 16


def test_a_label_of_one_recording_and_unlike_channels_are_refused_in_words(independent):
    with pytest.raises(DatasetError, match="one recording labelled 'b'"):
        measure_leak(rows([[1.0], [2], [3]], "aab", ["P1", "P2", "P3"]))
    few = independent[0].replace(signal=independent[0].signal[:, :3], channel_names=())
    with pytest.raises(RecordingError, match="differ in their channels"):
        measure_leak(of([few, *independent[1:]]))


# --- the original's protocol -----------------------------------------------------------------


def original_recordings(n):
    rng = np.random.default_rng(0)
    valid = np.arange(45000) >= 1000  # the rows that held the sentinel
    return of(
        [
            Recording(
                rng.standard_normal((45000, 8)) * valid[:, None],
                15000,
                valid=valid,
                label="anger" if i % 2 else "fear",
                recording_id=str(i),
            )
            for i in range(n)
        ]
    )


def test_the_originals_numbers_come_out():
    tensor, owner = original_tensor(original_recordings(2))
    assert tensor.shape == (2 * 351 * 2, 128, 12) and tensor.dtype == np.float32
    assert list(np.bincount(owner)) == [702, 702]
    n = 20 * len(tensor)  # 40 recordings
    parts = original_split(n)
    assert n == 28080 and [len(p) for p in parts] == [17971, 5616, 4493]
    assert sorted(np.concatenate(parts)) == list(range(n))


def test_the_originals_features_are_constants_and_each_segment_has_a_noisy_twin():
    tensor, _ = original_tensor(original_recordings(2))
    plain, twin = tensor[:351], tensor[351:702]
    real = plain[8:]  # the first segments hold the sentinel
    assert np.allclose(real[..., 8], 0, atol=1e-5)  # mean
    assert np.allclose(real[..., 9:11], 1, atol=1e-4)  # variance and RMS
    assert real[..., 11].std() > 0 and (real[..., 11] == real[:, :1, 11]).all()
    assert np.allclose(real[..., :8].mean(axis=1), 0, atol=1e-5)
    assert (twin - plain)[..., :11].std() == pytest.approx(0.01, rel=0.02)


def test_the_originals_split_knows_what_people_who_are_new_do_not():
    data = load_dataset("simulated:subjects=4,trials=2,duration=0.5", ["anger", "fear", "neutral"])
    found = measure_leak(data, preset="original")
    n = 24 * (1000 // 128) * 2
    assert found["n_units"] == n and found["n_scored"] == len(original_split(n)[1])
    assert found["leak"]["segment"]["points"] > 15
    assert "noisy copies" in finding(found) and f"({n}, 128, 12)" in found["units"]


def test_the_original_reads_recordings_of_eight_channels_and_no_more_than_fit(
    independent, monkeypatch
):
    with pytest.raises(DatasetError, match="is a feature table"):
        original_tensor(rows([[1.0], [2]], "ab", ["P1", "P2"]))
    few = [r.replace(signal=r.signal[:, :3], channel_names=()) for r in independent]
    with pytest.raises(DatasetError, match="8 channels and planted has 3"):
        original_tensor(of(few))
    monkeypatch.setattr("emg_llm.original.MOST", 100)
    with pytest.raises(DatasetError, match="--labels"):
        original_tensor(of(independent))


# --- the script ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """clean.csv, and stolen.csv in which one row of P1 is P2's too."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    labels, people = np.tile(["anger", "fear"], 20), np.repeat(["P1", "P2", "P3", "P4"], 10)
    data = pd.DataFrame({"label": labels, "subject": people, "power": rng.uniform(1, 9, 40)})
    data.to_csv(folder / "clean.csv", index=False)
    data.loc[12, "power"] = data.loc[3, "power"]
    data.to_csv(folder / "stolen.csv", index=False)
    return folder


@pytest.mark.slow
def test_the_script_reports_a_leak_and_refuses_it_when_strict(run_script, tables, tmp_path):
    flags = ("--data", tables / "stolen.csv", "--output_dir", tmp_path / "out")
    done = run_script("audit", *flags)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *("results.json", "audit.csv", "audit.md")
    }
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    page = (tmp_path / "out" / "audit.md").read_text()
    assert page in done.stdout and results["finding"] in page
    [pair] = results["duplicates"]
    assert (pair["first"], pair["second"], pair["across"]) == ("row 4", "row 13", "people")
    assert "row 4 (P1) and row 13 (P2) are identical" in results["refused"]

    strict = run_script("audit", *flags, "--strict")
    assert strict.returncode == 3 and "Traceback" not in strict.stderr
    assert strict.stderr.strip().endswith(f"error: {results['refused']}")


@pytest.mark.slow
def test_the_script_passes_what_is_clean_and_names_a_mistake(run_script, tables, tmp_path):
    flags = ("--data", tables / "clean.csv", "--output_dir", tmp_path / "out")
    done = run_script("audit", *flags, "--strict")
    assert done.returncode == 0 and "Nothing is in the data twice." in done.stdout, done.stderr
    wrong = run_script("audit", *flags, "--preset", "original")
    assert wrong.returncode == 2 and "is a feature table" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_the_table_has_a_row_for_each_split(leak):
    made = table(leak)
    assert list(made["split"]) == ["at random", "by recording", "by person"]
    assert made["segment accuracy"].is_monotonic_decreasing
    assert {"segment low", "segment high", "recording accuracy", "chance"} <= set(made)
