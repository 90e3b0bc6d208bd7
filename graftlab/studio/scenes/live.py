"""What is on stage: a camera, or a walk through photos, with the texture of another photo and directions."""

from math import floor
from typing import Annotated, Literal, Self

import torch
from pydantic import BaseModel, Field, PrivateAttr
from torch import Tensor

from graftlab import images
from graftlab.codes import SwapCodes
from graftlab.editing.edits import Move, edit
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import PhotoId, Scene, Share, command, number
from graftlab.studio.scenes.edit import MOST, STRICT, Along

LARGEST_FRAME = 4_000_000  # pixels of a camera's picture

Time = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False, description="Seconds.")]


class Walk(BaseModel):
    """From one photo to the next and around again: its place grows evenly, and each way is eased at both ends."""

    model_config = STRICT
    photos: tuple[PhotoId, ...] = Field(min_length=1, max_length=100)
    seconds: float = Field(4, ge=0.05, le=3600, allow_inf_nan=False, description="From one photo to the next.")
    since: Time = 0
    place: float = Field(0, ge=0, le=1e9, allow_inf_nan=False, description="Where it was then, in photos.")

    def at(self, time: float) -> tuple[str, str, float]:
        """Two photos, and how much of the second there is (cubic ease, 0 to 1)."""
        place = self.place + (time - self.since) / self.seconds
        first, count = floor(place), len(self.photos)
        share = place - first
        return self.photos[first % count], self.photos[(first + 1) % count], share * share * (3 - 2 * share)


class Playing(BaseModel):
    """A video, which begins again at its end."""

    model_config = STRICT
    video: PhotoId
    since: Time = 0
    place: float = Field(0, ge=0, le=1e7, allow_inf_nan=False, description="Where it was then, in its seconds.")

    def at(self, time: float) -> float:
        """The second of the video, counted on after its end."""
        return max(0.0, self.place + time - self.since)


class Live(Scene):
    """A moment on stage. Without a walk and a video it shows the picture that a camera sends beside it, which nobody
    keeps."""

    kind: Literal["live"]
    walk: Walk | None = None
    film: Playing | None = Field(None, description="A video instead of the walk.")
    time: Time = 0
    texture: PhotoId | None = None
    amount_texture: Share = 1
    amount_structure: Share = 0
    directions: tuple[Along, ...] = Field((), max_length=MOST)
    mirror: bool = Field(False, description="Whether left and right are exchanged.")
    _frame: bytes | None = PrivateAttr(None)

    def showing(self, frame: bytes) -> Self:
        """The same of a camera's picture, as a file's bytes."""
        scene = self.model_copy()
        scene._frame = frame
        return scene

    @property
    def sees_camera(self) -> bool:
        return self.walk is None and self.film is None

    def draw(self, at: Workspace) -> Tensor:
        picture = at.decode(at.renderer(self.model, self.size, self.square), self.codes(at))
        return picture.flip(3) if self.mirror else picture

    def codes(self, at: Workspace) -> SwapCodes:
        """What is decoded. GraftError without a walk, a video and a camera's picture."""
        model = at.networks.model(self.model, SwappingModel)
        renderer = at.renderer(self.model, self.size or model.config.size, self.square, self.refine)
        if self.film:
            codes = self._played(renderer, at, self.film)
        else:
            codes = self._seen(renderer) if self.walk is None else self._walked(renderer, at, self.walk)
        other = at.codes(renderer, self.model, self.texture)[0] if self.texture else None
        moves = [
            Move(
                at.networks.directions(one.file),
                {one.name: one.gain},
                at.mask(one.mask) if one.mask else None,
                one.soft,
            )
            for one in self.directions
            if one.gain
        ]
        return edit(codes, other, self.amount_texture, self.amount_structure, moves=moves, stride=model.config.stride)

    def _walked(self, renderer: Renderer[SwappingModel], at: Workspace, walk: Walk) -> SwapCodes:
        first, second, share = walk.at(self.time)
        a, b = at.codes(renderer, self.model, first, second)
        return edit(a, b, share, share)

    @torch.no_grad()
    def _played(self, renderer: Renderer[SwappingModel], at: Workspace, film: Playing) -> SwapCodes:
        reel = at.networks.reel(at.visitor.video(film.video), renderer.side(), self.square)
        return renderer.model.encode(reel.at(film.at(self.time)))

    @torch.no_grad()
    def _seen(self, renderer: Renderer[SwappingModel]) -> SwapCodes:
        if self._frame is None:
            raise GraftError(
                "The camera's picture did not come with this, and is kept nowhere: take a walk or a video."
            )
        width, height = images.dimensions(self._frame, "The camera's picture")
        if width * height > LARGEST_FRAME:
            raise GraftError(f"The camera's picture has {width} × {height} pixels: send a smaller one.")
        return renderer.model.encode(images.read(self._frame, renderer.side(), self.square, "The camera's picture"))

    def photos(self) -> list[str]:
        return [*(self.walk.photos if self.walk else ()), *([self.texture] if self.texture else [])]

    def videos(self) -> list[str]:
        return [self.film.video] if self.film else []

    def masks(self) -> list[str]:
        return [one.mask for one in self.directions if one.mask]

    def notice(self, at: Workspace) -> str | None:
        """Of the texture alone: what is on stage changes from one picture to the next."""
        return at.notice(self.model, self.texture) if self.texture else None

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        """The studio with these photos: a moment between two of them is no command of its own."""
        return command("studio", *dict.fromkeys(map(at.source, self.photos())), "--model", self.model)

    def as_python(self, at: Workspace) -> str:
        size = self.size or at.networks.model(self.model, SwappingModel).config.size
        amounts = f"{number(self.amount_texture)}, {number(self.amount_structure)}"
        return "\n".join(
            [
                "from graftlab.editing.directions import Directions, directions_beside",
                "from graftlab.editing.edits import Move, edit",
                self.model_copy(update={"size": size}).opening().rstrip(),
                *self._begin(at, size),
                f"other = renderer.encode({at.source(self.texture)!r})" if self.texture else "other = None",
                "moves = [",
                *(
                    f"    Move(Directions.load(directions_beside({one.file!r})), {{{one.name!r}: {number(one.gain)}}}),"
                    for one in self.directions
                ),
                "]",
                f"picture = renderer.decode(edit(codes, other, {amounts}, moves=moves))",
                f'renderer.write(picture{".flip(3)" if self.mirror else ""}, "live.png")\n',
            ]
        )

    def _begin(self, at: Workspace, size: int) -> list[str]:
        """The codes of what is seen, as Python."""
        if self.film:
            clip = at.visitor.video(self.film.video)
            number = at.networks.reel(clip, size, self.square).number(self.film.at(self.time))
            return [
                "from graftlab.video.reading import Video",
                f"video = Video.open({clip.source!r}, {size}, {self.square})",
                f"codes = renderer.model.encode(video.frame({number}))",
            ]
        if self.walk is None:
            raise GraftError("A camera's picture is kept nowhere, so that no program can draw it: take a walk instead.")
        first, second, share = self.walk.at(self.time)
        return [
            f"a, b = (renderer.encode(path) for path in ({at.source(first)!r}, {at.source(second)!r}))",
            f"codes = edit(a, b, {share!r}, {share!r})",
        ]
