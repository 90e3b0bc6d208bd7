"""What the commands share: their options, the model they open, and how pictures are read for it and written."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

import typer

from graftlab import __version__
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import DEFAULT_MODEL as DEFAULT_MODEL
from graftlab.cli.options import command_line
from graftlab.cli.progress import bar, say
from graftlab.errors import GraftError
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import OWN_FILM, OWN_PICTURE, NetworkT, Renderer
from graftlab.work.bulk import Bulk
from graftlab.work.progress import Watch
from graftlab.work.texts import LARGEST_SEED


def seed_option(help: str) -> Any:
    """An option for a seed."""
    return typer.Option(min=0, max=LARGEST_SEED, help=help)


Model = Annotated[str, typer.Option("--model", "-m", help="A model file, or the name of a bundled model.")]
Resume = Annotated[bool, typer.Option(help="Go on where the same command was interrupted.")]
Size = Annotated[
    int | None, typer.Option(min=1, help="Short side at which pictures are read, in pixels; the model's by default.")
]
OwnSize = Annotated[
    int | None,
    typer.Option(
        min=1, help=f"Short side at which pictures are read, pixels; by default their own, up to {OWN_PICTURE}."
    ),
]
FilmSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Short side at which videos and pictures are read, pixels; by default their own, up to {OWN_FILM}, and "
        "of pictures that join, the smallest one's. Without effect on a StyleGAN.",
    ),
]
Refine = Annotated[
    int,
    typer.Option(
        min=0, max=10_000, help="Optimisation steps that bring a picture's codes closer to it; 100 is a good number."
    ),
]
Square = Annotated[bool, typer.Option(help="Crop pictures to their central square.")]
Noise = Annotated[str, typer.Option(help="fixed (the same in every picture), random (different in each) or none.")]
Seed = Annotated[int, seed_option("Seed of the noise, fixed or random.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or mps; the fastest by default.")]
Sharing = Annotated[Bulk, "How the work is shared"]
Precision = Annotated[str, typer.Option(help="float32 or bfloat16.")]
Tile = Annotated[
    int | None,
    typer.Option(min=128, help="Work in tiles of this side, in pixels; by default only above 2 million pixels."),
]
UsualNoise = Annotated[
    str | None,
    typer.Option(
        help="fixed (the same in every picture), random (different in each), none, or const (a StyleGAN's own); "
        "by default const for a StyleGAN, fixed for others."
    ),
]


def made_by() -> dict[str, object]:
    """What makes the running command's pictures again. By how many they were made is no part of it."""
    shared = {f"--{each.name}" for each in fields(Bulk)}
    given = command_line.get()
    words = [
        word
        for before, word in zip(["", *given], given, strict=False)
        if before not in shared and word.partition("=")[0] not in shared
    ]
    return {"command": shlex.join(["graft", *words]), "version": __version__}


@dataclass(frozen=True)
class Desk(Renderer[NetworkT]):
    """A renderer that shows progress bars, says what it has written, and tells recipes the command."""

    watch: Watch = bar
    about: Mapping[str, object] = field(default_factory=made_by)
    tell: Callable[[object], object] = say


def autoencoder(**options: Any) -> Desk[SwappingModel]:
    """A desk with a Swapping Autoencoder on it (`Renderer.open`). GraftError if the model is another."""
    return Desk.open(kind=SwappingModel, **options)


def stylegan(
    model: str,
    noise: str | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str = "float32",
    refine: int = 0,
) -> Desk[StyleGAN]:
    """A desk with a StyleGAN on it. GraftError if the model is another, and for --refine."""
    refuse_refining(refine)
    return Desk.open(model, StyleGAN, noise, seed, device, precision)


def refuse_refining(refine: int) -> None:
    """GraftError if codes of a StyleGAN2's photos are to be refined as an encoder's are."""
    if refine:
        raise GraftError("A StyleGAN2 has no encoder whose codes could be refined; leave out --refine.")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The options of commands that draw codes of either kind of model."""

    model: Model = DEFAULT_MODEL
    noise: UsualNoise = None
    seed: Seed = 0
    device: Device = None
    precision: Precision = "float32"

    @property
    def opening(self) -> dict[str, Any]:
        """What `autoencoder` and `stylegan` are given."""
        return {option.name: getattr(self, option.name) for option in fields(ModelOptions)}


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """The options of commands that read pictures for a Swapping Autoencoder."""

    model: Model = DEFAULT_MODEL
    size: Size = None
    square: Square = False
    device: Device = None
    precision: Precision = "float32"

    own: ClassVar[int | None] = None
    """Of the desk."""

    def desk(self) -> Desk[SwappingModel]:
        return autoencoder(**vars(self), own=self.own)


@dataclass(frozen=True, kw_only=True)
class EncodingOptions(ReadingOptions):
    """The options of commands that turn pictures into codes of a Swapping Autoencoder."""

    refine: Refine = 0


@dataclass(frozen=True, kw_only=True)
class RenderingOptions(EncodingOptions):
    """The options of commands that read pictures for a Swapping Autoencoder, and render others."""

    noise: Noise = "fixed"
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Enlarging, RenderingOptions):
    """Those of commands that render one picture, as large as the one that gives its structure, or larger."""

    size: OwnSize = None
    own: ClassVar[int | None] = OWN_PICTURE

    def desk(self) -> Desk[SwappingModel]:
        rendering = {option.name: getattr(self, option.name) for option in fields(RenderingOptions)}
        return self.on(autoencoder(**rendering, own=self.own))


@dataclass(frozen=True, kw_only=True)
class ViewingOptions(ReadingOptions):
    """Those of commands that look at a picture as large as it is."""

    size: OwnSize = None
    own: ClassVar[int | None] = OWN_PICTURE


@dataclass(frozen=True, kw_only=True)
class FittingOptions:
    """The options of commands that fit something to the codes of many photos."""

    model: Model = DEFAULT_MODEL
    size: Annotated[int | None, typer.Option(min=1, help="Side of the squares, in pixels; the model's by default.")] = (
        None
    )
    seed: Annotated[int, seed_option("Seed of the choice of photos.")] = 0
    device: Device = None
    precision: Precision = "float32"

    def open(self) -> tuple[SwappingModel, int]:
        """The model, and the side of the squares, pixels."""
        model = autoencoder(model=self.model, device=self.device, precision=self.precision).model
        return model, self.size or model.config.size
