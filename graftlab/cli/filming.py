"""What the commands for films share: their options, and the way from a film to a file or a preview of it."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.cli.desk import (
    Desk,
    FilmSize,
    ModelOptions,
    Refine,
    Resume,
    autoencoder,
    refuse_refining,
    stylegan,
)
from graftlab.cli.enlarging import Enlarging, Upscale, UpscalerName
from graftlab.cli.output import file_or_folder, out_file, spare
from graftlab.cli.progress import bar, resumable, say
from graftlab.errors import GraftError
from graftlab.images import FORMATS
from graftlab.networks.model import Decoder
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import OWN_FILM
from graftlab.video.film import Film, boomerang, enlarge, frame_rate, preview, render, reverse, slow
from graftlab.video.films.timeline import Mark, Timeline, encode_marks, parse_mark, read_marks
from graftlab.video.moving import is_moving
from graftlab.video.reading import Video
from graftlab.video.sound import check_sound
from graftlab.video.writing import Target
from graftlab.work.bulk import Bulk

FPS = "25"
MOST = 10**7  # frames of a film, four and a half days at that rate: more is a slip of the keyboard

Ease = Annotated[
    str,
    typer.Option(
        help="Easing: linear, smooth, smoother, sine, in, out, in-out, jump, back, bounce; or drawn, 0=0,0.3=0.8,1=1."
    ),
]
Loop = Annotated[bool, typer.Option("--loop", help="End where it begins, so that it repeats without a jump.")]


@dataclass(frozen=True, kw_only=True)
class Shooting(ModelOptions, Bulk):
    """The options of every film."""

    out: Annotated[Path, out_file("Film to write: .mp4, .webm, .gif, .png, or frames/%05d.png.", file_or_folder)] = (
        Path("film.mp4")
    )
    preview: Annotated[bool, typer.Option("--preview", help="Write only a sheet of 12 frames, NAME-preview.jpg.")] = (
        False
    )
    frames: Annotated[int | None, typer.Option(help="Length in frames; for a video, of its beginning.")] = None
    seconds: Annotated[float | None, typer.Option(help="Length in seconds; for a video, of its beginning.")] = None
    fps: Annotated[str | None, typer.Option(help=f"Frames per second; {FPS}, or those of the video.")] = None
    reverse: Annotated[bool | None, typer.Option(help="Play it backwards.")] = None
    boomerang: Annotated[bool, typer.Option("--boomerang", help="Play it to the end and back.")] = False
    slow: Annotated[int, typer.Option(min=1, help="Play it so many times slower, with frames mixed in between.")] = 1
    quality: Annotated[int, typer.Option(min=0, max=100, help="Quality of the encoder.")] = 90
    codec: Annotated[str | None, typer.Option(help="h264, vp9 or av1; by default the extension's usual one.")] = None
    sound: Annotated[
        Path | None, typer.Option(help="A file whose sound becomes the sound track, from its beginning on.")
    ] = None
    resume: Resume = True
    size: FilmSize = None
    refine: Refine = 0
    upscale: Upscale = None
    upscaler: UpscalerName = None

    def reading(self, square: bool, own: bool) -> dict[str, Any]:
        """How pictures are read."""
        return {"size": self.size, "square": square, "own": OWN_FILM if own else None, "refine": self.refine}

    def desk(self, square: bool = False, own: bool = True) -> Desk[SwappingModel]:
        """A desk with a Swapping Autoencoder on it, on which pictures keep their `own` size, or have the model's."""
        return autoencoder(**self.opening, **self.reading(square, own))

    def any_desk(self, square: bool = False, own: bool = True) -> Desk[Any]:
        """A desk with a model of either kind on it. GraftError for --refine with a StyleGAN."""
        desk: Desk[Any] = Desk.open(kind=Decoder, **self.opening, **self.reading(square, own))
        if isinstance(desk.model, StyleGAN):
            refuse_refining(self.refine)
        return desk

    def style_desk(self) -> Desk[StyleGAN]:
        """A desk with a StyleGAN on it. GraftError for --refine, which is for photos."""
        return stylegan(**self.opening, refine=self.refine)

    def video(self, path: Path) -> Video:
        """A video at the rate and the size that were asked for, its own by default; says what is wrong with it."""
        video = Video.open(path, fps=self.fps, size=self.size, most=OWN_FILM)
        if video.note:
            say(f"{video.note}.")
        return video

    def length(self, seconds: float) -> tuple[int, Fraction]:
        """Frames, and frames per second, of a film that lasts so long by default."""
        fps = frame_rate(self.fps or FPS)
        frames = self.limit(fps) or round(seconds * fps)
        if frames > MOST:
            raise GraftError(
                f"A film of {frames:,} frames lasts for days; make it shorter (--frames, --seconds, --fps)."
            )
        return frames, fps

    def limit(self, fps: Fraction) -> int | None:
        """How many frames were asked for, None if that was left open."""
        if self.frames is not None and self.seconds is not None:
            raise GraftError("Give the length in --frames or in --seconds, not in both.")
        if self.seconds is not None and not isfinite(self.seconds):
            raise GraftError(f"A film lasts a finite number of seconds, not {self.seconds:g} (--seconds).")
        limit = self.frames if self.seconds is None else round(self.seconds * fps)
        if limit is not None and limit < 1:
            raise GraftError(f"A film of {limit} frames shows nothing; make it longer (--frames, --seconds).")
        return limit

    def finish(self, film: Film, desk: Desk[Any], *inputs: str | Path | None, backwards: bool = False) -> None:
        """Write the film, or its preview, and say where. `backwards` is how it is played if nothing was said."""
        desk = Enlarging(upscale=self.upscale, upscaler=self.upscaler).on(desk)
        film = replace(film, recipe=desk.recipe, files=inputs)
        film = reverse(film) if (backwards if self.reverse is None else self.reverse) else film
        film = boomerang(film) if self.boomerang else film
        if desk.larger and not self.preview:  # before it is slowed down, which mixes frames
            film = enlarge(film, desk.larger)
        film = slow(film, self.slow) if self.slow > 1 else film
        if self.sound:
            check_sound(self.sound, self.out.suffix)
            film = replace(film, audio=self.sound, audio_start=Fraction(0))
        if self.preview:
            sheet = self.out.with_name(f"{self.out.stem.replace('%', '')}-preview.jpg")
            spare(sheet, *inputs)
            written = preview(film, sheet, title=desk.title())
        else:
            for file in Target.of(self.out, film.fps, self.codec, self.quality).files(film.frames):
                spare(file, self.sound, *inputs)
            keeps = resumable() if self.resume else nullcontext()
            with keeps, bar("filming", film.frames, unit="frames") as progress:
                written = render(film, self.out, self.quality, progress, self.resume, self.codec, self)
        say(written)


