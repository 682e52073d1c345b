"""Locates trained models in the packaged bundle, in a folder or on the Hugging Face Hub.

Only this package talks to the Hub. The Hub client's own settings select endpoint, token and
offline mode (`HF_ENDPOINT`, `hf auth login` or `HF_TOKEN`, `HF_HUB_OFFLINE`).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, no_type_check

from emg_llm.hub.temporary import staging_folder

# Pickles (such as TRL's training_args.bin) and checkpoints are neither uploaded nor loaded.
NEVER_UPLOADED = ["*.bin", "*.pt", "*.pth", "*.pkl", "checkpoint-*/**", "runs/**"]
NEVER_UPLOADED += [".unfinished/**", "**/.unfinished/**"]  # see data/whole.py
ATTEMPTS = 4  # per request that the Hub's client doesn't retry itself
LONGEST_WAIT = 60  # seconds between two attempts

T = TypeVar("T")


class HubError(ValueError):
    """A download or upload failed; the text says what to do."""


@dataclass(frozen=True)
class Pushed:
    """An upload: the repository, its commit and its web address."""

    repo_id: str
    revision: str
    url: str


class Pushable:
    """Adds `push_to_hub` to a class that has `save_pretrained(folder)`."""

    @no_type_check  # its signature differs from that of ModelHubMixin, another base of encoders
    def push_to_hub(self, repo_id: str, private: bool | None = None) -> Pushed:
        """Upload the model and its card in one commit. Raises HubError."""
        from emg_llm.hub.cards import write_card

        with staging_folder() as folder:
            self.save_pretrained(folder)
            write_card(folder, repo_id)
            kept = "Call push_to_hub again, or save_pretrained to keep a local copy."
            return push(folder, repo_id, private=private, kept=kept)


def bundle_folder() -> Path:
    """The packaged bundle."""
    return Path(__file__).parents[1] / "bundle"


def resolve(folder_or_id: str | Path, revision: str | None = None, kind: str = "model") -> Path:
    """The local folder itself, or a downloaded snapshot of the Hub repository.

    revision: branch, tag or commit. kind: model, dataset or space. Downloads are checked against
    their hashes. Raises HubError when the source doesn't exist or the download fails.
    """
    if Path(folder_or_id).is_dir():
        return Path(folder_or_id)
    from huggingface_hub import snapshot_download

    def download():
        how = {"repo_type": kind, "revision": revision, "ignore_patterns": NEVER_UPLOADED}
        return Path(snapshot_download(str(folder_or_id), **how))

    try:
        folder = patiently(download)
        if _damaged(folder):
            folder = patiently(download)
        if damaged := _damaged(folder):
            raise HubError(
                f"{folder_or_id} was damaged in two downloads ({damaged[0]} doesn't match its "
                "hash); try again later."
            )
    except HubError:
        raise
    except _faults() as error:
        raise HubError(
            f"{folder_or_id} is not a local folder and can't be loaded from the Hub: "
            f"{in_words(error, folder_or_id)}"
        ) from None
    return folder


def part(folder: Path, config: Mapping[str, Any], place: str) -> Path:
    """The folder of a bundle's part: inside the bundle, or downloaded at its pinned commit.

    config: the bundle's configuration. place: such as "encoders/cnn".
    """
    if (folder / place).is_dir():
        return folder / place
    pinned = config.get("parts", {}).get(place)
    if pinned is None:
        raise HubError(f"The bundle {folder.name} lacks {place}; build one with `make bundle`.")
    return resolve(pinned["repo"], pinned["revision"])


def push(
    folder: str | Path,
    repo_id: str,
    kind: str = "model",
    private: bool | None = None,
    sdk: str | None = None,
    message: str = "Upload",
    kept: str | None = None,
) -> Pushed:
    """Mirror a folder to a Hub repository in one commit, deleting files that the folder lacks.

    private: whether to create the repository as private; raises HubError if it is already public.
    sdk: a Space's. kept: the sentence that ends the text of a HubError; None names the folder.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api, folder = HfApi(), Path(folder)
    files = uploaded(folder)

    def commit(repo_id):
        info = api.repo_info(repo_id, repo_type=kind)
        if private and not info.private:
            raise HubError(
                f"{repo_id} is public already, so nothing was sent: make it private in its "
                "settings on the Hub, or leave out --private."
            )
        there = {f.rfilename for f in info.siblings} - {".gitattributes"}
        changes = [CommitOperationAdd(name, folder / name) for name in files]
        changes += [CommitOperationDelete(name) for name in sorted(there - set(files))]
        return api.create_commit(repo_id, changes, commit_message=message, repo_type=kind)

    try:
        repo = patiently(
            lambda: api.create_repo(
                repo_id, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk
            )
        )
        done = patiently(lambda: commit(repo.repo_id))
    except HubError:
        raise
    except _faults() as error:
        kept = kept or f"The files are still in {folder}."
        raise HubError(f"{repo_id} can't be pushed: {in_words(error, repo_id)} {kept}") from None
    return Pushed(repo.repo_id, done.oid, address(repo.repo_id, kind))


