"""A small network that guesses the codes of a picture at once, for the one generator that it was trained with."""

from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from graftlab.artifacts import Artifact, finite
from graftlab.codes import StyleCodes
from graftlab.config import StyleGAN2Config, StyleGAN3Config
from graftlab.errors import GraftError
from graftlab.inversion.crops import rescale
from graftlab.inversion.search import Centre
from graftlab.networks.layers import Conv, Linear, ResidualBlock
from graftlab.networks.model import fingerprint
from graftlab.networks.style import StyleGAN

HALVE = (1, 3, 3, 1)  # taps of the filter before every halving
LARGEST = 256  # pixels, beyond which pictures are made smaller before they are looked at
WIDEST = 4096  # channels
GENERATORS: dict[str, type[StyleGAN2Config | StyleGAN3Config]] = {
    "stylegan2": StyleGAN2Config,
    "stylegan3": StyleGAN3Config,
}


class Encoder(nn.Module, Artifact):
    """Pictures (N, 3, H, W) to w (N, L, Cw): one w for all layers, and what each layer's differs from it by.

    Both are counted from the mean of w in its standard deviations, so an untrained encoder answers the mean."""

    kind: ClassVar[str] = "style-encoder"
    noun: ClassVar[str] = "encoder"
    remedy: ClassVar[str] = "make one with 'graft train-encoder'"
    mean: Tensor
    unit: Tensor

    def __init__(self, config: StyleGAN2Config | StyleGAN3Config, width: int = 128) -> None:
        super().__init__()
        first, *others = config.pyramid
        levels = [first, *(level for level in others if max(level[0]) <= LARGEST)]
        widths = [min(channels, width) for _, channels in reversed(levels)]
        self.config, self.width, self.size = config, width, levels[-1][0]
        self.from_rgb = Conv(3, widths[0], 1)
        self.blocks = nn.ModuleList(ResidualBlock(inputs, outputs, HALVE) for inputs, outputs in pairwise(widths))
        height, across = first[0]
        self.hidden = Linear(widths[-1] * height * across, 2 * width, activate=True)
        self.common = Linear(2 * width, config.w_channels)
        self.offsets = Linear(2 * width, config.layers * config.w_channels)
        for layer in (self.common, self.offsets):
            nn.init.zeros_(layer.weight)
        self.register_buffer("mean", torch.zeros(config.w_channels))
        self.register_buffer("unit", torch.ones(()))
        self.model: str | None = None  # fingerprint of the generator
        self.about: dict[str, Any] = {}  # JSON: images seen, figures, whatever is known

    @classmethod
    def of(cls, generator: StyleGAN, centre: Centre, width: int = 128) -> Self:
        """An untrained one for a generator, on its device."""
        encoder = cls(generator.config, width)
        encoder.mean.copy_(centre.mean)
        encoder.unit.fill_(centre.unit)
        encoder.model = generator.fingerprint
        return encoder.to(centre.mean.device)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] of the generator's size; returns (N, L, Cw)."""
        x = self.from_rgb(rescale(images, self.size).contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        hidden = self.hidden(x.flatten(1))
        rows = self.offsets(hidden).unflatten(1, (self.config.layers, self.config.w_channels))
        return self.mean + self.unit * (self.common(hidden)[:, None] + rows)

    @torch.no_grad()
    def encode(self, images: Tensor) -> StyleCodes:
        """Pictures (N, 3, H, W) of the generator's size to codes W+."""
        return StyleCodes(self(images.to(self.mean)), model=self.model)

    @property
    def digest(self) -> str:
        """What tells it from others."""
        return fingerprint(self.state_dict())

    def fitting(self, generator: StyleGAN) -> Self:
        """This one, on the device of its generator, or of one made from that. GraftError if it is another's."""
        if self.model not in generator.ancestors:
            self.check_owner(generator.fingerprint, "this one")
        if self.config != generator.config:
            raise GraftError(f"The encoder is of another configuration than this model; {self.remedy}.")
        return self.to(next(generator.parameters()).device)

    def _tensors(self) -> dict[str, Tensor]:
        return self.state_dict()

    def _header(self) -> dict[str, Any]:
        kind = next(kind for kind, config in GENERATORS.items() if isinstance(self.config, config))
        generator = {"generator": kind, "config": self.config.to_dict()}
        return {**generator, "width": self.width, "model": self.model, "about": self.about}

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        width = header["width"]
        if type(width) is not int or not 1 <= width <= WIDEST:
            raise GraftError(f"a width of {width} channels")
        with torch.device("meta"):
            encoder = cls(GENERATORS[header.get("generator", "stylegan2")].from_dict(header["config"]), width)
        shapes = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()} or not finite(*tensors.values()):
            raise GraftError("its weights do not fit its configuration, or are no finite numbers")
        encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
        encoder.model, encoder.about = header["model"], header["about"]
        return encoder.eval().requires_grad_(False)
