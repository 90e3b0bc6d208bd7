"""A film of a blend: a walk through seeds or photos, or the way from the first network to the others."""

from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from graftlab.blending.blend import adopt, blend_many
from graftlab.blending.inputs import CodesIn, Inputs
from graftlab.blending.local import Confine, confine
from graftlab.networks.style import StyleGAN
from graftlab.rendering.renderer import Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import CodesId, PhotoId, command, number
from graftlab.studio.scenes.blend import CODES, FILE, MOST_STEPS, STEPS, Blend
from graftlab.studio.scenes.film import Drawn, Ease, Seconds
from graftlab.video.drawn import parse_drawn
from graftlab.video.film import Film
from graftlab.video.films import blends, walk
from graftlab.video.films.drawing import from_way

EASE = "smooth"


class Key(BaseModel):
    """A photo on a walk, as the job `invert` found it in the first model."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    picture: PhotoId
    found: CodesId
    steps: int = Field(STEPS, ge=1, le=MOST_STEPS, description="Of that search, as the command tells it.")


class BlendFilm(Blend):
    """A walk of a blend of StyleGAN2s through seeds or photos; or one of them while the network becomes another: all of
    it (`models`), or its layers from the finest to the coarsest (`levels`). Drawn is one moment."""

    kind: Literal["blend-film"]  # type: ignore[assignment]  # another kind of scene
    film: Literal["walk", "models", "levels"] = "walk"
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(
        (), max_length=40, description="Of a walk, two or more."
    )
    keys: tuple[Key, ...] = Field((), max_length=40, description="Of a walk through photos instead, two or more.")
    path: Literal["linear", "spherical", "spline"] = "linear"
    ease: Ease = Field(EASE, description="From key to key, or from network to network.")
    psi_over: Drawn = Field("", description="Truncation of a walk through seeds over time, in the place of psi.")
    pace: Drawn = Field("", description="How fast a walk is gone over time.")
    seconds: float = Field(8, ge=0.1, le=600, allow_inf_nan=False)
    fps: int = Field(25, ge=1, le=60)
    loop: bool = Field(False, description="It ends where it begins; not of levels.")
    moment: Seconds = 0

    @model_validator(mode="after")
    def check_film(self) -> Self:
        if self.film == "walk" and max(len(self.seeds), len(self.keys)) < 2:
            raise ValueError("a walk goes through two seeds or more, or through two photos")
        if self.keys and (self.seeds or self.film != "walk" or self.path == "spherical"):
            raise ValueError("photos on the way are those of a walk without seeds, and not in z")
        if (self.psi_over and not self.seeds) or (self.pace and self.film != "walk"):
            raise ValueError("truncation over time is that of a walk through seeds, and a pace that of a walk")
        if self.film == "levels" and (self.loop or len(self.others) > 1):
            raise ValueError("levels change between two models, and do not loop")
        if self.picture and not self.found:
            raise ValueError("films of blends need the codes of a photo")
        return self

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))

    def draw(self, at: Workspace) -> Tensor:
        number = min(round(self.moment * self.fps), self.frames - 1)
        if self.film == "walk":  # of the blend that changes as one looks
            at.networks.model(self.model, StyleGAN)  # refuses others
            network: Any = self.blended(at)
            return self._walk(at, network).frame(number)
        key = (self.model_copy(update={"moment": 0}).model_dump_json(), None)
        return at.networks.films.get(key, lambda: self._passage(at)).frame(number)

    def shot(self, at: Workspace) -> Film:
        """The film itself, which nothing that others look at changes."""
        if self.film != "walk":
            return self._passage(at)
        models = self._models(at)
        network: Any = self.confined(at) if self.local else blend_many(models, self.rule(at, models[0]))
        return self._walk(at, network)

    def _walk(self, at: Workspace, network: StyleGAN) -> Film:
        way: Any
        pace = parse_drawn(self.pace)
        gone = walk.pacing(pace) if pace else float
        if self.keys:
            base = at.networks.model(self.model, StyleGAN)
            codes = [adopt(at.inverted(self.model, key.found), base, network) for key in self.keys]
            way = walk.paced(walk.through(codes, self.path, self.loop, self.ease), gone)
        else:
            psi = parse_drawn(self.psi_over) or (self.psi, self.psi)
            way = walk.through_seeds(network, self.seeds, self.path, self.loop, self.ease, psi, gone)
        return from_way(Renderer(network), way, self.frames, Fraction(self.fps), self.loop)

    def _passage(self, at: Workspace) -> Film:
        models = self._models(at)
        change = blends.schedule(len(models), swap_at=self._levels(models[0]), circle=self.loop, ease=self.ease)
        if self.found:
            codes_in: CodesIn = partial(adopt, at.inverted(self.model, self.found), models[0])
        else:
            codes_in = Inputs(seeds=str(self.seed), psi=self.psi).shown(models[0]).codes_in
        shown, length = (Renderer(models[0]), models, change, codes_in), (self.frames, Fraction(self.fps), self.loop)
        return blends.blends(*shown, *length, confine=self._place(at))

    def _place(self, at: Workspace) -> Confine | None:
        """Where the other network is drawn; None: everywhere."""
        if not self.local:
            return None
        (each,) = self.clusters
        known = at.parts(self.model, each.layer, each.count)
        if known is None or not each.chosen:
            return lambda a, blended: a
        return partial(confine, clusters=known, names=each.chosen)

    def photos(self) -> list[str]:
        return [key.picture for key in self.keys] or super().photos()

    def textures_found(self) -> list[str]:
        return [key.found for key in self.keys] or super().textures_found()

    def _levels(self, model: StyleGAN) -> str | None:
        """From the finest resolution to the coarsest, as options write it."""
        ends = [max(resolution) for resolution in model.config.resolutions]
        return f"{ends[-1]}:{ends[0]}" if self.film == "levels" else None

    def _models(self, at: Workspace) -> list[StyleGAN]:
        return [at.networks.model(name, StyleGAN) for name in self.models]

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        length = ["--seconds", number(self.seconds), "--fps", self.fps, "-o", f"{self.film}.mp4"]
        loop = ["--loop"] if self.loop else []
        ease = [] if self.ease == EASE else ["--ease", self.ease]
        if self.film == "walk":
            psi = ["--psi", self.psi_over or number(self.psi)]
            pace = ["--pace", self.pace] if self.pace else []
            searches = [self.searching_line(at, key.picture, key.steps, file) for file, key in self._files]
            through = [file for file, _ in self._files] or ["--seeds", ",".join(map(str, self.seeds)), *psi]
            line = command("film", "walk", *through, "-m", FILE, "--path", self.path, *pace, *ease, *loop, *length)
            return "\n".join([*searches, *self.blending_lines(at), line])
        levels = self._levels(self._models(at)[0])
        how = ["--swap-at", levels] if levels else ["--circle"] if self.loop else []
        fitting, where = self.parts_lines(at) if self.local else ([], [])
        shown = ["--photo", CODES] if self.found else ["--seeds", self.seed, "--psi", number(self.psi)]
        words = [*map(at.networks.source, self.models), *where, *how, *shown, *self.force(at), *ease, *length]
        searches = [self.searching_line(at, self.picture, self.steps)] if self.found and self.picture else []
        return "\n".join([*self.making_lines(at), *fitting, *searches, command("film", "blend", *words)])

    @property
    def _files(self) -> list[tuple[str, Key]]:
        """The photos on the way, and what the files of their codes are called."""
        return [(f"codes-{number}.safetensors", key) for number, key in enumerate(self.keys, start=1)]

    def as_python(self, at: Workspace) -> str:
        length, end = f"seconds={number(self.seconds)}, fps={self.fps}", f'graftlab.render(film, "{self.film}.mp4")\n'
        if self.film == "walk":
            found = "".join(self._searching_python(at, key, file) for file, key in self._files)
            keys, how = f"blended, {list(self.seeds)}", f"{self.path!r}, {self.loop}, {self.ease!r}"
            gone = f"pacing(parse_drawn({self.pace!r}))" if self.pace else "float"
            if self.keys:
                files = [file for file, _ in self._files]
                keys = f"[adopt(StyleCodes.load(file), models[0], blended) for file in {files}]"
                way = f"paced(through({keys}, {how}), {gone})"
            else:
                psi = (
                    f"parse_drawn({self.psi_over!r})" if self.psi_over else f"({number(self.psi)}, {number(self.psi)})"
                )
                way = f"through_seeds({keys}, {how}, {psi}, {gone})"
            return (
                "from fractions import Fraction\n\nimport graftlab\nfrom graftlab.blending import adopt\n"
                "from graftlab.codes import StyleCodes\nfrom graftlab.rendering import Renderer\n"
                "from graftlab.video.drawn import parse_drawn\nfrom graftlab.video.films.drawing import from_way\n"
                "from graftlab.video.films.walk import paced, pacing, through, through_seeds\n"
                f"{self.blending_python(at)}{found}"
                f"film = from_way(Renderer(blended), {way}, "
                f"{self.frames}, Fraction({self.fps}), {self.loop})\n{end}"
            )
        levels = self._levels(self._models(at)[0])
        how = f"blends.schedule({len(self.models)}, swap_at={levels!r}, circle={self.loop}, ease={self.ease!r})"
        shown, found, more = f"seeds={str(self.seed)!r}, psi={number(self.psi)}", "", ""
        if self.found:
            shown = f"photo=[Path({CODES!r})]"
        if self.found and self.picture:
            key = Key(picture=self.picture, found=self.found, steps=self.steps)
            found = self._searching_python(at, key, CODES)
        if self.local:
            (each,) = self.clusters
            more = f", confine=partial(confine, clusters=Clusters.load({each.file!r}), names={each.chosen})"
        return (
            "from functools import partial\nfrom pathlib import Path\n\nimport graftlab\nfrom graftlab import films\n"
            "from graftlab.blending import Clusters, Inputs, confine, features_at\n"
            "from graftlab.video.films import blends\n"
            f"{self.parts_python(at) if self.local else self.models_python(at)}{found}"
            f"codes = Inputs({shown}).shown(models[0]).codes_in\n"
            f"film = films.blend(models, codes, {how}, {length}, loop={self.loop}{more})\n{end}"
        )

    def _searching_python(self, at: Workspace, key: Key, file: str) -> str:
        """The line that finds the codes of a photo."""
        photo = at.source(key.picture)
        return f"graftlab.invert(models[0], [{photo!r}], steps={key.steps}, enlarge=True).codes.save({file!r})\n"
