"""`graft invert`, `graft toonify` and `graft train-encoder`: from photos to the codes of a StyleGAN2, and on."""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from graftlab.blending.blend import adopt
from graftlab.blending.layers import check_alike
from graftlab.checkpoints.native import save_model
from graftlab.cli.desk import LARGEST_SEED, Desk, Device, Json, Model, Out, picture, spare, stylegan, writable
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.filming import film_file
from graftlab.cli.options import spread
from graftlab.cli.pictures import report
from graftlab.cli.progress import bar, console
from graftlab.cli.searching import guessed, kept, owned, place, planned, prepared, searched, seeing, telling
from graftlab.cli.training import counted
from graftlab.codes import StyleCodes
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.images import l1, psnr, read
from graftlab.inversion.crops import Box, cut, paste
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Settings, drawn
from graftlab.inversion.training import EncoderTrainer, EncoderTraining, worth
from graftlab.inversion.tuning import Tuning
from graftlab.inversion.work import carry_out
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.perception.distances import deep
from graftlab.perception.features import FeatureNetwork
from graftlab.video.film import Film, frame_rate, render
from graftlab.video.writing import Target

STEPS = 500  # of a search that begins with nothing
FRAMES = 100  # of the film of a search
FPS = 25

Space = Annotated[
    str, typer.Option(help="w+ (one w per layer: closer to the photo) or w (one for all: easier to edit).")
]
Steps = Annotated[
    int | None, typer.Option(min=0, help=f"Of the search; {STEPS}, with --encoder none unless they are asked for.")
]
EncoderFile = Annotated[
    Path | None, typer.Option("--encoder", help="An encoder for this model, from 'graft train-encoder'.")
]
FeatureWeight = Annotated[float, typer.Option("--features", min=0, help="Weight of the deep-feature distance.")]
PixelWeight = Annotated[float, typer.Option("--pixels", min=0, help="Weight of the squared difference of pixels.")]
FreeNoise = Annotated[
    bool,
    typer.Option(
        "--free-noise", help="Optimise the noise too, so that grain does not affect w (the noise is not kept)."
    ),
]
Enlarge = Annotated[
    bool, typer.Option("--enlarge", help="Enlarge photos smaller than the model's pictures instead of refusing them.")
]
Resume = Annotated[bool, typer.Option(help="Continue where the same command was interrupted.")]
Batch = Annotated[int, typer.Option(min=1, help="Photos per batch; more need more memory.")]
SearchSeed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of the search.")]
NewFile = Annotated[Path, typer.Option("--out", "-o", help="File to write.", callback=writable)]


