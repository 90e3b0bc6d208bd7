"""A model's networks as ONNX files, each compared with PyTorch before it is written.

export_onnx(graftlab.load("landscapes-128"), Path("onnx"))

encoder.onnx    images (N, 3, H, W) in [-1, 1] -> structure, texture
generator.onnx  structure, texture, noise_0 ... -> images
noise.onnx      seed, layer, y, x -> the noise of that layer at these rows and columns
model.json      what they are, and how they go together
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.errors import GraftError
from graftlab.exporting.graph import OPSET
from graftlab.exporting.tracing import write_graph
from graftlab.networks.model import Network
from graftlab.networks.noise import at_crossings
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingModel
from graftlab.networks.translator import Translator
from graftlab.networks.upscalers import Upscaler
from graftlab.work.files import atomic_write, spare_others

TOLERANCE = 1e-3  # of pictures in [-1, 1] and of codes: the largest difference from PyTorch
PICTURES = ("batch", 3, "height", "width")
SIZES = ((1, 0, 0), (1, 1, 3), (2, 2, 1))  # batch, and cells more than there must be, of what is compared


@dataclass(frozen=True)
class Part:
    """A network of a model, with names for what it is given and what it makes."""

    name: str  # of the file
    network: nn.Module
    inputs: Mapping[str, Sequence[str | int]]  # the names of axes, or their lengths
    outputs: Sequence[str]
    examples: Callable[[int, int, int], Sequence[Tensor]]  # of a batch, and of cells down and across beyond the fewest


@dataclass(frozen=True)
class Exported:
    """A network as an ONNX file."""

    part: Part
    data: bytes
    error: float  # largest difference from PyTorch

    def described(self) -> dict[str, Any]:
        inputs = {name: list(axes) for name, axes in self.part.inputs.items()}
        return {
            "inputs": inputs,
            "outputs": list(self.part.outputs),
            "error": float(f"{self.error:.2g}"),
            "sha256": hashlib.sha256(self.data).hexdigest(),
        }


def export_onnx(model: Network, folder: Path, half: bool = False) -> list[Exported]:
    """Write the ONNX files of a model and `model.json` into a folder. Returns what was written.

    GraftError for a kind of model that has no such files, if they draw another picture than the model itself, and if
    there are files of others in their place."""
    made = exported(model, half)
    files = {f"{one.part.name}.onnx": one.data for one in made}
    files["model.json"] = json.dumps(description(model, made), indent=1).encode()
    for name in files:
        spare_others(folder / name)
    for name, data in files.items():
        atomic_write(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    return made


def exported(model: Network, half: bool = False) -> list[Exported]:
    """The ONNX files of a model's networks, not written yet."""
    network = deepcopy(model).to("cpu", torch.float32).eval().requires_grad_(False)
    return [export(part, half) for part in parts(network)]


def description(model: Network, made: Sequence[Exported]) -> dict[str, Any]:
    """What `model.json` tells: JSON for who runs the files without graftlab."""
    return {
        "graftlab": "onnx",
        "name": model.name,
        "kind": model.kind,
        "fingerprint": model.fingerprint,
        "opset": OPSET,
        "range": [-1, 1],  # of pictures: 0 is mid-grey
        "config": model.config.to_dict(),
        "networks": {one.part.name: one.described() for one in made},
        **({"fineness": fineness(model)} if isinstance(model, SwappingModel) else {}),
    }


def export(part: Part, half: bool = False) -> Exported:
    """One of them. With `half`, weights take half the space if the result still is within TOLERANCE."""
    data = write_graph(part.network, part.examples(1, 0, 0), part.inputs, part.outputs, half)
    error = check(part, data)
    if error <= TOLERANCE:
        return Exported(part, data, error)
    if half:
        return export(part)
    raise GraftError(
        f"As ONNX, the {part.name} differs from PyTorch by {error:.2g}, more than {TOLERANCE}: "
        "please report that, with the versions of onnxruntime and PyTorch."
    )


@torch.no_grad()
def check(part: Part, data: bytes) -> float:
    """The largest difference between an ONNX file's results and PyTorch's, at several sizes and batches."""
    try:
        import onnxruntime
    except ImportError:
        raise GraftError("ONNX files are checked by onnxruntime; pip install 'graftlab[onnx]'.") from None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    worst = 0.0
    for sizes in SIZES:
        given = part.examples(*sizes)
        wanted = part.network(*given)
        found = session.run(None, {name: x.numpy() for name, x in zip(part.inputs, given, strict=True)})
        pairs = zip([wanted] if isinstance(wanted, Tensor) else wanted, found, strict=True)
        worst = max(worst, *((x - torch.from_numpy(y)).abs().max().item() for x, y in pairs))
    return worst


# -- what a model consists of -----------------------------------------------------------------------------------------


@singledispatch
def parts(model: Network) -> list[Part]:
    """The networks of a model. GraftError for a kind that has no ONNX files."""
    raise GraftError(
        f"There are no ONNX files of {model.title}; take a Swapping Autoencoder, a StyleGAN2, a student or an upscaler."
    )


