"""Model and dataset cards: templates of `hub_cards/`, filled from what lies beside them.

Every figure in a card is read from the folder's results.json; a card of what was not measured says
that it wasn't.
"""

import json
from pathlib import Path

from emg_llm.hub.card_sections import (
    HUB,
    base_facts,
    codebook_table,
    data_sentence,
    limits,
    link,
    models_table,
    on_hub,
    parts_table,
    protocol_sentence,
    results_table,
)
from emg_llm.signal.recording import MONTAGE

NAME = "EMG-LLM"
ARCHITECTURES = {
    "cnn": "convolutional network (CNN)",
    "tcn": "temporal convolutional network (TCN)",
}
BRIDGES = {
    "text": "words and numbers: the level at each electrode, and of a signal its quality and "
    "timing",
    "tokens": "discrete tokens that {codec} make of it",
}
BRIDGES["both"] = f"{BRIDGES['tokens']}, and as {BRIDGES['text']}"
TASKS = {
    **{"svm": "tabular-classification", "encoder": "feature-extraction"},
    **{"codebook": "feature-extraction", "base": "text-generation"},
    **{"adapter": "text-generation", "bundle": "text-generation"},
}
# What is imported, and what is then written, to load each kind.
LOADS = {
    "svm": (
        "from emg_llm.svm import EmotionSVM",
        'svm = EmotionSVM.from_pretrained("{id}")\nprint(dict(zip(svm.labels, svm(recording))))',
    ),
    "encoder": (
        "from emg_llm.encoders import load_encoder",
        'encoder = load_encoder("{id}")\n'
        "print(dict(zip(encoder.config.labels, encoder(recording))))\n"
        "embedding = encoder.encode(encoder.config.tensor(recording))  # tensor ({embedding_dim},)",
    ),
    "codebook": (
        "from emg_llm.bridge.codebook import Codebook\nfrom emg_llm.encoders import load_encoder",
        'encoder = load_encoder("{encoder}")\n'
        'codebook = Codebook.from_pretrained("{id}")\n'
        "embedding = encoder.encode(encoder.config.tensor(recording))\n"
        "print(codebook.encode(embedding.unsqueeze(0)))  # int ({depths} codes of 1 recording)",
    ),
    "base": (
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        'model = AutoModelForCausalLM.from_pretrained("{id}")\n'
        'tokenizer = AutoTokenizer.from_pretrained("{id}")',
    ),
    "adapter": (
        "from emg_llm.llms.model import EmgLLM",
        'llm = EmgLLM.from_pretrained("{id}")\nprint(dict(zip(llm.labels, llm(recording))))\n'
        'asked = [{{"role": "user", "content": llm.bridge.read(recording).prompt()}}]\n'
        'print("".join(llm.reply(asked)))',
    ),
    "bundle": (
        "",
        'pipeline = emg_llm.EmotionPipeline.from_pretrained("{id}")\n'
        "print(pipeline(recording).label)",
    ),
    "dataset": ("from datasets import load_dataset", 'rows = load_dataset("{id}")'),
}
READ = 'recording = emg_llm.read_recording("recording.csv")'
INPUT = (
    "A CSV has a column for each electrode, in µV unless its name says otherwise, and one of the "
    "time in seconds; npy, npz, tsv, txt and mat files are read too. Where a file doesn't say its "
    "sampling rate: `read_recording(path, sampling_rate=2000)`."
)


def write_card(folder, repo_id=None, data_id=None, privacy=None):
    """Write README.md into a saved model or dataset, of what the folder holds: its kind.

    repo_id: where it will be on the Hub. data_id: the dataset on the Hub that it was trained on.
    privacy: of a dataset, what was left out.
    """
    from huggingface_hub import DatasetCard, ModelCard

    folder = Path(folder)
    kind, config = _kind(folder)
    results = _json(folder / "results.json")
    known = {
        "title": title(kind, config, folder, repo_id),
        "project": f"[{NAME}]({HUB}/{repo_id.split('/')[0]}/emg-llm)" if repo_id else NAME,
        "citation": _citation(repo_id),
        "risks": (templates() / "risks.md").read_text(encoding="utf-8").strip() + "\n",
        **_told(kind, config, results, folder),
    }
    simulated = _data(config, results).startswith("simulated")
    known["load"] = _load(kind, repo_id or folder.name, config, simulated)
    if repo_id and kind not in ("base", "dataset"):
        space = f"{HUB}/spaces/{repo_id.split('/')[0]}/emg-llm"
        known["load"] = (
            f"The package lies in the repository of [the demo]({space}):\n\n"
            f"```bash\npip install git+{space}\n```\n\n{known['load']}"
        )
    if kind == "dataset" and repo_id is None:
        # By its name alone, datasets would take another folder of that name for it.
        by_name = f'load_dataset("{folder.name}")'
        by_file = f'load_dataset("parquet", data_dir="{folder.name}/data")'
        known["load"] = known["load"].replace(by_name, by_file)
    if kind == "dataset":
        known["privacy"] = privacy or "Names of people and files are those of the data."
    card = (DatasetCard if kind == "dataset" else ModelCard).from_template(
        _metadata(kind, config, results, folder, known["title"], data_id),
        template_path=str(templates() / f"{kind}.md"),
        **known,
    )
    card.save(folder / "README.md")
    return kind


