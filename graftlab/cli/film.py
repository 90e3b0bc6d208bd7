"""`graft film`: videos through their codes, textures over time, train rides; recursion, walks and sweeps."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.cli.desk import Square
from graftlab.cli.filming import Ease, Loop, Shooting, TextureOptions, is_still
from graftlab.cli.options import spread
from graftlab.editing.swaps import WHAT
from graftlab.errors import GraftError
from graftlab.video.films import ride as rides
from graftlab.video.films.desync import Desync, rework
from graftlab.video.films.drawing import from_codes
from graftlab.video.films.timeline import OWN, Edit, Mark, Timeline, becoming, encode_marks, parse_mark

Footage = Annotated[Path, typer.Argument(help="The video.")]
Offset = Annotated[float, typer.Option(help="Seconds by which the texture is ahead of the structure.")]
Average = Annotated[float, typer.Option(help="Seconds over which codes are averaged.")]
Other = Annotated[Path | None, typer.Option(help="Video that supplies the textures.")]


@spread
def recon(video: Footage, shooting: Shooting) -> None:
    """Encode and decode a video: same size, speed and sound.

    graft film recon window.mp4 -o recon.mp4
    """

    desk = shooting.desk()
    footage = shooting.video(video)
    shooting.finish(rework(desk, footage, frames=shooting.limit(footage.fps)), desk, video)


@spread
def desync(
    video: Footage,
    shooting: Shooting,
    texture_offset: Offset = 0.0,
    texture_held: Annotated[
        float | None, typer.Option(help="Second from which the texture is taken throughout.")
    ] = None,
    texture_speed: Annotated[float, typer.Option(help="Speed of the texture, relative to the structure.")] = 1.0,
    texture_reversed: Annotated[
        bool, typer.Option("--texture-reversed", help="Take textures from the end backwards.")
    ] = False,
    texture_from: Other = None,
    average: Average = 0.0,
    average_what: Annotated[str, typer.Option(help="texture, structure or both.")] = "texture",
    ends: Annotated[str, typer.Option(help="Before the first and after the last: wrap, hold or mirror.")] = "wrap",
) -> None:
    """Redraw a video with textures from other moments than its structures.

    graft film desync window.mp4 --texture-offset 2.0 -o offset.mp4

    graft film desync window.mp4 --average 1.5 --ends hold -o averaged.mp4

    graft film desync window.mp4 --texture-from sea.mp4 --texture-speed 0.5 -o sea.mp4
    """

    if average_what not in WHAT:
        raise GraftError(f"--average-what is {', '.join(WHAT)}, not '{average_what}'.")
    if texture_held is not None and (texture_offset or texture_speed != 1 or texture_reversed):
        raise GraftError("A texture that is held (--texture-held) has no offset, speed or direction; leave those out.")
    averages = {part: average if part in WHAT[average_what] else 0.0 for part in WHAT["both"]}
    moments = Desync(texture_offset, texture_speed, texture_reversed, ends, averages["texture"])  # type: ignore[arg-type]
    if texture_held is not None:
        moments = replace(moments, offset=texture_held, speed=0)
    desk = shooting.desk()
    footage = shooting.video(video)
    film = rework(
        desk,
        footage,
        moments,
        shooting.video(texture_from) if texture_from else None,
        averages["structure"],
        frames=shooting.limit(footage.fps),
    )
    shooting.finish(film, desk, video, texture_from)


@spread
def textures(
    source: Annotated[Path, typer.Argument(help="Video or picture that supplies the structure.")],
    shooting: Shooting,
    over_time: TextureOptions = TextureOptions(),
    structure: Annotated[
        list[str] | None,
        typer.Option(
            "--structure",
            "-s",
            help="SECONDS:PICTURE, what the source turns into, in its own texture where --texture names none.",
        ),
    ] = None,
    texture_offset: Offset = 0.0,
    ease: Ease = "smooth",
    loop: Loop = False,
    square: Square = False,
) -> None:
    """Fade from texture to texture, over a video or a picture, and from picture to picture.

    graft film textures window.mp4 --texture 0:snow.jpg --texture 4:night.jpg -o melting.mp4

    graft film textures @peaks --timeline year.toml --seconds 12 --loop -o year.mp4

    graft film textures @peaks --structure 3:@autumn-hills --texture 0:own --texture 6:@render-night -o both.mp4
    """

    desk, still = shooting.desk(square), is_still(source)
    marks = [parse_mark(text, ease) for text in structure or ()]
    if marks and not still:
        raise GraftError(f"--structure is for pictures, and {source} is a video; leave it out.")
    line = over_time.timeline(desk, ease)
    if line is None and not marks:
        raise GraftError("Which textures? Name them with their seconds (--texture 0:PICTURE), or a --timeline.")
    inputs = [source, *over_time.files(), *(mark.picture for mark in marks)]
    if still:
        becomes = None
        if marks:
            marks = marks if any(not mark.at for mark in marks) else [Mark(0, OWN, ease), *marks]
            own = desk.together([source, *(Path(mark.picture) for mark in marks if mark.picture != OWN)])
            becomes, codes = encode_marks(own, marks), own.encode(source)
        else:
            codes = desk.encode(source)
        keys = [key.at for each in (becomes, line) if each for key in each.keys]
        frames, fps = shooting.length(max(keys) + 2)
        codes_at = becoming(codes, becomes, line, frames, fps, loop, texture_offset)
        shooting.finish(from_codes(desk, codes_at, frames, fps, closed=loop), desk, *inputs)
        return
    assert line is not None
    footage = shooting.video(source)
    frames = min(shooting.limit(footage.fps) or footage.frames, footage.frames)
    line = line.closed(float(frames / footage.fps)) if loop else line
    film = rework(desk, footage, edit=line.edit(footage.fps, texture_offset), frames=frames)
    shooting.finish(film, desk, *inputs)


@spread
def ride(
    source: Annotated[list[Path], typer.Argument(help="A video from a train window, or pictures of landscapes.")],
    shooting: Shooting,
    over_time: TextureOptions = TextureOptions(),
    ease: Annotated[
        str | None, typer.Option(help="Easing of the ride: linear by default; in-out starts and stops slowly.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Widths of the film per second, 0.25 by default; below 0 backwards.")
    ] = None,
    parallax: Annotated[
        float | None, typer.Option(help="Share by which distant parts are slower, 0 to 1; 0 by default.")
    ] = None,
    depths: Annotated[int | None, typer.Option(help="Bands of different speed, with --parallax; 3 by default.")] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Cells by which landscapes overlap; 16 by default, or fewer.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="Width of the film, in pixels; twice the height by default.")
    ] = None,
    loop: Loop = False,
    texture_offset: Offset = 0.0,
    texture_from: Other = None,
    average: Average = 0.0,
    square: Square = False,
) -> None:
    """Make a train ride: past landscapes joined into an endless one, or a video of one in other textures.

    graft film ride @peaks @autumn-hills lake.jpg --parallax 0.5 --loop -o ride.mp4

    graft film ride window.mp4 --texture 0:snow.jpg --texture 9:night.jpg --texture-offset 1 -o ride.mp4
    """

    past = {"ease": ease, "speed": speed, "parallax": parallax, "depths": depths, "overlap": overlap, "width": width}
    given: dict[str, Any] = {name: value for name, value in past.items() if value is not None}
    real = len(source) == 1 and not is_still(source[0])
    if real and given:
        raise GraftError(f"--{next(iter(given))} is for a ride past pictures, not in {source[0]}; leave it out.")
    if not real and (texture_offset or texture_from or average):
        raise GraftError("--texture-offset, --texture-from and --average are for a ride in a video.")
    desk = shooting.desk(square)
    line, inputs = over_time.timeline(desk), [*source, *over_time.files()]
    if real:
        footage = shooting.video(source[0])
        frames = min(shooting.limit(footage.fps) or footage.frames, footage.frames)
        edit = drift(line, frames, footage.fps, loop)
        shifted = texture_offset or texture_from or average
        moments = Desync(texture_offset, ends="mirror", average=average) if shifted else None
        other = shooting.video(texture_from) if texture_from else None
        film = rework(desk, footage, moments, other, edit=edit, frames=frames)
        shooting.finish(film, desk, *inputs, texture_from)
        return
    desk = desk.together(source)
    scenes = [desk.encode(path) for path in source]
    frames, fps = shooting.length(10)
    given = {"width": 2 * desk.side(), "closed": loop, "texture": drift(line, frames, fps, loop), **given}
    shooting.finish(rides.ride(desk, scenes, frames, fps, **given), desk, *inputs)


def drift(line: Timeline | None, frames: int, fps: Fraction, loop: bool) -> Edit | None:
    """A timeline as an edit of a ride's frames: in a loop it comes back, unless it holds one texture throughout."""
    if line is None:
        return None
    return (line.looped(float(frames / fps)) if loop else line).edit(fps)
