"""`load`: a path, a name or a hub id to a model that is ready to use."""

import re
from os.path import exists, expanduser  # of any text, where Path.exists raises for names that are too long
from pathlib import Path
from typing import TypeVar, overload

import torch

from graftlab.artifacts import BUNDLED as BUNDLED
from graftlab.artifacts import views
from graftlab.checkpoints.build import build
from graftlab.checkpoints.catalogue import hub, registry
from graftlab.checkpoints.readers import open_model
from graftlab.config import PRECISIONS
from graftlab.errors import GraftError
from graftlab.hardware import choose_device
from graftlab.kinds import KINDS
from graftlab.networks.model import Network

NetworkT = TypeVar("NetworkT", bound=Network)
ADDRESS = re.compile(r"https?:/{1,2}")  # of which a Path keeps one
DIRECTIONS, TEXTURES = ".directions", ".textures"  # between the name of a model and the extension: files beside it


def bundled_models() -> dict[str, Path]:
    """Models that come with the package, by name."""
    return {path.stem: path for path in models_in(BUNDLED)}


def models_in(folder: Path) -> list[Path]:
    """The model files of a folder by name, without the files beside them."""
    return [path for path in sorted(folder.glob("*.safetensors")) if not path.stem.endswith((DIRECTIONS, TEXTURES))]


def bundled_directions() -> dict[str, Path]:
    """Files of directions that come with the package, by the name of their model."""
    return _beside(DIRECTIONS)


def bundled_textures() -> dict[str, Path]:
    """Distributions of what models were trained on that come with the package, by the name of the model."""
    return _beside(TEXTURES)


def _beside(what: str) -> dict[str, Path]:
    paths = sorted(BUNDLED.glob(f"*{what}.safetensors"))
    return {path.stem.removesuffix(what): path for path in paths}


@overload
def load(
    path: str | Path,
    kind: None = None,
    *,
    device: str | None = None,
    precision: str = "float32",
    allow_nan: bool = False,
) -> Network: ...


@overload
def load(
    path: str | Path,
    kind: type[NetworkT],
    *,
    device: str | None = None,
    precision: str = "float32",
    allow_nan: bool = False,
) -> NetworkT: ...


def load(
    path: str | Path,
    kind: type[Network] | None = None,  # the class that is needed, such as StyleGAN2; None: any
    *,
    device: str | None = None,  # as PyTorch names it; None: the fastest there is
    precision: str = "float32",  # of the convolutions, or "bfloat16"
    allow_nan: bool = False,
) -> Network:
    """Open a model: a file of any format that graftlab reads, the name of a bundled or fetched one, or a hub id.

    No code of the file is ever run. GraftError if there is no such file or name, the file holds no model, or one of
    another kind, or, unless allowed, its weights are not all finite."""
    if precision not in PRECISIONS:
        raise GraftError(f"precision must be one of {', '.join(PRECISIONS)}, not '{precision}'.")
    if isinstance(kind, str):
        raise GraftError(
            f"The kind of a model is a class, such as StyleGAN2, not '{kind}'; did you mean device='{kind}'?"
        )
    place = choose_device(device)
    model = build(open_model(locate(path, kind)), allow_nan)
    if kind is not None and not isinstance(model, kind):
        raise GraftError(f"{path} is {model.title}, and this needs {kind.title}.")
    model.precision = getattr(torch, precision)
    return model.to(place)


def locate(name: str | Path, kind: type[Network] | None = None) -> Path:
    """The file of a model: a bundled one, any path, one that `graft models get` has fetched, or one of the hub's.

    GraftError for a name that there is not, with those of this kind."""
    if not isinstance(name, str | Path):
        raise GraftError(f"A model is opened by its file, its name or a hub id, and not by {type(name).__name__}.")
    bundled = bundled_models()
    if str(name) in bundled:
        return bundled[str(name)]
    if exists(path := expanduser(name)):
        return Path(path)
    if address := ADDRESS.match(str(name)):
        known = [entry.name for entry in registry.known() if entry.source.endswith(f"//{str(name)[address.end() :]}")]
        how = f"'graft models get {known[0]}'" if known else "a browser, or curl -LO, and give the file"
        raise GraftError(f"{name} is an address; fetch it with {how}.")
    if fetched := registry.cached(str(name)):
        return fetched
    if any(entry.name == str(name) for entry in registry.known()):
        raise GraftError(f"{name} is not on this machine yet; fetch it with 'graft models get {name}'.")
    if hub.is_id(str(name)):
        if (folder := Path(name).parent) != Path() and folder.is_dir():  # a slip in a path, not somebody on the hub
            raise GraftError(f"{folder} holds no {Path(name).name}; for the hub's write {hub.PREFIX}{name}.")
        return hub.fetch(str(name))
    names = [each for each, path in bundled.items() if kind is None or issubclass(kind_of(path), kind)]
    raise GraftError(f"{name} is neither a file nor a known model ({', '.join(names) or 'none is installed'}).")


def kind_of(path: Path) -> type[Network]:
    """The class of the model in a file of ours, from its header alone."""
    return KINDS[views(path)[1]["kind"]].network
