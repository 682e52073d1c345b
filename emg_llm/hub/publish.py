"""Publishes models, conversations, the bundle and the Space on the Hub, in that order.

Each is first staged in a temporary folder: names replaced, parts pinned, the card written. The
upload mirrors that folder.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emg_llm.hub import client as hub
from emg_llm.hub import staging
from emg_llm.hub.cards import write_card
from emg_llm.hub.client import HubError, Pushed
from emg_llm.hub.staging import Pins
from emg_llm.hub.temporary import staging_folder

SPACE_FILES = (
    *("app.py", "requirements.txt", "requirements-models.txt", "pyproject.toml", "Dockerfile"),
    *("LICENSE", "README.md"),
    *("emg_llm/**/*", "train/**/*", "hub_cards/*", "docs/*", ".github/app.png"),
)
HERE = re.compile(
    r"^(# emg-llm = )\{ path = .*$", re.M
)  # in train/sft.py, the source of the package
UNKNOWN = "0" * 40  # stands for a commit before the upload
COLLECTION = "EMG-LLM"
AGAIN = "Run the same command again; unchanged files are not uploaded again."


@dataclass(frozen=True)
class Item:
    """One repository to publish.

    place: its place in the bundle. stage(folder, pins) writes the files to upload, given the pins
    of earlier items, and may return a sentence about privacy.
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
    """The items in upload order: parts before what pins them, the bundle last.

    bundle: its folder; None means the packaged one. conversations: a folder written by
    train/conversations.py. names, recordings: whether to upload names of people and raw
    recordings. Raises HubError if there is nothing to publish.
    """
    bundle = Path(bundle or hub.bundle_folder())
    files = bundle / "config.json", bundle / "results.json"
    config, measured = (json.loads(f.read_text()) if f.is_file() else {} for f in files)
    if "llms" not in config or "models" not in measured:
        raise HubError(f"{bundle} holds no bundle; build one with `make bundle`.")
    if config.get("parts"):
        raise HubError(
            f"{bundle} only points to parts on the Hub; publish the bundle that holds them."
        )
    if conversations is not None:
        staging.about_conversations(Path(conversations))

    def item(place, name, stage, kind="model"):
        return Item(f"{namespace}/{'-'.join(filter(None, ('emg-llm', name)))}", kind, place, stage)

    def model(place, results):
        def stage(folder, pins):
            staging.copy_model(bundle / place, folder, names, results)
            staging.pin(folder, place, pins)

        return stage

    results = {r["model"]: r for r in measured["models"]}
    book = {k: measured[k] for k in ("data", "protocol")}
    book |= {"labels": config["labels"], "depths": measured.get("codebook", [])}
    if config["encoders"][0] in results:
        book["encoder_accuracy"] = results[config["encoders"][0]]["accuracy"]
    yield item("svm", "svm", model("svm", results.get("svm")))
    for arch in config["encoders"]:
        yield item(f"encoders/{arch}", arch, model(f"encoders/{arch}", results.get(arch)))
    yield item("codebook", "codebook", model("codebook", {"model": "codebook", **book}))
    for llm in config["llms"]:
        base = {"model": llm, "seed": measured.get("seed", 0), **measured["bases"].get(llm, {})}
        base["data"] = "generated conversations about made-up recordings"
        yield item(f"llms/{llm}", llm, model(f"llms/{llm}", base))
    if conversations is not None:

        def stage_conversations(folder, pins):
            return staging.copy_dataset(conversations, folder, names, recordings)

        yield item("conversations", "conversations", stage_conversations, "dataset")
    for llm in (*config["llms"], *config.get("talkers", ())):
        yield item(f"adapters/{llm}", f"{llm}-adapter", model(f"adapters/{llm}", results.get(llm)))

    def stage_bundle(folder, pins):
        shutil.copytree(bundle / "samples", folder / "samples", dirs_exist_ok=True)
        parts = {p: v for p, v in pins.items() if p != "conversations"}
        staging.write_json(folder / "config.json", config | {"parts": parts})
        models = [staging.anonymous(r, names) for r in measured["models"]]
        staging.write_json(folder / "results.json", measured | {"models": models})

    yield item("bundle", "", stage_bundle)


