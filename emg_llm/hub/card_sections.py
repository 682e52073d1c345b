"""Sentences and tables of cards: where data comes from, how people were kept apart, the scores."""

from pathlib import Path

HUB = "https://huggingface.co"
CONTROLS = {
    "majority": "always the commonest label",
    "shuffled_emg": "with another recording's signal",
    "noise_emg": "with noise as strong as another recording",
    "no_emg": "without EMG",
    "shuffled_labels": "trained on shuffled labels",
    "untrained_adapter": "adapter as it starts",
    "random_base": "base of random weights",
}


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


def models_table(models):
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


def codebook_table(results):
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


def parts_table(config):
    lines = ["| part | repository | commit |", "|---|---|---|"]
    for place, pinned in config.get("parts", {}).items():
        repo = pinned["repo"]
        lines.append(f"| {place} | [{repo}]({HUB}/{repo}) | `{pinned['revision'][:12]}` |")
    return "\n".join(lines) if len(lines) > 2 else "All of it is in this folder."


def link(pinned):
    return f"[{pinned['repo']}]({HUB}/{pinned['repo']}) at `{pinned['revision'][:12]}`"


def base_facts(config):
    from emg_llm.registry import REGISTRY

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
