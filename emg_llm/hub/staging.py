"""Prepares a folder for upload: selects files, replaces names and pins parts to commits."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emg_llm.hub.client import HubError
from emg_llm.signal.readers.formats import COMPANIONS, EXTENSIONS
from emg_llm.signal.simulation import is_simulated

# The files of a model that are uploaded; prediction tables and reports name people.
MODEL_FILES = (
    *("config.json", "model.safetensors", "model.skops", "results.json", "generation_config.json"),
    *("adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model"),
)
RECORDINGS = {*EXTENSIONS, *COMPANIONS}  # endings of files that may hold people's recordings

Pins = dict[str, dict[str, str]]  # place in the bundle -> {"repo", "revision"}


def copy_model(
    source: str | Path,
    folder: str | Path,
    names: bool = False,
    results: Mapping[str, Any] | None = None,
) -> None:
    """Copy the files of a saved model to upload; results: its results.json if it has none."""
    source, folder = Path(source), Path(folder)
    for name in MODEL_FILES:
        if (source / name).exists():
            shutil.copy2(source / name, folder / name)
    if (folder / "config.json").exists():
        config = json.loads((folder / "config.json").read_text())
        if "trained_on" in config:
            config["trained_on"] = plain_name(config["trained_on"])
            write_json(folder / "config.json", config)
        if config.get("kind") == "emg-llm-adapter" and Path(str(config["base"])).is_dir():
            write_json(folder / "config.json", config | {"base": _base_elsewhere(config)})
    if not (folder / "results.json").exists() and results:
        write_json(folder / "results.json", results)
    if (folder / "results.json").exists():
        measured = json.loads((folder / "results.json").read_text())
        write_json(folder / "results.json", anonymous(measured, names))


def _base_elsewhere(config):
    """The name under which other machines find a base that is a local folder here."""
    from emg_llm.registry import REGISTRY

    if config["name"] in REGISTRY:
        return config["name"]
    raise HubError(
        f"The base of this adapter is the local folder {config['base']}: upload it to the Hub "
        "first, and train with its id as --model_name_or_path."
    )


def pin(folder: str | Path, place: str, pins: Pins) -> None:
    """Record in a part's configuration the other parts and commits that it belongs to."""
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text())
    kind, _, name = place.partition("/")
    encoder = next((v for p, v in pins.items() if p.startswith("encoders/")), None)
    if kind == "codebook" and encoder:
        write_json(path, config | {"encoder": encoder})
    if kind == "adapters":
        base = pins.get(f"llms/{name}")
        if base:
            config |= {"base": base["repo"], "base_revision": base["revision"]}
            lora = json.loads((path.parent / "adapter_config.json").read_text())
            lora |= {"base_model_name_or_path": base["repo"], "revision": base["revision"]}
            write_json(path.parent / "adapter_config.json", lora)
        codec = {"encoder": encoder, "codebook": pins["codebook"]}
        # Older bridges don't say what they need; they may need both.
        needs = (config.get("bridge") or {"needs": ()}).get("needs", codec)
        config |= {part: codec[part] for part in codec if part in needs}
        write_json(path, config)


def about_conversations(source: Path) -> dict[str, Any]:
    """The `bridge.json` of a folder of conversations. Raises HubError if it has none."""
    try:
        info = json.loads((source / "bridge.json").read_text())
        if "data" in info and any(source.glob("data/*.parquet")):
            return info
    except (OSError, ValueError):
        pass
    raise HubError(
        f"{source} holds no conversations; create them with train/conversations.py, or leave "
        "out --conversations."
    )


def copy_dataset(
    source: str | Path, folder: str | Path, names: bool = False, recordings: bool = False
) -> str:
    """Copy conversations as Parquet; numbers replace the names of real people and their files.

    Returns a sentence about privacy. Raises HubError if the folder holds recordings that are not
    to be uploaded.
    """
    import datasets

    source, folder = Path(source), Path(folder)
    info = about_conversations(source)
    conversations = set((source / "data").glob("*.parquet"))
    raw = sorted(p for p in source.rglob("*") if p.suffix.lower() in RECORDINGS)
    raw = [p for p in raw if p not in conversations]
    if raw and not recordings:
        raise HubError(
            f"{source} may hold recordings of people ({raw[0].name}, {len(raw)} files): remove "
            "them, or upload them with --include_recordings."
        )
    for path in raw:
        target = folder / "recordings" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    numbers = {"subject": {}, "recording_id": {}}
    hide = not names and not is_simulated(info["data"])

    def numbered(row):
        for column, word in (("subject", "person"), ("recording_id", "recording")):
            value = row[column]
            if value:
                number = numbers[column].setdefault(value, len(numbers[column]) + 1)
                row[column] = f"{word} {number}"
        return row

    for path in sorted(conversations):
        rows = datasets.Dataset.from_parquet(str(path), keep_in_memory=True)
        if hide:
            rows = rows.map(numbered, load_from_cache_file=False, keep_in_memory=True)
        (folder / "data").mkdir(exist_ok=True)
        rows.to_parquet(folder / "data" / path.name)
    info["data"] = plain_name(info["data"])
    info.pop("parts", None)  # hashes of local files; a download has its own
    write_json(folder / "bridge.json", info)
    if is_simulated(info["data"]):
        return "The data are simulated and name no real people."
    how = "were replaced by numbers" if hide else "are included"
    return f"Names of people and of their files {how}."


def anonymous(results: Mapping[str, Any], names: bool = False) -> dict[str, Any]:
    """A results.json without names of real people and without local paths."""
    public = dict(results)
    public["data"] = plain_name(public.get("data", ""))
    if "calibrated_from" in public:  # of an encoder that was calibrated to a person
        public["calibrated_from"] = anonymous(public["calibrated_from"], names)
    people = public.get("per_subject")
    if people and not names and not is_simulated(public["data"]):
        public["per_subject"] = [p | {"subject": f"person {i + 1}"} for i, p in enumerate(people)]
    return public


def plain_name(data: str) -> str:
    return data if is_simulated(data) else Path(str(data)).name


def write_evaluation(folder: str | Path, data_id: str) -> None:
    """Write `.eval_results/`, from which the Hub shows the accuracy beside the model."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    path = Path(folder) / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if "accuracy_ci95" not in results:
        return
    low, high = results["accuracy_ci95"]
    entry = EvalResultEntry(
        dataset_id=data_id,
        task_id="emotion",
        value=round(results["accuracy"], 4),
        notes=f"95 % interval {low:.3f} to {high:.3f}, chance {results['chance']:.3f}, split by "
        f"{results['protocol'].get('grouping')} {results['protocol'].get('split_hash')}",
    )
    target = Path(folder) / ".eval_results" / "emotion.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False))


def write_json(path: str | Path, value: Any) -> None:
    Path(path).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
