"""The Swapping Autoencoder (Park et al. 2020, appendix B.1 and Fig. 18): encoder, generator and the two together."""

from itertools import count, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.codes import SwapCodes
from graftlab.config import RosinalityConfig, SwappingConfig
from graftlab.errors import GraftError
from graftlab.networks.layers import (
    GAIN,
    Conv,
    Linear,
    ModulatedConv,
    Noise,
    ResidualBlock,
    StyledConv,
    full,
    normalize,
    spread,
)
from graftlab.networks.model import Decoder
from graftlab.networks.noise import NoiseMode, noise_of, noise_source


class Trunk(nn.Module):
    """Where an encoder begins: pictures (N, 3, H, W) to features (N, C, h, w), of which it makes both codes."""

    from_rgb: nn.Module
    down: nn.ModuleList

    def trunk(self, images: Tensor) -> Tensor:
        x: Tensor = self.from_rgb(images)
        for block in self.down:
            x = block(x)
        return x


class Encoder(Trunk):
    """Picture (N, 3, H, W) to structure (N, Cs, H/stride, W/stride) and texture (N, Ct), both of unit length."""

    def __init__(self, config: SwappingConfig) -> None:
        super().__init__()
        channels, depth = config.encoder_channels, config.downsamplings
        halve = (1, 2, 1) if config.antialias else (1,)
        self.from_rgb = Conv(3, channels(0), 1)
        self.down = nn.ModuleList(
            ResidualBlock(channels(i), channels(i + 1), halve=halve, reflect=True) for i in range(depth)
        )
        self.to_structure = nn.Sequential(
            Conv(channels(depth), channels(depth), 1),
            Conv(channels(depth), config.structure_channels, 1, activate=False),
        )
        self.down_texture = nn.ModuleList(
            Conv(channels(depth + i), channels(depth + i + 1), 3, halve=(1,), valid=True)
            for i in range(config.texture_downsamplings)
        )
        self.to_texture = Linear(channels(depth + config.texture_downsamplings), config.texture_channels)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(images)
        structure = self.to_structure(x)
        for conv in self.down_texture:
            x = conv(x)
        texture = self.to_texture(x.mean((2, 3)))
        return normalize(structure), normalize(texture)

    def features(self, images: Tensor) -> Tensor:
        """Features (N, C, 7, 7) from the texture branch's first layer, reflected at two borders, not to shrink."""
        x = F.pad(self.trunk(images), (1, 0, 1, 0), mode="reflect")
        return F.interpolate(self.down_texture[0](x), size=(7, 7), mode="bilinear", align_corners=False)


class StructureModulation(nn.Module):
    """The texture's scale and shift of the structure code, the generator's first layer."""

    def __init__(self, texture_channels: int, structure_channels: int) -> None:
        super().__init__()
        self.scale = Linear(texture_channels, structure_channels)
        self.shift = Linear(texture_channels, structure_channels)

    def forward(self, structure: Tensor, texture: Tensor) -> Tensor:
        return structure * spread(self.scale(texture), structure) + spread(self.shift(texture), structure)


