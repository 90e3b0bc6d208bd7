"""`graft invert`, `graft toonify` and `graft train-encoder`: from photos to the codes of a StyleGAN, and on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.blending.axes import short_names
from graftlab.blending.blend import swapped
from graftlab.blending.kinship import kinship
from graftlab.cli.desk import Device, Model, Resume, seed_option, stylegan
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import Fields, spread
from graftlab.cli.output import (
    Json,
    NewFile,
    file_or_folder,
    new_file,
    out_file,
    picture,
    print_each,
    spare,
    spare_each,
)
from graftlab.cli.photo_search import PhotoSearch
from graftlab.cli.progress import bar, resumable, say, speaks
from graftlab.errors import GraftError
from graftlab.inversion import encoding
from graftlab.inversion.photos import invert as invert_photos
from graftlab.inversion.redrawing import draw_comparison, redraw
from graftlab.inversion.sources import Finding, pictures_of
from graftlab.inversion.training import EncoderTraining
from graftlab.video.film import frame_rate, render
from graftlab.video.films.search import follow_search
from graftlab.video.writing import Target
from graftlab.work.examples import by_name
from graftlab.work.parts import forget
from graftlab.work.texts import parse_numbers

FRAMES = 100  # of the film of a search
FPS = frame_rate(25)

SearchSeed = Annotated[int, seed_option("Seed of the search.")]


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Finding):
    """How codes are searched for: the options of `graftlab.invert`."""

    resume: Resume = True
    seed: SearchSeed = 0


@contextmanager
def kept_beside(out: Path) -> Iterator[None]:
    """In which work is done and written whose state lies beside a file."""
    with resumable("from the last state, half a minute ago at most"):
        yield
    forget(out)


@spread
def invert(
    photos: Annotated[
        list[Path],
        typer.Argument(help="Photos, or folders of them; centre-cropped to the shape of the model's pictures."),
    ],
    model: Model,
    out: NewFile = Path("codes.safetensors"),
    search: SearchOptions = SearchOptions(),
    tune: Annotated[
        int,
        typer.Option(
            min=0, help="Then fine-tune the generator for this many steps, such as 100: NAME-model.safetensors."
        ),
    ] = 0,
    sheet: Annotated[
        Path | None, typer.Option(help="Sheet of photos beside their reconstructions; NAME.png by default.")
    ] = None,
    film: Annotated[Path | None, new_file("Film of the search to write.", file_or_folder)] = None,
    batch: Annotated[int, typer.Option(min=1, help="Photos per batch; more need more memory.")] = 8,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Find the codes from which a StyleGAN draws the given photos; the same command resumes.

    graft invert @peaks @autumn-hills -m alps.safetensors -o codes.safetensors

    graft invert @peaks -m alps.safetensors --tune 100 --film search.mp4 -o peaks.safetensors

    graft invert family.jpg -m faces.pkl --faces all -o family.safetensors

    graft invert photos/ -m alps.safetensors --encoder encoder.safetensors -o codes.safetensors
    """

    photos = pictures_of(photos)
    shown = picture(out.with_suffix(".png") if sheet is None else sheet)
    bent = out.with_name(f"{out.stem}-model.safetensors")
    written = [out, *([film] if film else []), *([bent] if tune else [])]
    spare_each((out, film, None if shown == out else shown), *photos, model, search.encoder)
    if shown == out:
        raise GraftError(f"--out {out} and its sheet would be one file; end --out in .safetensors.")
    spare(bent if tune else None, *photos, model, search.encoder, by_model=True)
    if film:
        if search.steps == 0 or (search.steps is None and search.encoder):
            raise GraftError("--film shows a search, and there is none without --steps.")
        Target.of(film, FPS, None, 90)  # refuses what cannot be written, before any work is done
    desk = stylegan(model, "const", 0, device, "float32")
    desk.scale(len(photos), 3 if tune else 2)  # refuses too many
    with kept_beside(out):
        found = invert_photos(
            desk.model,
            photos,
            **vars(search),
            tune=tune,
            frames=FRAMES if film else 0,
            batch=batch,
            state=out,
            watch=bar,
        )
        if found.note:
            say(found.note)
        if tune:
            found.model.save(bent)
        if film:
            shot = follow_search(desk.model, found.photos, found.history, FPS)
            with bar("filming", shot.frames, unit="frames") as progress:
                render(shot, film, progress=progress, resume=False)
        found.codes.save(out)
        of = [photos[part.number] for part in found.parts]
        frames = [asdict(part.box) for part in found.parts] if search.faces else []
        showing = replace(desk, about={**desk.about, "frames": frames}) if frames else desk
        showing.write(found.draw_sheet([photo.stem for photo in of]), shown)
    entries = [{"photo": by_name(photo), **figures} for photo, figures in zip(of, found.figures, strict=True)]
    for entry, frame in zip(entries, frames, strict=False):
        entry["frame"] = frame
    print_each(entries, "{photo}: L1 {l1:.4f}, PSNR {psnr:.2f} dB", as_json)
    for target in written:
        say(target)


