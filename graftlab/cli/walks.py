"""`graft film recurse`, `walk` and `sweep`: films that begin with pictures, codes or seeds."""

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab import films
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.load import bundled_directions
from graftlab.checkpoints.native import header_of
from graftlab.cli.desk import DEFAULT_MODEL, Desk, Square
from graftlab.cli.filming import Ease, Loop, Shooting, TextureOptions, is_still
from graftlab.cli.options import spread
from graftlab.cli.photo_search import PhotoSearch
from graftlab.cli.style import Psi
from graftlab.codes import Codes, StyleCodes
from graftlab.data.pack import looks_like_safetensors
from graftlab.editing.directions import Directions
from graftlab.editing.swaps import WHAT
from graftlab.errors import GraftError
from graftlab.inversion.sources import Finding
from graftlab.networks.style import StyleGAN
from graftlab.rendering.sheets import find_starts
from graftlab.video.curves import Curve, names_curve, parse_curve
from graftlab.video.films import recurse as recursion
from graftlab.video.films.detail import Detail
from graftlab.video.films.timeline import Key, Timeline
from graftlab.video.films.walk import TURNS, leg
from graftlab.video.hearing import HEARD
from graftlab.work.texts import parse_classes, parse_range, parse_seeds, parse_shifts

PATHS = ("linear", "spherical", "spline", *TURNS)


@spread
def recurse(
    picture: Annotated[Path, typer.Argument(help="The picture where the film begins or, played backwards, ends.")],
    shooting: Shooting,
    zoom: Annotated[float, typer.Option(help="Factor per frame; below 1 the picture shrinks.")] = 0.98,
    rotate: Annotated[float, typer.Option(help="Degrees per frame, anticlockwise.")] = 0.0,
    shift: Annotated[str, typer.Option(help="RIGHT:DOWN per frame, in widths and heights.")] = "0:0",
    shear: Annotated[float, typer.Option(help="Degrees per frame.")] = 0.0,
    ramp: Annotated[float, typer.Option(help="Seconds over which the motion starts.")] = 0.0,
    ease: Ease = "smooth",
    over_time: TextureOptions = TextureOptions(),
    reencode: Annotated[
        bool, typer.Option("--reencode", help="Take each frame's own texture, not the first one's.")
    ] = False,
    hold_colours: Annotated[
        float, typer.Option(help="How far each step pulls colours back to the first frame's.")
    ] = 0.1,
    soften: Annotated[
        float | None, typer.Option(help="How much each step softens the structure, 0 to 0.25, against stripes.")
    ] = None,
    preset: Annotated[str, typer.Option(help="detailed, or classic (only encode, move, decode).")] = "detailed",
    recall: Annotated[
        float, typer.Option(help="Share of each cell that its best match in the first picture replaces.")
    ] = 0.7,
    novelty: Annotated[float, typer.Option(help="Noise in each step's structure, from which new things grow.")] = 0.1,
    square: Square = False,
) -> None:
    """Encode, move the structure, decode, and repeat. Played backwards unless --no-reverse.

    graft film recurse @peaks -o dive.mp4

    graft film recurse @peaks --zoom 1 --rotate 2 --no-reverse --texture 0:own --texture 8:snow.jpg -o turn.mp4
    """

    if preset not in ("detailed", "classic"):
        raise GraftError(f"A recursion's preset is detailed or classic, not '{preset}'.")
    motion = recursion.Motion(zoom, rotate, parse_range(shift, "--shift"), shear)
    desk = shooting.desk(square)
    line = over_time.timeline(desk, ease)
    if reencode and line:
        raise GraftError("--reencode takes each frame's own texture; leave out --texture and --timeline.")
    frames, fps = shooting.length(12)
    first = desk.encode(picture)
    if line:  # a frame's own texture would be that of a picture which has these textures already
        line = Timeline(tuple(Key(key.at, key.codes or first, key.ease) for key in line.keys))
    line = Timeline((Key(0, None if reencode else first),)) if line is None else line
    film = recursion.recurse(
        desk,
        desk.read(picture),
        frames,
        fps,
        line.edit(fps),
        motion,
        hold_colours,
        ramp,
        ease,
        soften,
        detail=Detail(recall, novelty) if preset == "detailed" else None,
    )
    shooting.finish(film, desk, picture, *over_time.files(), backwards=True)