def _citation(repo_id):
    address = f"{HUB}/{repo_id}" if repo_id else HUB
    return (
        "Name the commit that you used:\n\n```bibtex\n@software{emg_llm,\n"
        '  author = "{The EMG-LLM developers}",\n'
        "  title = {EMG-LLM: reading emotion from surface EMG, and talking about it},\n"
        f"  url = {{{address}}},\n}}\n```"
    )


def templates():
    """The folder of the templates: beside the package in a checkout, in it where installed."""
    inside = Path(__file__).parents[1] / "hub_cards"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "hub_cards"


def title(kind, config, folder, repo_id=None):
    """What a card is headed with."""
    name = {
        "svm": "SVM",
        "encoder": config.get("arch", "").upper(),
        "codebook": "codebook",
        "base": repo_id.split("/")[-1].removeprefix("emg-llm-") if repo_id else folder.name,
        "adapter": f"{config.get('name')} adapter",
        "bundle": "",
        "dataset": "conversations",
    }[kind]
    return f"{NAME} {name}".strip() if kind != "base" else name


def _kind(folder):
    """(which of the templates a folder belongs to, its configuration)."""
    if (folder / "bridge.json").exists():
        return "dataset", _json(folder / "bridge.json")
    config = _json(folder / "config.json")
    keys = {"arch": "encoder", "depths": "codebook", "model_type": "base", "encoders": "bundle"}
    kinds = {"emg-svm": "svm", "emg-llm-adapter": "adapter"}
    found = kinds.get(config.get("kind")) or next(
        (k for key, k in keys.items() if key in config), ""
    )
    if not found:
        raise ValueError(f"{folder} holds nothing that a card is known for.")
    return found, config


def _json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _data(config, results):
    """What was trained on, as `--data` has it."""
    return results.get("data") or config.get("data", "")


def _told(kind, config, results, folder):
    """What the template of a kind asks for."""
    data = _data(config, results)
    simulated = data.startswith("simulated")
    told = {
        "data": data_sentence(data),
        "protocol": protocol_sentence(results or config),
        "results": results_table(results),
        "limits": limits(simulated),
        "labels": ", ".join(config.get("labels") or results.get("labels", ())),
    }
    if kind == "svm":
        told["n_channels"] = len(config["columns"]) // 3
    elif kind == "encoder":
        told |= {key: config[key] for key in ("embedding_dim", "lead", "n_channels")}
        told["arch"] = ARCHITECTURES.get(config["arch"], config["arch"])
    elif kind == "codebook":
        told |= {"depths": config["depths"], "codes": config["codes"]}
        told["results"] = codebook_table(results)
        told["encoder"] = f" ({link(config['encoder'])})" if config.get("encoder") else ""
    elif kind == "base":
        told |= {
            "architecture": config["architectures"][0],
            "name": results.get("model", folder.name),
        }
        told |= {"n_parameters": f"{results.get('n_parameters', 0) / 1e6:.2f} million"}
        told |= {"steps": results.get("steps", "some"), "seed": results.get("seed", 0)}
        teacher = results.get("start_with")
        told["start"] = f"from the layers of an earlier `{teacher}`" if teacher else "from scratch"
        told["loss"] = f"{results['loss']:.3f}" if "loss" in results else "is not known"
    elif kind == "adapter":
        told |= base_facts(config)
        codec = "an encoder and a codebook"
        if config.get("codebook"):
            codec = f"{link(config['encoder'])} and {link(config['codebook'])}"
        told["bridge"] = BRIDGES[(config.get("bridge") or {}).get("kind", "text")].format(
            codec=codec
        )
    elif kind == "bundle":
        told |= {key: ", ".join(config[key]) for key in ("encoders", "llms")}
        told["results"] = models_table(results["models"])
        told["parts"] = parts_table(config)
        told["protocol"] = protocol_sentence(results["models"][0])
    elif kind == "dataset":
        told |= _dataset(config, folder)
        told["label_limit"] = (
            "the label is the emotion that the simulator was told to show."
            if simulated
            else "whether the label is what the person felt, nobody knows."
        )
    return told


