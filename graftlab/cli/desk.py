"""What the commands share: their options, the model they open, and how pictures are read for it and written."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import torch
import typer
from torch import Tensor

from graftlab import __version__, images
from graftlab.checkpoints.load import load
from graftlab.cli.options import command_line
from graftlab.cli.progress import bar, console
from graftlab.cli.refining import refined
from graftlab.codes import Autoencoder
from graftlab.editing.tiles import tiled_if_large
from graftlab.editing.upscaling import Upscaling
from graftlab.errors import GraftError
from graftlab.figures.sheets import too_large
from graftlab.images import FORMATS, read, short_side, write
from graftlab.networks.model import Network
from graftlab.networks.noise import noise_source
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingModel

NetworkT = TypeVar("NetworkT", bound="Network")
DEFAULT_MODEL = "landscapes-128"
LARGEST_SEED = 2**32 - 1  # the noise is a function of 32 bits
PICTURE, FILM = 1024, 720  # pixels of a short side: larger pictures and videos are read at this size by default
SPACE = 16  # pixels on a sheet, for each picture's share of gaps and labels

WITHOUT_PHOTOS = "A StyleGAN2 draws no photos whose codes could be refined; leave out --refine."


def writable(path: Path) -> Path:
    """The path, if a file can be written there: a night's work is not to end in this error."""
    if path.is_dir():
        raise GraftError(f"{path} is a folder; name a file in it.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise GraftError(f"{path} cannot be written, because {folder} is no folder you may write to; name another.")
    return path


def picture(path: Path) -> Path:
    """The path, if a picture can be written there."""

    if path.suffix.lower() not in FORMATS:
        raise GraftError(f"{path} does not end as a picture does; choose among {', '.join(FORMATS)}.")
    return writable(path)


def spare(out: Path, *inputs: str | Path) -> None:
    """Refuse to write over a file that the command reads."""
    for path in map(Path, inputs):
        if out.exists() and path.exists() and out.samefile(path):
            raise GraftError(f"{out} is a file that this command reads; name another.")


Model = Annotated[str, typer.Option("--model", "-m", help="A model file, or the name of a bundled model.")]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="Picture to write: .png, .jpg, .webp or .tif.", callback=picture)
]
Size = Annotated[
    int | None, typer.Option(min=1, help="Short side at which pictures are read, in pixels; the model's by default.")
]
OwnSize = Annotated[
    int | None,
    typer.Option(min=1, help=f"Short side at which pictures are read, pixels; by default their own, up to {PICTURE}."),
]
FilmSize = Annotated[
    int | None,
    typer.Option(
        min=1, help=f"Short side at which videos and pictures are read, pixels; by default their own, up to {FILM}."
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
Seed = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the noise, fixed or random.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or mps; the fastest by default.")]
Precision = Annotated[str, typer.Option(help="float32 or bfloat16.")]
Tile = Annotated[
    int | None,
    typer.Option(min=128, help="Work in tiles of this side, in pixels; by default only above 2 million pixels."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
UsualNoise = Annotated[
    str | None,
    typer.Option(
        help="fixed (the same in every picture), random (different in each), none, or const (a StyleGAN2's own); "
        "by default const for a StyleGAN2, fixed for others."
    ),
]


@dataclass(frozen=True)
class Desk(Generic[NetworkT]):
    """A model, and how pictures are read for it and rendered by it."""

    model: NetworkT
    size: int  # short side, pixels
    square: bool
    noise: str
    seed: int
    own: int | None = field(default=None, kw_only=True)  # largest short side that a picture keeps; None: all get `size`
    refine: int = field(default=0, kw_only=True)  # steps, of the codes of pictures
    larger: Upscaling | None = field(default=None, kw_only=True)  # what makes pictures larger before they are written

    @classmethod
    def open(
        cls,
        model: str,
        size: int | None = None,
        square: bool = False,
        noise: str | None = None,
        seed: int = 0,
        device: str | None = None,
        precision: str = "float32",
        refine: int = 0,
        own: int | None = None,
    ) -> "Desk[SwappingModel]":
        """A desk with a Swapping Autoencoder on it, whose noise is fixed if nothing else is asked for.

        Where no size is given, pictures keep theirs up to a short side of `own`, or have the model's."""

        noise = "fixed" if noise is None else noise
        noise_source(noise, seed)  # type: ignore[arg-type]  # refuses another word before any work is done
        opened = load(model, SwappingModel, device=device, precision=precision)
        torch.manual_seed(seed)  # random noise
        own, size = (own, opened.config.size) if size is None else (None, size)
        return Desk(opened, size, square, noise, seed, own=own, refine=refine)

    @property
    def rendering(self) -> dict[str, Any]:
        return {"noise": self.noise, "seed": self.seed}

    def scale(self, down: int, across: int, pictures: Iterable[Tensor] = ()) -> int:
        """Whole pixels by which a sheet of so many pictures enlarges them, so that one can judge a small model by eye.

        `pictures` as far as they are known. GraftError for a sheet that would be too large even so, best before the
        pictures are made."""

        sizes = [(image.shape[2], image.shape[3]) for image in pictures] or [(self.size, self.size)]
        height, width = (max(side) for side in zip(*sizes, strict=True))
        for scale in range(max(1, 128 // self.size), 0, -1):
            if down * across * (height * scale + SPACE) * (width * scale + SPACE) <= images.MAX_PIXELS:
                return scale
        raise GraftError(too_large(down, across, width, height))

    def read(self, path: Path) -> Tensor:

        return read(path, self.side(path), self.square)

    def side(self, *paths: Path) -> int:
        """Short side at which pictures are read that go together, pixels: the smallest one's, if they keep theirs."""

        if self.own is None:
            return self.size
        smallest = self.model.config.smallest_grid * self.model.config.stride
        return max(smallest, min(self.own, *map(short_side, paths)))

    def together(self, paths: Iterable[Path]) -> "Desk[NetworkT]":
        """The same, on which all pictures are read at one short side: that of the smallest of these."""
        return replace(self, size=self.side(*paths), own=None)

    def network(self: "Desk[SwappingModel]", *images: Tensor, tile: int | None = None) -> Autoencoder:
        """What encodes and decodes these pictures: the model, with refined codes if that was asked for.

        It works tile by tile if they are large together, or if `tile` (pixels) is given."""

        network = tiled_if_large(self.model, *images, tile=tile)
        return refined(self.model, network, self.refine, self.rendering) if self.refine else network

    @property
    def recipe(self) -> dict[str, Any]:
        """How what the running command makes is made again."""

        command = shlex.join(["graft", *command_line.get()])
        larger = {} if self.larger is None else {"upscaler": self.larger.model.fingerprint}
        return {"command": command, "model": self.model.fingerprint, "version": __version__, **self.rendering, **larger}

    def write(self, image: Tensor, path: Path) -> None:
        """Write a picture that remembers how it was made, and say so."""

        if self.larger is not None:
            with bar("upscaling", 1) as progress:
                image = self.larger(image, progress)
        console.print(str(write(image, path, self.recipe)), soft_wrap=True)


def stylegan(
    model: str,
    noise: str | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str = "float32",
) -> Desk[StyleGAN2]:
    """A desk with a StyleGAN2 on it, whose noise is its own if nothing else is asked for. GraftError if the model is
    another."""

    network = load(model, StyleGAN2, device=device, precision=precision)
    torch.manual_seed(seed)  # random noise
    return Desk(network, network.config.size, False, "const" if noise is None else noise, seed)


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
        return Desk.open(**vars(self), own=self.own)


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
class PictureOptions(RenderingOptions):
    """Those of commands that render one picture, as large as the one that gives its structure."""

    size: OwnSize = None
    own: ClassVar[int | None] = PICTURE


@dataclass(frozen=True, kw_only=True)
class ViewingOptions(ReadingOptions):
    """Those of commands that look at a picture as large as it is."""

    size: OwnSize = None
    own: ClassVar[int | None] = PICTURE


@dataclass(frozen=True, kw_only=True)
class FittingOptions:
    """The options of commands that fit something to the codes of many photos."""

    model: Model = DEFAULT_MODEL
    size: Annotated[int | None, typer.Option(min=1, help="Side of the squares, in pixels; the model's by default.")] = (
        None
    )
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the choice of photos.")] = 0
    device: Device = None
    precision: Precision = "float32"

    def open(self) -> tuple[SwappingModel, int]:
        """The model, and the side of the squares, pixels."""

        model = load(self.model, SwappingModel, device=self.device, precision=self.precision)
        return model, self.size or model.config.size
