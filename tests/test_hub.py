import pytest
from huggingface_hub.utils import filter_repo_objects

from emg_llm.hub.client import NEVER_UPLOADED, HubError, resolve

TRAINED = [
    "README.md",
    "config.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "model.skops",
    "tokenizer.json",
    "results.json",
    "predictions.csv",
    "train.jsonl",
]
PRIVATE = [
    "training_args.bin",
    "nested/training_args.bin",
    "pytorch_model.bin",
    "optimizer.pt",
    "weights.pth",
    "svm.pkl",
    "checkpoint-20/adapter_model.safetensors",
    "checkpoint-20/optimizer.pt",
    "checkpoint-20/deeper/rng_state.json",
    "runs/events.out.tfevents.1",
]


def test_pickles_and_checkpoints_are_never_uploaded_and_all_else_is():
    left = filter_repo_objects(TRAINED + PRIVATE, ignore_patterns=NEVER_UPLOADED)
    assert list(left) == TRAINED


def test_a_folder_is_itself(tmp_path):
    assert resolve(tmp_path) == tmp_path
    assert resolve(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["nobody/has-this-model", "no such folder", "a/b/c/d", "../x"])
def test_what_is_neither_folder_nor_on_the_hub_is_said_in_one_line(name, offline):
    with pytest.raises(HubError) as caught:
        resolve(name)
    text = str(caught.value)
    assert text.startswith(f"{name} is not a local folder")
    assert "\n" not in text and "Traceback" not in text