def _parquet(folder):
    """The files of a dataset's splits: training first."""
    order = "train", "validation", "test"
    files = {path.stem: path for path in sorted((folder / "data").glob("*.parquet"))}
    return [files[part] for part in sorted(files, key=(*order, *files).index)]


def _dataset(config, folder):
    from collections import Counter

    import datasets

    parts = {path.stem: datasets.Dataset.from_parquet(str(path)) for path in _parquet(folder)}
    lines = ["| split | conversations | people |", "|---|---|---|"]
    for part, rows in parts.items():
        lines.append(f"| {part} | {len(rows):,} | {len(set(rows['subject']))} |")
    turns = next(iter(parts.values()))[0]["conversations"]
    made, train = config.get("made", {}), parts.get("train")
    varied = max(Counter(train["recording_id"]).values()) if train else 1
    return {
        "n_rows": f"{sum(map(len, parts.values())):,}",
        "counts": "\n".join(lines),
        "example": "\n".join(f"> **{t['from']}**: {t['value']}  " for t in turns),
        "variants": varied,
        "made": f"Made with {', '.join(f'{k} {v}' for k, v in made.items())}." if made else "",
    }


def _load(kind, name, config, simulated):
    imports, code = LOADS[kind]
    known = {key: config.get(key) for key in ("embedding_dim", "depths")}
    encoder = (config.get("encoder") or {}).get("repo", "the encoder's folder")
    code = code.format(id=name, encoder=encoder, **known)
    reads = kind not in ("base", "dataset")
    if reads:
        imports, code = f"import emg_llm\n{imports}".strip(), f"{READ}\n{code}"
    code = f"```python\n{imports}\n\n{code}\n```"
    if not reads:
        return code
    sites = ", ".join(MONTAGE)
    return f"{code}\n\n{INPUT}" + f" Electrodes, in this order: {sites}." * simulated


def _metadata(kind, config, results, folder, name, data_id):
    """Card data: what the Hub files it under, with the scores of results.json."""
    from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

    tags = ["emg", "electromyography", "emotion-recognition", "biosignals", "emg-llm"]
    simulated = _data(config, results).startswith("simulated")
    tags += ["simulated-data"] if simulated else []
    if kind == "dataset":
        files = [{"split": path.stem, "path": f"data/{path.name}"} for path in _parquet(folder)]
        return DatasetCardData(
            license="apache-2.0",
            language=["en"],
            pretty_name=name,
            task_categories=["text-generation"],
            tags=[*tags, "sharegpt"],
            configs=[{"config_name": "default", "data_files": files}],
        )
    more = {}
    if "accuracy_ci95" in results:
        said = "simulated facial EMG" if simulated else "surface EMG of people"
        apart = (results.get("protocol") or {}).get("grouping") == "subject"
        figures = {"accuracy": "accuracy", "f1": "macro_f1"}
        more["eval_results"] = [
            EvalResult(
                task_type="tabular-classification" if kind == "svm" else "other",
                task_name="Emotion from surface EMG" + ", people never seen" * apart,
                dataset_type=data_id or "emg",
                dataset_name=said,
                metric_type=metric,
                metric_name="macro F1" if metric == "f1" else metric,
                metric_value=round(results[key], 4),
            )
            for metric, key in figures.items()
        ]
        more["model_name"] = name
    if kind == "adapter":
        more["library_name"] = "peft"
        if on_hub(config["base"]):
            more["base_model"] = config["base"]
        tags += ["lora"]
    if kind in ("adapter", "base", "bundle"):
        more["language"] = ["en"]
    libraries = {"svm": "sklearn", "base": "transformers"}
    return ModelCardData(
        license="apache-2.0",
        tags=tags,
        pipeline_tag=TASKS[kind],
        **{"library_name": libraries.get(kind, "emg-llm"), **more},
        **({"datasets": [data_id]} if data_id else {}),
    )