@spread
def walk(
    shooting: Shooting,
    keys: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures or files of codes, for a StyleGAN seeds and folders too."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of a StyleGAN instead: 7 or 1,4,10-20.")] = None,
    path: Annotated[
        str, typer.Option(help="linear, spherical (of seeds: in z), spline; circle or noise: away and back.")
    ] = "linear",
    what: Annotated[str, typer.Option(help="Codes of pictures that change: texture, structure or both.")] = "both",
    ease: Ease = "smooth",
    loop: Loop = False,
    radius: Annotated[float, typer.Option(help="Radius of a picture's circle or noise, in standard deviations.")] = 2.0,
    directions: Annotated[
        str | None, typer.Option(help="Directions of the circle or noise; by default the model's.")
    ] = None,
    psi: Annotated[
        str | None,
        typer.Option(
            help="Truncation psi of seeds: 0.7, 0.3:1 (in a loop also back), or over time: drawn, 0=0.3,0.5=1,1=0.3, "
            "from a table, curve.csv, or from sound, 0.3:1:song.mp3:bass."
        ),
    ] = None,
    pace: Annotated[
        str | None, typer.Option(help="Speed along the path over time, as for --psi: 0=1,0.5=0,1=1, curve.csv, ...")
    ] = None,
    hold_layers: Annotated[str | None, typer.Option(help="Layers of w that stay fixed: 0-3.")] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--class", help="Class of a conditional model: rose, or from one to another, 3:5 (in a loop also back)."
        ),
    ] = None,
    rotate: Annotated[
        str | None, typer.Option(help="Degrees by which a StyleGAN3's pictures turn, anticlockwise: 15, or 0:360.")
    ] = None,
    translate: Annotated[
        str | None, typer.Option(help="Shift of a StyleGAN3's pictures, in widths and heights: 0.1,0, or 0,0:0.3,0.")
    ] = None,
    square: Square = True,
    finding: PhotoSearch = Finding(),
) -> None:
    """Walk from picture to picture through their codes; a circle, or noise, leaves one picture and returns.

    graft film walk @peaks @autumn-hills lake.jpg --path spline --loop -o walk.mp4

    graft film walk @peaks --path circle --radius 2 --seed 3 -o around.mp4

    graft film walk @peaks --path noise --radius 3 --seconds 20 -o wandering.mp4

    graft film walk me.jpg you.jpg 7 -m faces.pkl --loop -o us.mp4

    graft film walk --seeds 1-6 -m metfaces.pkl --psi 0.3:1 --hold-layers 0-3 --loop -o faces.mp4

    graft film walk --seeds 1-6 -m metfaces.pkl --psi 0.3:1:song.mp3:bass --sound song.mp3 --seconds 30 -o loud.mp4

    graft film walk --seeds 7 -m stylegan3-t-metfaces.pkl --rotate 0:360 --loop -o turning.mp4
    """

    if (seeds is None) == (not keys):
        raise GraftError("Walk through pictures, files of codes or seeds (--seeds), and through one kind at a time.")
    if what not in WHAT:
        raise GraftError(f"--what is {', '.join(WHAT)}, not '{what}'.")
    if path not in PATHS:
        raise GraftError(f"There is no path '{path}', only {', '.join(PATHS)}.")
    desk: Desk[Any]
    turn, shift = rotate and parse_range(rotate, "--rotate"), translate and parse_shifts(translate, "--translate")
    course: dict[str, Any] = {"turn": turn, "shift": shift}
    course["hold"] = () if hold_layers is None else parse_seeds(hold_layers, "--hold-layers")
    if seeds is not None:
        desk = shooting.style_desk()
        numbers = parse_seeds(seeds)
        frames, fps = shooting.length(legs(path, len(numbers), loop))
        course["pace"] = pace and over_time(pace, "--pace", frames / fps)
        drawn_to = ends_or_curve(psi or "0.7", "--psi", frames / fps)
        course["label"] = None if label is None else parse_classes(label)
        film = films.walk_seeds(desk, numbers, frames / fps, fps, path, loop, ease, drawn_to, **course)  # type: ignore[arg-type]
    else:
        if psi or label is not None:
            raise GraftError("--psi and --class are for --seeds.")
        if path not in TURNS and len(keys or []) == 1 and is_still((keys or [])[0]):
            leg(1, loop)  # refuses, before the codes of a StyleGAN's photo are searched for
        desk, codes = open_keys(shooting, keys or [], square, finding)
        frames, fps = shooting.length(legs(path, len(codes), loop))
        course["pace"] = pace and over_time(pace, "--pace", frames / fps)
        if path in TURNS:
            away = directions_of(directions, shooting.model) if len(codes) == 1 else None
            course |= {"directions": away, "radius": radius}
        parts = () if isinstance(codes[0], StyleCodes) else WHAT[what]
        course |= {"parts": parts, "seed": shooting.seed}
        film = films.walk(desk, codes, frames / fps, fps, path, loop, ease, **course)  # type: ignore[arg-type]
    shooting.finish(film, desk, *keys or ())


def legs(path: str, keys: int, loop: bool) -> float:
    """Seconds that a walk lasts by default."""
    return 2 * max(2, TURNS.get(path, keys if loop else keys - 1))


