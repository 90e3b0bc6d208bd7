"""Films in one call each: a model, what they are made of, and how long they last.

    film = graftlab.films.walk(model, [a, b], seconds=4)
    graftlab.render(film, "walk.mp4")

What they share: `model` decodes, with `noise` (None: its own usual one), of which `seed` is the seed if it is fixed, or
is a `Renderer`, which has its own; `seconds` is the length and `fps` the rate, in frames per second; with `loop` a film
ends where it begins. They return a
`Film`, of which nothing is drawn before it is rendered, previewed, or shown by a notebook.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from graftlab.blending.inputs import CodesIn
from graftlab.blending.local import Confine
from graftlab.codes import Codes, CodesT, StyleCodes, SwapCodes
from graftlab.editing.directions import Directions
from graftlab.errors import GraftError
from graftlab.networks.model import Decoder
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.video.curves import Curve
from graftlab.video.film import Film, boomerang, frame_rate, preview, render, reverse, slow
from graftlab.video.films import blends as blending
from graftlab.video.films import desync as footage
from graftlab.video.films import recurse as recursion
from graftlab.video.films import ride as rides
from graftlab.video.films import sweep as sweeps
from graftlab.video.films import walk as walks
from graftlab.video.films.desync import Desync
from graftlab.video.films.drawing import Way, from_codes, from_way
from graftlab.video.films.recurse import Motion
from graftlab.video.films.timeline import Key, Timeline, becoming
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
    "walk_seeds",
]

FPS = 25
PER_LEG = 2.0  # seconds from key to key, if nothing is said
Rate = float | str | Fraction
Seconds = float | Fraction
Shown = Decoder[CodesT] | Renderer[Any]
Textures = Mapping[float, SwapCodes | None]
"""Seconds to the codes whose texture (or structure) is reached then; None: the picture's own."""

fading, passing = blending.fading, blending.passing


def walk(
    model: Shown[CodesT],
    keys: CodesT | Sequence[CodesT],  # of one picture each, or all in one batch
    seconds: Seconds | None = None,  # None: two for each leg
    fps: Rate = FPS,
    path: Literal["linear", "spherical", "spline", "circle", "noise"] = "linear",
    loop: bool = False,
    ease: str = "linear",  # from key to key
    parts: Sequence[str] = (),  # of the codes, which change; none named: all
    noise: str | None = None,
    seed: int = 0,
    directions: Directions | None = None,  # in which a circle or noise goes
    radius: float = 2.0,  # of these, in standard deviations
    **course: Any,  # of `video.films.walk.Course`: pace, hold, turn, shift
) -> Film:
    """From picture to picture through their codes, all of which it meets (`video.films.walk`); in a circle, or noise,
    away from one picture and back.

    GraftError for fewer than two pictures, and for codes of different size, kind or model."""
    how = walks.Course(**course)
    batches = [keys] if isinstance(keys, Codes) else keys
    codes = [batch[i] for batch in batches for i in range(len(batch))]
    if path in walks.TURNS:
        if len(codes) != 1:
            raise GraftError(f"The path '{path}' leaves one picture and comes back to it, not {len(codes)}.")
        if directions is None:
            raise GraftError(f"The path '{path}' goes in directions; name some (--directions).")
        way = walks.circle(codes[0], directions.inherited(_network(model), codes[0]), radius, seed, walks.TURNS[path])
    else:
        codes = codes * 2 if how.moves and len(codes) == 1 else codes
        way = walks.through(codes, path, loop, ease, parts)  # type: ignore[arg-type]  # which refuses other paths
    return _along(model, walks.paced(way, how.gone), how, len(codes), path, seconds, fps, loop, noise, seed)


def walk_seeds(
    model: Shown[StyleCodes],  # a StyleGAN
    seeds: Sequence[int],
    seconds: Seconds | None = None,  # None: two for each leg
    fps: Rate = FPS,
    path: Literal["linear", "spherical", "spline", "circle", "noise"] = "linear",
    loop: bool = False,
    ease: str = "linear",
    psi: float | tuple[float, float] | Curve = 0.7,  # truncation; from and to, in a loop also back; or over time
    label: int | str | tuple[int | str, int | str] | None = None,  # class, or from one to another, in a loop also back
    noise: str | None = None,
    seed: int = 0,
    **course: Any,  # of `video.films.walk.Course`: pace, hold, turn, shift
) -> Film:
    """From seed to seed of a StyleGAN. GraftError for seeds that do not make such a path."""
    how, network = walks.Course(**course), _network(model)
    if not isinstance(network, StyleGAN):
        raise GraftError("Only a StyleGAN draws seeds; walk through the codes of pictures.")
    seeds = [*seeds] * 2 if how.moves and len(seeds) == 1 else seeds  # which stays what it is, and moves
    ends = (psi, psi) if isinstance(psi, int | float) else psi
    closed = loop or path in walks.TURNS
    way = walks.through_seeds(network, seeds, path, closed, ease, ends, how.gone, label)
    return _along(model, way, how, len(seeds), path, seconds, fps, loop, noise, seed)


