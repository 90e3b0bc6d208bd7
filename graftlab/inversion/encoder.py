"""A small network that guesses the codes of a picture at once, for the one generator that it was trained with.

It sees pixels, or, as the discriminators that make generators sharp do, what a frozen network sees (Sauer et al. 2021).
"""

from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.artifacts import Artifact, finite
from graftlab.codes import StyleCodes
from graftlab.config import StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from graftlab.errors import GraftError
from graftlab.inversion.crops import rescale
from graftlab.inversion.search import Centre
from graftlab.networks.layers import Conv, Linear, ResidualBlock
from graftlab.networks.model import fingerprint
from graftlab.networks.style import StyleGAN
from graftlab.perception.choice import feature_network
from graftlab.perception.efficientnet import channels

HALVE = (1, 3, 3, 1)  # taps of the filter before every halving
LARGEST = 256  # pixels, beyond which pictures are made smaller before they are looked at
SMALLEST = 64  # pixels, below which they are made larger for a teacher
WIDEST = 4096  # channels
FINEST, CELLS = 4, 4  # stride of a teacher's first map, pixels; side of the last map, of which codes are made
GENERATORS: dict[str, type[StyleGAN1Config | StyleGAN2Config | StyleGAN3Config]] = {
    "stylegan1": StyleGAN1Config,
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

    def __init__(
        self,
        config: StyleGAN1Config | StyleGAN2Config | StyleGAN3Config,
        width: int = 128,
        teacher: str = "",  # the frozen network whose maps it sees; "": it sees pixels
    ) -> None:
        super().__init__()
        first, *others = config.pyramid
        levels = [first, *(level for level in others if max(level[0]) <= LARGEST)]
        self.config, self.width, self.teacher, self.size = config, width, teacher, levels[-1][0]
        if teacher:
            halvings = self.side.bit_length() - (FINEST * CELLS).bit_length()
            maps = channels(teacher)[: halvings + 1]
            self.take = nn.ModuleList(Conv(3 + count, width, 1) for count in maps)
            widths, (height, across) = [width] * (halvings + 1), (CELLS, CELLS)
        else:
            widths, (height, across) = [min(count, width) for _, count in reversed(levels)], first[0]
            self.from_rgb = Conv(3, widths[0], 1)
        self.blocks = nn.ModuleList(ResidualBlock(inputs, outputs, HALVE) for inputs, outputs in pairwise(widths))
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
    def of(cls, generator: StyleGAN, centre: Centre, width: int = 128, teacher: str = "") -> Self:
        """An untrained one for a generator, on its device."""
        encoder = cls(generator.config, width, teacher)
        encoder.mean.copy_(centre.mean)
        encoder.unit.fill_(centre.unit)
        encoder.model = generator.fingerprint
        return encoder.to(centre.mean.device)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] of the generator's size; returns (N, L, Cw)."""
        seen = self._seen(rescale(images, self.size))
        x = seen[0]
        for number, block in enumerate(self.blocks, 1):
            x = block(x) + seen[number] if number < len(seen) else block(x)
        hidden = self.hidden(x.flatten(1))
        rows = self.offsets(hidden).unflatten(1, (self.config.layers, self.config.w_channels))
        return self.mean + self.unit * (self.common(hidden)[:, None] + rows)

    @property
    def side(self) -> int:
        """Of the square that a teacher sees, pixels: a power of 2."""
        return min(max(1 << (max(self.size) - 1).bit_length(), SMALLEST), LARGEST)

    def _seen(self, images: Tensor) -> list[Tensor]:
        """What the first block begins with, and what is added after it and others."""
        if not self.teacher:
            return [self.from_rgb(images.contiguous(memory_format=torch.channels_last))]
        with torch.no_grad():
            maps = feature_network(self.teacher, str(images.device)).seen(images, self.side).maps
            alike = [F.normalize(each, dim=1) * each.shape[1] ** 0.5 for each in maps]  # of one scale
            both = [torch.cat([each, F.adaptive_avg_pool2d(images, each.shape[2:])], 1) for each in alike]
        return [take(each) for take, each in zip(self.take, both, strict=False)]

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
        return {**generator, "width": self.width, "teacher": self.teacher, "model": self.model, "about": self.about}

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        width = header["width"]
        if type(width) is not int or not 1 <= width <= WIDEST:
            raise GraftError(f"a width of {width} channels")
        with torch.device("meta"):
            config = GENERATORS[header.get("generator", "stylegan2")].from_dict(header["config"])
            encoder = cls(config, width, header.get("teacher", ""))
        shapes = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()} or not finite(*tensors.values()):
            raise GraftError("its weights do not fit its configuration, or are no finite numbers")
        encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
        encoder.model, encoder.about = header["model"], header["about"]
        return encoder.eval().requires_grad_(False)
