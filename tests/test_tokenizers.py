"""A tokenizer is stored once: an adapter has its own only where that differs from its base's."""

import shutil

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from emg_llm.bridge.codebook import Codebook
from emg_llm.encoders import load_encoder
from emg_llm.hub.client import bundle_folder
from emg_llm.llms.model import EmgLLM
from tests.test_readme import bundle_script

BUNDLE, LLM = bundle_folder(), "nano-phi3"


def tokenizer_files(folder):
    return sorted(p.name for p in [*folder.glob("*token*"), *folder.glob("chat_template*")])


def another_template(tokenizer):
    tokenizer.chat_template += " "


def another_token(tokenizer):
    tokenizer.add_tokens([AddedToken("<emg_9_9>", normalized=False)])


def another_padding(tokenizer):
    tokenizer.padding_side = "left"


def another_end(tokenizer):
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(50)


CHANGES = another_template, another_token, another_padding, another_end


@pytest.fixture
def adapter(tmp_path):
    """The bundle's adapter, and a function that gives it a tokenizer of its own."""
    folder = tmp_path / "adapter"
    shutil.copytree(BUNDLE / "adapters" / LLM, folder)

    def own(*changes):
        tokenizer = AutoTokenizer.from_pretrained(BUNDLE / "llms" / LLM)
        for change in changes:
            change(tokenizer)
        tokenizer("It was called.", truncation=True, padding=True, pad_to_multiple_of=8)
        tokenizer.save_pretrained(folder)
        return folder

    return own


@pytest.mark.parametrize("llm", sorted(p.name for p in (BUNDLE / "adapters").iterdir()))
def test_the_bundle_holds_each_tokenizer_once(llm):
    assert tokenizer_files(BUNDLE / "llms" / llm)
    assert not tokenizer_files(BUNDLE / "adapters" / llm)


def test_a_tokenizer_that_does_the_same_as_the_bases_is_left_out(adapter):
    folder = adapter()
    assert tokenizer_files(folder)
    bundle_script().drop_tokenizer(folder, BUNDLE / "llms" / LLM)
    assert not tokenizer_files(folder) and (folder / "adapter_model.safetensors").exists()


@pytest.mark.parametrize("change", CHANGES)
def test_a_tokenizer_that_does_anything_else_stays(adapter, change):
    folder = adapter(change)
    before = tokenizer_files(folder)
    bundle_script().drop_tokenizer(folder, BUNDLE / "llms" / LLM)
    assert before and tokenizer_files(folder) == before


def test_an_adapter_takes_its_bases_tokenizer_unless_it_has_its_own(adapter):
    codec = load_encoder(BUNDLE / "encoders/cnn"), Codebook.from_pretrained(BUNDLE / "codebook")
    base = AutoTokenizer.from_pretrained(BUNDLE / "llms" / LLM)
    shared = EmgLLM.from_pretrained(BUNDLE / "adapters" / LLM, *codec).tokenizer
    assert shared.get_vocab() == base.get_vocab() and shared.chat_template == base.chat_template
    own = EmgLLM.from_pretrained(adapter(another_template), *codec).tokenizer
    assert own.chat_template == base.chat_template + " "