def publish(
    items: Iterable[Item], private: bool | None = None, tell: Callable[[str], Any] = print
) -> dict[str, Pushed]:
    """Upload the items in order, pinning earlier ones; returns {place: Pushed}.

    Unchanged files are not uploaded again, so a repeated run continues an interrupted one. The
    bundle comes last: until then it points to the previous, complete versions.
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
    """Write the files of an item and its card into `folder`."""
    folder = Path(folder)
    privacy = item.stage(folder, pins)
    data = pins.get("conversations", {}).get("repo")
    if item.place.startswith("adapters/") and data:
        staging.write_evaluation(folder, data)
    if not item.place.startswith("adapters/"):
        data = None
    write_card(folder, item.repo_id, data, privacy)


def dry_run(items: Iterable[Item]) -> list[tuple[Item, list[tuple[str, int]]]]:
    """The files and sizes (bytes) that each item would upload; doesn't contact the Hub."""
    pins, listed = {}, []
    for item in items:
        with staging_folder() as folder:
            stage(item, folder, pins)
            sizes = [(n, (folder / n).stat().st_size) for n in hub.uploaded(folder)]
        pins[item.place] = {"repo": item.repo_id, "revision": UNKNOWN}
        listed.append((item, sizes))
    return listed


def share(
    folder: str | Path,
    repo_id: str,
    private: bool | None = None,
    names: bool = False,
    recordings: bool = False,
) -> Pushed:
    """Upload the output folder of a training script, with a card, as a model or a dataset."""
    folder = Path(folder)
    is_data, privacy = (folder / "bridge.json").exists(), None
    with staging_folder() as staged:
        if is_data:
            privacy = staging.copy_dataset(folder, staged, names, recordings)
        else:
            staging.copy_model(folder, staged, names)
        write_card(staged, repo_id, privacy=privacy)
        kept = f"The files are still in {folder}."
        return hub.push(staged, repo_id, "dataset" if is_data else "model", private, kept=kept)


def space(
    repo_id: str, bundle_id: str | Path, folder: str | Path, revision: str | None = None
) -> None:
    """Write the files of the Space `repo_id` into `folder`.

    The Space holds the source, which pip can install, and a bundle that points to its parts on
    the Hub. Raises HubError if this package is not in a checkout.
    """
    root, folder = Path(__file__).parents[2], Path(folder)
    if not (root / "app.py").exists():
        raise HubError(
            "The Space is built from the project's source: run this in a checkout of it."
        )
    bundle = hub.resolve(bundle_id, revision)
    config = json.loads((bundle / "config.json").read_text())
    if not config.get("parts"):
        raise HubError(f"{bundle_id} is not a published bundle; publish one first.")
    for pattern in SPACE_FILES:
        for path in root.glob(pattern):
            inner = path.relative_to(root)
            skipped = inner.parts[:2] == ("emg_llm", "bundle") or "__pycache__" in inner.parts
            if path.is_file() and not skipped:
                (folder / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, folder / inner)
    # A script that runs on its own installs the package from the Space.
    script = folder / "train" / "sft.py"
    source = f'{{ git = "{hub.address(repo_id, "space")}" }}'
    text = script.read_text(encoding="utf-8")
    script.write_text(HERE.sub(lambda match: match[1] + source, text, count=1), encoding="utf-8")
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
    """Deploy the demo as a Space that loads the published bundle."""
    with staging_folder() as folder:
        space(repo_id, bundle_id, folder, revision)
        if docker:
            readme = folder / "README.md"
            text = readme.read_text(encoding="utf-8")
            text = text.replace("sdk: gradio\n", "sdk: docker\napp_port: 7860\n", 1)
            readme.write_text(text, encoding="utf-8")
        sdk = "docker" if docker else "gradio"
        return hub.push(folder, repo_id, "space", private, sdk, "Deploy the demo", AGAIN)