# -- what films are made of -------------------------------------------------------------------------------------------


def is_still(path: Path) -> bool:
    """Whether a file is a picture that does not move, and not a video; of what cannot be read its name decides."""
    try:
        return not is_moving(path)
    except Exception:  # damaged pictures make Pillow raise nearly every type there is
        return path.suffix.lower() in FORMATS


@dataclass(frozen=True, kw_only=True)
class TextureOptions:
    """The options of films in which textures melt into each other."""

    texture: Annotated[
        list[str] | None,
        typer.Option(
            "--texture", "-t", help="SECONDS:PICTURE, may be repeated; 'own' as PICTURE is the frame's own texture."
        ),
    ] = None
    file: Annotated[
        Path | None, typer.Option("--timeline", help="Timeline file with the textures (docs/films.md).")
    ] = None

    def marks(self, ease: str = "smooth") -> list[Mark]:
        """What was asked for, of the textures of --texture with this easing."""
        if self.texture and self.file:
            raise GraftError("Give the textures with --texture or in a --timeline, not in both.")
        return read_marks(self.file) if self.file else [parse_mark(text, ease) for text in self.texture or ()]

    def timeline(self, desk: Desk[SwappingModel], ease: str = "smooth") -> Timeline | None:
        """The textures, read and encoded; None if there are none."""
        marks = self.marks(ease)
        return encode_marks(desk, marks) if marks else None

    def files(self) -> list[str | Path]:
        """What they have a film read: files that it must not be written over."""
        return [*(mark.picture for mark in self.marks()), *([self.file] if self.file else [])]
