"""Vision transformers as feature networks: DINOv2 (Oquab et al. 2023) and CLIP (Radford et al. 2021).

The package `transformers` builds them; weights are read as safetensors and in no other form.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.errors import GraftError
from graftlab.perception.features import FeatureNetwork, Features, Side, missing, resized

Colour = tuple[float, float, float]
MAPS = 4  # after so many equal parts of the depth


@dataclass(frozen=True)
class Kind:
    """Properties of a family of transformers that its configuration file does not contain."""

    model: str  # class of the package
    types: tuple[str, ...]  # what configuration files call it
    repository: str  # on the Hugging Face hub, where none is named
    revision: str
    mean: Colour  # of the pixels in its training, in [0, 1]
    deviation: Colour
    side: int | None = None  # pixels of whole pictures and of patches; None: as configured
    patch_side: int | None = None


KINDS = {
    "dinov2": Kind(
        "Dinov2Model",
        ("dinov2",),
        "facebook/dinov2-small",
        "main",
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        side=224,
        patch_side=98,  # of the local crops in its training
    ),
    "clip": Kind(
        "CLIPVisionModel",
        ("clip", "clip_vision_model"),
        "openai/clip-vit-base-patch32",
        "refs/pr/15",  # the same weights as safetensors, which the main branch lacks
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    ),
}


class Tokens(nn.Module):
    """Maps: the patch tokens after 1/4, 2/4, 3/4 and all of the layers; pooled: the class token, normalised."""

    def __init__(self, model: nn.Module, patch: int) -> None:
        super().__init__()
        self.model, self.patch = model, patch

    def forward(self, x: Tensor) -> Features:
        seen = self.model(pixel_values=x, output_hidden_states=True)
        after = seen.hidden_states  # of the embedding and of each layer: (N, 1 + h * w, C), the class's token first
        depth, grid = len(after) - 1, (x.shape[2] // self.patch, x.shape[3] // self.patch)
        layers = [after[ceil(depth * part / MAPS)] for part in range(1, MAPS + 1)]
        return Features(tuple(tokens[:, 1:].mT.unflatten(2, grid) for tokens in layers), seen.pooler_output)


def vision_transformer(name: str, place: str, device: torch.device) -> FeatureNetwork:
    """One of KINDS with the weights in a folder, or from the hub if none is named. Nothing in the folder is run."""
    kind = KINDS[name]
    if place and not Path(place).expanduser().is_dir():
        raise GraftError(f"There is no folder {place}: {_by_hand(name)}.")
    try:
        import transformers
    except ImportError as error:
        raise missing(error, "transformers") from error
    folder = Path(place).expanduser() if place else _downloaded(name)
    _checked(folder, name)
    try:
        with quiet():
            model, told = getattr(transformers, kind.model).from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # whatever the package says of a folder that is something else
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise GraftError(f"{folder} cannot be read as {name} ({reason}): {_by_hand(name)}.") from error
    if told["missing_keys"]:  # the package would go on with weights at random
        raise GraftError(f"{folder} lacks {min(told['missing_keys'])}, a part of {name}: {_by_hand(name)}.")
    config = model.config
    return FeatureNetwork(
        f"{name} ({config.num_hidden_layers} x {config.hidden_size}, weights {_fingerprint(model)})",
        Tokens(model, config.patch_size),
        lambda images, side: _prepare(images, side, kind),
        *sides(config, kind),
        device,
    )


def sides(config: Any, kind: Kind) -> tuple[int, int]:
    """Input sizes in pixels for whole pictures and for patches: as in training, and a whole number of tokens."""
    side = min(kind.side or config.image_size, config.image_size)
    patch_side = min(kind.patch_side or side, side)
    return side // config.patch_size * config.patch_size, patch_side // config.patch_size * config.patch_size


def _prepare(images: Tensor, side: Side, kind: Kind) -> Tensor:
    mean, deviation = (torch.tensor(x, device=images.device)[:, None, None] for x in (kind.mean, kind.deviation))
    return ((resized(images, side) + 1) / 2 - mean) / deviation


def _downloaded(name: str) -> Path:
    """The hub's files, which stay in its cache: only configuration and safetensors."""
    from huggingface_hub import snapshot_download

    kind = KINDS[name]
    patterns = ["config.json", "model*.safetensors", "model.safetensors.index.json"]
    try:
        return Path(snapshot_download(kind.repository, revision=kind.revision, allow_patterns=patterns))
    except Exception as error:  # of the network, of the hub, of the disk
        raise GraftError(
            f"{kind.repository} could not be downloaded: where there is a connection, {_by_hand(name)}."
        ) from error


def _by_hand(name: str) -> str:
    kind = KINDS[name]
    revision = "" if kind.revision == "main" else f" --revision {kind.revision}"
    command = f"hf download {kind.repository} config.json model.safetensors{revision} --local-dir FOLDER"
    return f"get it by '{command}' and give --features {name}:FOLDER"


def _checked(folder: Path, name: str) -> None:
    """Refuse a folder of another model before the package tries to load it."""
    try:
        found = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise GraftError(f"{folder} holds no config.json of a model: {_by_hand(name)}.") from error
    if found not in KINDS[name].types:
        raise GraftError(f"{folder} holds a model of type {found}, not {name}: {_by_hand(name)}.")
    if not any(folder.glob("*.safetensors")):
        raise GraftError(f"{folder} holds no safetensors, and weights in other files are not opened: {_by_hand(name)}.")


def _fingerprint(model: nn.Module) -> str:
    """Of the weights alone, not of their names, which differ between versions of the package."""
    digests = sorted(
        hashlib.sha256(weight.detach().contiguous().numpy().data).digest() for weight in model.parameters()
    )
    return hashlib.sha256(b"".join(digests)).hexdigest()[:8]


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the package's progress bar and its report of unused weights."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