@parts.register
def swapping(model: SwappingModel) -> list[Part]:
    config, fine = model.config, fineness(model)
    fewest = config.smallest_grid + 1
    codes: dict[str, Sequence[str | int]] = {
        "structure": ("batch", config.structure_channels, "rows", "columns"),
        "texture": ("batch", config.texture_channels),
    }
    noises: dict[str, Sequence[str | int]] = {
        f"noise_{layer}": (1, 1, *(f"{side}*{times}" for side in ("rows", "columns"))) for layer, times in fine.items()
    }

    def grid(down: int, across: int) -> tuple[int, int]:
        return fewest + down, fewest + across

    def of_generator(batch: int, down: int, across: int) -> list[Tensor]:
        rows, columns = grid(down, across)
        structure = drawn(batch, config.structure_channels, rows, columns)
        fields = [drawn(1, 1, rows * times, columns * times) for times in fine.values()]
        return [structure, drawn(batch, config.texture_channels), *fields]

    def of_noise(batch: int, down: int, across: int) -> list[Tensor]:
        rows, columns = grid(down, across)
        return [
            torch.tensor(2**31 + batch),
            torch.tensor(across),
            torch.arange(rows),
            torch.arange(2**20, 2**20 + columns),
        ]

    return [
        Part("encoder", model.encoder, {"images": PICTURES}, ["structure", "texture"], pictures(config.stride, fewest)),
        Part("generator", Drawing(model.generator, list(fine)), {**codes, **noises}, ["images"], of_generator),
        Part("noise", Field(), {"seed": (), "layer": (), "y": ("height",), "x": ("width",)}, ["noise"], of_noise),
    ]


@parts.register
def stylegan2(model: StyleGAN2) -> list[Part]:
    config = model.config
    given = {"z": ("batch", config.z_channels), "psi": ()}
    classes = {"labels": ("batch", config.classes)} if config.classes else {}

    def of_mapping(batch: int, down: int, across: int) -> list[Tensor]:
        shares = [drawn(batch, config.classes).softmax(1)] if config.classes else []
        return [drawn(batch, config.z_channels), torch.tensor(0.7 + 0.1 * down), *shares]

    def of_synthesis(batch: int, down: int, across: int) -> list[Tensor]:
        return [drawn(batch, config.layers, config.w_channels)]

    w = {"w": ("batch", config.layers, config.w_channels)}
    return [
        Part("mapping", Mapped(model), {**given, **classes}, ["w"], of_mapping),
        Part("synthesis", Synthesizing(model), w, ["images"], of_synthesis),
    ]


@parts.register
def student(model: Translator) -> list[Part]:
    return [Part("student", model, {"images": PICTURES}, ["pictures"], pictures(model.config.stride, 2))]


@parts.register
def upscaler(model: Upscaler) -> list[Part]:
    return [Part("upscaler", model, {"images": PICTURES}, ["pictures"], pictures(model.cell, 8))]


def pictures(cell: int, fewest: int) -> Callable[[int, int, int], Sequence[Tensor]]:
    """Pictures of so many pixels a cell, of which there are at least so many."""

    def examples(batch: int, down: int, across: int) -> list[Tensor]:
        return [drawn(batch, 3, cell * (fewest + down), cell * (fewest + across)).clamp(-1, 1)]

    return examples


def drawn(*shape: int) -> Tensor:
    """Numbers for a comparison, the same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Drawing(nn.Module):
    """A generator that is given the noise of each of its layers."""

    def __init__(self, generator: nn.Module, layers: list[int]) -> None:
        super().__init__()
        self.generator, self.layers = generator, layers

    def forward(self, structure: Tensor, texture: Tensor, *noise: Tensor) -> Tensor:
        fields = dict(zip(self.layers, noise, strict=True))
        return self.generator(structure, texture, lambda layer, like: fields[layer])


class Field(nn.Module):
    """Noise by position: seed and layer (), absolute rows y (H,) and columns x (W,) to (1, 1, H, W)."""

    def forward(self, seed: Tensor, layer: Tensor, y: Tensor, x: Tensor) -> Tensor:
        return at_crossings(seed, layer, y, x)


class Mapped(nn.Module):
    """z, truncation and classes to w, one row for each layer."""

    def __init__(self, model: StyleGAN2) -> None:
        super().__init__()
        self.mapping, self.layers = model.mapping, model.config.layers

    def forward(self, z: Tensor, psi: Tensor, *labels: Tensor) -> Tensor:
        w = torch.lerp(self.mapping.average, self.mapping(z, *labels), psi)
        return w[:, None].expand(-1, self.layers, -1)


class Synthesizing(nn.Module):
    """w to pictures, with the network's own noise."""

    def __init__(self, model: StyleGAN2) -> None:
        super().__init__()
        self.synthesis = model.synthesis

    def forward(self, w: Tensor) -> Tensor:
        return self.synthesis(w, self.synthesis.constant_noise)


@torch.no_grad()
def fineness(model: SwappingModel) -> dict[int, int]:
    """The layers that noise is added to, and how many times finer than the structure each of them is."""
    found: dict[int, int] = {}
    cells, config = 2, model.config

    def noise(layer: int, like: Tensor) -> None:
        found[layer] = like.shape[2] // cells

    like = next(model.parameters())
    model.generator(
        torch.ones(1, config.structure_channels, cells, cells).to(like),
        torch.ones(1, config.texture_channels).to(like),
        noise,
    )
    return dict(sorted(found.items()))
