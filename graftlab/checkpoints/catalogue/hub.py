"""Models on the Hugging Face hub: `someone/some-model`, or in full `hf:someone/some-model@revision:file`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graftlab.checkpoints.containers.shards import INDEX, shards
from graftlab.errors import GraftError

PREFIX = "hf:"
PART = r"[A-Za-z0-9][\w.-]*"
ID = re.compile(rf"(?P<repository>{PART}/{PART})(@(?P<revision>[^:@\s]+))?(:(?P<file>[^:\s]+))?", re.ASCII)
SAFE = ".safetensors"
INSTALL = "pip install 'graftlab[hub]'"
MODELS = (SAFE, ".pkl", ".pt", ".pth")  # endings of model files


@dataclass(frozen=True)
class HubId:
    """A model, or one file of it, on the hub."""

    repository: str  # someone/some-model
    revision: str = "main"  # branch, tag or commit
    file: str | None = None  # None: the only one that can be meant


def is_id(text: str) -> bool:
    """Whether a text names a model on the hub. What ends as a model file does is a path, unless it begins with hf:."""
    match = ID.fullmatch(text.removeprefix(PREFIX))
    return match is not None and (text.startswith(PREFIX) or not match["repository"].endswith(MODELS))


def parse(text: str) -> HubId:
    """The parts of a hub id. GraftError if it is none."""
    match = ID.fullmatch(text.removeprefix(PREFIX))
    if match is None:
        raise GraftError(f"{text} is no model on the hub; write hf:someone/some-model, @revision and :file as needed.")
    return HubId(match["repository"], match["revision"] or "main", match["file"])


def fetch(text: str) -> Path:
    """The file of a model on the hub, fetched unless the hub's own cache holds it already.

    Without a connection, the newest that the cache holds. GraftError if the package is missing, there is no such
    model, several of its files could be meant, or it cannot be fetched."""
    wanted = parse(text)
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise GraftError(f"Fetching {text} needs the package huggingface_hub: {INSTALL}.") from None
    name = wanted.file or choose(wanted, listed(wanted))
    try:
        path = Path(hf_hub_download(wanted.repository, name, revision=wanted.revision))
        if name.endswith(INDEX):  # the files that it names lie beside it, in the cache too
            for shard in sorted(shards(path)):
                hf_hub_download(wanted.repository, f"{name[: -len(path.name)]}{shard}", revision=wanted.revision)
        return path
    except GraftError:
        raise
    except Exception as error:  # of the network, of the hub, of the disk
        raise GraftError(refusal(wanted, error, name)) from None


def push(
    repository: str,  # someone/some-model; made if there is none
    files: Mapping[str, Path | bytes],  # by their names there
    message: str,
    private: bool = False,  # a repository that is made is for its owner alone
) -> str:
    """Put files into a repository on the hub, in one commit. Returns its address.

    GraftError if the package is missing, nobody is logged in or may write there, or the hub cannot be reached; then
    nothing has changed there."""
    if parse(repository) != HubId(repository):
        raise GraftError(f"{repository} is no repository; write someone/some-model.")
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
    except ImportError:
        raise GraftError(f"Giving {repository} needs the package huggingface_hub: {INSTALL}.") from None
    try:
        api = HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        adds = [
            CommitOperationAdd(name, file if isinstance(file, bytes) else str(file)) for name, file in files.items()
        ]
        return str(api.create_commit(repository, adds, commit_message=message).repo_url)
    except Exception as error:  # of the network, of the hub, of the disk
        raise GraftError(f"{repository} cannot be written on the Hugging Face hub: {hindrance(error)}.") from None


def hindrance(error: Exception) -> str:
    """Why something could not be given to the hub, and what to do."""
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.LocalTokenNotFoundError) or status == 401:
        return "log in with 'hf auth login', with a token that may write"
    if status == 403:
        return "your token may not write there; take a name of your own, or a token that may write ('hf auth login')"
    if status is not None:
        return f"it answered {status} ({str(error).splitlines()[0]})"
    return f"{type(error).__name__}; check the connection"


def listed(wanted: HubId) -> list[str]:
    """The files of a model: as the hub says, or as far as they are in its cache here."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        return list(HfApi().list_repo_files(wanted.repository, revision=wanted.revision))
    except Exception as error:
        if unknown(error) is not None:
            raise GraftError(refusal(wanted, error)) from None
        try:
            folder = Path(snapshot_download(wanted.repository, revision=wanted.revision, local_files_only=True))
        except Exception:  # not there either: the first reason is the one to tell
            raise GraftError(refusal(wanted, error)) from None
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def choose(wanted: HubId, files: list[str]) -> str:
    """The only file that can hold the model: the index of several, the only .safetensors, else the only pickle."""
    if len(indices := [name for name in files if name.endswith(INDEX)]) == 1:
        return indices[0]
    models = sorted(name for name in files if name.endswith(MODELS))
    for found in ([name for name in models if name.endswith(SAFE)], models):
        if len(found) == 1:
            return found[0]
        if found:
            raise GraftError(
                f"{wanted.repository} holds several models; name one, as {PREFIX}{wanted.repository}:{found[0]}, of "
                f"{', '.join(found)}."
            )
    raise GraftError(f"{wanted.repository} holds no {', '.join(MODELS)}; is it a model that graftlab reads?")


def unknown(error: Exception) -> str | None:
    """What the hub says is not there, if that is what it says."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "asks you to accept its conditions on its page, and then to log in with 'hf auth login'"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "does not exist, or is private: check the name, or log in with 'hf auth login'"
    if isinstance(error, errors.RevisionNotFoundError):
        return "has no such revision"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return "has no such file"
    return None


def refusal(wanted: HubId, error: Exception, file: str | None = None) -> str:
    at = "" if wanted.revision == "main" else f"@{wanted.revision}"
    name = f"{wanted.repository}{at}{f':{file}' if file else ''} on the Hugging Face hub"
    if reason := unknown(error):
        return f"{name} {reason}."
    return (
        f"{name} cannot be fetched ({type(error).__name__}); check the connection, or fetch the file from "
        f"https://huggingface.co/{wanted.repository} in another way and give its path."
    )
