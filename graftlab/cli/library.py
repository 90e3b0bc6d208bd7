"""`graft index` and `graft find`: photos of a large collection by their codes."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.cli.desk import DEFAULT_MODEL, Device, FittingOptions, Model, Precision, Sharing, autoencoder
from graftlab.cli.options import spread
from graftlab.cli.output import Json, NewFile, new_file, picture, print_each, spare
from graftlab.cli.progress import bar, resumable, say
from graftlab.data.sources import open_photos
from graftlab.editing import photo_index as editing
from graftlab.editing.photo_index import PhotoIndex
from graftlab.errors import GraftError
from graftlab.rendering.sheets import draw_found
from graftlab.work.bulk import Bulk

DEFAULT = Path("photos.index.safetensors")


@spread
def index(
    photos: Annotated[Path, typer.Argument(help="Folder, zip, LMDB or pack of photos.")],
    out: NewFile = DEFAULT,
    options: FittingOptions = FittingOptions(),
    bulk: Sharing = Bulk(),
) -> None:
    """Index a collection's photos by their codes, for 'graft find'; run again, it encodes only new ones.

    graft index ~/photos -o photos.index.safetensors

    graft index ~/photos -o photos.index.safetensors --workers 8
    """

    spare(out, options.model, photos)
    model, side = options.open()
    source = open_photos(photos)
    known = PhotoIndex.load(out) if out.exists() and out.stat().st_size else None
    with resumable(), bar("encoding", len(source)) as progress:
        found = editing.index(model, source, side, known, out, bulk, progress)
    left_out = found.about["unreadable"]
    say(out)
    say(f"{len(found)} photos{f', {left_out} that cannot be read' if left_out else ''}.")


def find(
    texture: Annotated[Path | None, typer.Option(help="A picture whose texture the photos should have.")] = None,
    structure: Annotated[Path | None, typer.Option(help="A picture whose structure they should have.")] = None,
    library: Annotated[Path, typer.Option("--index", help="The index, from 'graft index'.")] = DEFAULT,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Photos to find.")] = 12,
    out: Annotated[Path | None, new_file("Also draw them on a sheet.", picture, "--out", "-o")] = None,
    as_json: Json = False,
    model: Model = DEFAULT_MODEL,
    device: Device = None,
    precision: Precision = "float32",
) -> None:
    """Find the photos of a collection that are like a picture, in texture, in structure, or each like another's.

    graft find --texture @render-winter --index photos.index.safetensors

    graft find --texture @render-winter --structure @peaks --index photos.index.safetensors -o found.png
    """

    asked = {name: path for name, path in (("texture", texture), ("structure", structure)) if path}
    if not asked:
        raise GraftError("Name a picture that the photos are to be like: --texture, --structure or both.")
    spare(out, library, *asked.values())
    known = PhotoIndex.load(library)
    desk = autoencoder(model=model, device=device, precision=precision, size=known.size, square=True)
    pictures = {name: desk.read(path) for name, path in asked.items()}
    found = known.nearest(**{name: desk.network().encode(read) for name, read in pictures.items()}, count=count)
    if out:
        desk.write(draw_found(desk, known, pictures, found), out)
    print_each([vars(each) for each in found], "{distance:.3f}  {name}", as_json)
