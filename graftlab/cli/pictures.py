"""`graft swap`, `grid`, `reconstruct`, `encode`, `decode` and `interpolate`: pictures in, pictures out."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graftlab.cli.progress import bar, console

if TYPE_CHECKING:
    from torch import Tensor

    from graftlab.networks.swapping import SwappingAutoencoder

DEFAULT_MODEL = "landscapes-64"

Model = Annotated[str, typer.Option("--model", "-m", help="A model file, or the name of a bundled model.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Picture to write: .png, .jpg, .webp or .tif.")]
Size = Annotated[
    int | None, typer.Option(help="Short side at which pictures are read, pixels; the model's by default.")
]
Square = Annotated[bool, typer.Option(help="Crop pictures to their central square.")]
Noise = Annotated[str, typer.Option(help="fixed (by the seed), none, or random.")]
Seed = Annotated[int, typer.Option(help="Of the noise.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or mps; the fastest by default.")]
Precision = Annotated[str, typer.Option(help="float32 or bfloat16.")]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@dataclass(frozen=True)
class Desk:
    """A model, and how pictures are read for it and rendered by it: what these commands have in common."""

    model: "SwappingAutoencoder"
    size: int  # short side, pixels
    square: bool
    noise: str
    seed: int

    @classmethod
    def open(
        cls, model: str, size: int | None, square: bool, noise: str, seed: int, device: str | None, precision: str
    ) -> "Desk":
        from graftlab.checkpoints.load import load
        from graftlab.networks.noise import noise_source

        noise_source(noise, seed)  # type: ignore[arg-type]  # refuses another word before any work is done
        opened = load(model, device, precision)
        return cls(opened, size or opened.config.size, square, noise, seed)

    @property
    def rendering(self) -> dict[str, Any]:
        return {"noise": self.noise, "seed": self.seed}

    def read(self, path: Path) -> "Tensor":
        from graftlab.images import read

        return read(path, self.size, self.square)

    def write(self, image: "Tensor", path: Path) -> None:
        """Write a picture that remembers how it was made, and say so."""
        from graftlab import __version__
        from graftlab.images import write

        command = shlex.join(["graft", *sys.argv[1:]])
        recipe = {"command": command, "model": self.model.fingerprint, "version": __version__, **self.rendering}
        console.print(f"{write(image, path, recipe)}", highlight=False, soft_wrap=True)


def swap(
    structure: Annotated[Path, typer.Argument(help="The picture that gives the structure.")],
    texture: Annotated[Path, typer.Argument(help="The picture that gives the texture.")],
    out: Out = Path("swap.png"),
    both: Annotated[bool, typer.Option("--both", help="The other way round too, as NAME-reverse.")] = False,
    model: Model = DEFAULT_MODEL,
    size: Size = None,
    square: Square = False,
    noise: Noise = "fixed",
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Put one picture's structure with another's texture.

    graft swap fuji.jpg alps.jpg -o fuji-in-the-alps.png --both
    """
    from graftlab.editing import swaps

    desk = Desk.open(model, size, square, noise, seed, device, precision)
    a, b = desk.read(structure), desk.read(texture)
    desk.write(swaps.swap(desk.model, a, b, **desk.rendering), out)
    if both:
        desk.write(swaps.swap(desk.model, b, a, **desk.rendering), out.with_stem(out.stem + "-reverse"))


