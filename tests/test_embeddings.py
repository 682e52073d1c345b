"""Measures of embeddings, on matrices of which the answer is known."""

import numpy as np
import pytest

from emg_llm.data.datasets import Dataset
from emg_llm.embeddings import measures as embeddings

PEOPLE, LABELS, TRIALS = 6, 4, 4


def designed(code, noise=0.3, units=24):
    """(x, Dataset): every person shows every label; recordings with the same code lie together.

    code: (person, label) -> anything hashable.
    """
    rng = np.random.default_rng(0)
    cells = [(p, k) for p in range(PEOPLE) for k in range(LABELS) for _ in range(TRIALS)]
    centers = {}
    for cell in cells:
        centers.setdefault(code(*cell), rng.standard_normal(units))
    x = np.stack([centers[code(*cell)] for cell in cells])
    x = x + noise * rng.standard_normal(x.shape)
    return x, Dataset(
        "designed",
        tuple(f"r{i}" for i in range(len(cells))),
        tuple(f"label {k}" for _, k in cells),
        tuple(f"P{p}" for p, _ in cells),
    )


def with_singular_values(values, samples=50, units=10):
    """A centred matrix with these singular values, on an offset that is no spread."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal((samples, len(values)))
    left, _ = np.linalg.qr(left - left.mean(axis=0))
    right, _ = np.linalg.qr(rng.standard_normal((units, len(values))))
    return left @ np.diag(values) @ right.T + 5.0


def test_sparsity_counts_the_planted_zeros_of_each_sample():
    x = np.ones((3, 100))
    x[0, :94] = 0
    x[1, :10] = -9e-7
    x[1, 10:20] = 1e-6  # not below the threshold
    x[2] = -1.0  # large, whatever the sign
    assert embeddings.sparsity(x) == pytest.approx([0.94, 0.10, 0.0])
    found = embeddings.structure(x)
    assert found["sparsity"] == pytest.approx(104 / 300)
    assert found["sparsity_by_sample"]["min"] == 0
    assert found["sparsity_by_sample"]["max"] == pytest.approx(0.94)


def test_dead_units_are_silent_or_constant():
    x = np.random.default_rng(0).standard_normal((20, 5))
    x[:, 1] = 7.0
    x[:, 2] *= 1e-8
    x[:, 3] = -np.abs(x[:, 3])  # negative is alive
    assert embeddings.dead_units(x).tolist() == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("values", "rank", "ratio"),
    [
        ([2.0, 2.0, 2.0, 2.0], 4.0, 4.0),
        ([3.0], 1.0, 1.0),
        ([2.0, 1.0, 1.0], 2**1.5, 36 / 18),  # shares 1/2, 1/4, 1/4; variances 4, 1, 1
    ],
)
def test_dimensions_of_known_spectra_whatever_their_mean(values, rank, ratio):
    found = embeddings.singular_values(with_singular_values(values))
    assert embeddings.effective_rank(found) == pytest.approx(rank, abs=1e-6)
    assert embeddings.participation_ratio(found) == pytest.approx(ratio, abs=1e-6)


def test_embeddings_that_never_change_have_no_dimension():
    found = embeddings.structure(np.full((9, 4), 3.0, np.float32))
    assert found["effective_rank"] == found["participation_ratio"] == 0
    assert found["dead_units"] == 4


def test_explained_variance_is_the_planted_share():
    names = np.repeat(["a", "b"], 50)
    x = np.where(names == "a", 1.0, -1.0)[:, None] * [3.0, 0.0]
    x[:, 1] = np.tile([1.0, -1.0], 50)  # within both groups
    found = embeddings.explained_variance(x, names)
    assert found["value"] == pytest.approx(9 / 10)


def test_chance_of_the_explained_variance_is_what_shuffled_names_explain():
    rng = np.random.default_rng(0)
    x, names = rng.standard_normal((60, 8)), np.repeat(list("abcdef"), 10)
    shuffled = [embeddings.explained_variance(x, rng.permutation(names)) for _ in range(300)]
    assert np.mean([s["value"] for s in shuffled]) == pytest.approx(shuffled[0]["chance"], rel=0.05)


def test_the_silhouette_tells_clusters_from_chance_and_needs_two_names():
    rng = np.random.default_rng(0)
    names = np.repeat(["a", "b"], 20)
    x = rng.standard_normal((40, 3)) + 50 * (names == "a")[:, None]
    found = embeddings.silhouette(x, names, rng)
    assert found["value"] > 0.9
    assert abs(found["chance"]) < 0.1
    assert embeddings.silhouette(x, np.repeat("a", 40), rng) is None
    assert embeddings.silhouette(x, np.arange(40), rng) is None


def test_an_embedding_that_holds_who_and_not_what():
    found = embeddings.separability(*designed(lambda person, label: person))
    label, person = found["label"], found["person"]
    for key in ("probe", "probe_new_label"):
        assert person[key]["value"] > 0.95
        assert person[key]["chance"] == pytest.approx(1 / PEOPLE)
    low, high = label["probe"]["ci95"]
    assert low <= label["probe"]["chance"] == 1 / LABELS
    assert high < 0.5
    assert person["explained_variance"]["value"] > 0.8 > 0.1 > label["explained_variance"]["value"]
    assert person["silhouette"]["value"] > 0.5 > 0.1 > label["silhouette"]["value"]


def test_an_embedding_that_holds_what_and_not_who():
    found = embeddings.separability(*designed(lambda person, label: label))
    label, person = found["label"], found["person"]
    assert label["probe"]["value"] > 0.95
    assert person["probe"]["value"] < 0.35 and person["probe_new_label"]["value"] < 0.35
    assert label["explained_variance"]["value"] > 0.8 > 0.1 > person["explained_variance"]["value"]


def test_each_persons_own_way_of_a_label_is_read_neither_from_new_people_nor_from_new_labels():
    """Both are read without fault where person and label are on both sides of the split."""
    found = embeddings.separability(*designed(lambda person, label: (person, label)))
    assert found["person"]["probe"]["value"] > 0.95
    assert found["person"]["probe_new_label"]["value"] < 0.4
    assert found["label"]["probe"]["value"] < 0.5


def test_people_who_are_unknown_or_alone_are_not_measured():
    x, data = designed(lambda person, label: label)
    n = len(data)
    unknown = Dataset("unknown", data.ids, data.labels, (None,) * n)
    found = embeddings.separability(x, unknown)
    assert found["person"] is None
    assert found["label"]["probe"]["value"] > 0.95  # over recordings, then
    alone = Dataset("alone", data.ids, data.labels, ("P1",) * n)
    found = embeddings.separability(x, alone)
    assert found["person"] is None and found["label"]["probe"] is None
    once = Dataset("once", data.ids[:3], ("a", "b", "b"), ("P1", "P1", "P2"))
    assert embeddings.separability(x[:3], once)["person"] is None


def test_a_probe_without_a_second_name_to_learn_is_not_measured():
    x, data = designed(lambda person, label: label)
    apart = Dataset("apart", data.ids[:8], ("a",) * 4 + ("b",) * 4, ("P1",) * 4 + ("P2",) * 4)
    assert embeddings.separability(x[:8], apart)["label"]["probe"] is None


@pytest.mark.parametrize("method", embeddings.MAPS)
def test_maps_keep_clusters_apart_and_repeat_themselves(method):
    rng = np.random.default_rng(0)
    is_far = np.arange(30) < 15
    x = rng.standard_normal((30, 12)) + 20 * is_far[:, None]
    xy, shares = embeddings.project(x, method)
    assert xy.shape == (30, 2)
    gap = np.linalg.norm(xy[is_far].mean(axis=0) - xy[~is_far].mean(axis=0))
    assert gap > 2 * xy[is_far].std()
    assert (embeddings.project(x, method)[0] == xy).all()
    if method == "pca":
        assert shares[0] > 0.9 and sum(shares) <= 1
    else:
        assert shares is None


def test_a_map_of_three_recordings_can_be_drawn():
    for method in embeddings.MAPS:
        xy, _ = embeddings.project(np.eye(3, dtype=np.float32), method)
        assert xy.shape == (3, 2) and np.isfinite(xy).all()
