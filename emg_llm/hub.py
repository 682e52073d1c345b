"""Where trained things live: the bundle in this package, a folder, or the Hugging Face Hub."""

from pathlib import Path

# Pickles (TRL's training_args.bin among them) and checkpoints never leave.
NEVER_UPLOADED = ["*.bin", "*.pt", "*.pth", "*.pkl", "checkpoint-*/**", "runs/**"]


class HubError(ValueError):
    """Something that can't be found or sent; the text says what to do."""


def bundle_folder():
    """The bundle that ships with the package."""
    return Path(__file__).parent / "bundle"


def resolve(folder_or_id, revision=None):
    """A local folder: the one named, or the snapshot of a Hub repository.

    Raises HubError when it is neither.
    """
    if Path(folder_or_id).is_dir():
        return Path(folder_or_id)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(str(folder_or_id), revision=revision, ignore_patterns=NEVER_UPLOADED)
        )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise HubError(
            f"{folder_or_id} is no folder here and can't be loaded from the Hub: "
            f"{str(error).strip().splitlines()[0]}"
        ) from None


def push(folder, repo_id, private=None):
    """Upload a folder to a model repository, made if it isn't there; returns its address."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        api.upload_folder(repo_id=repo_id, folder_path=folder, ignore_patterns=NEVER_UPLOADED)
    except (HfHubHTTPError, OSError) as error:
        raise HubError(
            f"{repo_id} can't be pushed: {str(error).strip().splitlines()[0]}. What was trained "
            f"is in {folder}; log in with `hf auth login` and push again."
        ) from None
    return f"{api.endpoint}/{repo_id}"