class GeneratorBlock(nn.Module):
    """Two styled convolutions with a skip connection, upsampling by 2 if `double`.

    The skip is a 1x1 convolution where widths differ, activated only in upsampling blocks; the division of the sum
    by sqrt(2) is folded into both branches."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        texture_channels: int,
        layers: "count[int]",  # numbers the generator's layers
        noisy: bool = True,
        double: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = StyledConv(inputs, outputs, texture_channels, next(layers), noisy, double)
        self.conv2 = StyledConv(outputs, outputs, texture_channels, next(layers), noisy)
        self.skip: Conv | None = None
        if inputs != outputs:
            activate = double is not None
            self.skip = Conv(inputs, outputs, 1, activate=activate, bias=activate, gain=1 / GAIN)
        self.doubling = double is not None

    def forward(self, x: Tensor, texture: Tensor, noise: Noise) -> Tensor:
        y = self.conv2(self.conv1(x, texture, noise), texture, noise, gain=1 / GAIN)
        skip = x / GAIN if self.skip is None else self.skip(x)
        if self.doubling:
            skip = F.interpolate(skip, scale_factor=2, mode="bilinear", align_corners=False)
        return skip + y


class Generator(nn.Module):
    """Structure and texture to a picture (Fig. 18): the texture modulates every layer."""

    def __init__(self, config: SwappingConfig) -> None:
        super().__init__()
        texture, layers = config.texture_channels, count()
        double = (1, 3, 3, 1) if config.antialias else (1,)
        self.modulation = StructureModulation(texture, config.structure_channels)
        widths = [config.structure_channels, *map(config.head_channels, range(config.head_blocks))]
        self.head = nn.ModuleList(
            GeneratorBlock(inputs, outputs, texture, layers) for inputs, outputs in pairwise(widths)
        )
        widths = [widths[-1], *(config.generator_channels(i + 1) for i in range(config.downsamplings))]
        self.up = nn.ModuleList(
            GeneratorBlock(inputs, outputs, texture, layers, config.noise, double)
            for inputs, outputs in pairwise(widths)
        )
        self.to_rgb = ModulatedConv(widths[-1], 3, 1, texture, demodulate=False)
        self.rgb_bias = nn.Parameter(torch.zeros(3))

    def forward(self, structure: Tensor, texture: Tensor, noise: Noise) -> Tensor:
        """structure (N, Cs, h, w), texture (N, Ct) or (N, Ct, h', w'), of any length: both are normalised here again.

        So only the direction of a code counts: adding to it rotates it. Returns (N, 3, h * stride, w * stride)."""
        x, texture = self.start(structure, texture)
        for block in self.blocks:
            x = block(x, texture, noise)
        return self.to_rgb(x, texture, self.rgb_bias)

    def start(self, structure: Tensor, texture: Tensor) -> tuple[Tensor, Tensor]:
        """What the first block reads, and the texture that all of them are given."""
        texture = normalize(texture)
        return self.modulation(normalize(structure), texture), texture

    @property
    def blocks(self) -> list[nn.Module]:
        """Those of the head, and those that double."""
        return [*self.head, *self.up]


class SwappingModel(Decoder[SwapCodes]):
    """Encoder and generator between pictures and `SwapCodes`: the base class of all variants.

    The encoder turns pictures into structure and texture; the generator turns structure, texture and noise into
    pictures."""

    title = "a Swapping Autoencoder"
    codes = SwapCodes
    remake = "encode the pictures again with this one (graft encode)"
    usual_noise = "fixed"

    def __init__(self, config: SwappingConfig | RosinalityConfig, encoder: nn.Module, generator: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.generator = generator

    def encode(self, images: Tensor) -> SwapCodes:
        """Pictures (N, 3, H, W) in [-1, 1] to codes, differentiable.

        Sides that are not multiples of the stride are extended by reflection; `decode` crops them back. GraftError for
        pictures smaller than the texture branch needs."""
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise GraftError(
                f"Pictures must be floating-point numbers (N, 3, H, W), not {images.dtype} {tuple(images.shape)}."
            )
        height, width = images.shape[2:]
        stride, smallest = self.config.stride, self.config.smallest_grid * self.config.stride
        if min(height, width) < smallest:
            raise GraftError(
                f"A picture of {width} x {height} pixels is too small for this model, which needs {smallest} a side; "
                "enlarge it (--size)."
            )
        down, right = -height % stride, -width % stride
        if down or right:
            images = F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2), mode="reflect")
        with self._computing():
            structure, texture = self.encoder(self._placed(images))
        size = (height, width) if down or right else None
        return SwapCodes(full(structure), full(texture), size=size, model=self.fingerprint)

    def decode(
        self,
        codes: SwapCodes,
        noise: NoiseMode = "fixed",
        seed: int = 0,  # of fixed noise
        origin: tuple[int, int] = (0, 0),  # (y, x) of the structure's first cell in a larger picture's, in cells
    ) -> Tensor:
        """Render codes as pictures (Fig. 18).

        structure (N, Cs, h, w); texture (N, Ct) or (N, Ct, h', w'). Returns float32 (N, 3, h * stride, w * stride),
        cropped to `codes.size` if it is set, nominally in [-1, 1], not clamped, differentiable. Codes that have noise
        of their own are drawn with it in place of fixed noise. GraftError if the codes are another model's, or if the
        structure does not fit their size or noise."""
        self._check_owner(codes)
        want = (self.config.structure_channels, self.config.texture_channels)
        if (have := (codes.structure.shape[1], codes.texture.shape[1])) != want:
            raise GraftError(
                f"This model's codes have {want[0]} and {want[1]} channels, these have {have[0]} and {have[1]}."
            )
        side = tuple(cells * self.config.stride for cells in codes.structure.shape[2:])
        height, width = codes.size or side
        rows, columns = side[0] - height, side[1] - width  # of padding
        if not (0 <= rows < self.config.stride and 0 <= columns < self.config.stride):
            raise GraftError(
                f"A structure for {side[1]} x {side[0]} pixels cannot be of a picture of {width} x {height}; "
                "encode the picture again."
            )
        if codes.noise is not None and tuple(codes.noise.shape[1:]) != (1, *side):
            raise GraftError(
                f"A structure for {side[1]} x {side[0]} pixels does not go with noise (N, 1, H, W) of "
                f"{tuple(codes.noise.shape)}; encode the picture again."
            )
        with self._computing():
            source = noise_source(noise, seed, origin)
            if noise == "fixed" and codes.noise is not None:
                source = noise_of(self._placed(codes.noise))
            images = full(self.generator(self._placed(codes.structure), self._placed(codes.texture), source))
        return images[:, :, rows // 2 : rows // 2 + height, columns // 2 : columns // 2 + width]


class SwappingAutoencoder(SwappingModel):
    """The authors' autoencoder."""

    kind = "swapping-autoencoder"
    config: SwappingConfig
    encoder: Encoder
    generator: Generator

    def __init__(self, config: SwappingConfig) -> None:
        super().__init__(config, Encoder(config), Generator(config))