def sweep(
    model: Shown[CodesT],
    codes: CodesT,  # of one picture
    directions: Directions,
    gains: Mapping[str, tuple[float, float] | Curve],  # of a direction: at first and at half time; or over time
    seconds: Seconds = 8,
    fps: Rate = FPS,
    ease: str = "smooth",
    loop: bool = True,  # come back; else the second gain comes at the end
    noise: str | None = None,
    seed: int = 0,
    layers: Sequence[int] | None = None,  # rows of w that change; None: those that the directions are meant for
) -> Film:
    """Along directions, in standard deviations. GraftError for gains, names or a model that do not fit."""
    renderer = _renderer(model, noise, seed)
    way = sweeps.sweep(codes, directions.inherited(renderer.model, codes), gains, ease, loop, layers)
    return from_way(renderer, way, *_length(seconds, fps), loop)


def textures(
    model: SwappingModel | Renderer[SwappingModel],
    codes: SwapCodes,  # of one picture, with which the film begins
    keys: Textures,  # that follow each other; none: each picture has its own
    seconds: Seconds | None = None,  # None: until two after the last key
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
    structures = {0.0: None, **structures} if structures else {}
    frames, rate = _length(seconds, fps, max([*keys, *structures], default=0) + 2)
    becomes, over = (_timeline(marks, ease) if marks else None for marks in (structures, keys))
    codes_at = becoming(codes, becomes, over, frames, rate, loop, ahead)
    return from_codes(_renderer(model, noise, seed), codes_at, frames, rate, closed=loop)


def desync(
    model: SwappingModel | Renderer[SwappingModel],
    video: str | Path | Video,
    how: Desync | None = None,  # from which moment textures come; None: from the frame's own
    seconds: Seconds | None = None,  # of the beginning; None: all
    fps: Rate | None = None,  # None: the video's
    size: int | None = None,  # short side, pixels; None: the video's
    texture: str | Path | Video | None = None,  # the video that textures come from; None: the same
    noise: str | None = None,
    seed: int = 0,
    average: float = 0.0,  # seconds over which structures are averaged
    keys: Textures | None = None,  # textures over time, after all else
    ease: str = "smooth",  # between these
) -> Film:
    """A video through its codes, structure and texture perhaps out of step, or in other textures, with its sound.

    GraftError if there is no such video, and for options that make no sense."""
    opened = video if isinstance(video, Video) else Video.open(video, size, fps=fps)
    other = Video.open(texture, size, fps=fps) if isinstance(texture, str | Path) else texture
    frames = None if seconds is None else max(1, round(seconds * opened.fps))
    edit = None if keys is None else _timeline(keys, ease).edit(opened.fps)
    return footage.rework(_renderer(model, noise, seed), opened, how, other, average, edit, frames)


def ride(
    model: SwappingModel | Renderer[SwappingModel],
    scenes: Sequence[SwapCodes],  # of one picture each, all of one height
    seconds: Seconds = 10,
    fps: Rate = FPS,
    width: int | None = None,  # of the film, pixels; None: twice the height of the scenes
    loop: bool = False,
    noise: str | None = None,
    seed: int = 0,
    **options: Any,  # of `video.films.ride.ride`: overlap, speed, ease, parallax, depths
) -> Film:
    """A train ride past landscapes joined into an endless one. GraftError for options that make no sense."""
    renderer = _renderer(model, noise, seed)
    width = width or 2 * renderer.model.config.stride * (scenes[0].structure.shape[2] if scenes else 1)
    frames, rate = _length(seconds, fps)
    return rides.ride(renderer, scenes, frames, rate, width, closed=loop, **options)


def recurse(
    model: SwappingModel | Renderer[SwappingModel],
    picture: Tensor,  # (1, 3, H, W) in [-1, 1], the first frame
    texture: SwapCodes | Textures,  # what every picture is drawn in, or over time
    seconds: Seconds = 8,
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
    edit = _timeline(marks, ease).edit(rate)
    renderer = _renderer(model, noise, seed)
    film = recursion.recurse(renderer, picture, frames, rate, edit, motion or Motion(), **options)
    return reverse(film) if backwards else film


def blend(
    models: Sequence[Decoder[CodesT]],
    codes: CodesT | CodesIn,  # of the first model, or a function from a blend to what it decodes (`blending.inputs`)
    how: blending.Blending | None = None,  # `fading` or `passing`; None: from each to the next
    seconds: Seconds | None = None,  # None: two for each leg
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


def _timeline(marks: Textures, ease: str) -> Timeline:
    return Timeline(tuple(Key(at, key, ease) for at, key in sorted(marks.items())))


def _renderer(model: Shown[Any], noise: str | None, seed: int) -> Renderer[Any]:
    return model if isinstance(model, Renderer) else Renderer(model, noise, seed)


def _along(
    model: Shown[Any],
    way: Way,
    course: walks.Course,
    keys: int,
    path: str,
    seconds: Seconds | None,
    fps: Rate,
    loop: bool,
    noise: str | None,
    seed: int,
) -> Film:
    """The film along a way, as its course has it."""
    renderer, closed = _renderer(model, noise, seed), loop or path in walks.TURNS
    legs = walks.TURNS.get(path, keys if closed else keys - 1)
    return from_way(renderer, course.on(way, renderer.model, closed), *_length(seconds, fps, PER_LEG * legs), closed)


def _network(model: Shown[CodesT]) -> Decoder[CodesT]:
    return model.model if isinstance(model, Renderer) else model


def _length(seconds: Seconds | None, fps: Rate, usual: float = 0.0) -> tuple[int, Fraction]:
    """Frames, and frames per second."""
    rate = frame_rate(fps)
    return max(1, round((usual if seconds is None else seconds) * rate)), rate
