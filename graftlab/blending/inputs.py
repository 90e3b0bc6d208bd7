"""The same latents, or the same photos, for any number of models."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graftlab.codes import Codes, StyleCodes
from graftlab.errors import GraftError
from graftlab.images import read
from graftlab.inversion.sources import USUAL, Finding, Latent, Source, Tell, pictures_of, read_sources
from graftlab.networks.alike import adopt
from graftlab.networks.model import Network
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.work.examples import examples
from graftlab.work.progress import Watch, unwatched
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
    label: str | None = None
    """Class, of conditional models, by name or number."""
    photo: list[Path] | None = None
    """Pictures, or folders of them; for StyleGAN2s also files of codes. Autoencoders have bundled ones by default."""

    def __post_init__(self) -> None:
        if self.seeds is not None:
            if not isinstance(self.seeds, str):
                raise GraftError(f"Seeds are a text here, such as '1,4,10-20', and not {self.seeds!r}.")
            parse_seeds(self.seeds)

    @property
    def numbers(self) -> list[int]:
        return parse_seeds("0-3" if self.seeds is None else self.seeds)

    @cached_property
    def files(self) -> list[Path]:
        """Photos, and all those of folders; some bundled ones, if none is named. GraftError if there are none."""
        paths = self.photo or examples()[:FEW_PHOTOS]
        return pictures_of([paths] if isinstance(paths, str | Path) else paths)

    def read(self, network: Network) -> list[Tensor]:
        """The photos as squares (1, 3, S, S) of a model's size."""
        return [read(path, network.config.size, square=True) for path in self.files]

    def refuse_seeds(self) -> None:
        """GraftError for what autoencoders do not take."""
        if self.seeds is not None or self.label is not None:
            raise GraftError(
                "--seeds and --class are for StyleGAN2s, and these are autoencoders; name photos (--photo)."
            )

    def axes(self, network: Network) -> list[str]:
        """What the inputs of a model are called as an axis."""
        if network.takes == "photos":
            return ["photos"]
        return [*(["seeds"] if self.seeds is not None or not self.photo else []), *(["photos"] if self.photo else [])]

    def probes(self, network: Network) -> list[Probe]:
        """One for each, without truncation. GraftError for photos of StyleGAN2s."""
        if network.takes == "photos":
            return list(probe_photos(self.read(network)))
        if self.photo:
            raise GraftError("--photo is for autoencoders here, and these are StyleGAN2s; choose --seeds.")
        return list(probe_seeds(self.numbers))

    def shown(
        self,
        base: Network,
        whose: str | None = None,
        kin: Collection[str | None] = (),  # as of `read_sources`
        finding: Finding = USUAL,
        watch: Watch = unwatched,
        tell: Tell = lambda sentence: None,
    ) -> "Shown":
        """What blends of a base decode: its own codes ("base"), or what each makes of the inputs ("own").

        By default StyleGAN2s decode the base's and autoencoders their own; codes of a StyleGAN2's photos are searched
        for (`find_codes`). GraftError for other words, and for inputs of the other kind of model."""
        if whose not in (None, "base", "own"):
            raise GraftError(f"--codes is base or own, not '{whose}'.")
        if not isinstance(base, StyleGAN):
            self.refuse_seeds()
            assert isinstance(base, SwappingModel)  # there are no other kinds
            return Shown([each.stem for each in self.files], photos_in(base, self.read(base), whose != "base"))
        if not self.photo:
            names = [str(number) for number in self.numbers]
            return Shown(names, seeds_in(base, self.numbers, self.psi, self.label, whose == "own"))
        if whose == "own":
            raise GraftError("With --codes own every blend would search for the photos anew; leave it out.")
        seeds = [] if self.seeds is None else map(Latent, self.numbers)
        sources = read_sources(
            base, [*seeds, *self.photo], self.psi, self.label, finding, kin=kin, watch=watch, tell=tell
        )
        codes = Codes.cat([each.codes for each in sources])
        return Shown([each.name for each in sources], lambda blended: adopt(codes, base, blended), sources)


class Shown(NamedTuple):
    """What models are shown, read."""

    names: list[str]  # on sheets
    codes_in: CodesIn
    sources: Sequence[Source[StyleCodes]] = ()  # where photos, or files of codes, are shown to StyleGAN2s


def seeds_in(
    base: StyleGAN,
    seeds: Sequence[int],
    psi: float = 0.7,
    label: int | str | None = None,
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
