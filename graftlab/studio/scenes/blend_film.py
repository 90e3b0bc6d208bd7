"""A film of a blend: a walk through its seeds, or the way from the first network to the others."""

from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from graftlab.blending.blend import blend_many
from graftlab.blending.inputs import Inputs
from graftlab.networks.style import StyleGAN
from graftlab.rendering.renderer import Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import command, number
from graftlab.studio.scenes.blend import FILE, Blend
from graftlab.studio.scenes.film import Seconds
from graftlab.video.film import Film
from graftlab.video.films import blends, walk
from graftlab.video.films.drawing import from_way

EASE = "smooth"


class BlendFilm(Blend):
    """A walk of a blend of StyleGAN2s through seeds; or one seed while the network becomes another: all of it
    (`models`), or its layers from the finest to the coarsest (`levels`). Drawn is one moment."""

    kind: Literal["blend-film"]  # type: ignore[assignment]  # another kind of scene
    film: Literal["walk", "models", "levels"] = "walk"
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(
        (), max_length=40, description="Of a walk, two or more."
    )
    path: Literal["linear", "spherical", "spline"] = "linear"
    seconds: float = Field(8, ge=0.1, le=600, allow_inf_nan=False)
    fps: int = Field(25, ge=1, le=60)
    loop: bool = Field(False, description="It ends where it begins; not of levels.")
    moment: Seconds = 0

    @model_validator(mode="after")
    def check_film(self) -> Self:
        if self.film == "walk" and len(self.seeds) < 2:
            raise ValueError("a walk goes through two seeds or more")
        if self.film == "levels" and (self.loop or len(self.others) > 1):
            raise ValueError("levels change between two models, and do not loop")
        if self.picture:
            raise ValueError("films of blends are of seeds")
        return self

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))

    def draw(self, at: Workspace) -> Tensor:
        number = min(round(self.moment * self.fps), self.frames - 1)
        if self.film == "walk":  # of the blend that changes as one looks
            at.networks.model(self.model, StyleGAN)  # refuses others
            network: Any = self.blended(at)
            return self._walk(network).frame(number)
        key = (self.model_copy(update={"moment": 0}).model_dump_json(), None)
        return at.networks.films.get(key, lambda: self._passage(self._models(at))).frame(number)

    def shot(self, at: Workspace) -> Film:
        """The film itself, which nothing that others look at changes."""
        models = self._models(at)
        return (
            self._passage(models) if self.film != "walk" else self._walk(blend_many(models, self.rule(at, models[0])))
        )

    def _walk(self, network: StyleGAN) -> Film:
        way = walk.through_seeds(network, self.seeds, self.path, self.loop, EASE, (self.psi, self.psi))
        return from_way(Renderer(network), way, self.frames, Fraction(self.fps), self.loop)

    def _passage(self, models: list[StyleGAN]) -> Film:
        change = blends.schedule(len(models), swap_at=self._levels(models[0]), circle=self.loop, ease=EASE)
        codes_in = Inputs(seeds=str(self.seed), psi=self.psi).shown(models[0]).codes_in
        return blends.blends(Renderer(models[0]), models, change, codes_in, self.frames, Fraction(self.fps), self.loop)

    def _levels(self, model: StyleGAN) -> str | None:
        """From the finest resolution to the coarsest, as options write it."""
        ends = [max(resolution) for resolution in model.config.resolutions]
        return f"{ends[-1]}:{ends[0]}" if self.film == "levels" else None

    def _models(self, at: Workspace) -> list[StyleGAN]:
        return [at.networks.model(name, StyleGAN) for name in self.models]

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        length = ["--seconds", number(self.seconds), "--fps", self.fps, "-o", f"{self.film}.mp4"]
        psi, loop = ["--psi", number(self.psi)], ["--loop"] if self.loop else []
        if self.film == "walk":
            seeds = ",".join(map(str, self.seeds))
            words = ["walk", "--seeds", seeds, "-m", FILE, "--path", self.path, *psi, *loop, *length]
            return "\n".join([*self.blending_lines(at), command("film", *words)])
        levels = self._levels(self._models(at)[0])
        how = ["--swap-at", levels] if levels else ["--circle"] if self.loop else []
        words = ["film", "blend", *map(at.networks.source, self.models), *how]
        line = command(*words, "--seeds", self.seed, *psi, *self.force(at), *length)
        return "\n".join([*self.making_lines(at), line])

    def as_python(self, at: Workspace) -> str:
        length, end = f"seconds={number(self.seconds)}, fps={self.fps}", f'graftlab.render(film, "{self.film}.mp4")\n'
        if self.film == "walk":
            frames = f"{self.frames}, Fraction({self.fps}), {self.loop}"
            way = f"{list(self.seeds)}, {self.path!r}, {self.loop}, {EASE!r}, ({number(self.psi)}, {number(self.psi)})"
            return (
                "from fractions import Fraction\n\nimport graftlab\nfrom graftlab.rendering import Renderer\n"
                "from graftlab.video.films.drawing import from_way\n"
                "from graftlab.video.films.walk import through_seeds\n"
                f"{self.blending_python(at)}"
                f"film = from_way(Renderer(blended), through_seeds(blended, {way}), {frames})\n{end}"
            )
        levels = self._levels(self._models(at)[0])
        how = f"blends.schedule({len(self.models)}, swap_at={levels!r}, circle={self.loop}, ease={EASE!r})"
        return (
            "import graftlab\nfrom graftlab import films\nfrom graftlab.blending import Inputs\n"
            "from graftlab.video.films import blends\n\n"
            f"models = [graftlab.load(name) for name in {list(map(at.networks.source, self.models))}]\n"
            f"codes = Inputs(seeds={str(self.seed)!r}, psi={number(self.psi)}).shown(models[0]).codes_in\n"
            f"film = films.blend(models, codes, {how}, {length}, loop={self.loop})\n{end}"
        )
