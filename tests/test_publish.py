"""What goes to the Hub and comes back: models, conversations, the bundle and the Space."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest

from emg_llm.__main__ import main as emg_llm
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import NO_EMG, Reading
from emg_llm.encoders import load_encoder
from emg_llm.hub import client as hub
from emg_llm.hub.client import HubError
from emg_llm.hub.publish import deploy_space, share
from emg_llm.hub.staging import copy_dataset
from emg_llm.llms.finetuning import lora_config, prepare
from emg_llm.llms.loading import load_base
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.sft_data import load_rows
from emg_llm.pipeline import EmotionPipeline
from emg_llm.svm import EmotionSVM
from tests.families import FAMILIES, make_model, make_tokenizer
from tests.hub_server import TOKEN, USER

pytestmark = pytest.mark.slow
ID = f"{USER}/emg-llm"
NANO = "adapters/nano-phi3"


def publish(bundle, *flags):
    return emg_llm(["publish", "--namespace", USER, "--bundle", str(bundle.folder), *flags])


def publish_all(bundle):
    assert publish(bundle, "--conversations", str(bundle.work / "conversations")) == 0


@pytest.fixture(scope="module")
def published(serving, quick_bundle, tmp_path_factory):
    """A HubServer that has the bundle and its conversations, for tests that change nothing."""
    with serving(tmp_path_factory.mktemp("published") / "cache") as server:
        publish_all(quick_bundle)
        yield server


@pytest.fixture
def changeable(server, quick_bundle):
    """The same, for a test of its own."""
    publish_all(quick_bundle)
    return server


def test_a_bundle_comes_back_from_the_hub_and_every_model_says_the_same(
    published, quick_bundle, people
):
    here = EmotionPipeline.from_pretrained(quick_bundle.folder)
    there = EmotionPipeline.from_pretrained(ID)
    assert there.models == here.models and not there.not_loaded
    recording = people.recordings[4]
    one, other = here(recording), there(recording)
    assert one.tokens == other.tokens and one.prompts == other.prompts
    for model in here.models:
        assert one.probabilities[model] == pytest.approx(other.probabilities[model], abs=1e-6)
    assert there.results["models"] == here.results["models"]
    assert {n: p.name for n, p in there.samples.items()} == {
        n: p.name for n, p in here.samples.items()
    }


def test_each_part_loads_alone_by_its_id_and_at_its_commit(published, quick_bundle, people):
    recording, folder = people.recordings[2], quick_bundle.folder
    config = json.loads(published.repo(ID).files["config.json"])
    pinned = config["parts"]
    assert set(pinned) == {
        *("svm", "encoders/cnn", "encoders/tcn", "codebook"),
        *(f"{what}/{llm}" for what in ("llms", "adapters") for llm in config["llms"]),
    }
    for place, load in (
        ("svm", EmotionSVM.from_pretrained),
        ("encoders/tcn", load_encoder),
    ):
        here = load(folder / place)(recording)
        np.testing.assert_allclose(load(pinned[place]["repo"])(recording), here, atol=1e-6)
        again = load(pinned[place]["repo"], revision=pinned[place]["revision"])
        np.testing.assert_allclose(again(recording), here, atol=1e-6)
    codebook = Codebook.from_pretrained(f"{ID}-codebook", revision=pinned["codebook"]["revision"])
    assert codebook.config == Codebook.from_pretrained(folder / "codebook").config

    pipeline = EmotionPipeline.from_pretrained(folder)
    for name in pipeline.llms:  # base, encoder and codebook come with it
        llm = EmgLLM.from_pretrained(f"{ID}-{name}-adapter")
        np.testing.assert_allclose(llm(recording), pipeline.llm(name)(recording), atol=1e-5)


def test_conversations_come_back_as_the_same_rows(published, quick_bundle):
    parts, info = load_rows(f"{ID}-conversations")
    here, told = load_rows(quick_bundle.work / "conversations")
    assert parts == here and info == told
    files = published.repo(f"{ID}-conversations", "dataset").files
    assert not [name for name in files if name.endswith(".jsonl")]


def test_publishing_again_sends_nothing_and_changes_nothing(published, quick_bundle):
    before = {repo.id: dict(repo.branches) for repo in published.repos.values()}
    sent = published.asked("PUT", "/lfs/")
    publish_all(quick_bundle)
    assert {repo.id: dict(repo.branches) for repo in published.repos.values()} == before
    assert published.asked("PUT", "/lfs/") == sent


def test_a_publication_that_breaks_leaves_the_old_bundle_whole_and_goes_on(
    changeable, quick_bundle, tmp_path, capsys
):
    other = tmp_path / "other"
    shutil.copytree(quick_bundle.folder, other)
    svm = json.loads((other / "svm" / "config.json").read_text())
    (other / "svm" / "config.json").write_text(json.dumps(svm | {"note": "another"}))
    before = changeable.repo(ID).branches["main"]
    fault = changeable.fail("POST", r"adapter/commit/", status=500, times=100)
    adapter = other / "adapters" / "nano-phi3" / "config.json"
    config = json.loads(adapter.read_text())
    adapter.write_text(json.dumps(config | {"confidence": {"temperature": 2.0}}))
    again = ["publish", "--namespace", USER, "--bundle", str(other)]
    assert emg_llm(again) == 2
    said = capsys.readouterr().err
    assert "the Hub failed with status" in said and "Traceback" not in said and TOKEN not in said
    assert changeable.repo(ID).branches["main"] == before  # the svm is new, nobody is sent there
    old = json.loads(hub.resolve(ID).joinpath("config.json").read_text())["parts"]["svm"]
    assert old["revision"] != changeable.repo(f"{ID}-svm").branches["main"]
    fault.times = 0
    assert emg_llm(again) == 0
    assert EmotionPipeline.from_pretrained(ID).llm("nano-phi3").confidence.temperature == 2.0


def test_a_dry_run_lists_what_leaves_and_asks_nobody(server, quick_bundle, capsys):
    conversations = str(quick_bundle.work / "conversations")
    assert publish(quick_bundle, "--dry-run", "--conversations", conversations) == 0
    said = capsys.readouterr().out
    assert not server.requests and "Nothing was sent" in said
    for name in ("-svm (model", "-conversations (dataset", "data/train.parquet", "model.skops"):
        assert name in said
    assert "predictions.csv" not in said and ".jsonl" not in said


@pytest.mark.parametrize(
    "flags",
    [
        ("--conversations", "nowhere"),
        ("--conversations", __file__),
        ("--conversations", ""),
        ("--conversations", str(hub.bundle_folder())),
        ("--bundle", "nowhere"),
        ("--bundle", __file__),
        ("--bundle", str(hub.bundle_folder() / "svm")),
    ],
)
def test_a_folder_without_what_is_to_be_sent_is_said_in_one_sentence(flags, capsys):
    assert emg_llm(["publish", "--namespace", USER, "--dry-run", *flags]) == 2
    said = capsys.readouterr()
    told = {"--conversations": "train/conversations.py", "--bundle": "make bundle"}
    assert f"holds no {flags[0][2:]}" in said.err and told[flags[0]] in said.err
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1


def test_cards_pass_the_hubs_validation_and_have_no_figure_of_their_own(published):
    from huggingface_hub import DatasetCard, ModelCard

    for repo in published.repos.values():
        text = repo.files["README.md"].decode()
        card = (DatasetCard if repo.type == "dataset" else ModelCard)(text)
        assert card.data.license == "apache-2.0" and "emg" in card.data.tags
        assert "{{" not in text and "None" not in text and "TODO" not in text
        assert "Not a medical device" in text and "2024/1689" in text
        assert "simulated" in text.lower() or "made-up recordings" in text
        assert ("nothing was chosen" in text) == (repo.id == ID)  # its figures are of new people
        if repo.id.endswith("adapter"):
            assert card.data.base_model == repo.id.removesuffix("-adapter")
            assert card.data.datasets == [f"{ID}-conversations"]
            assert card.data.pipeline_tag == "text-generation"
            results = json.loads(repo.files["results.json"])
            low, high = results["accuracy_ci95"]
            assert f"**{results['accuracy']:.3f}** ({low:.3f}–{high:.3f})" in text
            scores = {r.metric_type: r.metric_value for r in card.data.eval_results}
            assert scores["accuracy"] == round(results["accuracy"], 4)
            assert results["protocol"]["split_hash"] in text
            assert ".eval_results/emotion.yaml" in repo.files


def test_the_code_on_every_card_runs(published, quick_bundle, people, tmp_path):
    recording = people.recordings[3]
    columns = [np.arange(recording.n_samples) / recording.sampling_rate, *recording.signal.T]
    header = ",".join(["time (s)", *recording.channel_names])
    table = np.column_stack(columns)
    np.savetxt(tmp_path / "recording.csv", table, delimiter=",", header=header, comments="")
    cards = [repo.files["README.md"].decode() for repo in published.repos.values()]
    code = [re.search(r"```python\n(.*?)```", card, re.S)[1] for card in cards]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        cwd=tmp_path,
        env=hub_environment(published, tmp_path),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout


def test_everything_is_in_one_collection(published, capsys):
    [collection] = published.collections.values()
    items = {(i["type"], i["id"]) for i in collection["items"]}
    assert items == {(kind, repo_id) for kind, repo_id in published.repos}


def test_private_is_private(server, quick_bundle):
    assert publish(quick_bundle, "--private") == 0
    assert all(repo.private for repo in server.repos.values())


@pytest.fixture
def real(tmp_path):
    """Conversations of two real people, as train/conversations.py saves them."""
    folder = tmp_path / "mine"
    rows = [
        {
            "conversations": [{"from": "human", "value": "EMG"}, {"from": "gpt", "value": "fear"}],
            "messages": [{"role": "user", "content": "EMG"}],
            **{"label": "fear", "subject": who, "recording_id": f"{who}_{k}.npy"},
            "split": part,
        }
        for part, who in (("train", "Ada Lovelace"), ("test", "Alan Turing"))
        for k in range(2)
    ]
    for part in ("train", "test"):
        table = datasets.Dataset.from_list([r for r in rows if r["split"] == part])
        table.to_parquet(folder / "data" / f"{part}.parquet")
    info = {"labels": ["fear"], "bridge": None, "data": "/home/me/patients/all.csv"}
    (folder / "bridge.json").write_text(json.dumps(info))
    return folder


def test_names_of_real_people_leave_only_when_it_is_asked_for(real, server):
    share(real, f"{USER}/mine")
    files = server.repo(f"{USER}/mine", "dataset").files
    assert not any(b"Lovelace" in content or b"/home" in content for content in files.values())
    parts, _ = load_rows(f"{USER}/mine")
    people = {part: {r["subject"] for r in rows} for part, rows in parts.items()}
    assert sorted(people["train"] | people["test"]) == ["person 1", "person 2"]
    assert len(people["train"]) == len(people["test"]) == 1
    assert parts["test"][0]["recording_id"] != parts["test"][1]["recording_id"]

    share(real, f"{USER}/named", names=True)
    parts, _ = load_rows(f"{USER}/named")
    assert parts["test"][0]["subject"] == "Alan Turing"


def test_datasets_loads_the_same_rows_by_id_in_a_clean_process(real, server, tmp_path):
    share(real, f"{USER}/mine", names=True)
    code = (
        "import datasets, json; parts = datasets.load_dataset('somebody/mine');"
        "print(json.dumps({part: list(rows) for part, rows in parts.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=hub_environment(server, tmp_path),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    here = {
        part: list(datasets.Dataset.from_parquet(str(real / "data" / f"{part}.parquet")))
        for part in ("train", "test")
    }
    assert json.loads(done.stdout) == here


def test_recordings_leave_only_when_it_is_asked_for(real, server, tmp_path):
    np.save(real / "Ada_1.npy", np.zeros(3))
    with pytest.raises(HubError, match="--include_recordings"):
        share(real, f"{USER}/mine")
    assert not server.repos
    copy_dataset(real, tmp_path, recordings=True)
    assert (tmp_path / "recordings" / "Ada_1.npy").exists()


def test_a_space_starts_the_demo_from_the_hub(changeable, tmp_path):
    pushed = deploy_space(f"{USER}/demo", ID)
    repo = changeable.repo(f"{USER}/demo", "space")
    assert repo.sdk == "gradio" and pushed.url.endswith(f"/spaces/{USER}/demo")
    assert {"app.py", "pyproject.toml", "requirements.txt", "train/sft.py"} <= set(repo.files)
    assert "emg_llm/bundle/svm/model.skops" not in repo.files
    script = repo.files["train/sft.py"].decode()
    assert f'# emg-llm = {{ git = "{pushed.url}" }}\n# ///' in script
    front = repo.files["README.md"].decode().split("---")[1]
    assert "sdk: gradio" in front and f"  - {ID}-svm" in front
    for name, content in repo.files.items():
        path = tmp_path / "space" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    code = (
        "import emg_llm; p = emg_llm.EmotionPipeline.from_pretrained(); print(emg_llm.__file__);"
        "r = emg_llm.read_recording(p.samples['Person 2: hard']); print(p(r).label, p.models)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "space",
        env=hub_environment(changeable, tmp_path),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(tmp_path / "space") in done.stdout and "nano-llama3" in done.stdout


def test_a_space_needs_a_published_bundle(server, quick_bundle, capsys):
    assert emg_llm(["deploy-space", f"{USER}/demo"]) == 2
    assert "no such repository" in capsys.readouterr().err
    assert not server.repos


def hub_environment(server, folder):
    """What a fresh process needs to talk to the server, with a cache of its own."""
    import os

    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
        **{"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN},
        **{"HF_HOME": str(Path(folder) / "home"), "GRADIO_ANALYTICS_ENABLED": "False"},
    }


def test_an_adapter_on_four_bits_comes_back_from_the_hub_on_four_bits(server, tmp_path):
    from peft import get_peft_model

    family = next(f for f in FAMILIES if f.llm == "llama-3.2-3b")
    tokenizer = make_tokenizer(family)
    make_model(family, tokenizer).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    base = hub.push(tmp_path / "base", f"{USER}/base", "model")
    model, tokenizer = load_base(f"{USER}/base", base.revision, family.llm, load_in_4bit=True)
    turns = [{"role": "user", "content": "EMG features: <emg_0_1>"}]
    prepare(model, tokenizer, {"train": [{"messages": turns}]}, "new")
    adapted = get_peft_model(model, lora_config(model, tokenizer, "new"))
    llm = EmgLLM(family.llm, adapted, tokenizer, ("anger", "fear"), None, spelling="new")
    llm.save_adapter(tmp_path / "adapter", base=f"{USER}/base", base_revision=base.revision)
    share(tmp_path / "adapter", f"{USER}/adapter")

    card = server.repo(f"{USER}/adapter").files["README.md"].decode()
    assert f"base_model: {USER}/base" in card
    again = EmgLLM.from_pretrained(f"{USER}/adapter")
    assert again.model.get_base_model().is_loaded_in_4bit
    readings = [Reading(codes=(1,)), NO_EMG]
    np.testing.assert_allclose(again.label_scores(readings), llm.label_scores(readings), atol=1e-4)


def test_fine_tuning_takes_its_data_from_the_hub_and_sends_the_adapter_there(
    run_script, changeable, tmp_path
):
    at = {
        kind: changeable.repo(f"{ID}-{name}", kind).branches["main"]
        for kind, name in (("model", "nano-llama2"), ("dataset", "conversations"))
    }
    done = run_script(
        *("sft", "--llm", "nano-llama2", "--output_dir", tmp_path / "mine"),
        *("--model_name_or_path", f"{ID}-nano-llama2", "--model_revision", at["model"]),
        *("--dataset_name", f"{ID}-conversations", "--dataset_revision", at["dataset"]),
        *("--max_steps", 2, "--per_device_train_batch_size", 4),
        *("--push_to_hub", "--hub_model_id", f"{USER}/mine"),
        offline=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Pushed to {changeable.url}/{USER}/mine" in done.stdout
    files = changeable.repo(f"{USER}/mine").files
    assert "adapter_model.safetensors" in files and "predictions.csv" not in files
    config = json.loads(files["config.json"])
    assert config["base"] == f"{ID}-nano-llama2" and config["base_revision"] == at["model"]
    assert TOKEN not in done.stdout + done.stderr
