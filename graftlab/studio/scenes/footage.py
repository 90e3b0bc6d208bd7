"""A video through its codes, and one moment of it."""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import OWN_FILM, Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import PhotoId, Scene, command, number
from graftlab.studio.scenes.film import MOST, Ease, FilmKey
from graftlab.video.film import Film
from graftlab.video.films.desync import Desync, rework
from graftlab.video.films.timeline import Key, Timeline
from graftlab.video.reading import Video


class Footage(Scene):
    """The structures of a video, with textures of photos that melt into each other (`graft film textures`), with those
    of another video (`graft film desync`), or with its own (`graft film recon`). Drawn is one moment."""

    own: ClassVar[int] = OWN_FILM
    kind: Literal["footage"]
    video: PhotoId
    seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False, description="Of its beginning.")] = 3600
    fps: int = Field(25, ge=1, le=60)
    loop: bool = Field(False, description="The textures end where they begin.")
    moment: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 0
    textures: tuple[FilmKey, ...] = Field((), max_length=MOST)
    texture_video: PhotoId | None = Field(None, description="The video that textures come from, instead of photos.")
    ease: Ease = "smooth"
    ahead: float = Field(0, ge=-600, le=600, allow_inf_nan=False, description="Seconds, of textures.")

    @model_validator(mode="after")
    def check(self) -> Self:
        if any(a.at >= b.at for a, b in pairwise(self.textures)):
            raise ValueError("the keys of a lane come one after the other in time")
        if self.texture_video and self.textures:
            raise ValueError("textures come from photos, or from another video")
        return self

    @property
    def film(self) -> str:
        """What the file is called."""
        return "video"

    def draw(self, at: Workspace) -> Tensor:
        scene = self.model_copy(update={"moment": 0})
        _, codes = self._read(at)
        film = at.networks.films.get((scene.model_dump_json(), at.own, *codes), lambda: scene.shot(at))
        return film.frame(min(round(self.moment * self.fps), film.frames - 1))

    def photos(self) -> list[str]:
        return [key.photo for key in self.textures if key.photo]

    def videos(self) -> list[str]:
        return [self.video, *([self.texture_video] if self.texture_video else [])]

    def shot(self, at: Workspace) -> Film:
        """The film itself."""
        renderer, codes = self._read(at)
        video = self._open(at, renderer, self.video)
        frames = min(max(1, round(self.seconds * self.fps)), video.frames)
        if self.texture_video:
            return rework(
                renderer,
                video,
                Desync(self.ahead),
                self._open(at, renderer, self.texture_video),
                frames=frames,
            )
        given = iter(codes)
        keys = tuple(Key(key.at, next(given) if key.photo else None, self.ease) for key in self.textures)
        line = Timeline(keys) if keys else None
        if line and self._loops:
            line = line.closed(float(frames / video.fps))
        return rework(renderer, video, edit=line.edit(video.fps, self.ahead) if line else None, frames=frames)

    @property
    def _loops(self) -> bool:
        return self.loop and len(self.textures) > 1

    def _read(self, at: Workspace) -> tuple[Renderer[SwappingModel], list[SwapCodes]]:
        """How it is drawn, and the codes of its textures. The video's own are refined where it is filmed only."""
        renderer = self.renderer(replace(at, own=at.own and self.own))
        codes = at.codes(renderer, self.model, *self.photos())
        return (renderer if at.own else replace(renderer, refine=0)), codes

    def _open(self, at: Workspace, renderer: Renderer[SwappingModel], id: str) -> Video:
        """At the size on screen, or its own up to the largest of films."""
        size = self.size or (None if at.own else renderer.side())
        return Video.open(at.visitor.video(id).path, size, fps=self.fps, most=self.own)

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        words: list[object] = [at.source(self.video)]
        if self.texture_video:
            words += ["--texture-from", at.source(self.texture_video)]
        for key in self.textures:
            words += ["--texture", f"{number(key.at)}:{at.source(key.photo) if key.photo else 'own'}"]
        if self.textures or self.texture_video:
            words += ["--texture-offset", number(self.ahead)] if self.ahead else []
        if self.textures:
            words += ["--ease", self.ease, *(["--loop"] if self._loops else [])]
        what = "textures" if self.textures else "desync" if self.texture_video else "recon"
        length = ["--seconds", number(self.seconds), "--fps", self.fps]
        return command("film", what, *words, *length, "-o", "video.mp4", *self.reading())

    def as_python(self, at: Workspace) -> str:
        def opened(id: str) -> str:
            size = f"most={self.own}" if self.size is None else f"size={self.size}"
            return f"Video.open({at.source(id)!r}, fps={self.fps}, {size})"

        lines = [
            "from graftlab.video.films.desync import Desync, rework",
            "from graftlab.video.films.timeline import Key, Timeline",
            "from graftlab.video.reading import Video",
            self.opening().rstrip(),
            f"video = {opened(self.video)}",
            f"frames = min({max(1, round(self.seconds * self.fps))}, video.frames)",
        ]
        more = ""
        if self.texture_video:
            more = f"Desync({number(self.ahead)}), {opened(self.texture_video)}, "
        elif self.textures:
            keys = ", ".join(
                f"Key({number(key.at)}, "
                f"{f'renderer.encode({at.source(key.photo)!r})' if key.photo else None}, {self.ease!r})"
                for key in self.textures
            )
            closed = ".closed(float(frames / video.fps))" if self._loops else ""
            lines.append(f"textures = Timeline(({keys},)){closed}")
            more = f"edit=textures.edit(video.fps, {number(self.ahead)}), "
        lines += [
            f"film = rework(renderer, video, {more}frames=frames)",
            f'graftlab.render(film, "{self.film}.mp4")\n',
        ]
        return "\n".join(lines)