def invert(
    photos: Annotated[list[Path], typer.Argument(help="Photos, centre-cropped to the shape of the model's pictures.")],
    model: Model,
    out: NewFile = Path("codes.safetensors"),
    space: Space = "w+",
    steps: Steps = None,
    encoder: EncoderFile = None,
    tune: Annotated[
        int,
        typer.Option(
            min=0, help="Then fine-tune the generator for this many steps, such as 100: NAME-model.safetensors."
        ),
    ] = 0,
    features: FeatureWeight = 1.0,
    pixels: PixelWeight = 1.0,
    free_noise: FreeNoise = False,
    sheet: Annotated[
        Path | None, typer.Option(help="Sheet of photos beside their reconstructions; NAME.png by default.")
    ] = None,
    film: Annotated[Path | None, typer.Option(help="Film of the search to write.")] = None,
    enlarge: Enlarge = False,
    batch: Batch = 8,
    resume: Resume = True,
    as_json: Json = False,
    seed: SearchSeed = 0,
    device: Device = None,
) -> None:
    """Find the codes from which a StyleGAN2 draws the given photos; the same command resumes.

    graft invert fuji.jpg alps.jpg -m alps.safetensors -o codes.safetensors

    graft invert fuji.jpg -m alps.safetensors --tune 100 --film search.mp4 -o fuji.safetensors

    graft invert photos/*.jpg -m alps.safetensors --encoder encoder.safetensors -o codes.safetensors
    """

    shown = picture(out.with_suffix(".png") if sheet is None else sheet)
    written = [out, shown, *([film_file(film)] if film else []), *([tuned_file(out)] if tune else [])]
    for target in written:
        spare(target, *photos, model, *([encoder] if encoder else []))
    if len(set(written)) < len(written):
        raise GraftError(f"--out {out}, --sheet and --film would be one file; end --out in .safetensors.")
    steps = (0 if encoder else STEPS) if steps is None else steps
    if film:
        filmable(film, steps)
    settings = Settings(space=space, steps=steps, free_noise=free_noise, seed=seed)
    desk = stylegan(model, "const", 0, device, "float32")
    desk.scale(len(photos), 3 if tune else 2)  # refuses too many
    images = prepared(desk.model, photos, enlarge)
    network = seeing(desk.model, features)
    likeness = Likeness(images.to(place(desk.model)), network, features, pixels, batch)
    start = guessed(desk.model, encoder, images)
    plan = planned(desk.model, images, settings, encoder, features, pixels, {"tune": tune, "film": film is not None})
    with kept(out, plan, resume) as folder:
        keep_every = max(1, steps // FRAMES) if film else 0
        search = searched(desk.model, likeness, settings, start, folder, batch, keep_every)
        codes = search.codes
        columns = [drawn(desk.model, codes, batch)]
        if tune:
            bent, codes = tuned(desk.model, codes, likeness, tune, batch, folder)
            columns.append(drawn(bent, codes, batch))
            save_tuned(bent, out, desk, photos)
        if film:
            write_film(desk, images, [*search.kept(), search.codes], film)
        codes.save(out)
        names = [photo.stem for photo in photos]
        figures = compared(images, columns[-1], network)
        write_sheet(desk, images, columns, names, figures, shown)
    entries = [{"photo": str(photo), **figure} for photo, figure in zip(photos, figures, strict=True)]
    report(entries, as_json, "{photo}: L1 {l1:.4f}, PSNR {psnr:.2f} dB")
    for target in (path for path in written if path != shown):
        console.print(str(target), soft_wrap=True)


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
    space: Space = "w+",
    steps: Steps = None,
    encoder: EncoderFile = None,
    features: FeatureWeight = 1.0,
    pixels: PixelWeight = 1.0,
    free_noise: FreeNoise = False,
    enlarge: Enlarge = False,
    resume: Resume = True,
    seed: SearchSeed = 0,
    device: Device = None,
    larger: Enlarging = Enlarging(),
) -> None:
    """Redraw a photo: find its codes in one StyleGAN2, and decode them with another that was made from it.

    graft toonify me.jpg --base faces.safetensors --blend toons.safetensors --box 310,120,512,512 -o toon.png
    """

    spare(out, photo, base, blend, *(path for path in (encoder, codes) if path))
    steps = (0 if encoder else STEPS) if steps is None else steps
    settings = Settings(space=space, steps=steps, free_noise=free_noise, seed=seed)
    image, wanted = read(photo), Box.parse(box) if box else None
    model, desk = stylegan(base, "const", 0, device, "float32").model, stylegan(blend, "const", 0, device, "float32")
    desk = larger.on(desk)
    check_alike(model, desk.model)  # refuses what `adopt` would refuse after the search
    size = model.config.resolutions[-1]
    crop = wanted or Box.central(image, size)
    piece = cut(image, crop, size, str(photo), enlarge)
    paste(image, piece, crop, soft)  # refuses what it would refuse after the search
    if codes:
        found = owned(codes, model)
    else:
        network = seeing(model, features)
        likeness = Likeness(piece.to(place(model)), network, features, pixels)
        plan = planned(model, piece, settings, encoder, features, pixels, {"blend": desk.model.fingerprint})
        start = guessed(model, encoder, piece)
        with kept(out, plan, resume) as folder:
            found = searched(model, likeness, settings, start, folder).codes
    redrawn = drawn(desk.model, adopt(found, model, desk.model)).clamp(-1, 1)
    desk.write(paste(image, redrawn, crop, soft) if wanted else redrawn, out)


