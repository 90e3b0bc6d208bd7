"""`graft guide`: pictures that follow words."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.cli.desk import Desk, ModelOptions, Refine, Resume, Size, Square, seed_option
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.inversion import FPS, FRAMES, kept_beside
from graftlab.cli.options import Fields, spread
from graftlab.cli.output import Json, Out, file_or_folder, new_file, picture, print_each, spare_each
from graftlab.cli.progress import bar, say
from graftlab.cli.style import Psi
from graftlab.cli.words import TextModelName, open_words
from graftlab.codes import Codes
from graftlab.errors import GraftError
from graftlab.inversion import following
from graftlab.inversion.guidance import Guiding
from graftlab.inversion.sources import Finding
from graftlab.language import DEFAULT
from graftlab.networks.model import Decoder
from graftlab.objectives.words import NEUTRAL, Aim, Prompt, notices
from graftlab.rendering.guiding import draw_steps, own_textures
from graftlab.rendering.sheets import find_starts, read_mask
from graftlab.video.film import render
from graftlab.video.films.search import follow_search
from graftlab.video.writing import Target

SETTINGS = "steps hold smooth cutouts candidates mixed patience learning_rate structure_rate space"


@dataclass(frozen=True, kw_only=True)
class GuideOptions(ModelOptions):
    """The model, and how pictures are read for it."""

    size: Size = None
    square: Square = False
    refine: Refine = 0
    seed: Annotated[
        int,
        seed_option("Seed of cut-outs, of the textures that are tried, and of noise."),
    ] = 0

    def desk(self) -> Desk[Any]:
        reading: dict[str, Any] = {"size": self.size, "square": self.square, "refine": self.refine}
        return Desk.open(kind=Decoder, **self.opening, **reading)


@spread
def guide(
    source: Annotated[
        Path | None, typer.Argument(help="A picture, a file of codes, or for a StyleGAN also seeds such as 7 or 0-3.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", "-t", help="What to become, as PHRASE or PHRASE:WEIGHT; may be repeated."),
    ] = None,
    avoid: Annotated[
        list[str] | None, typer.Option(help="What to move away from, as PHRASE or PHRASE:WEIGHT; may be repeated.")
    ] = None,
    like: Annotated[list[Path] | None, typer.Option(help="A picture to resemble; may be repeated.")] = None,
    neutral: Annotated[
        str, typer.Option("--from", help="What the texts change: the direction starts there.")
    ] = NEUTRAL,
    part: Annotated[
        str | None, typer.Option(help="texture, structure or both; the texture by default. Of a StyleGAN, w moves.")
    ] = None,
    out: Out = Path("guided.png"),
    mask: Annotated[
        Path | None, typer.Option(help="A picture, white where it may change; everywhere by default.")
    ] = None,
    sheet: Annotated[Path | None, new_file("Sheet of the steps to write.", picture)] = None,
    film: Annotated[Path | None, new_file("Film of the steps to write.", file_or_folder)] = None,
    codes: Annotated[Path | None, new_file("File for the codes that were found.")] = None,
    words: TextModelName = DEFAULT,
    psi: Psi = 0.7,
    resume: Resume = True,
    as_json: Json = False,
    options: GuideOptions = GuideOptions(),
    larger: Enlarging = Enlarging(),
    *,
    settings: Annotated[dict[str, Any], Fields(Guiding, SETTINGS)],
) -> None:
    """Let pictures follow words: their codes move until they show what the texts say; the same command resumes.

    graft guide @peaks --text "golden sunset" -o sunset.png --sheet steps.png

    graft guide @render-summer --text "deep snow" --text "a starry night:0.5" --avoid fog --codes snow.safetensors

    graft guide lake.jpg --text "northern lights" --from "a photo of a lake" --mask sky.png --film lights.mp4

    graft guide 0-3 --text "golden sunset" -m alps.safetensors --space w -o sunsets.png
    """

    if source is None:
        raise GraftError(
            "Say what is to follow the words: a picture such as @peaks, a file of codes, or seeds such as 0-3 of a "
            "StyleGAN2 (--model)."
        )
    wishes = [Prompt.parse(each) for each in text or []]
    wishes += [replace(found, weight=-found.weight) for found in map(Prompt.parse, avoid or [])]
    spare_each((out, sheet, film, codes), source, options.model, mask, *(like or []))
    if film:
        Target.of(film, FPS, None, 90)  # refuses what cannot be written, before any work is done
    desk = options.desk()
    enlarging, how, liked = larger.on(desk), Guiding(**settings, seed=options.seed), desk.read_all(like or [])
    seeing, tell = open_words(words, options.device, options.precision), cache(say)  # each sentence once
    if wishes or not liked:  # before a photo's codes are searched for
        Aim.of(seeing, wishes, neutral)
    for notice in notices(seeing, wishes, neutral):
        tell(notice)
    with kept_beside(out):
        starts = find_starts(desk, [source], psi, Finding(space=how.space), how.seed)
        larger.refuse_sheet(len(starts) > 1, "guide one picture, or enlarge what 'graft decode' draws of --codes")
        guided = following.guide(
            desk.model,
            Codes.cat([found for _, found, _ in starts]),
            wishes,
            like=liked,
            neutral=neutral,
            part=part,
            mask=read_mask(desk, mask, starts) if mask else None,
            textures=own_textures(desk, options.model),
            settings=how,
            words=seeing,
            frames=FRAMES if film or sheet else 0,
            state=out,
            resume=resume,
            watch=bar,
            tell=tell,
            **desk.rendering,
        )
        if film:
            shot = follow_search(desk.model, None, guided.history[1:], FPS, **desk.rendering)
            with bar("filming", shot.frames, unit="frames") as progress:
                say(render(replace(shot, recipe=desk.recipe), film, progress=progress, resume=False))
        if sheet:
            desk.write(draw_steps(desk, guided, starts), sheet)
        if codes:
            say(guided.codes.save(codes))
        if len(starts) == 1:
            enlarging.write(guided.images, out)
        else:
            desk.write(draw_steps(desk, guided, starts), out)
    entries = [
        {"picture": name, "towards": cosine, "notices": guided.notices}
        for (name, _, _), cosine in zip(starts, guided.towards, strict=True)
    ]
    print_each(entries, "{picture}: its change and that of the words have a cosine of {towards:.2f}", as_json)
