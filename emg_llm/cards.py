"""Model and dataset cards: templates of `hub_cards/`, filled from what lies beside them.

Every figure in a card is read from the folder's results.json; a card of what was not measured says
that it wasn't.
"""

import json
from pathlib import Path

from emg_llm.reading import site_name
from emg_llm.recording import MONTAGE

NAME = "EMG-LLM"
HUB = "https://huggingface.co"
ARCHITECTURES = {
    "cnn": "convolutional network (CNN)",
    "tcn": "temporal convolutional network (TCN)",
}
BRIDGES = {
    "text": "words and numbers: the level at each electrode, which are strongest and weakest, "
    "and of a signal its quality and timing",
    "tokens": "discrete tokens that {codec} make of it",
}
BRIDGES["both"] = f"{BRIDGES['tokens']}, and as {BRIDGES['text']}"
TASKS = {
    **{"svm": "tabular-classification", "encoder": "feature-extraction"},
    **{"codebook": "feature-extraction", "base": "text-generation"},
    **{"adapter": "text-generation", "bundle": "text-generation"},
}
CONTROLS = {
    "majority": "always the commonest label",
    "shuffled_emg": "with another recording's signal",
    "noise_emg": "with noise as strong as another recording",
    "no_emg": "without EMG",
    "shuffled_labels": "trained on shuffled labels",
    "untrained_adapter": "adapter as it starts",
    "random_base": "base of random weights",
}
# What is imported, and what is then written, to load each kind.
LOADS = {
    "svm": (
        "from emg_llm.baseline import EmotionSVM",
        'svm = EmotionSVM.from_pretrained("{id}")\nprint(dict(zip(svm.labels, svm(recording))))',
    ),
    "encoder": (
        "from emg_llm.encoders import load_encoder",
        'encoder = load_encoder("{id}")\n'
        "print(dict(zip(encoder.config.labels, encoder(recording))))\n"
        "embedding = encoder.encode(encoder.config.tensor(recording))  # tensor ({embedding_dim},)",
    ),
    "codebook": (
        "from emg_llm.codebook import Codebook\nfrom emg_llm.encoders import load_encoder",
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
    inside = Path(__file__).parent / "hub_cards"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "hub_cards"


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
        told["results"] = _codebook_table(results)
        told["encoder"] = f" ({_link(config['encoder'])})" if config.get("encoder") else ""
    elif kind == "base":
        told |= {
            "architecture": config["architectures"][0],
            "name": results.get("model", folder.name),
        }
        told |= {"n_parameters": f"{results.get('n_parameters', 0) / 1e6:.2f} million"}
        told |= {"steps": results.get("steps", "some"), "seed": results.get("seed", 0)}
        told["loss"] = f"{results['loss']:.3f}" if "loss" in results else "is not known"
    elif kind == "adapter":
        told |= _base_of(config)
        codec = "an encoder and a codebook"
        if config.get("codebook"):
            codec = f"{_link(config['encoder'])} and {_link(config['codebook'])}"
        told["bridge"] = BRIDGES[(config.get("bridge") or {}).get("kind", "text")].format(
            codec=codec
        )
    elif kind == "bundle":
        told |= {key: ", ".join(config[key]) for key in ("encoders", "llms")}
        told["results"] = _models_table(results["models"])
        told["parts"] = _parts_table(config)
        told["protocol"] = protocol_sentence(results["models"][0])
    elif kind == "dataset":
        told |= _dataset(config, folder)
        told["label_limit"] = (
            "the label is the emotion that the simulator was told to show."
            if simulated
            else "whether the label is what the person felt, nobody knows."
        )
    return told


def data_sentence(data):
    """Where recordings come from, honestly."""
    if not data:
        return "What it was trained on is not recorded here."
    if data.startswith("simulated"):
        return (
            "**Simulated**: facial EMG of made-up people, from EMG-LLM's own simulator "
            f"(`{data}`). Each emotion is a pattern of muscles that the simulator was given: "
            "accuracy says how well these are found again in made-up people who differ, and "
            "nothing about real ones. No recording of a real person is in it."
        )
    return (
        f"Recordings of people, known to the maker as `{Path(data).name}`. Whether they agreed to "
        "this use, and under which terms, is for the maker to say: ask before you build on it."
    )


def protocol_sentence(results):
    """How people were kept apart, with the hash that says who was where."""
    protocol = results.get("protocol") or {}
    if not protocol.get("split_hash"):
        return ""
    apart = "Nobody who is scored is in the training data."
    apart = apart if protocol.get("grouping") == "subject" and "accuracy" in results else ""
    return (
        f"Protocol `{protocol['name']}`, seed {protocol.get('seed', 0)}, split hash "
        f"`{protocol['split_hash']}`. {apart}"
    ).strip()


def limits(simulated):
    if simulated:
        return (
            "It has met no real face, and nothing here says how well it would read one: real "
            "electrodes sit elsewhere, skin differs, and people show emotions in their own ways. "
            "Train and measure it on your own recordings before you rely on it."
        )
    return (
        "Other electrodes, other skin and other people: expect less than the figures above until "
        "you have measured it on your own recordings."
    )


def results_table(results):
    """A results.json as Markdown: the scores, and what knows nothing beside them."""
    if "accuracy_ci95" not in results:
        return "Not measured yet."
    low, high = results["accuracy_ci95"]
    lines = [
        f"On {results['n_recordings']} recordings of {_whose(results)}; 95 % intervals from a "
        "bootstrap over people.",
        "",
        "| | |",
        "|---|---|",
        f"| **accuracy** | **{results['accuracy']:.3f}** ({low:.3f}–{high:.3f}) |",
        f"| chance | {results['chance']:.3f} |",
        f"| balanced accuracy | {results['balanced_accuracy']:.3f} |",
        f"| macro F1 | {results['macro_f1']:.3f} |",
        f"| calibration error (ECE) | {results['ece']:.3f} |",
    ]
    reasons = results.get("reasons")
    if reasons:
        lines.append(
            f"| stated facts that hold | {reasons['true']:.3f} of {reasons['n_facts']} in "
            f"{reasons['n_replies']} replies |"
        )
    lines.append("| *controls, which are to be at chance* | |")
    for name, words in CONTROLS.items():
        figures = results["controls"].get(name)
        if isinstance(figures, dict):
            low, high = figures["accuracy_ci95"]
            lines.append(f"| {words} | {figures['accuracy']:.3f} ({low:.3f}–{high:.3f}) |")
        elif figures is not None:
            lines.append(f"| {words} | {figures:.3f} |")
    return "\n".join([*lines, "", "The figures are those of `results.json` in this repository."])


def _whose(results):
    if "before" in results:
        return (
            "the person whom it was calibrated to, each of them read after learning the others "
            f"(before that the accuracy was {results['before']['accuracy']:.3f})"
        )
    return f"{results['n_subjects']} people that it was not trained on"


def _models_table(models):
    """The results of several models, side by side."""
    lines = [
        f"On {models[0]['n_recordings']} recordings of {models[0]['n_subjects']} people that none "
        "of them was trained on; 95 % intervals from a bootstrap over people.",
        "",
        "| model | accuracy | with another recording's signal | chance |",
        "|---|---|---|---|",
    ]
    for r in models:
        low, high = r["accuracy_ci95"]
        lines.append(
            f"| {r['model']} | {r['accuracy']:.3f} ({low:.3f}–{high:.3f}) | "
            f"{r['controls']['shuffled_emg']['accuracy']:.3f} | {r['chance']:.3f} |"
        )
    return "\n".join([*lines, "", "The figures are those of `results.json` in this repository."])


def _codebook_table(results):
    if "depths" not in results:
        return "Not measured yet."
    lines = ["| codes | accuracy | effective codes | unused codes |", "|---|---|---|---|"]
    if "encoder_accuracy" in results:
        lines.append(f"| none: the encoder itself | {results['encoder_accuracy']:.3f} | | |")
    lines += [
        f"| {d['depth']} | {d['accuracy']:.3f} | {d['perplexity']:.1f} | {d['unused_codes']} |"
        for d in results["depths"]
    ]
    return "\n".join(lines)


def _base_of(config):
    from emg_llm.llms.registry import REGISTRY

    base, spec = config["base"], REGISTRY.get(config["name"])
    told = f"[`{base}`]({HUB}/{base})" if on_hub(base) else f"`{config['name']}`"
    licence = "The adapter: Apache-2.0. "
    if spec and spec.license == "apache-2.0":
        licence = "Adapter and base: Apache-2.0"
    elif spec:
        licence += f"Its base has a licence of its own: `{spec.license}`"
    else:
        licence += "Its base has a licence of its own, which is not known here"
    there = f", see {spec.link}" if spec and spec.link else ""
    return {"base": told, "base_name": config["name"], "base_licence": f"{licence}{there}."}


def on_hub(source):
    """Whether a source of weights is a Hub id, and not a folder or a name of this package."""
    return str(source).count("/") == 1 and not Path(source).exists() and source[0] not in "./~"


def _link(pinned):
    return f"[{pinned['repo']}]({HUB}/{pinned['repo']}) at `{pinned['revision'][:12]}`"


def _parts_table(config):
    lines = ["| part | repository | commit |", "|---|---|---|"]
    for place, pinned in config.get("parts", {}).items():
        repo = pinned["repo"]
        lines.append(f"| {place} | [{repo}]({HUB}/{repo}) | `{pinned['revision'][:12]}` |")
    return "\n".join(lines) if len(lines) > 2 else "All of it is in this folder."


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
    sites = ", ".join(site_name(site) for site in MONTAGE)
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
