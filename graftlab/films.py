"""Films in one call each: a model, what they are made of, and how long they last.

    film = graftlab.films.walk(model, [a, b], seconds=4)
    graftlab.render(film, "walk.mp4")

What they share: `seconds` is the length and `fps` the rate, in frames per second; `noise` is what the model decodes
with (None: its own usual one) and `seed` that of fixed noise; with `loop` a film ends where it begins. They return a
`Film`, of which nothing is drawn before it is rendered, previewed, or shown by a notebook.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from graftlab.blending.inputs import CodesIn
from graftlab.blending.local import Confine
from graftlab.codes import Codes, CodesT, SwapCodes
from graftlab.editing.directions import Directions
from graftlab.networks.model import Decoder
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.video.film import Film, boomerang, frame_rate, preview, render, reverse, slow
from graftlab.video.films import blends as blending
from graftlab.video.films import desync as footage
from graftlab.video.films import recurse as recursion
from graftlab.video.films import ride as rides
from graftlab.video.films import sweep as sweeps
from graftlab.video.films import walk as walks
from graftlab.video.films.desync import Desync
from graftlab.video.films.drawing import from_codes, from_way
from graftlab.video.films.recurse import Motion
from graftlab.video.films.timeline import Edit, Key, Timeline, becoming
from graftlab.video.reading import Video

__all__ = [
    "Desync",
    "Film",
    "Motion",
    "blend",
    "boomerang",
    "desync",
    "fading",
    "passing",
    "preview",
    "recurse",
    "render",
    "reverse",
    "ride",
    "slow",
    "sweep",
    "textures",
    "walk",
]

FPS = 25
PER_LEG = 2.0  # seconds from key to key, if nothing is said
Rate = float | str | Fraction
Textures = Mapping[float, SwapCodes | None]
"""Seconds to the codes whose texture (or structure) is reached then; None: the picture's own."""

fading, passing = blending.fading, blending.passing


def walk(
    model: Decoder[CodesT],
    keys: CodesT | Sequence[CodesT],  # of one picture each, or all in one batch
    seconds: float | None = None,  # None: two for each leg
    fps: Rate = FPS,
    path: Literal["linear", "spherical", "spline"] = "linear",
    loop: bool = False,
    ease: str = "linear",  # from key to key
    parts: Sequence[str] = (),  # of the codes, which change; none named: all
    noise: str | None = None,
    seed: int = 0,
) -> Film:
    """From picture to picture through their codes, all of which it meets (`video.films.walk`).

    GraftError for fewer than two pictures, and for codes of different size, kind or model."""
    batches = [keys] if isinstance(keys, Codes) else keys
    codes = [batch[i] for batch in batches for i in range(len(batch))]
    way = walks.through(codes, path, loop, ease, parts)
    legs = len(codes) if loop else len(codes) - 1
    return from_way(Renderer(model, noise, seed), way, *_length(seconds, fps, PER_LEG * legs), loop)


def sweep(
    model: Decoder[CodesT],
    codes: CodesT,  # of one picture
    directions: Directions,
    gains: Mapping[str, tuple[float, float]],  # by the name of a direction: at the beginning, and at half time
    seconds: float = 8,
    fps: Rate = FPS,
    ease: str = "smooth",
    loop: bool = True,  # come back; else the second gain comes at the end
    noise: str | None = None,
    seed: int = 0,
) -> Film:
    """Along directions, in standard deviations. GraftError for gains, names or a model that do not fit."""
    way = sweeps.sweep(codes, directions, gains, ease, loop)
    return from_way(Renderer(model, noise, seed), way, *_length(seconds, fps), loop)


def textures(
    model: SwappingModel,
    codes: SwapCodes,  # of one picture, with which the film begins
    keys: Textures,  # that follow each other; none: each picture has its own
    seconds: float | None = None,  # None: until two after the last key
    fps: Rate = FPS,
    loop: bool = False,
    ease: str = "smooth",
    noise: str | None = None,
    seed: int = 0,
    structures: Textures | None = None,  # what becomes of the picture, in the same way; None: it stays as it is
    ahead: float = 0.0,  # seconds by which textures are ahead of structures
) -> Film:
    """Textures that melt into each other, over a picture or several that do so too.

    GraftError for a loop with fewer than two keys, and for structures of different size."""

    def line(marks: Textures) -> Timeline | None:
        return Timeline(tuple(Key(at, key, ease) for at, key in sorted(marks.items()))) if marks else None

    structures = {0.0: None, **structures} if structures else {}
    frames, rate = _length(seconds, fps, max([*keys, *structures], default=0) + 2)
    codes_at = becoming(codes, line(structures), line(keys), frames, rate, loop, ahead)
    return from_codes(Renderer(model, noise, seed), codes_at, frames, rate, closed=loop)


