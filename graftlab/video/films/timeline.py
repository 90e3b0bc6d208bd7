"""Timelines: textures that melt into each other, over a video, a still or any film of codes; and structures too.

A timeline in a file is TOML, which the standard library reads:

    ease = "smooth"           # from key to key, unless a key says otherwise

    [[texture]]
    at = 0.0                  # seconds
    picture = "own"           # the frame's own texture

    [[texture]]
    at = 4.0
    picture = "snow.jpg"      # beside the timeline
    ease = "in-out"           # of the way to this key
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from math import isfinite
from pathlib import Path

from graftlab.codes import Codes, SwapCodes
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.video.easing import easing
from graftlab.work.files import read_table

LONELY = "A loop needs two textures or more, not 1; name another (--texture SECONDS:PICTURE)."
OWN = "own"  # in the place of a picture: the frame's own texture

Edit = Callable[[SwapCodes, int], SwapCodes]
"""Codes of one frame and the frame's number to the codes that are decoded."""


@dataclass(frozen=True)
class Mark:
    """One entry of a timeline, before its picture is read."""

    at: float  # seconds
    picture: str  # path, or OWN
    ease: str = "smooth"  # of the way here from the mark before

    def __post_init__(self) -> None:
        if not (isfinite(self.at) and self.at >= 0):
            raise GraftError(f"A texture begins at 0 seconds or later, not at {self.at:g}.")
        easing(self.ease)


def read_marks(path: Path) -> list[Mark]:
    """The marks of a timeline file; pictures are looked for beside it. GraftError if it has no sense."""
    try:
        table = read_table(path)
    except GraftError:
        raise
    except (ValueError, RecursionError) as error:
        raise GraftError(f"{path} is malformed ({error}); see docs/films.md for a timeline.") from None
    entries = table.get("texture") if isinstance(table, dict) else None
    if not isinstance(entries, list) or not entries or set(table) - {"ease", "texture"}:
        raise GraftError(f"{path} must hold a list of textures, and 'ease' at most; see docs/films.md.")
    return [_mark(path, entry, table.get("ease", Mark.ease)) for entry in entries]


def _mark(path: Path, entry: object, ease: object) -> Mark:
    if not isinstance(entry, dict) or set(entry) - {"at", "picture", "ease"} or not {"at", "picture"} <= set(entry):
        raise GraftError(f"{path}: a texture has 'at' (seconds), 'picture' and optionally 'ease', not {entry}.")
    at, picture, ease = entry["at"], entry["picture"], entry.get("ease", ease)
    if isinstance(at, bool) or not (isinstance(at, int | float) and isinstance(picture, str) and isinstance(ease, str)):
        raise GraftError(f"{path}: 'at' is a number, 'picture' and 'ease' are text, unlike in {entry}.")
    return Mark(float(at), picture if picture == OWN else str(path.parent / picture), ease)


def parse_mark(text: str, ease: str = "smooth") -> Mark:
    """ "4:snow.jpg" as a mark. GraftError for anything else."""
    at, colon, picture = text.partition(":")
    try:
        seconds = float(at)
    except ValueError:
        colon = ""
    if not colon or not picture:
        raise GraftError(f"A key is written SECONDS:PICTURE, such as 4:snow.jpg, not '{text}'.")
    return Mark(seconds, picture, ease)


def encode_marks(renderer: Renderer[SwappingModel], marks: Sequence[Mark]) -> "Timeline":
    """The timeline of some marks, whose pictures are read and encoded."""
    pictures = [None if mark.picture == OWN else renderer.encode(Path(mark.picture)) for mark in marks]
    return Timeline(tuple(Key(mark.at, codes, mark.ease) for mark, codes in zip(marks, pictures, strict=True)))


@dataclass(frozen=True)
class Key:
    """A texture at its time."""

    at: float  # seconds
    codes: SwapCodes | None  # that have the texture; None: the frame's own
    ease: str = "smooth"  # of the way here from the key before


@dataclass(frozen=True)
class Timeline:
    """Textures melting into each other: before the first key its texture, after the last the last's."""

    keys: tuple[Key, ...]
    parts: tuple[str, ...] = ("texture",)  # of the codes, which the keys give
    every: float | None = None  # seconds after which it begins again; None: never

    def __post_init__(self) -> None:
        if not self.keys:
            raise GraftError("A timeline needs a texture; name one (--texture 0:PICTURE).")
        if any(a.at >= b.at for a, b in pairwise(self.keys)):
            times = ", ".join(f"{key.at:g}" for key in self.keys)
            raise GraftError(f"The textures of a timeline come one after the other in time, not at {times} seconds.")

    def closed(self, seconds: float) -> "Timeline":
        """The same as a loop of so many seconds: there is a way from the last key back to the first, which is behind
        the first already when the film begins. GraftError for fewer than two keys, and for more seconds among them."""
        first, last = self.keys[0], self.keys[-1]
        if first is last:
            raise GraftError(LONELY)
        if last.at - first.at >= seconds:
            raise GraftError(
                f"A loop of {seconds:g} seconds has no way back from {last.at:g} seconds to {first.at:g}; "
                "make it longer (--seconds), or let the textures come sooner."
            )
        around = (replace(last, at=last.at - seconds), *self.keys, replace(first, at=first.at + seconds))
        return replace(self, keys=around, every=seconds)

    def looped(self, seconds: float) -> "Timeline":
        """`closed` if there is more than one key; one alone holds throughout."""
        return self.closed(seconds) if len(self.keys) > 1 else self

    def at(self, own: SwapCodes, seconds: float) -> SwapCodes:
        """Codes of a frame (of one picture) with the texture of that moment."""
        seconds = seconds if self.every is None else seconds % self.every
        after = next((i for i, key in enumerate(self.keys) if key.at > seconds), len(self.keys))
        begin, end = self.keys[max(after - 1, 0)], self.keys[min(after, len(self.keys) - 1)]
        start = own if begin.codes is None else own.mix(begin.codes, **dict.fromkeys(self.parts, 1))
        if begin is end:
            return start
        share = easing(end.ease)((seconds - begin.at) / (end.at - begin.at))
        return start.mix(own if end.codes is None else end.codes, **dict.fromkeys(self.parts, share))

    def edit(self, fps: Fraction, ahead: float = 0.0) -> Edit:
        """As an edit of frames by their number, so many seconds ahead of them."""
        return lambda own, number: self.at(own, float(number / fps) + ahead)


def becoming(
    codes: SwapCodes,  # of the picture with which the film begins
    structures: Timeline | None,  # what becomes of it, with textures of their own
    textures: Timeline | None,  # that all of them have; None: their own
    frames: int,
    fps: Fraction,
    loop: bool = False,  # what changes comes back
    ahead: float = 0.0,  # seconds by which textures are ahead of structures
) -> Callable[[int], SwapCodes]:
    """The codes of each frame of a film in which structures and textures change, each in its own time.

    GraftError if nothing changes in a loop, and for structures of different size."""
    Codes.cat([codes, *(key.codes for key in (structures.keys if structures else ()) if key.codes)])
    whole = structures and replace(structures, parts=codes.parts)
    lines = [(line, early) for line, early in ((whole, 0.0), (textures, ahead)) if line]
    if loop:
        if all(len(line.keys) == 1 for line, _ in lines):
            raise GraftError(LONELY)
        lines = [(line.looped(float(frames / fps)), early) for line, early in lines]
    edits = [line.edit(fps, early) for line, early in lines]
    return lambda number: reduce(lambda changed, edit: edit(changed, number), edits, codes)
