"""Cards: what they say of a configuration, and what they leave out."""

import json

import pytest
from jinja2 import UndefinedError

from emg_llm.hub import client as hub
from emg_llm.hub.cards import write_card
from emg_llm.hub.staging import pin

NANO = "adapters/nano-phi3"


@pytest.fixture
def card(tmp_path):
    """Writes a card of a configuration that the package's bundle has, changed: its text."""

    def write(place, **changed):
        config = json.loads((hub.bundle_folder() / place / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | changed))
        write_card(tmp_path)
        return " ".join((tmp_path / "README.md").read_text().split())

    return write


def test_a_card_describes_a_bridge_in_the_bridges_own_words(card):
    bridge = {"kind": "hum", "about": "a tune that {codec} make of it"}
    assert "as a tune that an encoder and a codebook make of it. It" in card(NANO, bridge=bridge)
    pinned = {"repo": "a/b", "revision": "0" * 40}
    text = card(NANO, bridge=bridge, encoder=pinned, codebook=pinned | {"repo": "c/d"})
    assert "[a/b](https://huggingface.co/a/b) at `000000000000` and [c/d]" in text
    assert "configuration doesn't describe" in card(NANO, bridge={"kind": "text"})


def test_a_card_has_no_hole_where_something_is_missing(tmp_path):
    config = json.loads((hub.bundle_folder() / "encoders/cnn/config.json").read_text())
    del config["lead"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UndefinedError, match="lead"):
        write_card(tmp_path)


def test_a_card_of_what_was_not_measured_has_no_figures(card):
    for place in ("svm", "encoders/cnn", "codebook", NANO):
        assert "Not measured yet." in card(place)
    assert "loss" not in card("llms/nano-phi3") and " 0.0" not in card("llms/nano-phi3")


def test_of_its_parts_a_bridge_is_pinned_to_those_it_needs(tmp_path):
    pins = {place: {"repo": f"a/{place}"} for place in ("encoders/cnn", "codebook")}
    for bridge, pinned in (
        ({"kind": "hum", "needs": ["scale", "encoder"]}, {"encoder"}),
        ({"kind": "hum", "needs": ["scale"]}, set()),
        ({"kind": "old"}, {"encoder", "codebook"}),
        (None, set()),
    ):
        (tmp_path / "config.json").write_text(json.dumps({"bridge": bridge}))
        pin(tmp_path, "adapters/mine", pins)
        assert set(json.loads((tmp_path / "config.json").read_text())) == {"bridge", *pinned}
