"""What the commands that blend networks share: their options, and the models that pictures and films remember."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.blending.family import Family
from graftlab.blending.inputs import Inputs
from graftlab.blending.local import Where
from graftlab.cli.desk import Desk
from graftlab.cli.style import Class, Psi
from graftlab.networks.model import Network

HOW, WHERE = "How to blend", "Where to blend"  # headings in the help

Force = Annotated[bool, typer.Option("--force", help="Go on with networks that seem unrelated.")]
Photos = Annotated[
    list[Path] | None,
    typer.Option("--photo", help="A picture or folder, for autoencoders; may be repeated; bundled photos by default."),
]
PhotosToo = Annotated[
    list[Path] | None,
    typer.Option(
        "--photo",
        help="A picture or folder, or for StyleGANs a file of codes; may be repeated. A StyleGAN's codes of pictures "
        "are searched for in the first model, once. Bundled photos for autoencoders by default.",
    ),
]
CodesOf = Annotated[
    str | None,
    typer.Option(
        "--codes",
        help="base: all decode the codes of the first model (default of StyleGANs); own: each makes its own of the "
        "same seeds or photos (default of autoencoders).",
    ),
]


@dataclass(frozen=True, kw_only=True)
class InputOptions(Inputs):
    """The latents or photos that models are shown."""

    psi: Psi = 0.7
    label: Class = None
    photo: PhotosToo = None


@dataclass(frozen=True, kw_only=True)
class FamilyDesk(Desk[Network]):
    """The first of several models that blend; the recipe knows all of them."""

    fingerprints: Sequence[str | None]
    where: Where

    @classmethod
    def of(cls, family: Family, noise: str | None, seed: int, where: Where) -> "FamilyDesk":
        return cls(family.base, noise, seed, square=True, fingerprints=family.fingerprints, where=where)

    @property
    def recipe(self) -> dict[str, Any]:
        return {**super().recipe, "models": list(self.fingerprints), **self.where.recipe}
