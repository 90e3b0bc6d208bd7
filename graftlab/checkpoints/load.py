"""`load`: a path or a bundled name to a model that is ready to use."""

from os.path import exists  # of any text, where Path.exists raises for names that are too long
from pathlib import Path

import torch

from graftlab.checkpoints.native import load_model
from graftlab.config import PRECISIONS
from graftlab.errors import GraftError
from graftlab.hardware import choose_device
from graftlab.networks.swapping import SwappingAutoencoder

BUNDLED = Path(__file__).parents[1] / "bundled"
DIRECTIONS = ".directions"  # between the name of a model and the extension: the file of its directions


def bundled_models() -> dict[str, Path]:
    """Models that come with the package, by name."""
    paths = sorted(BUNDLED.glob("*.safetensors"))
    return {path.stem: path for path in paths if not path.stem.endswith(DIRECTIONS)}


def bundled_directions() -> dict[str, Path]:
    """Files of directions that come with the package, by the name of their model."""
    paths = sorted(BUNDLED.glob(f"*{DIRECTIONS}.safetensors"))
    return {path.stem.removesuffix(DIRECTIONS): path for path in paths}


def load(path: str | Path, device: str | None = None, precision: str = "float32") -> SwappingAutoencoder:
    """Open a model: a file, or the name of a bundled one.

    `device` as PyTorch names it, None for the fastest there is; `precision` of the convolutions, "float32" or
    "bfloat16". GraftError if there is no such file or name, or the file holds no model."""
    if precision not in PRECISIONS:
        raise GraftError(f"precision must be one of {', '.join(PRECISIONS)}, not '{precision}'.")
    place = choose_device(device)
    bundled = bundled_models()
    file = bundled.get(str(path), Path(path))
    if not exists(file):
        raise GraftError(f"{path} is neither a file nor a bundled model ({', '.join(bundled) or 'none is installed'}).")
    model = load_model(file)
    model.precision = getattr(torch, precision)
    return model.to(place)