def grid(
    structures: Annotated[Path, typer.Option(help="Folder, zip or picture: the rows.")],
    textures: Annotated[Path, typer.Option(help="Folder, zip or picture: the columns.")],
    out: Out = Path("grid.png"),
    model: Model = DEFAULT_MODEL,
    size: Size = None,
    square: Square = True,
    noise: Noise = "fixed",
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Every structure with every texture on one sheet, the originals in the margins.

    graft grid --structures mountains/ --textures weather/ -o grid.png
    """
    from graftlab.editing import swaps
    from graftlab.sheets import sheet

    desk = Desk.open(model, size, square, noise, seed, device, precision)
    (rows, row_names), (columns, column_names) = (pictures(desk, path) for path in (structures, textures))
    lines: list[Sequence[Tensor | None]] = [[None, *columns]]
    with bar("swapping", len(rows) * len(columns)) as progress:
        for picture, hybrids in zip(rows, swaps.grid(desk.model, rows, columns, **desk.rendering), strict=True):
            lines.append([picture, *hybrids])
            progress((len(lines) - 1) * len(columns))
    scale = max(1, 128 // desk.size)
    desk.write(sheet(lines, ["", *row_names], ["", *column_names], scale=scale), out)


def pictures(desk: Desk, path: Path) -> tuple[list["Tensor"], list[str]]:
    """All pictures of a folder or archive, or one picture, with their names."""
    if path.is_file() and path.suffix.lower() != ".zip":
        return [desk.read(path)], [path.stem]
    from graftlab.data import open_source
    from graftlab.images import read

    source = open_source(path)
    names = [Path(name).stem for name in source.names]
    return [read(source.read(i), desk.size, desk.square, name) for i, name in enumerate(source.names)], names


def reconstruct(
    photos: Annotated[list[Path], typer.Argument(help="Pictures.")],
    out: Out = Path("reconstructions.png"),
    as_json: Json = False,
    model: Model = DEFAULT_MODEL,
    size: Size = None,
    square: Square = False,
    noise: Noise = "fixed",
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Pictures beside what their codes keep of them, with L1 (share of the full range) and PSNR.

    graft reconstruct fuji.jpg alps.jpg -o reconstructions.png --json
    """
    from graftlab.editing import swaps
    from graftlab.sheets import sheet

    desk = Desk.open(model, size, square, noise, seed, device, precision)
    rows, names, figures = [], [], []
    for photo in photos:
        picture = desk.read(photo)
        result = swaps.reconstruct(desk.model, picture, **desk.rendering)
        rows.append([picture, result.image])
        figures.append({"photo": str(photo), "l1": result.l1[0], "psnr": result.psnr[0]})
        names.append(f"{photo.stem}  L1 {result.l1[0]:.3f}  {result.psnr[0]:.1f} dB")
    desk.write(sheet(rows, names, ["original", "reconstruction"], scale=max(1, 128 // desk.size)), out)
    report(figures, as_json, "{photo}: L1 {l1:.4f}, PSNR {psnr:.2f} dB")


def report(figures: Sequence[dict[str, Any]], as_json: bool, line: str) -> None:
    """Figures on stdout: a line each, or all as JSON."""
    typer.echo(json.dumps(figures, indent=1) if as_json else "\n".join(line.format(**entry) for entry in figures))


def encode(
    photos: Annotated[list[Path], typer.Argument(help="Pictures of one size, or any with --square.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File of codes to write.")] = Path("codes.safetensors"),
    model: Model = DEFAULT_MODEL,
    size: Size = None,
    square: Square = False,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Turn pictures into codes: structure and texture, in one file that knows its model.

    graft encode fuji.jpg alps.jpg --square -o codes.safetensors
    """
    import torch

    from graftlab.codes import Codes

    desk = Desk.open(model, size, square, "fixed", 0, device, precision)
    with torch.no_grad():
        codes = Codes.cat([desk.model.encode(desk.read(photo)) for photo in photos])
    console.print(str(codes.save(out)), highlight=False, soft_wrap=True)


def decode(
    codes: Annotated[Path, typer.Argument(help="File of codes, from 'graft encode'.")],
    out: Out = Path("decoded.png"),
    model: Model = DEFAULT_MODEL,
    noise: Noise = "fixed",
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Turn codes back into pictures; several become NAME-000, NAME-001 ...

    graft decode codes.safetensors -o decoded.png
    """
    import torch

    from graftlab.codes import Codes, SwapCodes
    from graftlab.errors import GraftError

    loaded = Codes.load(codes)
    if not isinstance(loaded, SwapCodes):
        raise GraftError(f"{codes} holds codes of another kind of model, not of a Swapping Autoencoder.")
    desk = Desk.open(model, None, False, noise, seed, device, precision)
    for i in range(len(loaded)):
        name = out if len(loaded) == 1 else out.with_stem(f"{out.stem}-{i:03d}")
        with torch.no_grad():
            desk.write(desk.model.decode(loaded[i], noise=desk.noise, seed=seed), name)  # type: ignore[arg-type]


def interpolate(
    a: Annotated[Path, typer.Argument(help="Where it starts.")],
    b: Annotated[Path, typer.Argument(help="Where it ends.")],
    out: Out = Path("strip.png"),
    amounts: Annotated[str, typer.Option(help="0 is the first picture, 1 the second, beyond exaggerates.")] = (
        "-0.5,0,0.25,0.5,0.75,1,1.5"
    ),
    what: Annotated[str, typer.Option(help="texture, structure or both.")] = "texture",
    model: Model = DEFAULT_MODEL,
    size: Size = None,
    square: Square = True,
    noise: Noise = "fixed",
    seed: Seed = 0,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """A strip from one picture's codes to another's.

    graft interpolate day.jpg night.jpg --what texture --amounts 0,0.5,1,1.5 -o strip.png
    """
    from graftlab.editing import swaps
    from graftlab.sheets import sheet

    try:
        steps = [float(amount) for amount in amounts.split(",")]
    except ValueError:
        raise typer.BadParameter(f"--amounts takes numbers with commas between, not '{amounts}'.") from None
    desk = Desk.open(model, size, square, noise, seed, device, precision)
    first, last = desk.read(a), desk.read(b)
    strip = list(swaps.interpolate(desk.model, first, last, steps, what, **desk.rendering))
    labels = [a.stem, *(f"{step:g}" for step in steps), b.stem]
    desk.write(sheet([[first, *strip, last]], columns=labels, scale=max(1, 128 // desk.size)), out)
