"""The codebook: discrete, repeatable, coarse to fine, and measured honestly."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emg_llm.bridge.codebook import Codebook, measure
from emg_llm.hub.client import HubError

DEPTHS, CODES = 3, 16
QUICK = {"depths": DEPTHS, "codes": CODES, "epochs": 10}


def embeddings(n=240, d=16, seed=0):
    """float (n, d) that vary in eight directions."""
    draw = torch.Generator().manual_seed(99)
    directions = torch.randn(8, d, generator=draw)
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)) @ directions + 5


@pytest.fixture(scope="module")
def book():
    return Codebook.fit(embeddings(), **QUICK)


def errors(book, x, through=None):
    """Mean squared error at each depth, of what `through` (d, …) reads, where it is given."""
    codes = book.encode(x)
    gap = [book.decode(codes[:, : i + 1]) - x for i in range(DEPTHS)]
    return [(g if through is None else g @ through).square().mean().item() for g in gap]


def test_embeddings_become_a_few_whole_numbers(book):
    codes = book.encode(embeddings(7, seed=1))
    assert codes.shape == (7, DEPTHS) and codes.dtype.kind == "i"
    assert codes.min() >= 0 and codes.max() < CODES
    assert book.decode(codes).shape == (7, 16)


def test_an_embeddings_codes_do_not_depend_on_the_others_beside_it(book):
    x = embeddings(20, seed=1)
    assert np.array_equal(book.encode(x)[5:6], book.encode(x[5:6]))
    assert np.array_equal(book.encode(x), book.encode(x))  # reading teaches it nothing


def test_the_same_seed_learns_the_same_codes_and_another_seed_others(book):
    x = embeddings(50, seed=1)
    assert np.array_equal(Codebook.fit(embeddings(), **QUICK).encode(x), book.encode(x))
    other = Codebook.fit(embeddings(), **QUICK, seed=1)
    assert not np.array_equal(other.encode(x), book.encode(x))


def test_each_further_code_brings_unseen_embeddings_closer(book):
    x = embeddings(200, seed=1)
    error = errors(book, x)
    assert x.var().item() > error[0] > error[1] > error[2]
    assert error[2] < 0.4 * x.var().item()


def test_codes_are_spent_on_what_the_head_reads(book):
    head = torch.randn(2, 16, generator=torch.Generator().manual_seed(5))
    aware, x = Codebook.fit(embeddings(), head, **QUICK), embeddings(200, seed=1)
    assert aware.config.n_read == 2
    for with_head, without in zip(errors(aware, x, head.T), errors(book, x, head.T), strict=True):
        assert with_head < 0.7 * without


def test_embeddings_of_any_scale_are_quantised_alike():
    x, y = embeddings(), embeddings(100, seed=1)
    one, thousand = (Codebook.fit(k * x, **QUICK) for k in (1, 1000))
    ratio = errors(thousand, 1000 * y)[-1] / errors(one, y)[-1]
    assert ratio == pytest.approx(1e6, rel=0.1)


def test_fewer_embeddings_than_codes_are_enough():
    x = embeddings(10)
    small = Codebook.fit(x, depths=2, codes=32, epochs=3)
    assert small.encode(x).shape == (10, 2) and torch.isfinite(small.decode(small.encode(x))).all()


@pytest.mark.parametrize("with_head", [False, True])
def test_a_saved_codebook_is_loaded_identically(with_head, tmp_path):
    head = torch.nn.Linear(16, 3).weight if with_head else None
    book, x = Codebook.fit(embeddings(), head, **QUICK), embeddings(30, seed=1)
    book.save_pretrained(tmp_path)
    loaded = Codebook.from_pretrained(str(tmp_path)).eval()
    assert loaded.config == book.config
    assert np.array_equal(loaded.encode(x), book.encode(x))
    assert torch.equal(loaded.decode(book.encode(x)), book.decode(book.encode(x)))
    assert {p.name for p in tmp_path.iterdir()} >= {"config.json", "model.safetensors"}


def test_missing_weights_are_refused(book, tmp_path):
    book.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["center"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(HubError, match=r"holds no codebook, or not all of one .*center"):
        Codebook.from_pretrained(str(tmp_path))


def test_the_measures_are_perplexity_unused_codes_and_accuracy_at_each_depth(book):
    x = embeddings(200, seed=1)
    weight = torch.randn(16, 2, generator=torch.Generator().manual_seed(3))

    def classify(e):
        return torch.softmax((e - 5) @ weight, -1).numpy()

    targets = classify(x).argmax(axis=1)
    found = measure(book, x, targets, classify)
    assert found["encoder_accuracy"] == 1
    assert [d["depth"] for d in found["depths"]] == [1, 2, 3]
    codes = book.encode(x)
    for i, depth in enumerate(found["depths"]):
        assert depth["unused_codes"] == CODES - len(set(codes[:, i]))
        assert 1 <= depth["perplexity"] <= CODES - depth["unused_codes"]
    assert 0.5 < found["depths"][0]["accuracy"] <= found["depths"][-1]["accuracy"] < 1


def test_perplexity_counts_the_codes_in_use(book):
    same = embeddings(1).repeat(8, 1)
    found = measure(book, same, np.zeros(8, int), lambda e: np.eye(2)[np.zeros(len(e), int)])
    assert all(d["perplexity"] == pytest.approx(1) for d in found["depths"])
    assert all(d["unused_codes"] == CODES - 1 for d in found["depths"])


def test_the_first_code_alone_tells_the_commonest_label_of_the_training(tmp_path):
    x = embeddings()
    plain = Codebook.fit(x, **QUICK)
    first = plain.encode(x)[:, 0]
    targets = np.where(first == first[0], 1, 0)
    targets[np.flatnonzero(first == first[0])[1:2]] = 0  # one of them is otherwise
    book = Codebook.fit(x, **QUICK, targets=targets, labels=("anger", "fear"))
    assert np.array_equal(book.encode(x), plain.encode(x))
    p = book.look_up(book.encode(x))
    assert p.shape == (len(x), 2) and np.allclose(p.sum(axis=1), 1) and p.min() > 0
    assert np.array_equal(p.argmax(axis=1), first == first[0])
    book.save_pretrained(tmp_path / "told")
    again = Codebook.from_pretrained(tmp_path / "told")
    assert again.config.labels == ["anger", "fear"]
    assert np.array_equal(again.look_up(again.encode(x)), p)
    # One without labels, as from an earlier version, is loaded as before.
    plain.save_pretrained(tmp_path / "plain")
    assert Codebook.from_pretrained(tmp_path / "plain").config.labels == []
