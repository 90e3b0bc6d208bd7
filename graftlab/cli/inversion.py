"""`graft invert`, `graft toonify` and `graft train-encoder`: from photos to the codes of a StyleGAN2, and on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab import inversion
from graftlab.cli.desk import Device, Model, Resume, seed_option, stylegan
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import Fields, spread
from graftlab.cli.output import Json, NewFile, Out, film_file, new_file, picture, print_each, spare
from graftlab.cli.progress import bar, resumable, say
from graftlab.errors import GraftError
from graftlab.inversion.photos import STEPS
from graftlab.inversion.training import EncoderTraining
from graftlab.video.film import frame_rate, render
from graftlab.video.films.search import follow_search
from graftlab.video.writing import Target
from graftlab.work.examples import by_name
from graftlab.work.parts import forget

FRAMES = 100  # of the film of a search
FPS = frame_rate(25)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How codes are searched for: the options of `graftlab.invert`."""

    space: Annotated[
        str, typer.Option(help="w+ (one w per layer: closer to the photo) or w (one for all: easier to edit).")
    ] = "w+"
    steps: Annotated[
        int | None, typer.Option(min=0, help=f"Of the search; {STEPS}, with --encoder none unless they are asked for.")
    ] = None
    encoder: Annotated[Path | None, typer.Option(help="An encoder for this model, from 'graft train-encoder'.")] = None
    features: Annotated[float, typer.Option(min=0, help="Weight of the deep-feature distance.")] = 1.0
    pixels: Annotated[float, typer.Option(min=0, help="Weight of the squared difference of pixels.")] = 1.0
    free_noise: Annotated[
        bool,
        typer.Option(
            "--free-noise", help="Optimise the noise too, so that grain does not affect w (the noise is not kept)."
        ),
    ] = False
    enlarge: Annotated[
        bool,
        typer.Option("--enlarge", help="Enlarge photos smaller than the model's pictures instead of refusing them."),
    ] = False
    resume: Resume = True
    seed: Annotated[int, seed_option("Seed of the search.")] = 0


@contextmanager
def kept_beside(out: Path) -> Iterator[None]:
    """In which work is done and written whose state lies beside a file."""
    with resumable("from the last state, half a minute ago at most"):
        yield
    forget(out)


@spread
def invert(
    photos: Annotated[list[Path], typer.Argument(help="Photos, centre-cropped to the shape of the model's pictures.")],
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
    film: Annotated[Path | None, new_file("Film of the search to write.", film_file)] = None,
    batch: Annotated[int, typer.Option(min=1, help="Photos per batch; more need more memory.")] = 8,
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Find the codes from which a StyleGAN2 draws the given photos; the same command resumes.

    graft invert @peaks @autumn-hills -m alps.safetensors -o codes.safetensors

    graft invert @peaks -m alps.safetensors --tune 100 --film search.mp4 -o peaks.safetensors

    graft invert photos/*.jpg -m alps.safetensors --encoder encoder.safetensors -o codes.safetensors
    """

    shown = picture(out.with_suffix(".png") if sheet is None else sheet)
    bent = out.with_name(f"{out.stem}-model.safetensors")
    written = [out, *([film] if film else []), *([bent] if tune else [])]
    for target in (*written, shown):
        spare(target, *photos, model, search.encoder)
    if len({*written, shown}) <= len(written):
        raise GraftError(f"--out {out}, --sheet and --film would be one file; end --out in .safetensors.")
    if film:
        if search.steps == 0 or (search.steps is None and search.encoder):
            raise GraftError("--film shows a search, and there is none without --steps.")
        Target.of(film, FPS, None, 90)  # refuses what cannot be written, before any work is done
    desk = stylegan(model, "const", 0, device, "float32")
    desk.scale(len(photos), 3 if tune else 2)  # refuses too many
    with kept_beside(out):
        found = inversion.invert(
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
        desk.write(found.draw_sheet([photo.stem for photo in photos]), shown)
    entries = [{"photo": by_name(photo), **figures} for photo, figures in zip(photos, found.figures, strict=True)]
    print_each(entries, "{photo}: L1 {l1:.4f}, PSNR {psnr:.2f} dB", as_json)
    for target in written:
        say(target)


@spread
def toonify(
    photo: Annotated[Path, typer.Argument(help="The photo.")],
    base: Annotated[str, typer.Option(help="A StyleGAN2 trained on photos like this one.")],
    blend: Annotated[str, typer.Option(help="A StyleGAN2 made from it, which draws the result.")],
    out: Out = Path("toon.png"),
    box: Annotated[
        str | None,
        typer.Option(
            help="left,top,width,height in pixels of the region to redraw; by default only the centre is drawn."
        ),
    ] = None,
    soft: Annotated[float, typer.Option(help="Width of the box's soft edge, as a share of the box.")] = 0.1,
    codes: Annotated[
        Path | None, typer.Option(help="Codes of this photo, from 'graft invert' with the --base model.")
    ] = None,
    search: SearchOptions = SearchOptions(),
    device: Device = None,
    larger: Enlarging = Enlarging(),
) -> None:
    """Redraw a photo: find its codes in one StyleGAN2, and decode them with another that was made from it.

    graft toonify me.jpg --base faces.safetensors --blend toons.safetensors --box 310,120,512,512 -o toon.png
    """

    spare(out, photo, base, blend, search.encoder, codes)
    if codes and replace(search, enlarge=False, resume=True) != SearchOptions():
        raise GraftError("--codes are what a search would find; leave them out, or --steps and the like.")
    model, desk = (stylegan(name, "const", 0, device, "float32") for name in (base, blend))
    desk = larger.on(desk)
    with kept_beside(out):
        redrawn = inversion.toonify(
            photo, model.model, desk.model, box, soft, codes, **vars(search), state=out, watch=bar
        )
        desk.write(redrawn, out)


@spread
def train_encoder(
    model: Annotated[str, typer.Argument(help="The StyleGAN2 whose pictures it learns to encode.")],
    out: NewFile = Path("encoder.safetensors"),
    resume: Resume = True,
    as_json: Json = False,
    device: Device = None,
    *,
    training: Annotated[dict[str, Any], Fields(EncoderTraining)],
) -> None:
    """Train a network that estimates a picture's codes in one pass, for 'graft invert'; the same command resumes.

    graft train-encoder alps.safetensors -o encoder.safetensors --images 100k
    """

    spare(out, model)
    settings = EncoderTraining(**training)
    network = stylegan(model, "const", 0, device, "float32").model
    with kept_beside(out):
        encoder = inversion.train_encoder(network, settings, out, resume, bar)
        encoder.save(out)
    figures = {name: encoder.about[name] for name in ("explained", "l1")}
    print_each([figures], "explains {explained:.1%} of the variance of w, L1 {l1:.4f}", as_json)
    say(out)
