"""Encoders that others publish beside their generators: pSp, e4e and ReStyle; and files of these or ours.

read_encoder("e4e.pt").fitting(generator).encode(photos)
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.artifacts import finite
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.formats.psp import CARS, EncoderFile, read
from graftlab.checkpoints.native import header_of
from graftlab.checkpoints.readers import read_model, seen
from graftlab.codes import StyleCodes
from graftlab.errors import GraftError
from graftlab.inversion.crops import Box
from graftlab.inversion.descent import parts
from graftlab.inversion.encoder import Encoder
from graftlab.networks.model import fingerprint
from graftlab.networks.psp import PSPEncoder
from graftlab.networks.style import StyleGAN

BATCH = 8  # pictures at once
REMEDY = "make one with 'graft train-encoder'"


@dataclass(frozen=True, eq=False)
class PublishedEncoder:
    """A network that guesses w, the generator that it guesses them for, and how it is used."""

    file: EncoderFile
    network: PSPEncoder
    model: str | None  # fingerprint of the generator that came with it
    generator: StyleGAN | None = None  # whose codes it finds, and which draws for ReStyle

    @classmethod
    def build(cls, file: EncoderFile, model: str | None) -> Self:
        """The network in a file, frozen, on the CPU. GraftError if its weights are no finite numbers."""
        if not finite(*file.tensors.values(), *([] if file.average is None else [file.average])):
            raise GraftError(f"{file.path} holds an encoder whose weights are no finite numbers; fetch it again.")
        with torch.device("meta"):
            network = PSPEncoder(file.config)
        network.to_empty(device="cpu").load_state_dict(dict(file.tensors))
        return cls(file, network.eval().requires_grad_(False), model)

    @property
    def digest(self) -> str:
        """What tells it from others."""
        average = {} if self.file.average is None else {"average": self.file.average}
        return fingerprint({**self.file.tensors, **average})

    def fitting(self, generator: StyleGAN) -> Self:
        """This one, for a generator and on its device: for the one that came with it, and those made from that.

        GraftError for another generator."""
        config, layers, channels = self.file.config, generator.config.layers, generator.config.w_channels
        called = generator.name or "this model"
        if config.w_channels != channels or (config.head != "w" and config.styles != layers):
            raise GraftError(
                f"{self.file.path} is the encoder of another model: it finds {config.styles} w of {config.w_channels} "
                f"numbers, and {called} draws {layers} of {channels}; {REMEDY}."
            )
        own = (None, generator.fingerprint, *generator.ancestors)
        if generator.fingerprint and self.model not in own:
            raise GraftError(
                f"{self.file.path} is the encoder of another generator than {called}: use its own ('graft convert "
                f"{self.file.path} generator.safetensors'), or {REMEDY}."
            )
        return replace(self, network=self.network.to(next(generator.parameters()).device), generator=generator)

    @torch.no_grad()
    def encode(self, images: Tensor) -> StyleCodes:
        """Pictures (N, 3, H, W) of the generator's size to codes W+."""
        assert self.generator is not None  # see `fitting`
        w = torch.cat([self._guess(images[which]) for which in parts(len(images), BATCH)])
        return StyleCodes(w, model=self.generator.fingerprint)

    def _guess(self, images: Tensor) -> Tensor:
        """(n, L, Cw): from the mean on, as often as ReStyle wants (Alaluf et al. 2021, section 3.1)."""
        generator, average = self.generator, self.file.average
        assert generator is not None
        place, (height, width) = next(generator.parameters()), self._size
        photos = F.interpolate(self._middle(images.to(place)), (height, width), mode="bilinear", antialias=True)
        w = place.new_zeros(len(images), generator.config.layers, generator.config.w_channels)
        if average is not None:
            w = w + average.to(place)
        for _ in range(self.file.passes):
            given = photos
            if self.file.config.inputs == 2 * photos.shape[1]:
                drawn = generator.decode(StyleCodes(w, model=generator.fingerprint))
                given = torch.cat([photos, F.adaptive_avg_pool2d(self._middle(drawn), (height, width))], 1)
            w = w + self.network(given)
        return w

    @property
    def _size(self) -> tuple[int, int]:
        """Height and width of what the network sees."""
        side = self.file.config.size
        return (round(side * CARS) if self.file.wide else side), side

    def _middle(self, images: Tensor) -> Tensor:
        return images[:, :, *Box.central(images, self._size).area] if self.file.wide else images


def read_encoder(path: str | Path) -> Encoder | PublishedEncoder:
    """The encoder in a file, ours or somebody's, by what the file holds. GraftError if it holds none."""
    contents = open_contents(Path(path))
    if header_of(contents) is not None:
        return Encoder.load(path)
    file = read(contents)
    if file is None:
        raise GraftError(f"{path} holds no encoder, but {seen(contents)}; {REMEDY}.")
    model = read_model(contents)
    return PublishedEncoder.build(file, fingerprint(model.tensors) if model else None)
