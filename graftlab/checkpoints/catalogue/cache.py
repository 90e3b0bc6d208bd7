"""Models come to this machine and leave it: fetched by name, added by hand, removed.

The cache has two folders: `models` with NAME.safetensors, in our own format, and `downloads` with what came over the
network, which stays if it is not whole yet or one wishes to keep it.
"""

import contextlib
import hashlib
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from graftlab.checkpoints.catalogue import registry
from graftlab.checkpoints.catalogue.unzip import extract
from graftlab.checkpoints.load import bundled_models
from graftlab.download import download
from graftlab.errors import GraftError
from graftlab.work.files import lock
from graftlab.work.progress import Progress, silent


def get(
    name: str,
    keep_original: bool = False,
    progress: Progress = silent,  # of bytes
    pause: Callable[[float], object] = time.sleep,
    insecure: bool = False,  # over http, from a server that has no https
) -> Path:
    """Fetch a model of the registry and convert it to our format. Returns its file, at once if it is there already.

    `keep_original` keeps the downloaded file too. GraftError if there is no such name, only a browser can fetch it,
    the network or the disk gives up (the same call goes on where it stopped), or the file is not the one known."""
    entry = registry.find(name)
    if there := registry.cached(name):
        return there
    if entry.by_hand:
        raise GraftError(
            f"{name} must be fetched by hand: open {entry.source} in a browser, save the file, and run 'graft models "
            f"add FILE --as {name}'."
        )
    with locked(writable_folder("downloads") / entry.file) as original:
        if not original.exists():
            address = entry.source.replace("https:", "http:", 1) if insecure else entry.source
            download(address, original, entry.bytes, entry.sha256, progress, pause, insecure)
        try:
            installed = install(original, name, entry)
        except GraftError as error:
            what = f"{original} stays, and 'graft models remove {name}' deletes it"
            raise GraftError(f"{str(error).rstrip('.')}; {what}.") from None
        if not keep_original:
            original.unlink()
    return installed


def add(file: Path, name: str | None = None) -> Path:
    """Convert a file fetched by hand and keep it under a name, by default the file's own. Returns the new file.

    A name of the registry is taken for that model: size and hash must be the known ones, and a zip is opened.
    GraftError if there is no such file, it is not the one known, it is no model, or the name is taken."""
    if not file.is_file():
        raise GraftError(f"{file}: no such file.")
    name = name or own_name(file)
    if registry.model_path(name).exists() or name in bundled_models():
        raise GraftError(f"There is a model '{name}' already; choose another name with --as, or remove that one.")
    entry = next((entry for entry in registry.known() if entry.name == name), None)
    if entry is not None:
        check(file, entry)
    return install(file, name, entry)


def remove(name: str) -> list[Path]:
    """Delete a model from the cache, with what was downloaded for it alone. Returns the files deleted.

    GraftError if there is nothing of it."""
    paths = [registry.model_path(name)]
    if entry := next((entry for entry in registry.known() if entry.name == name), None):
        others = [other.name for other in registry.known() if other.file == entry.file and other.name != name]
        if not any(map(registry.cached, others)):
            whole = registry.cache_folder() / "downloads" / entry.file
            paths += [whole, *(whole.with_name(whole.name + ending) for ending in (".part", ".part.json"))]
    there = [path for path in paths if path.is_file()]
    if not there:
        names = ", ".join(registry.cached_models()) or "none at all"
        raise GraftError(f"There is no model '{name}' in the cache, but {names}.")
    for path in there:
        path.unlink()
    return there


def install(original: Path, name: str, entry: registry.Entry | None) -> Path:
    """Turn a file, or one in a zip, into a model of ours in the cache."""
    from graftlab.checkpoints.convert import convert

    target = registry.model_path(name)
    told = {} if entry is None else {"licence": entry.licence, "parent": entry.parent, "page": entry.page}
    writable_folder("models")
    if entry is None or entry.member is None or not zipfile.is_zipfile(original) or is_torch(original):
        convert(original, target, about=told)
        return target
    inner = target.with_name(f".{name}.extracted")
    try:
        convert(extract(original, entry.member, inner), target, about=told)
    finally:
        inner.unlink(missing_ok=True)
    return target


def is_torch(path: Path) -> bool:
    """Whether a zip is what torch.save writes: the model itself, unpacked by hand from the zip of its release."""
    with zipfile.ZipFile(path) as zipped:
        return any(name.count("/") == 1 and name.endswith("/data.pkl") for name in zipped.namelist())


def check(file: Path, entry: registry.Entry) -> None:
    """Refuse a file that is not the one the registry knows, as far as it knows."""
    size = file.stat().st_size
    if entry.bytes not in (None, size):
        raise GraftError(
            f"{file} has {size:,} bytes, and {entry.name} {entry.bytes:,}: it is another file, or cut off."
        )
    if entry.sha256 is None:
        return
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != entry.sha256:
        raise GraftError(
            f"{file} is not {entry.name}: its SHA-256 is {found} and not {entry.sha256}; fetch it again, or add it "
            "under another name with --as."
        )


def own_name(file: Path) -> str:
    """The name of a file without its ending, unless it is a release of several models."""
    names = [entry.name for entry in registry.known() if entry.member and entry.file == file.name]
    if names:
        raise GraftError(f"{file} is a release of models: name the one you mean with --as ({', '.join(names)}).")
    return file.stem


def writable_folder(name: str) -> Path:
    """A folder of the cache, which is made if need be. GraftError if nothing can be written there."""
    folder = registry.cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink(missing_ok=True)
    except OSError as error:
        raise GraftError(
            f"The cache {registry.cache_folder()} cannot be written ({error.strerror}); set {registry.CACHE} to a "
            "folder that can."
        ) from None
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Hold a file's lock, which the system releases however this process ends. GraftError if another holds it."""
    busy = f"{path} is being fetched by another process; wait until it ends."
    with lock(path.with_name(f".{path.name}.lock"), busy):
        yield path
