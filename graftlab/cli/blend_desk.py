"""What `graft sheet` and `graft film blend` share: kin models, opened by name, and what all their blends are shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import torch
import typer

from graftlab.blending.inputs import CodesIn, photos_in, seeds_in
from graftlab.blending.kinship import kinship
from graftlab.cli.blending import Photos, check_photos, opened, photo_files, read_photos
from graftlab.cli.desk import Desk
from graftlab.cli.progress import bar, console
from graftlab.cli.style import seeds_of
from graftlab.config import PRECISIONS
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingModel

KEPT = 8  # models held in memory at once

Force = Annotated[bool, typer.Option("--force", help="Continue with networks that seem unrelated.")]
CodesOf = Annotated[
    str | None,
    typer.Option(
        "--codes",
        help="base: all decode the codes of the first model (default for StyleGAN2s); own: each makes its own from "
        "the same seeds or photos (default for autoencoders).",
    ),
]


@dataclass(frozen=True)
class Family(Desk["Network"]):
    """The first of several models that blend; the recipe knows all of them."""

    load: Callable[[str], Network]  # by path or name
    fingerprints: tuple[str | None, ...]

    @property
    def recipe(self) -> dict[str, Any]:
        return {**super().recipe, "models": list(self.fingerprints)}


def family(
    paths: Sequence[str],
    force: bool,
    device: str | None,
    noise: str | None = None,  # None: as is usual for the kind of model
    seed: int = 0,
    precision: str = "float32",
) -> Family:
    """Open models that are to be blended. GraftError naming the first that is damaged, of other layers than the first
    one, or, unless forced, no kin of it."""

    if precision not in PRECISIONS:
        raise GraftError(f"precision must be one of {', '.join(PRECISIONS)}, not '{precision}'.")

    @lru_cache(KEPT)
    def both(path: str) -> tuple[Network, Mapping[str, Any]]:
        network, told = opened(path, device)
        network.precision = getattr(torch, precision)  # which blends take over
        return network, told

    base, about = both(paths[0])
    fingerprints: list[str | None] = []
    with bar("opening models", len(paths)) as progress:
        for done, path in enumerate(paths, start=1):
            network, story = both(path)
            try:
                found = kinship(base, network, about, story)
            except GraftError as error:
                raise GraftError(f"{path} does not go with {paths[0]}. {error}") from None
            if not (found.blends or force):
                reason = found.sentence.rstrip(".")
                raise GraftError(f"{path} does not go with {paths[0]}. {reason}; choose others, or --force it.")
            if not found.blends or found.verdict == "doubtful":
                console.print(f"{path}: {found.sentence}", soft_wrap=True)
            fingerprints.append(network.fingerprint)
            progress(done)
    size = base.config.size
    return Family(base, size, True, noise or base.usual_noise, seed, lambda path: both(path)[0], tuple(fingerprints))


def shown_to(
    base: Network,
    seeds: str | None,
    psi: float,
    label: int | None,
    photos: Photos,
    codes: str | None,
) -> tuple[CodesIn, list[str]]:
    """What all blends are shown, seeds or photos, and the names of those."""

    if codes not in (None, "base", "own"):
        raise GraftError(f"--codes is base or own, not '{codes}'.")
    check_photos(base, photos)
    if isinstance(base, StyleGAN2):
        numbers = seeds_of(seeds or "0-3")
        return seeds_in(base, numbers, psi, label, codes == "own"), [str(number) for number in numbers]
    if seeds is not None or label is not None:
        raise GraftError("--seeds and --class are for StyleGAN2s, and these are autoencoders; name photos (--photo).")
    assert isinstance(base, SwappingModel)  # there are no other kinds
    names = [file.stem for file in photo_files(photos)]
    return photos_in(base, read_photos(base, photos), codes != "base"), names
