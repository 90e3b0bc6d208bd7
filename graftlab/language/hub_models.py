"""CLIP, SigLIP and their kin (Radford et al. 2021; Zhai et al. 2023), by the package `transformers`.

The package builds towers and tokenizer; pictures are prepared here, on tensors. Weights are read as safetensors only,
and no code that comes with a model is run.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.language.text_model import TextModel, check_phrases, check_pictures
from graftlab.perception.vit import quiet

FILES = ["*.json", "*.txt", "*.model", "model*.safetensors"]  # of a model on the hub: never its pickles or code
BICUBIC = 3  # Pillow's number of it, as in the configuration of a preprocessor
PADDED = "siglip"  # type of models that were trained on texts padded to one length, and without a mask


class HubModel(TextModel):
    """A dual encoder from a folder in the layout of the Hugging Face hub."""

    def __init__(self, folder: Path, name: str, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """GraftError if the package is missing, or the folder holds no model with towers for words and for squares."""
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise needed(error, name) from error
        self.name = name
        config = parsed(folder, "config.json", name)
        preprocessor = parsed(folder, "preprocessor_config.json", name)
        self.side = side(config, preprocessor, name)
        self.mean, self.deviation = (colour(preprocessor, part, name) for part in ("image_mean", "image_std"))
        self._resampling = "bicubic" if preprocessor.get("resample", BICUBIC) == BICUBIC else "bilinear"
        try:
            with quiet():
                here = {"local_files_only": True, "trust_remote_code": False}
                model, told = AutoModel.from_pretrained(
                    folder, use_safetensors=True, dtype=dtype, output_loading_info=True, **here
                )
                self._tokenizer = AutoTokenizer.from_pretrained(folder, **here)
        except ImportError as error:  # of what some tokenizers need beside it
            raise GraftError(f"{name} needs another package ({first_line(error)}).") from error
        except Exception as error:  # whatever the package says of a folder that is something else
            raise GraftError(
                f"{folder} cannot be read as a model of pictures and words ({first_line(error)}); {by_hand(name)}."
            ) from error
        if told["missing_keys"]:  # the package would go on with weights at random
            raise GraftError(f"{folder} lacks {min(told['missing_keys'])}, a part of the model; {by_hand(name)}.")
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            raise GraftError(f"{name} is of type {config.get('model_type')}, which has no tower for pictures; {KIN}.")
        self._model = model.eval().requires_grad_(False).to(device)
        self._whole = str(config.get("model_type", "")).startswith(PADDED)
        self._length = int(getattr(model.config.text_config, "max_position_embeddings", 77))

    def images(self, pictures: Tensor) -> Tensor:
        check_pictures(pictures)
        weight = next(self._model.parameters())
        x = pictures.to(weight.device).float()
        if x.shape[2:] != (self.side, self.side):
            x = F.interpolate(x, (self.side, self.side), mode=self._resampling, antialias=True)
        mean, deviation = (torch.tensor(part, device=x.device)[:, None, None] for part in (self.mean, self.deviation))
        return unit(self._model.get_image_features(pixel_values=(((x + 1) / 2 - mean) / deviation).to(weight.dtype)))

    @torch.no_grad()
    def texts(self, phrases: Sequence[str]) -> Tensor:
        check_phrases(phrases)
        padding = "max_length" if self._whole else True
        told = self._tokenizer(
            list(phrases), padding=padding, truncation=True, max_length=self._length, return_tensors="pt"
        ).to(next(self._model.parameters()).device)
        mask = {} if self._whole else {"attention_mask": told["attention_mask"]}
        return unit(self._model.get_text_features(input_ids=told["input_ids"], **mask))

    def unread(self, phrase: str) -> str:
        pieces = self._tokenizer(phrase, add_special_tokens=False)["input_ids"]
        special = self._tokenizer.num_special_tokens_to_add()
        return self._tokenizer.decode(pieces[max(0, self._length - special) :])


KIN = "choose a model of the CLIP or SigLIP family, such as openai/clip-vit-base-patch32"


def unit(seen: Any) -> Tensor:
    """What a tower says, which is a tensor or, in newer versions of the package, has one: float32 of unit length."""
    return F.normalize(getattr(seen, "pooler_output", seen).float(), dim=1)


def side(config: dict[str, Any], preprocessor: dict[str, Any], name: str) -> int:
    """Pixels at which a model looks at pictures. GraftError if it looks at none, or at others than squares."""
    tower = config.get("vision_config")
    if not isinstance(tower, dict):
        raise GraftError(f"{name} is of type {config.get('model_type')}, which has no tower for pictures; {KIN}.")
    found = tower.get("image_size", 224 if "num_patches" not in tower else None)  # configurations leave out defaults
    if isinstance(found, list) and len(set(found)) == 1:
        found = found[0]
    sizes = [preprocessor.get(key) for key in ("size", "crop_size")]
    oblong = any(isinstance(size, dict) and size.get("height") != size.get("width") for size in sizes)
    if type(found) is not int or oblong or config.get("model_type") == "siglip2":  # which takes patches of any shape
        raise GraftError(f"{name} looks at pictures of other shapes than squares of one size; {KIN}.")
    return found


def colour(preprocessor: dict[str, Any], part: str, name: str) -> tuple[float, ...]:
    """Three numbers of the preprocessor's configuration."""
    found = preprocessor.get(part)
    if not (isinstance(found, list) and len(found) == 3 and all(isinstance(x, int | float) for x in found)):
        raise GraftError(f"preprocessor_config.json of {name} has no {part} of three numbers; {by_hand(name)}.")
    return tuple(map(float, found))


def parsed(folder: Path, file: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / file).read_text("utf-8"))
        if isinstance(found, dict):
            return found
    except (OSError, ValueError, RecursionError):
        pass
    raise GraftError(f"{folder} has no {file} that can be read; {by_hand(name)}.")


def downloaded(repository: str, revision: str, folder: Path | None = None) -> Path:
    """The files of a model on the hub, which its own cache keeps for the next time.

    GraftError if they cannot be fetched, with how to get them by hand, into `folder` if its name then finds them."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise needed(error, repository) from error
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=FILES))
    except Exception as error:  # of the network, of the hub, of the disk
        raise GraftError(
            f"{repository} could not be fetched from the hub ({type(error).__name__}); where there is a connection, "
            f"{by_hand(repository, revision, folder)}."
        ) from error


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")


def needed(error: ImportError, name: str) -> GraftError:
    return GraftError(f"{name} needs the package {error.name}: pip install 'graftlab[transformers]'.")


def by_hand(name: str, revision: str = "main", folder: Path | None = None) -> str:
    """How to get a model without this program."""
    repository = name if name.count("/") == 1 and not Path(name).exists() else "ORGANISATION/MODEL"
    version = "" if revision == "main" else f" --revision {revision}"
    then = " and name FOLDER in its place" if folder is None else ", or bring that folder from elsewhere"
    return f"get it by 'hf download {repository}{version} --local-dir {folder or 'FOLDER'}'{then}"
