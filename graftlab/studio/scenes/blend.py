"""A picture by a network that is blended of several, resolution by resolution."""

import json
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase as LETTERS
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from graftlab.blending.mixture import Mixture
from graftlab.blending.weights import Rule, held, matrix, only
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import PhotoId, Scene, Share, command, number

Name = Annotated[str, Field(max_length=1000)]
Resolution = Annotated[int, Field(ge=1, le=2**14)]
FILE = "blend.safetensors"


class Blend(Scene):
    """What a blend of networks draws: a seed, of StyleGAN2s, or a photo, of Swapping Autoencoders.

    A photo is encoded by the first model, so that only generators are blended."""

    refines: ClassVar[bool] = False
    kind: Literal["blend"]
    others: tuple[Name, ...] = Field(min_length=1, max_length=7, description="Models that are blended with `model`.")
    weights: dict[Resolution, tuple[Share, ...]] = Field(
        min_length=1,
        max_length=20,
        description="Shares of the others by resolution, the rest being the first model's; between resolutions they "
        "change in proportion to the doublings.",
    )
    mapping: str | None = Field(
        "a", pattern="^[a-h]$", description="Whose mapping network StyleGAN2s have; null: as the coarsest resolution."
    )
    seed: int = Field(0, ge=0, lt=2**32)
    psi: float = Field(0.7, ge=-2, le=3, allow_inf_nan=False, description="Truncation.")
    picture: PhotoId | None = None

    @property
    def models(self) -> list[str]:
        return [self.model, *self.others]

    def blended(self, at: Workspace) -> Network:
        """The network. GraftError if the models differ in more than their weights, or shares are not theirs."""
        mixture: Mixture[Network] = at.networks.mixture(*self.models)
        return mixture.take(self.rule(mixture.network))

    def draw(self, at: Workspace) -> Tensor:
        network = self.blended(at)
        if isinstance(network, StyleGAN):
            return network.sample([self.seed], self.psi)
        assert isinstance(network, SwappingModel)  # there are no others that blend
        if self.picture is None:
            raise GraftError("These are autoencoders: choose a photo.")
        renderer = at.renderer(self.model, self.size, self.square)
        (codes,) = at.codes(renderer, self.model, self.picture)
        return at.decode(replace(renderer, model=network), codes)

    def photos(self) -> list[str]:
        return [self.picture] if self.picture else []

    def notice(self, at: Workspace) -> str | None:
        """Of models that will not blend, rather than of photos."""
        for name in self.others:
            found = at.networks.kinship(self.model, name)
            if found.verdict in ("doubtful", "unrelated"):
                return f"{name}: {found.sentence}"
        return None

    # -- the rule -----------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> dict[int, list[float]]:
        """The shares of all models, which sum to 1."""
        return {each: [1 - sum(shares), *shares] for each, shares in sorted(self.weights.items())}

    def rule(self, network: Network) -> Rule[Sequence[float | Tensor]]:
        """GraftError for rows of another length than there are models, and for a letter that is none of theirs."""
        if any(len(shares) != len(self.others) for shares in self.weights.values()):
            raise GraftError(f"Every resolution needs {len(self.others)} shares, one for each of the other models.")
        if network.takes == "photos":
            return only("generator", matrix(self.rows), self.all_of("a"))
        if self.mapping is None:
            return matrix(self.rows)
        return held(matrix(self.rows), mapping=self.all_of(self.mapping), average=self.all_of(self.mapping))

    def all_of(self, letter: str) -> list[float | Tensor]:
        if LETTERS.index(letter) > len(self.others):
            known = ", ".join(LETTERS[: len(self.models)])
            raise GraftError(f"There is no model {letter}: 'mapping' is one of {known}.")
        return [float(LETTERS[i] == letter) for i in range(len(self.models))]

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        """The lines that write the model, and draw with it."""
        words: list[object] = ["blend", *self.models]
        lines = []
        if len(self.others) == 1:
            words += ["--curve", ",".join(f"{each}:{number(row[1])}" for each, row in self.rows.items())]
        else:
            table = json.dumps({str(each): [float(number(share)) for share in row] for each, row in self.rows.items()})
            lines.append(f"echo '{table}' > weights.json")
            words += ["--weights", "weights.json"]
        seeds = at.networks.model(self.model, Network).takes == "seeds"
        if not seeds:
            words += ["--part", "generator"]
        elif self.mapping:
            words += ["--mapping", self.mapping]
        if not all(at.networks.kinship(self.model, name).blends for name in self.others):
            words.append("--force")
        lines.append(command(*words, "-o", FILE))
        if seeds:
            drawn = ["--seeds", self.seed, "--psi", number(self.psi)]
            lines.append(command("sample", "-m", FILE, *drawn, "-o", "blend.png"))
        elif self.picture:
            photo = at.source(self.picture)
            lines.append(command("swap", photo, photo, "-o", "blend.png", *self.reading()[:-1], FILE))
        return "\n".join(lines)

    def as_python(self, at: Workspace) -> str:
        network = at.networks.model(self.model, Network)
        rows = {each: [float(number(share)) for share in row] for each, row in self.rows.items()}
        rule = f"matrix({rows})"
        if network.takes == "photos":
            rule = f'only("generator", {rule}, {self.all_of("a")})'
        elif self.mapping:
            rule = f"held({rule}, mapping={self.all_of(self.mapping)}, average={self.all_of(self.mapping)})"
        drawing = (
            f"blended.sample([{self.seed}], psi={number(self.psi)})"
            if network.takes == "seeds"
            else f"renderer.decode(renderer.encode({at.source(self.picture)!r}))"
            if self.picture
            else "None"
        )
        opening = self.opening().replace(f"graftlab.load({self.model!r})", "blended")
        first, _, last = opening.partition("\n\n")
        return (
            f"{first}\nfrom graftlab.blending import blend_many, held, matrix, only\n\n"
            f"models = [graftlab.load(name) for name in {self.models}]\n"
            f"blended = blend_many(models, {rule})\nblended.save({FILE!r})\n"
            f'{last}renderer.write({drawing}, "blend.png")\n'
        )