def address(repo_id: str, kind: str = "model") -> str:
    """The web address of a repository."""
    from huggingface_hub import HfApi

    place = "" if kind == "model" else f"{kind}s/"
    return f"{HfApi().endpoint}/{place}{repo_id}"


def uploaded(folder: str | Path) -> list[str]:
    """The sorted names of the files in a folder that an upload sends."""
    from huggingface_hub.utils import filter_repo_objects

    folder = Path(folder)
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    ignored = [*NEVER_UPLOADED, "**/__pycache__/**", "__pycache__/**", ".git/**"]
    return sorted(filter_repo_objects(names, ignore_patterns=ignored))


def collect(
    namespace: str,
    title: str,
    description: str,
    items: Iterable[tuple[str, Any]],
    private: bool | None = None,
) -> str:
    """Add repositories (id, kind) to a collection; returns its address. Raises HubError."""
    from huggingface_hub import HfApi

    api = HfApi()

    def make():
        return api.create_collection(
            title,
            namespace=namespace,
            description=description,
            private=bool(private),
            exists_ok=True,
        )

    try:
        collection = patiently(make)
        for repo_id, kind in items:
            add = partial(api.add_collection_item, collection.slug, repo_id, kind, exists_ok=True)
            patiently(add)
    except _faults() as error:
        raise HubError(f"The collection can't be created: {in_words(error, title)}") from None
    return f"{api.endpoint}/collections/{collection.slug}"


def patiently(call: Callable[[], T]) -> T:
    """Call the Hub, retrying temporary failures after the wait that the Hub requests.

    The call must be safe to repeat: it runs again if only its response was lost.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    tries = Retrying(
        retry=retry_if_exception(_passes),
        stop=stop_after_attempt(ATTEMPTS),
        wait=_wait,
        reraise=True,
    )
    return tries(call)


def _wait(state):
    """Seconds until the next attempt: the Retry-After header, or 1, 2, 4, …"""
    answer = _answer(_causes(state.outcome.exception()))
    after = "" if answer is None else answer.headers.get("Retry-After", "")
    return min(float(after) if after.isdigit() else 2.0 ** (state.attempt_number - 1), LONGEST_WAIT)


def _passes(error):
    """Whether an error is temporary, so that a retry may succeed."""
    import httpx2

    if not isinstance(error, Exception):  # the user or the system ends the process
        return False
    seen = _causes(error)
    if (answer := _answer(seen)) is not None:
        return answer.status_code in (408, 429) or answer.status_code >= 500
    return any(isinstance(e, httpx2.TransportError) for e in seen)


def _faults():
    """The exceptions of the Hub's client; it raises RuntimeError when a file upload fails."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    return ValueError, OSError, RuntimeError, HfHubHTTPError, httpx2.HTTPError


def in_words(error: BaseException, source: str | Path) -> str:
    """One sentence that explains an error of the Hub on `source` and says what to do."""
    import httpx2
    from huggingface_hub import HfApi, errors

    seen = _causes(error)

    def caused_by(kind):
        return any(isinstance(e, kind) for e in seen)

    place = f"{HfApi().endpoint}/{source}"
    answer = _answer(seen)
    status = None if answer is None else answer.status_code
    if caused_by(errors.GatedRepoError):
        return f"it is gated: accept its licence at {place}, and log in with `hf auth login`."
    if caused_by(errors.RevisionNotFoundError):
        return "the repository has no such revision."
    if caused_by(errors.RepositoryNotFoundError):
        return "there is no such repository, or it is private: log in with `hf auth login`."
    if caused_by(errors.OfflineModeIsEnabled):
        return "it is not in the local cache, and HF_HUB_OFFLINE is set: unset it to download."
    if status == 401:
        return "the Hub rejected the token: log in with `hf auth login`."
    if status == 403:
        return "your token lacks permission: log in with one that has write access."
    if status == 429:
        return "the Hub received too many requests: wait a few minutes and try again."
    if status is not None and status >= 500:
        return f"the Hub failed with status {status}: try again later."
    if caused_by(httpx2.TransportError):
        return "the connection to the Hub failed: try again."
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."


def _causes(error):
    """An error and its chain of causes."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def _answer(seen):
    """The first response of the Hub that an error carries, or None."""
    answers = (getattr(error, "response", None) for error in seen)
    return next((answer for answer in answers if answer is not None), None)


def _damaged(folder):
    """Remove and return the files of a snapshot whose content doesn't match their hash.

    The cache names each blob by its hash: SHA-256 for large files, Git's SHA-1 for the others.
    """
    damaged = []
    for file in sorted(folder.rglob("*")):
        name = file.resolve().name
        if not (file.is_symlink() and file.is_file() and len(name) in (40, 64)):
            continue
        digest = hashlib.sha256() if len(name) == 64 else hashlib.sha1()
        if len(name) == 40:
            digest.update(b"blob %d\0" % file.stat().st_size)
        with file.open("rb") as stream:
            while part := stream.read(1 << 20):
                digest.update(part)
        if digest.hexdigest() != name:
            damaged.append(file.relative_to(folder).as_posix())
            file.resolve().unlink()
            file.unlink()
    return damaged
