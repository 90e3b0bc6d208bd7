"""What the commands that blend networks share: their options, and the models that pictures and films remember."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.blending.family import Family
from graftlab.blending.inputs import Inputs
from graftlab.blending.rules import BlendConfig, Switch
from graftlab.cli.desk import Desk
from graftlab.cli.style import Class, Psi
from graftlab.networks.model import Network

HOW, WHOSE = "How to blend", "Whose tensors of a kind"  # headings in the help

Force = Annotated[bool, typer.Option("--force", help="Go on with networks that seem unrelated.")]
Photos = Annotated[
    list[Path] | None,
    typer.Option("--photo", help="A picture, or folder, for autoencoders; any number; bundled ones by default."),
]
CodesOf = Annotated[
    str | None,
    typer.Option(
        "--codes",
        help="base: all decode the codes of the first model (default of StyleGAN2s); own: each makes its own of the "
        "same seeds or photos (default of autoencoders).",
    ),
]


def how(help: str, *flags: str) -> Any:
    return typer.Option(*flags, help=help, rich_help_panel=HOW)


def whose(of: str) -> Any:
    return typer.Option(help=f"Whose {of}: a, b, ...; as its layer by default.", rich_help_panel=WHOSE)


@dataclass(frozen=True, kw_only=True)
class InputOptions(Inputs):
    """The latents or photos that models are shown."""

    seeds: Annotated[str | None, typer.Option(help="Latents of StyleGAN2s: 7 or 1,4,10-20; a few by default.")] = None
    psi: Psi = 0.7
    label: Class = None
    photo: Photos = None


@dataclass(frozen=True, kw_only=True)
class SwitchOptions(Switch):
    """How two models are blended."""

    swap_at: Annotated[int | None, how("Up to and including this resolution from A, finer ones from B.")] = None
    level: Annotated[int | None, how("1: the switch of --swap-at one convolution later.")] = None
    width: Annotated[float | None, how("Of a gradual switch, such as 0.5; a hard one by default.")] = None
    reverse: Annotated[bool, how("A and B the other way round.", "--reverse")] = False
    alpha: Annotated[float | None, how("The same share of B everywhere; may lie beyond 0 and 1.")] = None
    part: Annotated[str | None, how("Of autoencoders: encoder, generator or both (the default).")] = None


@dataclass(frozen=True, kw_only=True)
class RuleOptions(SwitchOptions, BlendConfig):
    """The same of `graft blend`, which knows more ways."""

    curve: Annotated[str | None, how("Shares of B by resolution: 4:0,16:0.2,64:1.")] = None
    band: Annotated[str | None, how("These resolutions from B, all others from A: 16-64.")] = None
    weights: Annotated[Path | None, how("JSON or YAML: each resolution with the shares of all models.")] = None
    clusters: Annotated[
        list[str] | None, how("Only the channels of some clusters from B: parts.json:3,sky; one file for each layer.")
    ] = None
    hard: Annotated[bool, how("Channels belong to one cluster wholly, not to all in proportion.", "--hard")] = False
    mapping: Annotated[str | None, whose("mapping network (and its average, unless told)")] = None
    average: Annotated[str | None, whose("average of w, towards which truncation draws")] = None
    affine: Annotated[str | None, whose("affine layers, from w or texture to the convolutions")] = None
    to_rgb: Annotated[str | None, whose("layers to red, green, blue")] = None
    noise: Annotated[str | None, whose("constant noise")] = None
    strength: Annotated[str | None, whose("strengths of the noise")] = None
    compat: Annotated[str | None, how("pinkney: as the best-known script does --swap-at.")] = None


@dataclass(frozen=True, kw_only=True)
class FamilyDesk(Desk[Network]):
    """The first of several models that blend; the recipe knows all of them."""

    fingerprints: Sequence[str | None]

    @classmethod
    def of(cls, family: Family, noise: str | None, seed: int) -> "FamilyDesk":
        return cls(family.base, noise, seed, square=True, fingerprints=family.fingerprints)

    @property
    def recipe(self) -> dict[str, Any]:
        return {**super().recipe, "models": list(self.fingerprints)}