@spread
def toonify(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of them.")],
    base: Annotated[str, typer.Option(help="A StyleGAN trained on photos like these.")],
    blend: Annotated[list[str], typer.Option(help="A StyleGAN made from it, which draws the result; may be repeated.")],
    out: Annotated[Path, out_file("Picture to write; several become NAME-PHOTO-BLEND.", picture)] = Path("toon.png"),
    levels: Annotated[
        str | None,
        typer.Option(help="8,16,32: up to each of these resolutions the layers of --base, finer ones of --blend."),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            help="left,top,width,height in pixels of the region to redraw; by default only the centre is drawn."
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Without --box: the whole photo at its own size, its centre redrawn.")
    ] = False,
    soft: Annotated[float, typer.Option(help="Width of the box's soft edge, as a share of the box.")] = 0.1,
    sheet: Annotated[Path | None, new_file("Sheet of photos before and after to write.", picture)] = None,
    codes: Annotated[
        Path | None, typer.Option(help="Codes of the photos, from 'graft invert' with the --base model.")
    ] = None,
    finding: PhotoSearch = Finding(),
    seed: SearchSeed = 0,
    device: Device = None,
    larger: Enlarging = Enlarging(),
) -> None:
    """Redraw a photo: find its codes in one StyleGAN, and decode them with another that was made from it.

    graft toonify me.jpg --base faces.safetensors --blend toons.safetensors --box 310,120,512,512 -o toon.png

    graft toonify family.jpg --base faces.pkl --blend toons.pkl --faces all -o toons.png

    graft toonify photos/ --base faces.pkl --blend toons.pkl --levels 8,16,32 --whole --sheet toons.png -o toon.jpg
    """

    files = pictures_of(photos)
    inputs = [*files, base, *blend, finding.encoder, codes]
    if codes and replace(finding, enlarge=False, faces=None) != Finding():
        raise GraftError("--codes are what a search would find; leave them out, or --steps and the like.")
    desk, *desks = (stylegan(name, "const", 0, device, "float32") for name in (base, *blend))
    named = dict(zip(short_names(blend), (each.model for each in desks), strict=True))
    blends = swapped(desk.model, named, [int(each) for each in parse_numbers(levels, "--levels")]) if levels else named
    several = len(files) * len(blends) > 1

    def named_for(photo: str, by: str) -> Path:
        return out.with_stem(f"{out.stem}-{photo}-{by.replace('/', '-')}") if several else out

    for name, model in blends.items():
        if not (found := kinship(desk.model, model)).blends:
            say(f"{name}: {found.sentence}")
    spare_each((sheet, *(named_for(file.stem, by) for file, by in product(files, blends))), *inputs)
    drawing, made = larger.on(desk), []
    with resumable("from the last state, half a minute ago at most"):
        for each in redraw(files, desk.model, blends, box, soft, whole, codes, finding, seed, bar, say):
            target = named_for(each.name, each.by)
            replace(drawing, model=blends[each.by]).drawing(desk.model.fingerprint).write(each.image, target)
            made.append(each)
    if sheet:
        desk.write(draw_comparison(made), sheet)


@spread
def train_encoder(
    model: Annotated[str, typer.Argument(help="The StyleGAN whose pictures it learns to encode.")],
    out: NewFile = Path("encoder.safetensors"),
    resume: Resume = True,
    as_json: Json = False,
    device: Device = None,
    *,
    training: Annotated[dict[str, Any], Fields(EncoderTraining)],
) -> None:
    """Train a network that estimates a picture's codes in one pass, for 'graft invert'; the same command resumes.

    graft train-encoder alps.safetensors -o encoder.safetensors --images 100k

    On several GPUs: torchrun --nproc-per-node 4 --no-python -- graft train-encoder alps.safetensors
    """

    spare(out, model, by_model=True)
    settings = EncoderTraining(**training)
    network = stylegan(model, "const", 0, device, "float32").model
    if not speaks():  # one of several processes, and not the one that writes
        encoding.train_encoder(network, settings, out, resume)
        return
    with kept_beside(out):
        encoder = encoding.train_encoder(network, settings, out, resume, bar)
        encoder.save(out)
    figures = {name: encoder.about[name] for name in ("explained", "l1")}
    print_each([figures], "explains {explained:.1%} of the variance of w, L1 {l1:.4f}", as_json)
    say(out)
