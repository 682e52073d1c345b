"""Model and dataset cards, rendered from the templates in `hub_cards/`.

Every figure comes from the folder's results.json; without it, the card says that nothing was
measured.
"""

import json
import re
from functools import partial
from pathlib import Path

from emg_llm.registry import REGISTRY
from emg_llm.signal.recording import MONTAGE
from emg_llm.signal.simulation import is_simulated

# A key that only the config.json of one kind has -> the kind's template.
KEYS = {"arch": "encoder", "depths": "codebook", "model_type": "base", "encoders": "bundle"}
# The task and the library under which the Hub lists a model.
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
    """Write the README.md of a saved model or dataset.

    repo_id: its future Hub id. data_id: the Hub id of its training dataset. privacy: a sentence
    about the names in a dataset.
    """
    folder = Path(folder)
    kind, config = _kind(folder)
    results = _json(folder / "results.json")
    data = results.get("data") or config.get("data", "")
    simulated = is_simulated(data)
    context = {
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
        context |= {"spec": REGISTRY.get(config["name"]), "base_on_hub": on_hub}
    if kind == "dataset":
        context |= _conversations(folder)
    template = _template(kind)
    title = "".join(template.blocks["title"](template.new_context(context)))
    describe = _dataset_data if kind == "dataset" else partial(_model_data, kind)
    context["card_data"] = describe(title, context).to_yaml()
    # Blocks that a template skips leave blank lines.
    card = re.sub(r"\n{3,}", "\n\n", template.render(context))
    (folder / "README.md").write_text(card, encoding="utf-8")


def _kind(folder):
    """(name of a folder's template, its configuration)."""
    if (folder / "bridge.json").exists():
        return "dataset", _json(folder / "bridge.json")
    config = _json(folder / "config.json")
    kinds = {"emg-svm": "svm", "emg-llm-adapter": "adapter"}
    kind = kinds.get(config.get("kind")) or next((KEYS[key] for key in KEYS if key in config), "")
    if not kind:
        raise ValueError(f"{folder} holds no model or dataset, so it can't have a card.")
    return kind, config


def _json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _template(kind):
    """A template from hub_cards/: beside the package in a checkout, inside an installed one."""
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
    """Whether a source of weights is a Hub id, not a folder or a registered name."""
    return str(source).count("/") == 1 and not Path(source).exists() and source[0] not in "./~"


def _conversations(folder):
    """The splits of a dataset, training first, and the first conversation of the first split."""
    from collections import Counter

    import datasets

    order = "train", "validation", "test", "calibration"
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


def _dataset_data(title, context):
    """The Hub's metadata for conversations."""
    from huggingface_hub import DatasetCardData

    files = [{"split": part, "path": f"data/{part}.parquet"} for part in context["splits"]]
    return DatasetCardData(
        license="apache-2.0",
        language=["en"],
        pretty_name=title,
        task_categories=["text-generation"],
        tags=_tags(context["simulated"], "sharegpt"),
        configs=[{"config_name": "default", "data_files": files}],
    )


def _model_data(kind, title, context):
    """The Hub's metadata for a model, with the scores from results.json."""
    from huggingface_hub import EvalResult, ModelCardData

    results, simulated, data_id = context["results"], context["simulated"], context["data_id"]
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
    if context.get("base_on_hub"):
        more["base_model"] = context["config"]["base"]
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
