"""Model and dataset cards: the templates of `hub_cards/`, given what lies in a folder.

All that a card says is in the templates, and every figure comes from the folder's results.json; a
card of what was not measured says that it wasn't.
"""

import json
import re
from pathlib import Path

from emg_llm.registry import REGISTRY
from emg_llm.signal.recording import MONTAGE
from emg_llm.signal.simulation import is_simulated

# Which template a folder's config.json belongs to: it has this key.
KEYS = {"arch": "encoder", "depths": "codebook", "model_type": "base", "encoders": "bundle"}
# The task and the library that the Hub files a model under.
FILED = {
    "svm": ("tabular-classification", "sklearn"),
    "encoder": ("feature-extraction", "emg-llm"),
    "codebook": ("feature-extraction", "emg-llm"),
    "base": ("text-generation", "transformers"),
    "adapter": ("text-generation", "peft"),
    "bundle": ("text-generation", "emg-llm"),
}


def write_card(
    folder: str | Path,
    repo_id: str | None = None,
    data_id: str | None = None,
    privacy: str | None = None,
) -> None:
    """Write README.md into a saved model or dataset, of what the folder holds.

    repo_id: where it will be on the Hub. data_id: the dataset on the Hub that it was trained on.
    privacy: of a dataset, what was left out.
    """
    folder = Path(folder)
    kind, config = _kind(folder)
    results = _json(folder / "results.json")
    data = results.get("data") or config.get("data", "")
    simulated = is_simulated(data)
    known = {
        "config": config,
        "results": results,
        "simulated": simulated,
        "data": data if simulated else Path(data).name,
        "repo_id": repo_id,
        "id": repo_id or folder.name,
        "data_id": data_id,
        "privacy": privacy,
        "sites": MONTAGE,
    }
    if kind == "adapter":
        on_hub = _on_hub(config["base"])
        known |= {"spec": REGISTRY.get(config["name"]), "base_on_hub": on_hub}
    if kind == "dataset":
        known |= _conversations(folder)
    template = _template(kind)
    title = "".join(template.blocks["title"](template.new_context(known)))
    filed = _dataset_data(title, known) if kind == "dataset" else _model_data(kind, title, known)
    known["card_data"] = filed.to_yaml()
    # What a template leaves out leaves its blank lines behind.
    card = re.sub(r"\n{3,}", "\n\n", template.render(known))
    (folder / "README.md").write_text(card, encoding="utf-8")


def _kind(folder):
    """(which of the templates a folder belongs to, its configuration)."""
    if (folder / "bridge.json").exists():
        return "dataset", _json(folder / "bridge.json")
    config = _json(folder / "config.json")
    kinds = {"emg-svm": "svm", "emg-llm-adapter": "adapter"}
    found = kinds.get(config.get("kind")) or next(
        (k for key, k in KEYS.items() if key in config), ""
    )
    if not found:
        raise ValueError(f"{folder} holds nothing that a card is known for.")
    return found, config


def _json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _template(kind):
    """A template, of the folder beside the package in a checkout, in it where installed."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    package = Path(__file__).parents[1]
    return Environment(
        loader=FileSystemLoader([package / "hub_cards", package.parent / "hub_cards"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    ).get_template(f"{kind}.md")


def _on_hub(source):
    """Whether a source of weights is a Hub id, and not a folder or a name of this package."""
    return str(source).count("/") == 1 and not Path(source).exists() and source[0] not in "./~"


def _conversations(folder):
    """The splits of a dataset, training first, and of its first one the first conversation."""
    from collections import Counter

    import datasets

    order = "train", "validation", "test"
    files = {path.stem: path for path in sorted((folder / "data").glob("*.parquet"))}
    parts = {
        part: datasets.Dataset.from_parquet(str(files[part]))
        for part in sorted(files, key=(*order, *files).index)
    }
    train = parts.get("train")
    return {
        "splits": {
            part: {"rows": len(rows), "people": len(set(rows["subject"]))}
            for part, rows in parts.items()
        },
        "example": next(iter(parts.values()))[0]["conversations"],
        "variants": max(Counter(train["recording_id"]).values()) if train else 1,
    }


def _tags(simulated, *more):
    tags = ["emg", "electromyography", "emotion-recognition", "biosignals", "emg-llm"]
    return [*tags, *["simulated-data"] * simulated, *more]


def _dataset_data(title, known):
    """What the Hub files conversations under."""
    from huggingface_hub import DatasetCardData

    files = [{"split": part, "path": f"data/{part}.parquet"} for part in known["splits"]]
    return DatasetCardData(
        license="apache-2.0",
        language=["en"],
        pretty_name=title,
        task_categories=["text-generation"],
        tags=_tags(known["simulated"], "sharegpt"),
        configs=[{"config_name": "default", "data_files": files}],
    )


def _model_data(kind, title, known):
    """What the Hub files a model under, with the scores of results.json."""
    from huggingface_hub import EvalResult, ModelCardData

    results, simulated, data_id = known["results"], known["simulated"], known["data_id"]
    task, library = FILED[kind]
    more = {}
    if "accuracy_ci95" in results:
        apart = (results.get("protocol") or {}).get("grouping") == "subject"
        more["model_name"] = title
        more["eval_results"] = [
            EvalResult(
                task_type="tabular-classification" if kind == "svm" else "other",
                task_name="Emotion from surface EMG" + ", people never seen" * apart,
                dataset_type=data_id or "emg",
                dataset_name="simulated facial EMG" if simulated else "surface EMG of people",
                metric_type=metric,
                metric_name=name,
                metric_value=round(results[key], 4),
            )
            for metric, name, key in (
                ("accuracy", "accuracy", "accuracy"),
                ("f1", "macro F1", "macro_f1"),
            )
        ]
    if known.get("base_on_hub"):
        more["base_model"] = known["config"]["base"]
    if task == "text-generation":
        more["language"] = ["en"]
    if data_id:
        more["datasets"] = [data_id]
    return ModelCardData(
        license="apache-2.0",
        tags=_tags(simulated, *["lora"] * (kind == "adapter")),
        pipeline_tag=task,
        library_name=library,
        **more,
    )