def desync(
    model: SwappingModel,
    video: str | Path | Video,
    how: Desync | None = None,  # from which moment textures come; None: from the frame's own
    seconds: float | None = None,  # of the beginning; None: all
    fps: Rate | None = None,  # None: the video's
    size: int | None = None,  # short side, pixels; None: the video's
    texture: str | Path | Video | None = None,  # the video that textures come from; None: the same
    noise: str | None = None,
    seed: int = 0,
) -> Film:
    """A video through its codes, structure and texture perhaps out of step, with its sound.

    GraftError if there is no such video, and for options that make no sense."""
    opened = video if isinstance(video, Video) else Video.open(video, size, fps=fps)
    other = Video.open(texture, size, fps=fps) if isinstance(texture, str | Path) else texture
    frames = None if seconds is None else max(1, round(seconds * opened.fps))
    return footage.rework(Renderer(model, noise, seed), opened, how, other, frames=frames)


def ride(
    model: SwappingModel,
    scenes: Sequence[SwapCodes],  # of one picture each, all of one height
    seconds: float = 10,
    fps: Rate = FPS,
    width: int | None = None,  # of the film, pixels; None: twice the height of the scenes
    loop: bool = False,
    noise: str | None = None,
    seed: int = 0,
    **options: Any,  # of `video.films.ride.ride`: overlap, speed, ease, parallax, depths
) -> Film:
    """A train ride past landscapes joined into an endless one. GraftError for options that make no sense."""
    width = width or 2 * model.config.stride * (scenes[0].structure.shape[2] if scenes else 1)
    frames, rate = _length(seconds, fps)
    return rides.ride(Renderer(model, noise, seed), scenes, frames, rate, width, closed=loop, **options)


def recurse(
    model: SwappingModel,
    picture: Tensor,  # (1, 3, H, W) in [-1, 1], the first frame
    texture: SwapCodes | Textures,  # what every picture is drawn in, or over time
    seconds: float = 8,
    fps: Rate = FPS,
    motion: Motion | None = None,  # of the structure in each frame; None: it shrinks a little
    ease: str = "smooth",  # of textures
    backwards: bool = True,  # end with the picture, the way that keeps it from dissolving
    noise: str | None = None,
    seed: int = 0,
    **options: Any,  # of `video.films.recurse.recurse`: hold_colours, ramp, soften, detail
) -> Film:
    """A picture that goes through its codes again and again while its structure moves; played backwards, a dive."""
    frames, rate = _length(seconds, fps)
    marks: Textures = {0.0: texture} if isinstance(texture, SwapCodes) else texture
    edit: Edit = Timeline(tuple(Key(at, key, ease) for at, key in sorted(marks.items()))).edit(rate)
    renderer = Renderer(model, noise, seed)
    film = recursion.recurse(renderer, picture, frames, rate, edit, motion or Motion(), **options)
    return reverse(film) if backwards else film


def blend(
    models: Sequence[Decoder[CodesT]],
    codes: CodesT | CodesIn,  # of the first model, or a function from a blend to what it decodes (`blending.inputs`)
    how: blending.Blending | None = None,  # `fading` or `passing`; None: from each to the next
    seconds: float | None = None,  # None: two for each leg
    fps: Rate = FPS,
    loop: bool = False,
    across: int = 1,  # pictures in a row
    noise: str | None = None,
    seed: int = 0,
    confine: Confine | None = None,  # to a part of the picture: `partial(blending.confine, mask=...)`
) -> Film:
    """The codes stay as they are, and the network changes. GraftError for models of different layers."""
    legs = len(models) if loop else len(models) - 1
    frames, rate = _length(seconds, fps, PER_LEG * max(1, legs))
    shown: CodesIn = (lambda blended: codes) if isinstance(codes, Codes) else codes
    renderer = Renderer(models[0], noise, seed)
    how = how or passing(len(models), loop)
    return blending.blends(renderer, models, how, shown, frames, rate, loop, across, confine=confine)


def _length(seconds: float | None, fps: Rate, usual: float = 0.0) -> tuple[int, Fraction]:
    """Frames, and frames per second."""
    rate = frame_rate(fps)
    return max(1, round((usual if seconds is None else seconds) * rate)), rate
