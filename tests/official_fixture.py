"""The numbers computed with the authors' code (tests/fixtures/sae_official), as our objects."""

import json
import lzma
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from graftlab.checkpoints.formats.official import from_official
from graftlab.config import Recipe, SwappingConfig
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.layers import Noise
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.swapping import Crops

ROOT = Path(__file__).parent / "fixtures" / "sae_official"
NAMES = ("default", "no_antialias", "sp5")


def config_of(options: dict) -> SwappingConfig:
    return SwappingConfig(
        size=options["crop_size"],
        structure_channels=options["spatial_code_ch"],
        texture_channels=options["global_code_ch"],
        downsamplings=options["netE_num_downsampling_sp"],
        texture_downsamplings=options["netE_num_downsampling_gl"],
        encoder_capacity=options["netE_scale_capacity"],
        encoder_growth=options["netE_nc_steepness"],
        generator_capacity=options["netG_scale_capacity"],
        head_blocks=options["netG_num_base_resnet_layers"],
        noise=options["netG_use_noise"],
        antialias=options["use_antialias"],
        discriminator_capacity=options["netD_scale_capacity"],
        patch_size=options["patch_size"],
        patch_capacity=options["netPatchD_scale_capacity"],
        patch_max_channels=options["netPatchD_max_nc"],
    )


def recipe_of(options: dict) -> Recipe:
    return Recipe(
        l1=options["lambda_L1"],
        gan=options["lambda_GAN"],
        patch=options["lambda_PatchGAN"],
        r1=options["lambda_R1"],
        patch_r1=options["lambda_patch_R1"],
        r1_interval=options["R1_once_every"],
        crops=options["patch_num_crops"],
        crop_scale=(options["patch_min_scale"], options["patch_max_scale"]),
        aggregate=options["patch_use_aggregation"],
    )


@dataclass
class Fixture:
    name: str
    config: SwappingConfig
    recipe: Recipe
    model: SwappingAutoencoder
    net: Discriminators
    io: dict[str, Tensor]

    def parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.model.named_parameters()) | dict(self.net.named_parameters())

    def noise(self, prefix: str | None) -> Noise:
        """The stored noise of the layers, by their number; None: no noise."""
        depth, head = self.config.downsamplings, self.config.head_blocks
        blocks = [f"HeadResnetBlock{i}" for i in range(head)] + [
            f"UpsamplingResBlock{2 ** (4 + i)}" for i in range(depth)
        ]
        layers = [f"{prefix}.{block}.conv{i}" for block in blocks for i in (1, 2)]

        def stored(layer: int, like: Tensor) -> Tensor | None:
            if prefix is None:
                return None
            key = next(k for k in (layers[layer], layers[layer] + ".noise") if k in self.io)
            return self.io[key].to(like.dtype)

        return stored

    def crops(self, name: str) -> Crops:
        flip, scale, offset = (self.io[f"crop.{name}.{part}"] for part in ("flip", "scale", "offset"))
        count = len(flip) // self.recipe.crops
        return Crops(
            flip.view(count, -1),
            scale.reshape(count, self.recipe.crops, 2),
            offset.reshape(count, self.recipe.crops, 2),
        )

    def double(self) -> "Fixture":
        """A copy in float64."""
        io = {name: tensor.double() for name, tensor in self.io.items()}
        return Fixture(
            self.name, self.config, self.recipe, deepcopy(self.model).double(), deepcopy(self.net).double(), io
        )


@cache
def state_dict(name: str) -> dict[str, Tensor]:
    packed = (ROOT / name / "checkpoint_full.pth.xz").read_bytes()
    return torch.load(BytesIO(lzma.decompress(packed)), weights_only=True)  # in packed files, going back is slow


def load(name: str) -> Fixture:
    options = json.loads((ROOT / name / "options.json").read_text())
    config = config_of(options)
    model, net = SwappingAutoencoder(config), Discriminators(config)
    for module in (model, net):
        shapes = {key: tensor.shape for key, tensor in module.state_dict().items()}
        module.load_state_dict(from_official(state_dict(name), config, shapes))
    return Fixture(name, config, recipe_of(options), model, net, load_file(ROOT / name / "io.safetensors"))
