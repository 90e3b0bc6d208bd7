"""A film, and one moment of it."""

from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import OWN_FILM, Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import PhotoId, Scene, command, number
from graftlab.video.drawn import parse_drawn
from graftlab.video.easing import easing
from graftlab.video.film import Film, reverse
from graftlab.video.films import recurse, ride
from graftlab.video.films.detail import Detail
from graftlab.video.films.drawing import from_codes
from graftlab.video.films.recurse import Motion
from graftlab.video.films.timeline import Key, Timeline, becoming

MOST = 40  # keys of a lane
SKETCH = 12  # frames of a dive of which one moment is wanted: each follows from all that come before
Drawing = Renderer[SwappingModel]
Seconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]


def drawn(text: str) -> str:
    if text and parse_drawn(text) is None:
        raise ValueError("a drawn curve is made of points, as 0=0.4,0.3=1,1=0.7")
    return text


def eased(text: str) -> str:
    easing(text)
    return text


Drawn = Annotated[str, Field(max_length=2000, description="Points, or nothing."), AfterValidator(drawn)]
Ease = Annotated[str, Field(max_length=2000), AfterValidator(eased)]


class FilmKey(BaseModel):
    """A photo at its time."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: Seconds
    photo: PhotoId | None = Field(None, description="None: the picture's own texture.")


class FilmScene(Scene):
    """Pictures that become each other while their textures do so too (`timeline`); a ride past them; or a dive, in
    which the first goes through its codes again and again. Drawn is one moment."""

    own: ClassVar[int] = OWN_FILM
    kind: Literal["film"] = "film"
    film: Literal["timeline", "ride", "dive"] = "timeline"
    seconds: float = Field(8, ge=0.1, le=600, allow_inf_nan=False)
    fps: int = Field(25, ge=1, le=60)
    loop: bool = Field(False, description="It ends where it begins; not of a dive.")
    moment: Seconds = 0
    structures: tuple[FilmKey, ...] = Field(min_length=1, max_length=MOST)
    textures: tuple[FilmKey, ...] = Field((), max_length=MOST)
    ease: Ease = "smooth"
    ahead: float = Field(0, ge=-600, le=600, allow_inf_nan=False, description="Seconds, of textures; of a timeline.")
    speed: float = Field(0.25, ge=-10, le=10, allow_inf_nan=False, description="Of a ride, in its widths per second.")
    parallax: float = Field(0, ge=0, lt=1, allow_inf_nan=False)
    zoom: float = Field(0.98, ge=0.8, le=1.25, allow_inf_nan=False, description="Of a dive, in each frame.")
    rotate: float = Field(0, ge=-45, le=45, allow_inf_nan=False, description="Degrees in each frame.")
    recall: float = Field(0.7, ge=0, le=1, allow_inf_nan=False)
    novelty: float = Field(0.1, ge=0, le=1, allow_inf_nan=False)
    backwards: bool = Field(True, description="A dive ends with its picture.")

    @model_validator(mode="after")
    def check(self) -> Self:
        for lane in (self.structures, self.textures):
            if any(a.at >= b.at for a, b in pairwise(lane)):
                raise ValueError("the keys of a lane come one after the other in time")
        if any(key.photo is None for key in self.structures):
            raise ValueError("a structure is that of a photo")
        return self

    def draw(self, at: Workspace) -> Tensor:
        scene = self.model_copy(update={"moment": 0})
        make = scene.sketched if self.film == "dive" else scene.shot
        _, *codes = self._read(at)
        key = (scene.model_dump_json(), at.own, *chain(*codes))  # other ones once details are found
        film = at.networks.films.get(key, lambda: make(at))
        return film.frame(min(round(self.moment * film.fps), film.frames - 1))

    def sketched(self, at: Workspace) -> Film:
        """A dive in few steps, each of which goes as much farther."""
        steps = max(1.0, self.frames / SKETCH)
        motion = {"zoom": min(max(self.zoom**steps, 0.1), 10), "rotate": self.rotate * steps}
        return self.model_copy(update={"fps": Fraction(self.fps / steps), **motion}).shot(at)

    def photos(self) -> list[str]:
        return [key.photo for key in (*self.structures, *self.textures) if key.photo]

    def shot(self, at: Workspace) -> Film:
        """The film itself."""
        renderer, scenes, textures_read = self._read(at)
        given = iter(textures_read)
        ease = self.ease if self.film == "timeline" else Key.ease
        keys = [Key(key.at, next(given) if key.photo else None, ease) for key in self.textures]
        if self.film == "dive":
            return self._dive(at, renderer, scenes[0], keys)
        textures = Timeline(tuple(keys)) if keys else None
        if self.film == "ride":
            return self._ride(renderer, scenes, textures)
        structures = None
        if len(scenes) > 1:
            first = [Key(0, None, ease)] if self.structures[0].at else []
            then = [Key(key.at, codes, ease) for key, codes in zip(self.structures, scenes, strict=True)]
            structures = Timeline((*first, *then))
        closed = self.loop and self._moves
        codes_at = becoming(scenes[0], structures, textures, self.frames, self.rate, closed, self.ahead)
        return from_codes(renderer, codes_at, self.frames, self.rate, closed=closed)

    def _read(self, at: Workspace) -> tuple[Drawing, list[SwapCodes], list[SwapCodes]]:
        """How it is drawn; the codes of its structures, which are read at one size, and of its textures."""
        renderer = self.renderer(replace(at, own=at.own and self.own))
        textures = at.codes(renderer, self.model, *(key.photo for key in self.textures if key.photo))
        structures = [str(key.photo) for key in self.structures[: 1 if self.film == "dive" else None]]
        if self.film != "dive":
            renderer = renderer.together([at.visitor.photo(id).path for id in structures])
        return renderer, at.codes(renderer, self.model, *structures), textures

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))

    @property
    def _moves(self) -> bool:
        return len(self.structures) > 1 or len(self.textures) > 1

    @property
    def rate(self) -> Fraction:
        return Fraction(self.fps)

    def _ride(self, renderer: Drawing, scenes: list[SwapCodes], textures: Timeline | None) -> Film:
        line = textures.looped(self.frames / self.fps) if textures and self.loop else textures
        return ride.ride(
            renderer,
            scenes,
            self.frames,
            self.rate,
            2 * renderer.side(),
            speed=self.speed,
            parallax=self.parallax,
            closed=self.loop,
            texture=line.edit(self.rate) if line else None,
        )

    def _dive(self, at: Workspace, renderer: Drawing, first: SwapCodes, keys: list[Key]) -> Film:
        photo = at.visitor.photo(str(self.structures[0].photo))
        line = [replace(key, at=self._in_dive(key.at), codes=key.codes or first) for key in keys] or [Key(0, first)]
        film = recurse.recurse(
            renderer,
            renderer.read(photo.path),
            self.frames,
            self.rate,
            Timeline(tuple(sorted(line, key=lambda key: key.at))).edit(self.rate),
            Motion(self.zoom, self.rotate),
            detail=Detail(self.recall, self.novelty),
        )
        return reverse(film) if self.backwards else film

    def _in_dive(self, seconds: float) -> float:
        """When the dive is made, of a time in the film, which may be played backwards."""
        return round(max(0.0, float((self.frames - 1) / self.fps) - seconds), 6) if self.backwards else seconds

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        photos = [at.source(str(key.photo)) for key in self.structures]
        told = sorted((self._in_dive(key.at) if self.film == "dive" else key.at, key.photo) for key in self.textures)
        words: list[object] = []
        if self.film == "dive":
            words += ["recurse", photos[0], "--zoom", number(self.zoom), "--rotate", number(self.rotate)]
            words += ["--recall", number(self.recall), "--novelty", number(self.novelty)]
            words += [] if self.backwards else ["--no-reverse"]
        elif self.film == "ride":
            words += ["ride", *photos, "--speed", number(self.speed), "--parallax", number(self.parallax)]
        else:
            words += ["textures", photos[0]]
            for key, photo in list(zip(self.structures, photos, strict=True))[0 if self.structures[0].at else 1 :]:
                words += ["--structure", f"{number(key.at)}:{photo}"]
            told = told or ([] if len(photos) > 1 else [(0.0, None)])
            words += ["--texture-offset", number(self.ahead)] if self.ahead else []
            words += ["--ease", self.ease]
        for seconds, id in told:
            words += ["--texture", f"{number(seconds)}:{at.source(id) if id else 'own'}"]
        words += ["--loop"] if self.loop and self.film != "dive" and (self.film == "ride" or self._moves) else []
        words += ["--seconds", number(self.seconds), "--fps", self.fps]
        return command("film", *words, "-o", f"{self.film}.mp4", *self.reading())

    def as_python(self, at: Workspace) -> str:
        photos = [at.source(str(key.photo)) for key in self.structures]
        pictures = list(dict.fromkeys(at.source(key.photo) for key in self.textures if key.photo))
        names = {source: f"codes[{source!r}]" for source in photos}
        keys = [(key.at, f"textures[{at.source(key.photo)!r}]" if key.photo else "None") for key in self.textures]
        lines = [self.opening()]
        if pictures:
            lines.append(f"textures = {{path: renderer.encode(path) for path in {pictures!r}}}")
        if self.film == "dive":
            photos = photos[:1]
        else:
            lines.append(f"renderer = renderer.together({photos!r})")
        lines.append(f"codes = {{path: renderer.encode(path) for path in {list(dict.fromkeys(photos))!r}}}")
        length = f"seconds={number(self.seconds)}, fps={self.fps}"
        if self.film == "dive":
            first = names[photos[0]]
            line = marks([(self._in_dive(time), first if codes == "None" else codes) for time, codes in keys]) or first
            lines.append(
                f"film = films.recurse(\n    renderer.model,\n    renderer.read({photos[0]!r}),\n    {line},\n"
                f"    {length},\n    motion=films.Motion({number(self.zoom)}, {number(self.rotate)}),\n"
                f"    detail=Detail({number(self.recall)}, {number(self.novelty)}),\n    backwards={self.backwards},\n)"
            )
        elif self.film == "ride":
            scenes = ", ".join(names[each] for each in photos)
            line = ", ".join(f"Key({number(time)}, {codes})" for time, codes in keys)
            looped = f".looped({number(self.frames / self.fps)})" if self.loop else ""
            texture = f"    texture=Timeline(({line},)){looped}.edit({self.fps}),\n" if keys else ""
            lines.append(
                f"film = films.ride(\n    renderer.model,\n    [{scenes}],\n    {length},\n    loop={self.loop},\n"
                f"    speed={number(self.speed)},\n    parallax={number(self.parallax)},\n{texture})"
            )
        else:
            known = zip(self.structures, photos, strict=True)
            becomes = marks([(key.at, names[each]) for key, each in known]) if len(photos) > 1 else "None"
            lines.append(
                f"film = films.textures(\n    renderer.model,\n    {names[photos[0]]},\n    {marks(keys) or '{}'},\n"
                f"    {length},\n    loop={self.loop and self._moves}, ease={self.ease!r},\n    structures={becomes},\n"
                f"    ahead={number(self.ahead)},\n)"
            )
        lines.append(f'graftlab.render(film, "{self.film}.mp4")\n')
        more = {
            "dive": "from graftlab.video.films.detail import Detail\n",
            "ride": "from graftlab.video.films.timeline import Key, Timeline\n" if keys else "",
        }
        return f"from graftlab import films\n{more.get(self.film, '')}" + "\n".join(lines)


def marks(keys: list[tuple[float, str]]) -> str:
    """Keys as Python writes them; nothing if there are none."""
    return "{" + ", ".join(f"{number(at)}: {codes}" for at, codes in sorted(keys)) + "}" if keys else ""
