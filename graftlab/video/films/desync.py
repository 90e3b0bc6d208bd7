"""Structure and texture of a video out of step: a frame's structure with the texture of another moment.

film = rework(Renderer(model), video)                          # through the codes, and nothing else
film = rework(Renderer(model), video, desync=Desync(offset=2))  # textures of two seconds later
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.video.film import Film
from graftlab.video.films.drawing import check_finite, from_codes
from graftlab.video.films.footage import Footage
from graftlab.video.films.timeline import Edit
from graftlab.video.reading import Video

Ends = Literal["wrap", "hold", "mirror"]
FARTHEST = 10**6  # seconds of an offset, and speed
DECIMALS = 6  # of a place among frames, so that rounding does not mix neighbours


@dataclass(frozen=True)
class Desync:
    """From which moment of a video a frame's texture comes: offset + speed * the frame's own moment."""

    offset: float = 0.0  # seconds
    speed: float = 1.0  # 0 holds the texture of `offset`
    backwards: bool = False  # the moment is counted from the end, back
    ends: Ends = "wrap"  # what comes before the first frame and after the last: the other end, the same, or backwards
    average: float = 0.0  # seconds around the moment over which textures are averaged

    def __post_init__(self) -> None:
        check_finite(offset=self.offset, speed=self.speed)
        if max(abs(self.offset), abs(self.speed)) > FARTHEST:
            raise GraftError(
                f"A texture's offset (seconds) and speed lie between -{FARTHEST} and {FARTHEST}, which one of "
                f"{self.offset:g} and {self.speed:g} does not."
            )
        if self.ends not in get_args(Ends):
            raise GraftError(f"A texture's ends are {', '.join(get_args(Ends))}, not '{self.ends}' (--ends).")

    def texture(self, footage: Footage, seconds: float) -> Tensor:
        """The texture (1, Ct) for a frame at this moment."""
        place = round((self.offset + self.speed * seconds) * float(footage.video.fps), DECIMALS)
        first, share = floor(place), place % 1
        reach = half(self.average, footage.video.fps)
        numbers = range(first - reach, first + reach + (2 if share else 1))
        found = footage.textures([self._within(number, footage.video.frames) for number in numbers])
        mean = found[: 2 * reach + 1].mean(0, keepdim=True)
        return torch.lerp(mean, found[1:].mean(0, keepdim=True), share) if share else mean

    def _within(self, number: int, frames: int) -> int:
        if self.ends == "hold":
            number = max(0, min(number, frames - 1))
        elif self.ends == "wrap":
            number %= frames
        else:
            number = min(number % (2 * frames), -(number + 1) % (2 * frames))  # the last frame is shown twice
        return frames - 1 - number if self.backwards else number


def half(seconds: float, fps: Fraction) -> int:
    """Frames on either side of a frame, so that all together last so many seconds, or nearly."""
    return round(seconds * float(fps) / 2)


def rework(
    renderer: Renderer[SwappingModel],
    video: Video,
    desync: Desync | None = None,  # None: every frame has its own texture
    texture_from: Video | None = None,  # where textures come from; None: the same video
    average_structure: float = 0.0,  # seconds
    edit: Edit | None = None,  # of each frame's codes, after all else: a timeline
    frames: int | None = None,  # how many; None: all
    recipe: dict[str, Any] | None = None,
) -> Film:
    """The film of a video through its codes, with its size, its rate and its sound.

    GraftError for options that make no sense."""
    if texture_from and desync is None:
        desync = Desync()
    _check_average(average_structure, video)
    if desync:
        _check_average(desync.average, texture_from or video)
    network = renderer.network()
    footage = Footage(network, video)
    source = Footage(network, texture_from) if texture_from else footage
    window = half(average_structure, video.fps)

    def changed(codes: SwapCodes, number: int) -> SwapCodes:
        if desync:
            codes = replace(codes, texture=desync.texture(source, float(number / video.fps)))
        return edit(codes, number) if edit else codes

    def in_order(first: int) -> Iterator[SwapCodes]:
        if desync:
            source.textures(range(source.video.frames))  # in one pass, before any frame is made
        return (changed(codes, first + i) for i, codes in enumerate(footage.play(first, window)))

    total = video.frames if frames is None else min(frames, video.frames)
    film = from_codes(
        renderer, lambda number: changed(footage.at(number, window), number), total, video.fps, recipe, in_order
    )

    def remember(folder: Path) -> None:
        footage.remember(folder, "codes")
        if source is not footage:
            source.remember(folder, "textures")

    return replace(film, audio=video.path, audio_start=video.begin, remember=remember if renderer.refine else None)


def _check_average(seconds: float, video: Video) -> None:
    if not 0 <= seconds <= video.duration:
        raise GraftError(
            f"An average is taken over 0 seconds or more, and at the most over all {float(video.duration):g} of "
            f"{video.path}, not over {seconds:g} (--average)."
        )
