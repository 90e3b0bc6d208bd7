"""The same latents, or the same photos, for any number of models."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.blending.blend import adopt
from graftlab.codes import Codes
from graftlab.errors import GraftError
from graftlab.images import FORMATS, read
from graftlab.networks.model import Network
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.work.examples import examples
from graftlab.work.texts import parse_seeds

FEW_PHOTOS = 6  # of the bundled ones, for who gives none

CodesIn = Callable[[Any], Codes]
"""A blend to the codes, always of the same inputs, that it is to decode."""
Probe = Callable[[Any], Tensor]
"""Shows a model one input, a latent vector or a picture, and returns the picture that it makes of it."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What models are shown. GraftError for texts that name no seeds."""

    seeds: str | None = None
    """Latents of StyleGAN2s: 7 or 1,4,10-20; a few by default."""
    psi: float = 0.7
    """Truncation: 1 as trained, towards 0 more typical and less varied."""
    label: int | None = None
    """Class, of conditional models."""
    photo: list[Path] | None = None
    """Pictures, or folders of them, for autoencoders; bundled ones by default."""

    def __post_init__(self) -> None:
        if self.seeds is not None:
            parse_seeds(self.seeds)

    @property
    def numbers(self) -> list[int]:
        return parse_seeds("0-3" if self.seeds is None else self.seeds)

    @cached_property
    def files(self) -> list[Path]:
        """Photos, and all those of folders; some bundled ones, if none is named. GraftError if there are none."""
        paths = self.photo or examples()[:FEW_PHOTOS]
        found = [*chain(*(_pictures_in(path) if path.is_dir() else [path] for path in paths))]
        if not found:
            raise GraftError(f"{paths[0]} holds no pictures; name another folder, or pictures (--photo).")
        return found

    def check(self, network: Network) -> None:
        """GraftError for photos that a model cannot be shown."""
        if self.photo and network.takes == "seeds":
            raise GraftError(f"--photo is for autoencoders, and these are {network.kind}; choose --seeds.")

    def read(self, network: Network) -> list[Tensor]:
        """The photos as squares (1, 3, S, S) of a model's size."""
        return [read(path, network.config.size, square=True) for path in self.files]

    def names(self, network: Network) -> list[str]:
        """What each is called on a sheet."""
        return (
            [str(number) for number in self.numbers] if network.takes == "seeds" else [each.stem for each in self.files]
        )

    def probes(self, network: Network) -> list[Probe]:
        """One for each, without truncation."""
        self.check(network)
        return list(probe_seeds(self.numbers) if network.takes == "seeds" else probe_photos(self.read(network)))

    def codes_in(self, base: Network, whose: str | None = None) -> CodesIn:
        """What blends of a base decode: its own codes ("base"), or what each makes of the inputs ("own").

        By default StyleGAN2s decode the base's and autoencoders their own. GraftError for other words, and for inputs
        of the other kind of model."""
        if whose not in (None, "base", "own"):
            raise GraftError(f"--codes is base or own, not '{whose}'.")
        self.check(base)
        if isinstance(base, StyleGAN):
            return seeds_in(base, self.numbers, self.psi, self.label, whose == "own")
        if self.seeds is not None or self.label is not None:
            raise GraftError(
                "--seeds and --class are for StyleGAN2s, and these are autoencoders; name photos (--photo)."
            )
        assert isinstance(base, SwappingModel)  # there are no other kinds
        return photos_in(base, self.read(base), whose != "base")


def _pictures_in(folder: Path) -> list[Path]:
    """Files that end as pictures do, without the hidden ones that some systems put beside them."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in FORMATS and not file.name.startswith("."))


def seeds_in(
    base: StyleGAN,
    seeds: Sequence[int],
    psi: float = 0.7,
    label: int | None = None,
    own: bool = False,  # every blend draws w by its own mapping; else all decode the base's
) -> CodesIn:
    """Numbered latent vectors. GraftError as `StyleGAN2.codes_of`, and later for blends that are not the base's."""
    codes = base.codes_of(seeds, psi, labels=label)
    if not own:
        return lambda blended: adopt(codes, base, blended)
    return lambda blended: blended.codes_of(seeds, psi, labels=label)


@torch.no_grad()
def photos_in(
    base: SwappingModel,
    images: Sequence[Tensor],  # (1, 3, H, W) of one size
    own: bool = True,  # every blend encodes them itself; else all decode the base's codes
) -> CodesIn:
    """Photos. GraftError for pictures that the base cannot encode, and later for blends that are not the base's."""
    codes = Codes.cat([base.encode(image) for image in images])
    if not own:
        return lambda blended: adopt(codes, base, blended)
    return torch.no_grad()(lambda blended: Codes.cat([blended.encode(image) for image in images]))


def probe_seeds(seeds: Iterable[int], psi: float = 1.0) -> Iterator[Probe]:
    """Numbered latent vectors of a StyleGAN2, of class 0 if it knows classes; the noise is the same for all."""

    def with_seed(seed: int) -> Probe:
        return lambda model: model.sample([seed], psi, 0 if model.config.classes else None, noise="fixed")

    return map(with_seed, seeds)


def probe_photos(images: Iterable[Tensor]) -> Iterator[Probe]:
    """Pictures (1, 3, H, W), encoded and decoded."""

    def with_image(image: Tensor) -> Probe:
        return lambda model: model.decode(model.encode(image))

    return map(with_image, images)