def over_time(text: str, option: str, seconds: Fraction, or_else: str = "") -> Curve:
    """The curve that an option names. GraftError if it names none."""
    curve = parse_curve(text, float(seconds))
    if curve is None:
        raise GraftError(
            f"{option} takes {or_else}a curve, as 0=1,0.5=0.2,1=1, curve.csv or 0.2:1:song.mp3:onsets (a file that is "
            f"there; of a sound {', '.join(HEARD)}), not '{text:.60}'."
        )
    return curve


def ends_or_curve(text: str, option: str, seconds: Fraction) -> tuple[float, float] | Curve:
    """The first and the last number that an option names, or a curve."""
    if not names_curve(text):
        with suppress(GraftError):
            return parse_range(text, option)
    return over_time(text, option, seconds, "a number or two, such as 0.7 or 0.3:1, or ")


def directions_of(file: str | None, model: str) -> Directions:
    """Those of a file, or the ones that came with the model."""
    if file is None and model not in bundled_directions():
        raise GraftError(f"{model} comes without directions; name a file of some (--directions).")
    return Directions.load(file or model)


@spread
def sweep(
    picture: Annotated[Path, typer.Argument(help="Picture, or file of codes; for directions of w, a seed too.")],
    file: Annotated[str, typer.Argument(help="File of directions, or the name of a bundled model that has one.")],
    shooting: Shooting,
    name: Annotated[list[str] | None, typer.Option(help="A direction, may be repeated; the first by default.")] = None,
    gains: Annotated[
        str,
        typer.Option(
            help="First and last gain, in standard deviations, or all over time: drawn, 0=-3,0.5=3,1=0, from a "
            "table, curve.csv, or from sound, -3:3:song.mp3:bass."
        ),
    ] = "-3:3",
    ease: Ease = "smooth",
    once: Annotated[bool, typer.Option("--once", help="Do not sweep back.")] = False,
    layers: Annotated[
        str | None, typer.Option(help="Rows of w that change, such as 4-7; by default those of FILE.")
    ] = None,
    psi: Psi = 0.7,
    finding: PhotoSearch = Finding(),
) -> None:
    """Sweep a direction's gain from one number to another and back.

    graft film sweep @peaks colours-128 --name season --gains -3:3 -o seasons.mp4

    graft film sweep 7 styles.directions.safetensors -m metfaces.pkl --layers 0-5 -o styles.mp4
    """

    found, once = Directions.load(file), once or names_curve(gains)
    frames, fps = shooting.length(4 if once else 8)
    ends = ends_or_curve(gains, "--gains", frames / fps)
    if file in bundled_directions() and shooting.model == DEFAULT_MODEL:  # they are another model's, by that name
        shooting = replace(shooting, model=file)
    rows = None if layers is None else parse_seeds(layers, "--layers")
    desk: Desk[Any]
    if found.part == "w":
        desk = shooting.style_desk()
        codes = [start.codes for start in find_starts(desk, [picture], psi, finding)]
    else:
        desk, codes = open_keys(shooting, [picture], False, finding)
    if len(codes) != 1:
        raise GraftError(f"{picture} stands for {len(codes)} pictures; a sweep starts from one.")
    moved = dict.fromkeys(name or found.names[:1], ends)
    film = films.sweep(desk, codes[0], found, moved, frames / fps, fps, ease, not once, layers=rows)
    shooting.finish(film, desk, picture, file)


def holds_codes(path: Path) -> bool:
    """Whether a file is one of ours, and not a picture or another program's."""
    if not path.is_file():
        return path.suffix == ".safetensors"
    try:
        with path.open("rb") as file:
            if not looks_like_safetensors(file.read(9), path.stat().st_size):
                return False
    except OSError as error:
        raise GraftError(f"{path} cannot be read ({error.strerror}); bring it back, or leave it out.") from error
    return header_of(open_contents(path)) is not None


def open_keys(shooting: Shooting, paths: list[Path], square: bool, finding: Finding) -> tuple[Desk[Any], list[Codes]]:
    """The codes of pictures and of files, one by one, and the model that decodes them."""
    loaded = {path: Codes.load(path) for path in paths if holds_codes(path)}
    styles = any(isinstance(codes, StyleCodes) for codes in loaded.values())
    desk: Desk[Any] = shooting.style_desk() if styles else shooting.any_desk(square, own=not loaded)
    if isinstance(desk.model, StyleGAN):
        return desk, [start.codes for start in find_starts(desk, paths, finding=finding)]
    pictures = [path for path in paths if path not in loaded]
    desk = desk.together(pictures) if pictures else desk
    found: list[Codes] = []
    for path in paths:
        batch = loaded[path] if path in loaded else desk.encode(path)
        found += [batch[i] for i in range(len(batch))]
    return desk, found
