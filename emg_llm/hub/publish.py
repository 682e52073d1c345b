"""What is sent to the Hub, and in which order: models, conversations, the bundle, the Space.

Everything is staged in a folder of its own first, where names are replaced, parts are pinned and
the card is written; what is staged is what is sent.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emg_llm.hub import client as hub
from emg_llm.hub.cards import write_card
from emg_llm.hub.client import HubError, Pushed
from emg_llm.hub.staging import (
    Pins,
    about_conversations,
    anonymous,
    copy_dataset,
    copy_model,
    pin,
    write_evaluation,
    write_json,
)
from emg_llm.hub.temporary import staging_folder

SPACE_FILES = (
    *("app.py", "requirements.txt", "pyproject.toml", "Dockerfile", "LICENSE", "README.md"),
    *("emg_llm/**/*", "train/**/*", "hub_cards/*", "docs/*", ".github/app.png"),
)
HERE = re.compile(r"^(# emg-llm = )\{ path = .*$", re.M)  # where train/sft.py finds the package
UNKNOWN = "0" * 40  # the commit of what is not sent yet
COLLECTION = "EMG-LLM"
AGAIN = "Run the same command again; what is there already is not sent again."


@dataclass(frozen=True)
class Item:
    """One repository that is to hold something.

    place: what it is in the bundle. stage(folder, pins) writes what is sent; pins: place ->
    {"repo", "revision"} of what was sent before. It may return a sentence about whose data it is.
    """

    repo_id: str
    kind: str
    place: str
    stage: Callable[[Path, Pins], str | None]


def plan(
    namespace: str,
    bundle: str | Path | None = None,
    conversations: str | Path | None = None,
    names: bool = False,
    recordings: bool = False,
) -> Iterator[Item]:
    """Items in the order in which they are sent: what is pinned first, the bundle last.

    bundle: a bundle's folder, the package's own where None. conversations: a folder that
    train/conversations.py wrote. names, recordings: whether names of people, and raw recordings,
    may leave. Raises HubError where there is nothing to send.
    """
    bundle = Path(bundle or hub.bundle_folder())
    files = bundle / "config.json", bundle / "results.json"
    config, measured = (json.loads(f.read_text()) if f.is_file() else {} for f in files)
    if "llms" not in config or "models" not in measured:
        raise HubError(f"{bundle} holds no bundle; build one with `make bundle`.")
    if config.get("parts"):
        raise HubError(f"{bundle} only points to what is on the Hub already.")
    if conversations is not None:
        about_conversations(Path(conversations))

    def item(place, name, stage, kind="model"):
        return Item(f"{namespace}/{'-'.join(filter(None, ('emg-llm', name)))}", kind, place, stage)

    def model(place, results):
        def stage(folder, pins):
            copy_model(bundle / place, folder, names, results)
            pin(folder, place, pins)

        return stage

    found = {r["model"]: r for r in measured["models"]}
    told = {k: measured[k] for k in ("data", "protocol")}
    book = told | {"labels": config["labels"], "depths": measured.get("codebook", [])}
    if config["encoders"][0] in found:
        book["encoder_accuracy"] = found[config["encoders"][0]]["accuracy"]
    yield item("svm", "svm", model("svm", found.get("svm")))
    for arch in config["encoders"]:
        yield item(f"encoders/{arch}", arch, model(f"encoders/{arch}", found.get(arch)))
    yield item("codebook", "codebook", model("codebook", {"model": "codebook", **book}))
    for llm in config["llms"]:
        base = {"model": llm, "seed": measured.get("seed", 0), **measured["bases"].get(llm, {})}
        base["data"] = "generated conversations about made-up recordings"
        yield item(f"llms/{llm}", llm, model(f"llms/{llm}", base))
    if conversations is not None:
        yield item(
            "conversations",
            "conversations",
            lambda folder, pins: copy_dataset(conversations, folder, names, recordings),
            "dataset",
        )
    for llm in config["llms"]:
        yield item(f"adapters/{llm}", f"{llm}-adapter", model(f"adapters/{llm}", found.get(llm)))

    def stage_bundle(folder, pins):
        shutil.copytree(bundle / "samples", folder / "samples", dirs_exist_ok=True)
        parts = {p: v for p, v in pins.items() if p != "conversations"}
        write_json(folder / "config.json", config | {"parts": parts})
        models = [anonymous(r, names) for r in measured["models"]]
        write_json(folder / "results.json", measured | {"models": models})

    yield item("bundle", "", stage_bundle)


def publish(
    items: Iterable[Item], private: bool | None = None, tell: Callable[[str], Any] = print
) -> dict[str, Pushed]:
    """Send `items`, each when what it pins is there: {place: Pushed}.

    What is there already is not sent again, so a run that broke goes on where it stopped. The
    bundle, which everything is loaded through, comes last: until then it points to what was whole
    before.
    """
    pins, done = {}, {}
    for item in items:
        with staging_folder() as folder:
            stage(item, folder, pins)
            done[item.place] = pushed = hub.push(
                folder, item.repo_id, item.kind, private, kept=AGAIN
            )
        pins[item.place] = {"repo": pushed.repo_id, "revision": pushed.revision}
        tell(f"{item.place}: {pushed.url} at {pushed.revision[:12]}")
    return done


def stage(item: Item, folder: str | Path, pins: Pins) -> None:
    """Write what an item sends into `folder`, with its card."""
    folder = Path(folder)
    privacy = item.stage(folder, pins)
    data = pins.get("conversations", {}).get("repo")
    if item.place.startswith("adapters/") and data:
        write_evaluation(folder, data)
    if not item.place.startswith("adapters/"):
        data = None
    write_card(folder, item.repo_id, data, privacy)


def dry_run(items: Iterable[Item]) -> list[tuple[Item, list[tuple[str, int]]]]:
    """[(Item, [(file, bytes)])] of all that would be sent; nothing is asked of the Hub."""
    pins, found = {}, []
    for item in items:
        with staging_folder() as folder:
            stage(item, folder, pins)
            sizes = [(n, (folder / n).stat().st_size) for n in hub.uploaded(folder)]
        pins[item.place] = {"repo": item.repo_id, "revision": UNKNOWN}
        found.append((item, sizes))
    return found


def share(
    folder: str | Path,
    repo_id: str,
    private: bool | None = None,
    names: bool = False,
    recordings: bool = False,
) -> Pushed:
    """Send one folder that a training script wrote, with its card: a Pushed.

    Where it holds conversations, they go to a dataset, else to a model repository.
    """
    folder = Path(folder)
    is_data, privacy = (folder / "bridge.json").exists(), None
    with staging_folder() as staged:
        if is_data:
            privacy = copy_dataset(folder, staged, names, recordings)
        else:
            copy_model(folder, staged, names)
        write_card(staged, repo_id, privacy=privacy)
        kept = f"Nothing is lost: what was made is in {folder}."
        return hub.push(staged, repo_id, "dataset" if is_data else "model", private, kept=kept)


def space(
    repo_id: str, bundle_id: str | Path, folder: str | Path, revision: str | None = None
) -> None:
    """Write the files of the Space `repo_id`, which loads a bundle from the Hub, into `folder`.

    The Space holds the source, so it can be installed with pip, and of the bundle what points to
    its parts. Raises HubError where this package is not in a checkout.
    """
    root, folder = Path(__file__).parents[2], Path(folder)
    if not (root / "app.py").exists():
        raise HubError("The Space is made of the project's source: run this in a checkout of it.")
    bundle = hub.resolve(bundle_id, revision)
    config = json.loads((bundle / "config.json").read_text())
    if not config.get("parts"):
        raise HubError(f"{bundle_id} is no published bundle; publish one first.")
    for pattern in SPACE_FILES:
        for path in root.glob(pattern):
            inner = path.relative_to(root)
            skipped = inner.parts[:2] == ("emg_llm", "bundle") or "__pycache__" in inner.parts
            if path.is_file() and not skipped:
                (folder / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, folder / inner)
    # There, a script that is run alone finds the package in the Space.
    script = folder / "train" / "sft.py"
    source = f'{{ git = "{hub.address(repo_id, "space")}" }}'
    text = script.read_text(encoding="utf-8")
    script.write_text(HERE.sub(lambda found: found[1] + source, text, count=1), encoding="utf-8")
    target = folder / "emg_llm" / "bundle"
    shutil.copytree(bundle, target, ignore=shutil.ignore_patterns(".*", "README.md"))
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8")
    models = [bundle_id, *(v["repo"] for v in config["parts"].values())]
    listed = "\n".join(f"  - {m}" for m in dict.fromkeys(models))
    head, front, rest = text.split("---\n", 2)
    readme.write_text(f"{head}---\n{front}models:\n{listed}\n---\n{rest}", encoding="utf-8")


def deploy_space(
    repo_id: str,
    bundle_id: str,
    private: bool | None = None,
    revision: str | None = None,
    docker: bool = False,
) -> Pushed:
    """Put the demo up as a Space that loads a bundle: a Pushed."""
    with staging_folder() as folder:
        space(repo_id, bundle_id, folder, revision)
        if docker:
            readme = folder / "README.md"
            text = readme.read_text(encoding="utf-8")
            text = text.replace("sdk: gradio\n", "sdk: docker\napp_port: 7860\n", 1)
            readme.write_text(text, encoding="utf-8")
        sdk = "docker" if docker else "gradio"
        return hub.push(folder, repo_id, "space", private, sdk, "Deploy the demo", AGAIN)
