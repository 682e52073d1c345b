"""Where trained things live: the bundle in this package, a folder, or the Hugging Face Hub."""

from pathlib import Path

# Pickles (TRL's training_args.bin among them) and checkpoints never leave.
NEVER_UPLOADED = ["*.bin", "*.pt", "*.pth", "*.pkl", "checkpoint-*/**", "runs/**"]


class HubError(ValueError):
    """Something that can't be found or sent; the text says what to do."""


def bundle_folder():
    """The bundle that ships with the package."""
    return Path(__file__).parent / "bundle"


def resolve(folder_or_id, revision=None):
    """A local folder: the one named, or the snapshot of a Hub repository.

    Raises HubError when it is neither.
    """
    if Path(folder_or_id).is_dir():
        return Path(folder_or_id)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(str(folder_or_id), revision=revision, ignore_patterns=NEVER_UPLOADED)
        )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise HubError(
            f"{folder_or_id} is no folder here and can't be loaded from the Hub: "
            f"{str(error).strip().splitlines()[0]}"
        ) from None


def push(folder, repo_id, private=None):
    """Upload a folder to a model repository, made if it isn't there; returns its address."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        api.upload_folder(repo_id=repo_id, folder_path=folder, ignore_patterns=NEVER_UPLOADED)
    except (HfHubHTTPError, OSError) as error:
        raise HubError(
            f"{repo_id} can't be pushed: {str(error).strip().splitlines()[0]}. What was trained "
            f"is in {folder}; log in with `hf auth login` and push again."
        ) from None
    return f"{api.endpoint}/{repo_id}"


def write_card(folder, title, results, load, tags=()):
    """README.md of a saved model: what it is, what it was trained on, how it did, how to load it.

    results: what its results.json holds; load: lines of Python.
    """
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCardData(
        license="apache-2.0", library_name="emg-llm", tags=["emg", "emotion-recognition", *tags]
    )
    lines = [f"---\n{data.to_yaml()}\n---\n\n# {title}", f"Data: `{results['data']}`."]
    if "accuracy_ci95" in results:
        low, high = results["accuracy_ci95"]
        shuffled = results["controls"]["shuffled_emg"]["accuracy"]
        lines.append(
            f"Accuracy {results['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}; chance "
            f"{results['chance']:.3f}, with shuffled EMG {shuffled:.3f}) on "
            f"{results['n_recordings']} recordings of {_whose(results)}, protocol "
            f"`{results['protocol']['name']}`."
        )
    lines += [
        f"```python\n{load}\n```",
        "Research software, no medical device: an emotion that is read from muscle activity is a "
        "guess about a face.",
    ]
    ModelCard("\n\n".join(lines) + "\n").save(Path(folder) / "README.md")


def write_dataset_card(folder, info, facts, example):
    """README.md of a conversation dataset: what it holds, of whom, how it was made, how to load it.

    info: what its bridge.json holds; facts: how it was made, conversations and people by split;
    example: a row's ShareGPT turns.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    counts = facts["conversations"]
    files = [{"split": part, "path": f"data/{part}.parquet"} for part in counts]
    data = DatasetCardData(
        license="apache-2.0",
        language=["en"],
        task_categories=["text-generation"],
        tags=["emg", "emotion-recognition", "sharegpt"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    table = ["| split | conversations | people |", "|---|---|---|"]
    table += [f"| {part} | {n:,} | {facts['people'][part]} |" for part, n in counts.items()]
    turns = "\n".join(f"> **{t['from']}** {t['value']}  " for t in example)
    made = {k: v for k, v in facts.items() if k in ("bridge", "scaling", "variants", "follow_ups")}
    simulated = info["data"].startswith("simulated")
    lines = [
        f"---\n{data.to_yaml()}\n---\n\n# EMG-LLM conversations",
        f"Data: `{info['data']}`. "
        + (
            "No recording of a real person is in it."
            if simulated
            else "It describes recordings of people: share it only as they agreed."
        ),
        "Each conversation begins with what was measured of one EMG recording and its emotion; "
        "questions about the recording and about EMG follow. Every answer is computed from what is "
        "in the prompt. Training recordings come several times, each a little varied; every fourth "
        "time the prompt tells labelled trials of the same person, if the bridge has levels. No "
        "person is in two splits.",
        "\n".join(table),
        f"Labels: {', '.join(info['labels'])}. Protocol: `{info['protocol']['name']}`, split "
        f"`{info['protocol']['split_hash']}`. Made with "
        + ", ".join(f"{k} {v}" for k, v in made.items())
        + ".",
        turns,
        "Columns: `conversations` (ShareGPT), `messages`, `label`, `subject`, `recording_id`.",
        "```python\nfrom datasets import load_dataset\n\nrows = load_dataset(folder)\n```",
    ]
    DatasetCard("\n\n".join(lines) + "\n").save(Path(folder) / "README.md")


def _whose(results):
    if "before" in results:
        return (
            "the person whom it was calibrated to, each of them read after learning the others; "
            f"before that the accuracy was {results['before']['accuracy']:.3f}"
        )
    return f"{results['n_subjects']} people that it was not trained on"
