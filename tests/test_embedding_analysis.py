"""An encoder's embeddings from recordings to results, words, figures and page."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.splits import held_out_split
from emg_llm.embeddings import analysis, plots
from emg_llm.embeddings.report import result_tables, summary
from emg_llm.encoders import ARCHITECTURES, EncoderConfig, build_encoder, load_encoder
from emg_llm.hub.client import HubError
from emg_llm.plots.page import report_page
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import EMOTIONS

DATA = "simulated:subjects=5,trials=2,duration=1"
OTHER = {"name": "other_data", "grouping": "all", "split_hash": None, "seed": 0}


def untrained(arch="cnn", labels=EMOTIONS, **more):
    torch.manual_seed(0)
    size = {"width": 8, "embedding_dim": 32, "segment_length": 256}
    return build_encoder(EncoderConfig(arch, list(labels), **size, **more)).eval()


@pytest.fixture(scope="module")
def data():
    """Three people, four emotions, two trials."""
    four = ["anger", "anxiety", "fear", "happiness"]
    return load_dataset("simulated:subjects=3,trials=2,duration=1", four)


@pytest.fixture(scope="module")
def measured(data):
    return analysis.measure_embeddings(untrained(), data, OTHER, progress=False)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_embeddings_are_those_that_the_encoder_decides_from(arch, data):
    encoder, some = untrained(arch), data.take([0, 1, 7])
    found = analysis.embed_recordings(encoder, some, progress=False)
    tensors = [encoder.config.tensor(r) for r in some.recordings]
    assert found.segments.shape == (sum(map(len, tensors)), 32)
    assert len(found.segments) > len(some)
    for row, tensor in zip(found.recordings, tensors, strict=True):
        np.testing.assert_allclose(row, encoder.encode(tensor), atol=1e-6)
    expected = [assess_quality(r).snr_db for r in some.recordings]
    assert found.snr_db == pytest.approx(expected, abs=0.1)


def test_results_agree_with_the_encoder_and_with_each_other(data, measured):
    results, table, embedded = measured
    encoder = untrained()
    p = encoder.classify(torch.from_numpy(embedded.recordings))
    four = [encoder.config.labels.index(name) for name in data.label_names]
    expected = np.array(data.label_names)[p[:, four].argmax(axis=1)]
    assert list(table.predicted) == list(expected)
    assert results["accuracy"] == pytest.approx((table.label == table.predicted).mean())
    assert list(table.recording_id) == list(data.ids)
    assert results["recordings"]["sparsity"] == pytest.approx(table.sparsity.mean())
    assert results["snr_db"]["overall"]["mean"] == pytest.approx(table.snr_db.mean())
    fear = table.snr_db[table.label == "fear"]
    assert results["snr_db"]["by_label"]["fear"]["max"] == pytest.approx(fear.max())
    assert sum(b["n"] for b in results["snr_accuracy"]["bins"]) == len(data)
    json.dumps(results, allow_nan=False)


def test_tables_hold_every_measure(measured):
    tables = result_tables(measured[0])
    assert list(tables["structure"]["of"]) == ["segments", "recordings"]
    assert "sparsity_max" in tables["structure"]
    assert {"label", "person"} == set(tables["separability"]["of"])
    assert list(tables["snr_by_label"]["label"]) == ["overall", *measured[0]["labels"]]
    assert len(tables["snr_accuracy"]) == 5


def strengths(slope, n=1200, people=12):
    """(snr, correct, labels, groups): each dB multiplies the odds of being right by exp(slope)."""
    rng = np.random.default_rng(0)
    snr = rng.normal(10, 4, n)
    correct = rng.random(n) < 1 / (1 + np.exp(-slope * (snr - 10)))
    return snr, correct, np.tile(["a", "b"], n // 2), np.repeat(np.arange(people), n // people)


def test_a_planted_link_of_snr_and_accuracy_is_found():
    found = analysis.snr_accuracy(*strengths(0.3))
    accuracy = [b["accuracy"] for b in found["bins"]]
    assert accuracy == sorted(accuracy) and accuracy[-1] - accuracy[0] > 0.5
    assert {b["n"] for b in found["bins"]} == {240}
    for one, after in zip(found["bins"], found["bins"][1:], strict=False):
        assert one["low_db"] <= one["median_db"] <= one["high_db"] <= after["low_db"]
    assert found["point_biserial"]["ci95"][0] > 0.3
    assert found["odds_ratio_per_db"] == pytest.approx(np.exp(0.3), rel=0.1)
    low, high = analysis.snr_accuracy(*strengths(0.0))["point_biserial"]["ci95"]
    assert low < 0 < high


def test_a_label_that_is_weak_and_hard_at_once_is_no_link_within_labels():
    rng = np.random.default_rng(0)
    is_weak = np.tile([True, False], 300)
    snr = np.where(is_weak, 5.0, 15.0) + rng.standard_normal(600)
    correct = rng.random(600) < np.where(is_weak, 0.4, 0.9)
    found = analysis.snr_accuracy(snr, correct, is_weak, np.repeat(np.arange(10), 60))
    assert found["point_biserial"]["value"] > 0.4
    assert abs(found["within_label"]["value"]) < 0.1


def test_nothing_is_said_of_a_link_where_all_recordings_are_right():
    snr, _, labels, groups = strengths(0.3)
    found = analysis.snr_accuracy(snr, np.ones(len(snr), bool), labels, groups)
    assert found["point_biserial"] is found["within_label"] is found["odds_ratio_per_db"] is None
    assert {b["accuracy"] for b in found["bins"]} == {1.0}


def save(encoder, folder, results=None, beside=False):
    encoder.save_pretrained(folder / "encoder")
    if results:
        place = folder / "encoder" if beside else folder
        (place / "results.json").write_text(json.dumps(results))
    return folder / "encoder"


@pytest.mark.parametrize("beside", [True, False], ids=["beside it", "of its bundle"])
def test_the_people_of_its_training_are_left_out(tmp_path, beside):
    data = load_dataset(DATA, ["anger", "fear"])
    split = held_out_split(data, 3)
    results = {"data": data.name, "protocol": split.protocol()}
    folder = save(untrained(trained_on=data.name), tmp_path, results, beside)
    if not beside:
        (tmp_path / "config.json").write_text("{}")  # what a bundle is known by
    rows, protocol = analysis.unseen_recordings(folder, load_encoder(folder), data)
    assert rows.tolist() == split.test.tolist()
    assert protocol["split_hash"] == split.hash


def test_an_encoder_whose_training_people_nobody_knows_is_refused_on_its_own_data(tmp_path):
    data = load_dataset(DATA, ["anger", "fear"])
    folder = save(untrained(trained_on=data.name), tmp_path)
    encoder = load_encoder(folder)
    with pytest.raises(DatasetError, match=r"results\.json"):
        analysis.unseen_recordings(folder, encoder, data)
    rows, protocol = analysis.unseen_recordings(folder, encoder, replace(data, name="other"))
    assert len(rows) == len(data) and protocol["name"] == "other_data"


@pytest.mark.parametrize("config", [None, "{}", '{"arch": "nonesuch"}', "not json", "[]"])
def test_a_folder_without_an_encoder_is_refused_in_words(tmp_path, config):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(HubError, match=r"train/encoder\.py"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("weights", [None, b"", b"broken" * 99])
def test_an_encoder_without_its_weights_is_refused_in_words(tmp_path, weights):
    folder = save(untrained(), tmp_path)
    (folder / "model.safetensors").unlink()
    if weights is not None:
        (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(HubError, match="not all of one"):
        load_encoder(folder)


def test_data_that_an_encoder_cannot_read_is_refused_in_words(data):
    table = replace(data, recordings=None, table=np.zeros((len(data), 2)), columns=("a", "b"))
    with pytest.raises(DatasetError, match="feature table"):
        analysis.measure_embeddings(untrained(), table, OTHER, progress=False)
    with pytest.raises(DatasetError, match="doesn't know the labels anger, fear"):
        analysis.measure_embeddings(untrained(labels=("anxiety", "happiness")), data, OTHER)


def test_the_summary_says_the_figures_in_words(measured):
    results = measured[0]
    text = " ".join(summary(results))
    assert f"accuracy {results['accuracy']:.3f}" in text
    assert f"{results['segments']['sparsity']:.2%}" in text
    assert f"{results['recordings']['effective_rank']:.1f} of 32" in text
    assert f"mean {results['snr_db']['overall']['mean']:.2f} dB" in text
    assert "Other data" in text and "nan" not in text and "None" not in text


def test_the_summary_says_what_could_not_be_measured(measured):
    results = measured[0]
    found = results["separability"]
    nothing = results | {
        "protocol": {"name": "held_out"},
        "separability": {"label": found["label"] | {"probe": None}, "person": None},
        "snr_accuracy": results["snr_accuracy"]
        | {"point_biserial": None, "within_label": None, "odds_ratio_per_db": None},
    }
    text = " ".join(summary(nothing))
    assert "too few recordings" in text and "two named people" in text and "not compared" in text
    assert "was not trained on" in text and "None" not in text
    assert set(result_tables(nothing)["separability"]["of"]) == {"label"}


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.3, "stronger signal is read better"),
        (-0.3, -0.1, "stronger signal is read worse"),
        (-0.1, 0.3, "no clear link"),
    ],
)
@pytest.mark.parametrize("part", ["point_biserial", "within_label"])
def test_the_summary_claims_a_link_only_where_the_interval_does(measured, part, low, high, words):
    links = {"point_biserial": {"value": 0.0, "ci95": [-1.0, 1.0]}, "within_label": None}
    links |= {part: {"value": (low + high) / 2, "ci95": [low, high]}}
    results = measured[0] | {"snr_accuracy": measured[0]["snr_accuracy"] | links}
    over_all, within = list(summary(results))[-1].split(";")
    assert words in (over_all if part == "point_biserial" else within)


def test_the_map_has_one_colour_and_marker_for_each_name_and_every_point(measured):
    names = [f"P{i}" for i in range(20)]
    figure = plots.map_figure(np.zeros((40, 2)), names * 2, names, ["<b>"] * 40, [0.5, 0.25])
    assert [trace.name for trace in figure.data] == names
    assert len({(t.marker.color, t.marker.symbol) for t in figure.data}) == 20
    assert sum(len(trace.x) for trace in figure.data) == 40
    assert "50%" in figure.layout.xaxis.title.text
    assert figure.data[0].text[0] == "&lt;b&gt;"


def test_the_sparsity_curve_passes_through_the_share_that_is_reported():
    x = np.ones((4, 100))
    x[:, :94] = 1e-8
    (curve,) = plots.sparsity_figure({"segments": x}).data
    at = {f"{t:.0e}": share for t, share in zip(curve.x, curve.y, strict=True)}
    assert at["1e-09"] == 0
    assert at["1e-06"] == pytest.approx(0.94)
    assert at["1e+01"] == 1


def test_the_dimension_figure_ends_with_all_the_variance():
    x = np.random.default_rng(0).standard_normal((50, 8)) * [9, 1, 1, 1, 1, 1, 1, 1]
    (curve,) = plots.dimension_figure({"recordings": x}, {"recordings": 4.0}).data
    assert len(curve.y) == 8 and curve.y[0] > 0.8 and curve.y[-1] == pytest.approx(1)


def test_measures_are_drawn_with_their_chance_and_left_out_where_there_is_none():
    measure = {"value": 0.9, "chance": 0.25, "ci95": [0.8, 0.95]}
    found = {"label": {"probe": measure, "silhouette": None}, "person": None}
    bar, chance = plots.separability_figure(found).data
    assert bar.x[0] == 0.9 and chance.x[0] == 0.25
    assert bar.error_x.array[0] == pytest.approx(0.05)
    assert bar.error_x.arrayminus[0] == pytest.approx(0.1)


def test_one_page_holds_all_figures_and_plotly_once(measured):
    results, table, embedded = measured
    figures = plots.embedding_figures(results, table, embedded)
    for _, figure in figures.values():
        json.loads(figure.to_json())
        assert figure.layout.paper_bgcolor == "rgba(0, 0, 0, 0)"
    accuracy = figures["SNR and accuracy"][1].data[0]
    assert list(accuracy.y) == [b["accuracy"] for b in results["snr_accuracy"]["bins"]]
    boxes = figures["SNR by label"][1].data
    assert sum(len(box.x) for box in boxes) == len(table)
    page = report_page("Embeddings", summary(results), figures, result_tables(results))
    assert page.count("Plotly.newPlot(") >= len(figures)
    assert page.count("* plotly.js v") == 1
    assert "src=" not in page.replace(page[page.index("<script>") : page.index("</script>")], "")


def test_a_recording_of_an_unknown_person_is_on_the_map(measured):
    results, table, embedded = measured
    unknown = table.assign(subject=None)
    figure = plots.embedding_figures(results, unknown, embedded)["Map by person"][1]
    assert [trace.name for trace in figure.data] == ["unknown"]


@pytest.mark.slow
def test_the_script_writes_what_it_promises_and_says_errors_in_one_line(tmp_path, run_script):
    encoder = save(untrained(), tmp_path)
    flags = ("--encoder", encoder, "--labels", "anger", "fear", "--output_dir", tmp_path / "out")
    done = run_script("embeddings", "--data", DATA, "--map", "tsne", *flags)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Sparsity:" in done.stdout and "SNR:" in done.stdout
    tables = ("embeddings", "structure", "separability", "snr_by_label", "snr_accuracy")
    names = {"results.json", "report.html", *(f"{table}.csv" for table in tables)}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    table = pd.read_csv(tmp_path / "out" / "embeddings.csv")
    columns = ("recording_id", "subject", "label", "predicted", "snr_db", "x", "y", "sparsity")
    assert tuple(table.columns) == columns
    assert len(table) == 20 and table.notna().all(axis=None)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["map"]["method"] == "tsne"
    assert results["n_recordings"] == 20 and results["chance"] == 0.5

    done = run_script("embeddings", "--encoder", tmp_path, "--data", DATA)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
