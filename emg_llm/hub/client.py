"""Where trained things live: the bundle in this package, a folder, or the Hugging Face Hub.

The one room that talks to the Hub. Endpoint, token and offline mode are the Hub client's own
(`HF_ENDPOINT`, `hf auth login` or `HF_TOKEN`, `HF_HUB_OFFLINE`); a token is never shown.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, no_type_check

from emg_llm.hub.temporary import staging_folder

# Pickles (TRL's training_args.bin among them) and checkpoints never leave, nor are they loaded.
NEVER_UPLOADED = ["*.bin", "*.pt", "*.pth", "*.pkl", "checkpoint-*/**", "runs/**"]
ATTEMPTS = 4  # at what the Hub's client doesn't repeat by itself
LONGEST_WAIT = 60  # seconds, between two of them

T = TypeVar("T")


class HubError(ValueError):
    """Something that can't be found or sent; the text says what to do."""


@dataclass(frozen=True)
class Pushed:
    """Where something is on the Hub: a repository, and the commit that holds it."""

    repo_id: str
    revision: str
    url: str


class Pushable:
    """`push_to_hub` for what has `save_pretrained(folder)`."""

    @no_type_check  # ModelHubMixin's, which encoders have too, returns something else
    def push_to_hub(self, repo_id: str, private: bool | None = None) -> Pushed:
        """Save into a repository with a card, in one commit: a Pushed. Raises HubError."""
        from emg_llm.hub.cards import write_card

        with staging_folder() as folder:
            self.save_pretrained(folder)
            write_card(folder, repo_id)
            kept = "Call push_to_hub again, or save_pretrained to keep it here."
            return push(folder, repo_id, private=private, kept=kept)


def bundle_folder() -> Path:
    """The bundle that ships with the package."""
    return Path(__file__).parents[1] / "bundle"


def resolve(folder_or_id: str | Path, revision: str | None = None, kind: str = "model") -> Path:
    """A local folder: the one named, or the snapshot of a Hub repository.

    revision: branch, tag or commit. kind: model, dataset or space. What arrives is checked
    against its hashes. Raises HubError when it is neither, or doesn't arrive whole.
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
                f"{folder_or_id} arrived damaged twice ({damaged[0]} is not what the Hub says it "
                "is); try again later."
            )
    except HubError:
        raise
    except _faults() as error:
        raise HubError(
            f"{folder_or_id} is no folder here and can't be loaded from the Hub: "
            f"{in_words(error, folder_or_id)}"
        ) from None
    return folder


def part(folder: Path, config: Mapping[str, Any], place: str) -> Path:
    """Where a part of a bundle is: in its folder, or at the commit on the Hub that it names.

    config: the bundle's; place: such as "encoders/cnn".
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
    """Make a repository hold what a folder holds: a Pushed. Nothing is half there.

    All files come in one commit, and none where nothing changed; those that a former upload
    left and the folder lacks are deleted. private: of a repository that has to be made; one that
    is public already is never taken for private. sdk: of a Space. kept: what is left where it
    fails, or what to do; that the folder is there where None. Raises HubError.
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
        made = patiently(
            lambda: api.create_repo(
                repo_id, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk
            )
        )
        done = patiently(lambda: commit(made.repo_id))
    except HubError:
        raise
    except _faults() as error:
        kept = kept or f"Nothing is lost: what was made is in {folder}."
        raise HubError(f"{repo_id} can't be pushed: {in_words(error, repo_id)} {kept}") from None
    return Pushed(made.repo_id, done.oid, address(made.repo_id, kind))


def address(repo_id: str, kind: str = "model") -> str:
    """Where people see a repository."""
    from huggingface_hub import HfApi

    place = "" if kind == "model" else f"{kind}s/"
    return f"{HfApi().endpoint}/{place}{repo_id}"


def uploaded(folder: str | Path) -> list[str]:
    """Names of the files in a folder that an upload sends, in order."""
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
    """Put repositories, (id, kind), into a collection: its address. Raises HubError."""
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
        raise HubError(f"The collection can't be made: {in_words(error, title)}") from None
    return f"{api.endpoint}/collections/{collection.slug}"


def patiently(call: Callable[[], T]) -> T:
    """What a call to the Hub returns; tried again, after the wait it asks for, where that helps.

    Calls must be safe to repeat: one that was done, and whose answer was lost, is done again.
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
    """Seconds: as long as the answer says (Retry-After), or 1, 2, 4, …"""
    answer = _answer(_causes(state.outcome.exception()))
    asked = "" if answer is None else answer.headers.get("Retry-After", "")
    return min(float(asked) if asked.isdigit() else 2.0 ** (state.attempt_number - 1), LONGEST_WAIT)


def _passes(error):
    """Whether a fault is one that may be gone the next time."""
    import httpx2

    if not isinstance(error, Exception):  # a person or the system ends the process
        return False
    seen = _causes(error)
    if (answer := _answer(seen)) is not None:
        return answer.status_code in (408, 429) or answer.status_code >= 500
    return any(isinstance(e, httpx2.TransportError) for e in seen)


def _faults():
    """What the Hub's client raises; a file that can't be uploaded is a RuntimeError."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    return ValueError, OSError, RuntimeError, HfHubHTTPError, httpx2.HTTPError


def in_words(error: BaseException, source: str | Path) -> str:
    """One sentence about what went wrong with `source` on the Hub, and what to do."""
    import httpx2
    from huggingface_hub import HfApi, errors

    seen = _causes(error)

    def found(kind):
        return next((e for e in seen if isinstance(e, kind)), None)

    place = f"{HfApi().endpoint}/{source}"
    answer = _answer(seen)
    status = None if answer is None else answer.status_code
    if found(errors.GatedRepoError):
        return (
            f"it is gated. Accept its licence at {place}, log in with `hf auth login`, and try "
            "again."
        )
    if found(errors.RevisionNotFoundError):
        return "it has no such revision."
    if found(errors.RepositoryNotFoundError):
        return (
            "there is no such repository, or it is private and you are not logged in (`hf auth "
            "login`)."
        )
    if found(errors.OfflineModeIsEnabled):
        return (
            "it is not on this machine yet, and HF_HUB_OFFLINE keeps the client from asking the "
            "Hub."
        )
    if status == 401:
        return "the Hub asks for a token that it knows: log in with `hf auth login`."
    if status == 403:
        return "your token may not do that: log in with one that may write there."
    if status == 429:
        return "the Hub asks for fewer requests: wait a few minutes and try again."
    if status is not None and status >= 500:
        return f"the Hub has a fault (status {status}): try again later."
    if found(httpx2.TransportError):
        return "the connection to the Hub broke: try again."
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."


def _causes(error):
    """An error, and what it came from."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def _answer(seen):
    """The first answer of the Hub that one of some errors is about; None where there is none."""
    answers = (getattr(error, "response", None) for error in seen)
    return next((answer for answer in answers if answer is not None), None)


def _damaged(folder):
    """Files of a snapshot whose content is not what their hash says; they are removed.

    The cache names each content by its hash: SHA-256 of a large file, Git's SHA-1 of others.
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