def train_encoder(
    model: Annotated[str, typer.Argument(help="The StyleGAN2 whose pictures it learns to encode.")],
    out: NewFile = Path("encoder.safetensors"),
    images: Annotated[int, counted("Length of the training in images, such as 100k.")] = 100_000,
    batch: Annotated[int, typer.Option(min=1, help="Images per step.")] = 16,
    width: Annotated[int, typer.Option(min=1, help="Maximum number of channels of its layers.")] = 128,
    codes: Annotated[float, typer.Option(min=0, help="Weight of the squared difference of codes.")] = 1.0,
    pixels: PixelWeight = 1.0,
    features: FeatureWeight = 1.0,
    learning_rate: Annotated[float, typer.Option(help="Initial learning rate of Adam.")] = 0.005,
    resume: Resume = True,
    as_json: Json = False,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of its weights and of the pictures.")] = 0,
    device: Device = None,
) -> None:
    """Train a network that estimates a picture's codes in one pass, for 'graft invert'; the same command resumes.

    graft train-encoder alps.safetensors -o encoder.safetensors --images 100k
    """

    spare(out, model)
    settings = EncoderTraining(
        images=images,
        batch=batch,
        width=width,
        learning_rate=learning_rate,
        codes=codes,
        pixels=pixels,
        features=features,
        seed=seed,
    )
    network = stylegan(model, "const", 0, device, "float32").model
    plan = {"model": network.fingerprint, **settings.to_dict()}
    trainer = EncoderTrainer(network, settings, seeing(network, features))
    with kept(out, plan, resume) as folder:
        with bar("training", trainer.steps * batch) as progress:
            carry_out(trainer, telling(progress, batch), folder / "training.safetensors")
        figures = worth(trainer)
        trainer.encoder.about = {**settings.to_dict(), **figures}
        trainer.encoder.save(out)
    report([figures], as_json, "explains {explained:.1%} of the variance of w, L1 {l1:.4f}")
    console.print(str(out), soft_wrap=True)


# -- what 'graft invert' writes --------------------------------------------------------------------------------------


def tuned_file(out: Path) -> Path:
    """The file of the bent generator, beside the codes."""
    return out.with_name(f"{out.stem}-model.safetensors")


def tuned(
    model: StyleGAN2, codes: StyleCodes, likeness: Likeness, steps: int, batch: int, folder: Path
) -> tuple[StyleGAN2, StyleCodes]:
    """The generator, bent until it draws the photos from their codes, and these as its own."""

    work = Tuning(model, codes, likeness, steps, batch)
    with bar("tuning", steps * min(batch, len(codes))) as progress:
        carry_out(work, telling(progress, min(batch, len(codes))), folder / "tuning.safetensors")
    return work.finished()


def save_tuned(model: StyleGAN2, out: Path, desk: Desk[Any], photos: list[Path]) -> None:

    about = {"parent": desk.model.fingerprint, "tuned_to": [photo.name for photo in photos]}
    save_model(tuned_file(out), model, about)


def filmable(out: Path, steps: int) -> None:
    """GraftError, before any work is done, if no film can be written there, or there is no search to show."""

    if not steps:
        raise GraftError("--film shows a search, and there is none without --steps.")
    Target.of(out, frame_rate(FPS), None, 90)


def write_film(desk: Desk[StyleGAN2], images: Tensor, steps: list[StyleCodes], out: Path) -> None:
    """The photos above what the search made of them, from the beginning to the end."""

    def row(pictures: Tensor) -> Tensor:
        return torch.cat(list(pictures.clamp(-1, 1)[:, None]), dim=3)

    def frame(number: int) -> Tensor:
        return torch.cat([row(images), row(drawn(desk.model, steps[number]))], dim=2)

    with bar("filming", len(steps)) as progress:
        render(Film(len(steps), frame_rate(FPS), frame), out, progress=progress, resume=False)


def compared(images: Tensor, made: Tensor, network: FeatureNetwork | None) -> list[dict[str, float]]:
    """How close pictures came to photos, for each."""

    columns = {"l1": l1(made, images), "psnr": psnr(made, images)}
    if network is not None:
        columns["features"] = deep(network(made), network(images))
    return [{name: column[i].item() for name, column in columns.items()} for i in range(len(images))]


def write_sheet(
    desk: Desk[StyleGAN2],
    images: Tensor,
    columns: list[Tensor],
    names: list[str],
    figures: list[dict[str, float]],
    out: Path,
) -> None:
    """Every photo beside what its codes became."""

    rows = list(zip(images, *columns, strict=True))
    labels = [f"{name}: L1 {f['l1']:.3f}, {f['psnr']:.1f} dB" for name, f in zip(names, figures, strict=True)]
    heads = ["photo", "inverted", "tuned"][: 1 + len(columns)]
    scale = desk.scale(len(rows), len(heads))
    desk.write(sheet(rows, labels, heads, scale=scale), out)
