"""Pickles of the first StyleGAN, from NVIDIA's TensorFlow code (stylegan): the same networks as `tensorflow`.

How their arrays differ from ours, beyond what `tensorflow` says:

- Their rectifier has no gain. Ours of the mapping network has one, which scales the bias too; so that is divided by it.
- From 128 pixels on (`fused_scale`), doubling and convolution were trained as one transposed convolution, which turns
  its kernel by half a circle against that of the two. Ours takes the kernel of the two, so theirs is turned there,
  and only there.
- One matrix makes scales and shifts (`StyleMod`), and belongs to the layer whose features it styles; ours are two, and
  belong to the layer that reads these features.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.formats.fitting import rename
from graftlab.checkpoints.formats.nvidia import numbers
from graftlab.checkpoints.formats.stylegan2_config import UNKNOWN, check, generator_of
from graftlab.checkpoints.formats.tensorflow import (
    Network,
    as_ours,
    biased,
    check_options,
    collect,
    networks_of,
    scopes_of,
)
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN1Config
from graftlab.errors import GraftError
from graftlab.networks.layers import GAIN
from graftlab.networks.style import MAPPING_RATE
from graftlab.networks.stylegan1 import StyleGAN1

FORMAT = "NVIDIA StyleGAN pickle (TensorFlow)"
FUSED = 128  # pixels a side, from which on doubling and convolution are one, unless `fused_scale` says otherwise
LAYERS = (("up", "Conv0_up"), ("conv", "Conv1"))  # of a block: our names and theirs
STYLE = "/StyleMod/"  # in names of variables, and in no other design's
OPTIONS = {
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "mapping_lrmul": MAPPING_RATE,
    "normalize_latents": True,
    "num_channels": 3,
    "use_wscale": True,
    "use_styles": True,
    "const_input_layer": True,
    "use_noise": True,
    "use_pixel_norm": False,
    "use_instance_norm": True,
    "fused_scale": "auto",
    "blur_filter": [1, 2, 1],
}


def read(contents: Contents, part: str = "Gs") -> ModelFile | None:
    """A StyleGAN of the first version, or None if the file is of another kind.

    `part` is the averaged generator "Gs", or "G", the one in training. GraftError if the generator is conditional or
    still grows, or has variables, shapes or options that ours has not."""
    networks, path = networks_of(contents.tree), contents.path
    if not networks:
        return None
    generator, notes = generator_of(path, networks, part, "Gs")
    network = collect(path, generator)
    if "G_style" not in network.functions and not any(STYLE in name for name in network.variables):
        return None
    config, tensors = read_generator(path, network)
    return ModelFile(path, FORMAT, StyleGAN1.kind, config, tensors, notes=tuple(notes))


def read_generator(path: Path, network: Network) -> tuple[StyleGAN1Config, dict[str, Tensor]]:
    """A generator's configuration, and its tensors under our names."""
    fused = network.options.get("fused_scale", "auto")
    known = {**network.options, "fused_scale": "auto" if isinstance(fused, bool) else fused}
    check_options(path, "StyleGAN", known, OPTIONS)
    if any("/LabelConcat/" in name for name in network.variables):
        raise GraftError(f"{path} holds a StyleGAN with classes (LabelConcat); only one without them can be opened.")
    if (still := float(network.variables.get("lod", torch.zeros(())).sum())) > 0:
        raise GraftError(
            f"{path} was saved while its StyleGAN still grew (lod {still:.3g}), so that its last layers are raw; "
            "take a later snapshot."
        )
    state = dict(styles_apart(as_ours(network.variables)))
    scopes = scopes_of(state, "synthesis/") or ["4x4"]
    theirs = dict(generator_names(scopes, max(1, len(numbers(state, r"mapping/Dense(\d{1,6})/")))))
    tensors = rename(path, UNKNOWN.format("StyleGAN generator"), state, theirs)
    config = configured(path, tensors)
    check(path, StyleGAN1, config, tensors, theirs)
    for name in tensors:
        if name.startswith("mapping.layers.") and name.endswith(".bias"):
            tensors[name] = tensors[name] / GAIN
    least = {True: 0, False: config.size + 1}.get(fused, FUSED)
    for block, (side, _) in enumerate(config.resolutions):
        if block and side < least:  # turned already as if it were fused
            name = f"synthesis.blocks.{block}.up.conv.weight"
            tensors[name] = tensors[name].flip(2, 3)
    return config, tensors


def styles_apart(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Variables in our layouts, with scales and shifts apart, and without what growth alone needed."""
    for name, tensor in state.items():
        if STYLE in name:
            scope, leaf = name.split(STYLE, 1)
            halves = zip(("scale", "shift"), tensor.tensor_split(2) if tensor.ndim else (tensor, tensor), strict=True)
            yield from ((f"{scope}{STYLE}{half}/{leaf}", values) for half, values in halves)
        elif name != "synthesis/lod" and not re.fullmatch(r"synthesis/ToRGB_lod[1-9]\d{0,5}/\w+", name):
            yield name, tensor


def configured(path: Path, tensors: Mapping[str, Tensor]) -> StyleGAN1Config:
    """Sizes of a generator whose tensors are all there. GraftError if they make no sense."""
    blocks = sum(name.endswith(".conv.conv.weight") for name in tensors)
    try:
        return StyleGAN1Config(
            channels=tuple(tensors[f"synthesis.blocks.{block}.conv.conv.weight"].shape[0] for block in range(blocks)),
            z_channels=tensors["mapping.layers.0.weight"].shape[1],
            w_channels=tensors["mapping.average"].shape[0],
            mapping_layers=sum(name.startswith("mapping.layers.") and name.endswith(".weight") for name in tensors),
        )
    except GraftError as error:
        raise GraftError(f"{path} holds a StyleGAN that makes no sense: {str(error).rstrip('.')}.") from None
    except IndexError:
        raise GraftError(f"{path} holds a generator whose weights have other dimensions than StyleGAN's.") from None


def generator_names(scopes: list[str], depth: int) -> Iterator[tuple[str, str]]:
    """Our name of every parameter -> theirs. `scopes` are the blocks, smallest first."""
    for index in range(depth):
        yield from biased(f"mapping.layers.{index}", f"mapping/Dense{index}")
    yield "mapping.average", "dlatent_avg"
    layers = [("synthesis.start", "4x4/Const"), ("synthesis.blocks.0.conv", "4x4/Conv")]
    for block, scope in enumerate(scopes[1:], 1):
        layers += [(f"synthesis.blocks.{block}.{ours}", f"{scope}/{theirs}") for ours, theirs in LAYERS]
    yield "synthesis.start.constant", "synthesis/4x4/Const/const"
    readers = [ours for ours, _ in layers[1:]] + ["synthesis.to_rgb"]
    for number, ((ours, scope), reader) in enumerate(zip(layers, readers, strict=True)):
        theirs = f"synthesis/{scope}"
        if number:
            yield f"{ours}.conv.weight", f"{theirs}/weight"
        yield f"{ours}.bias", f"{theirs}/bias"
        yield f"{ours}.noise_strength", f"{theirs}/Noise/weight"
        yield f"{ours}.noise", f"synthesis/noise{number}"
        for half in ("scale", "shift"):
            yield from biased(f"{reader}.affine.{half}", f"{theirs}{STYLE}{half}")
    yield from biased("synthesis.to_rgb.conv", "synthesis/ToRGB_lod0")
