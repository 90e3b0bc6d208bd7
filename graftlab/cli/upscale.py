"""`graft upscale`: pictures and videos made larger."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from graftlab.cli.desk import Desk, Device, Precision, Sharing
from graftlab.cli.enlarging import UpscalerName
from graftlab.cli.filming import is_still
from graftlab.cli.options import spread
from graftlab.cli.output import file_or_folder, numbered, spare
from graftlab.cli.progress import bar, resumable, say
from graftlab.data.image_source import printable
from graftlab.errors import GraftError
from graftlab.images import FORMATS, read
from graftlab.networks.model import Network
from graftlab.rendering import many
from graftlab.rendering.renderer import open_upscaling
from graftlab.video.film import Film, enlarge, render
from graftlab.video.reading import Video
from graftlab.video.writing import Target
from graftlab.work.bulk import Bulk

FILMS = (".mp4", ".webm", ".gif", ".apng")  # what is written frame by frame


@spread
def upscale(
    sources: Annotated[list[Path], typer.Argument(help="Pictures, folders of pictures, or one video.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Picture, folder or film to write; upscaled.png, or .mp4.", callback=lambda out: out
        ),
    ] = None,
    factor: Annotated[int | None, typer.Option(min=1, max=4, help="Factor; by default that of the upscaler.")] = None,
    upscaler: UpscalerName = None,
    tile: Annotated[
        int | None,
        typer.Option(min=64, help="Work in tiles of this side, in pixels; by default 256, or more for deep networks."),
    ] = None,
    quality: Annotated[int, typer.Option(min=0, max=100, help="Quality of a film's encoder.")] = 90,
    codec: Annotated[
        str | None, typer.Option(help="h264, vp9 or av1; by default the usual one for the extension.")
    ] = None,
    device: Device = None,
    precision: Precision = "float32",
    bulk: Sharing = Bulk(),
) -> None:
    """Enlarge pictures (several become NAME-000 and so on, or go into a folder), or a video; the same command resumes.

    graft upscale hybrid.png -o large.png

    graft upscale hybrids/ -o large/ --factor 2

    graft upscale walk.mp4 -o large.mp4 --upscaler RealESRGAN_x4plus.pth
    """
    pictures = many.pictures_of(sources)
    files = [each.path for each in pictures]
    moving = len(files) == 1 and pictures[0].source is None and not is_still(files[0])
    if out is None:
        out = Path("upscaled.mp4" if moving else "upscaled.png")
    file_or_folder(out)
    filming = moving and (out.suffix.lower() in FILMS or "%" in out.name)
    if not filming and out.suffix.lower() in FILMS:
        raise GraftError(f"{out} is a film, and a film is made of one video; name one, or a picture to write.")
    larger = open_upscaling(upscaler, factor, device, precision, tile)
    network: Network = larger.model  # type: ignore[assignment]  # it is both
    desk = Desk(network, larger=larger)
    if filming:
        write_film(desk, files[0], out, quality, codec)
        return
    if any(out.resolve().is_relative_to(Path(each).resolve()) for each in sources if Path(each).is_dir()):
        raise GraftError(
            f"{out} is in a folder of pictures to enlarge, so the next call would take both; name another."
        )
    names = names_for(files, out)
    for name in names:
        spare(name, *files)
    if len(files) == 1:
        picture = read(pictures[0].read())
        larger.check(picture.shape[3], picture.shape[2])
        desk.write(picture, names[0])
        return
    with resumable(), bar("upscaling", len(files)) as progress:
        failed = many.upscale(desk, pictures, names, out, bulk, progress)
    for missing, why in failed.items():
        say(printable(f"{missing} is missing: {why}"))
    for written in [out] if names[0].parent == out else [name for name in names if name.name not in failed]:
        say(written)


def names_for(files: Sequence[Path], out: Path) -> list[Path]:
    """What each picture becomes: OUT, or OUT-000 and so on, or PNGs of the same names in the folder OUT."""
    if out.suffix.lower() in FORMATS and not out.is_dir():
        return numbered(out, len(files))
    if out.suffix and not out.is_dir():
        raise GraftError(f"{out} does not end as a picture does; choose among {', '.join(FORMATS)}, or a folder.")
    names = [out / f"{file.stem}.png" for file in files]
    if twice := [name for name in names if names.count(name) > 1]:
        raise GraftError(f"Two of the pictures would become {twice[0]}; upscale their folders one by one.")
    return names


def write_film(desk: Desk[Network], source: Path, out: Path, quality: int, codec: str | None) -> None:
    """Every frame of a video made larger, at its speed and with its sound."""
    video = Video.open(source)
    if video.note:
        say(f"{video.note}.")
    for file in Target.of(out, video.fps, codec, quality).files(video.frames):
        spare(file, source)
    assert desk.larger is not None
    desk.larger.check(*video.size)
    film = Film(video.frames, video.fps, video.frame, video.play, video.path, desk.recipe, video.begin)
    with bar("upscaling", video.frames, unit="frames") as progress:
        written = render(enlarge(film, desk.larger), out, quality, progress, codec=codec)
    say(written)
