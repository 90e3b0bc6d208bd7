"""A picture by a network that is blended of several, resolution by resolution."""

import json
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase as LETTERS
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from graftlab.blending.blend import adopt
from graftlab.blending.channels import channels, features_at, together
from graftlab.blending.choices import MOST
from graftlab.blending.mixture import Mixture
from graftlab.blending.weights import Rule, held, matrix, only, pair, reversed_
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.studio.networks import Workspace
from graftlab.studio.parts import SEEDS
from graftlab.studio.scenes.base import CodesId, PhotoId, Scene, Share, command, number

STEPS, MOST_STEPS = 300, 2000  # of a search for the codes of a photo

Name = Annotated[str, Field(max_length=1000)]
Resolution = Annotated[int, Field(ge=1, le=2**14)]
PartName = Annotated[str, Field(pattern=r"^\d{1,2}$")]
Amount = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
FILE = "blend.safetensors"
CODES = "codes.safetensors"
MOST_PARTS = 24


class Parts(BaseModel):
    """Clusters of the channels of one layer, of which some are taken from the second model (`graft clusters`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    layer: str = Field(pattern=r"^[\w.]{1,100}$", description="A resolution in pixels, or the name of a layer.")
    count: int = Field(8, ge=1, le=MOST_PARTS, description="How many clusters the layer has.")
    amounts: dict[PartName, Amount] = Field(min_length=1, max_length=MOST_PARTS, description="By the cluster's number.")

    @property
    def file(self) -> str:
        return f"parts-{self.layer}.json"

    @property
    def chosen(self) -> list[str]:
        """Those of which something is taken."""
        return [name for name, amount in self.amounts.items() if amount]


class Blend(Scene):
    """What a blend of networks draws: a seed or a photo's codes, of StyleGAN2s, or a photo, of Swapping Autoencoders.

    A photo is encoded by the first model, so that only generators are blended."""

    refines: ClassVar[bool] = False
    kind: Literal["blend"]
    others: tuple[Name, ...] = Field(min_length=1, max_length=7, description="Models that are blended with `model`.")
    weights: dict[Resolution, tuple[Share, ...]] = Field(
        {},
        max_length=20,
        description="Shares of the others by resolution, the rest being the first model's; between resolutions they "
        "change in proportion to the doublings.",
    )
    clusters: tuple[Parts, ...] = Field(
        (), max_length=8, description="Only the channels of these parts from the one other model, instead of `weights`."
    )
    hard: bool = Field(False, description="Channels belong to one part wholly, not to all in proportion.")
    reverse: bool = Field(
        False, description="With `clusters`: these channels from the first model, all else from the other."
    )
    local: bool = Field(
        False, description="With `clusters`, of one layer: all of the other model, but only where these parts lie."
    )
    mapping: str | None = Field(
        "a", pattern="^[a-h]$", description="Whose mapping network StyleGAN2s have; null: as the coarsest resolution."
    )
    seed: int = Field(0, ge=0, lt=2**32)
    psi: float = Field(0.7, ge=-2, le=3, allow_inf_nan=False, description="Truncation.")
    picture: PhotoId | None = None
    found: CodesId | None = Field(
        None, description="Codes of the photo in the first StyleGAN2, of the job `invert`; without one, of a file."
    )
    steps: int = Field(STEPS, ge=1, le=MOST_STEPS, description="Of that search, as the command tells it.")

    @model_validator(mode="after")
    def check(self) -> Self:
        layers = [each.layer for each in self.clusters]
        if bool(self.weights) == bool(self.clusters):
            raise ValueError("a blend has either weights or clusters")
        if self.clusters and (len(self.others) > 1 or len(layers) > len(set(layers))):
            raise ValueError("clusters are those of two models, and of each layer once")
        if (self.hard or self.reverse) and not self.clusters:
            raise ValueError("hard and reverse go with clusters")
        if self.local and (len(layers) != 1 or self.hard or self.reverse):
            raise ValueError("local goes with clusters of one layer, and without hard and reverse")
        return self

    @property
    def models(self) -> list[str]:
        return [self.model, *self.others]

    def blended(self, at: Workspace) -> Network:
        """The network. GraftError if the models differ in more than their weights, or shares are not theirs."""
        if self.local:
            return self.confined(at)
        mixture: Mixture[Network] = at.networks.mixture(*self.models)
        return mixture.take(self.rule(at, mixture.network))

    def confined(self, at: Workspace) -> Network:
        """The first model, but the other where parts of its picture lie; nowhere as long as these are not known."""
        (other,), (each,) = self.others, self.clusters
        if at.parts(self.model, each.layer, each.count) is None or not each.chosen:
            return at.networks.model(self.model, Network)
        return at.networks.local(self.model, other, each.layer, each.count, each.chosen)

    def draw(self, at: Workspace) -> Tensor:
        return self.drawn_by(at, self.blended(at))

    @torch.no_grad()
    def drawn_by(self, at: Workspace, network: Network) -> Tensor:
        """The picture that a blend makes of the seed, or of the photo."""
        if isinstance(network, StyleGAN):
            if self.picture is None and self.found is None:
                return network.sample([self.seed], self.psi)
            if self.found is None:
                raise GraftError("Where this photo lies in the first network is not known yet: look for it first.")
            base = at.networks.model(self.model, StyleGAN)
            return network.decode(adopt(at.inverted(self.model, self.found), base, network)).clamp(-1, 1)
        assert isinstance(network, SwappingModel)  # there are no others that blend
        if self.picture is None:
            raise GraftError("These are autoencoders: choose a photo.")
        renderer = at.renderer(self.model, self.size, self.square)
        (codes,) = at.codes(renderer, self.model, self.picture)
        return at.decode(replace(renderer, model=network), codes)

    def photos(self) -> list[str]:
        return [self.picture] if self.picture else []

    def textures_found(self) -> list[str]:
        return [self.found] if self.found else []

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

    def rule(self, at: Workspace, network: Network) -> Rule[Sequence[Share | Tensor]]:
        """GraftError for rows of another length than there are models, and for a letter that is none of theirs."""
        if any(len(shares) != len(self.others) for shares in self.weights.values()):
            raise GraftError(f"Every resolution needs {len(self.others)} shares, one for each of the other models.")
        rule: Rule[Any] = self._of_parts(at, network) if self.clusters else matrix(self.rows)
        if network.takes == "photos":
            return only("generator", rule, self.all_of("a"))
        if self.mapping is None:
            return rule
        return held(rule, mapping=self.all_of(self.mapping), average=self.all_of(self.mapping))

    def _of_parts(self, at: Workspace, network: Network) -> Rule[Any]:
        """The channels of some parts; of a layer whose parts are not known yet, none."""
        rules = []
        for each in self.clusters:
            features, known = features_at(network, each.layer), at.parts(self.model, each.layer, each.count)
            share = torch.zeros(features.channels) if known is None else known.share(each.amounts, self.hard)
            rules.append(channels(features, share))
        return pair(reversed_(together(*rules)) if self.reverse else together(*rules))

    def all_of(self, letter: str) -> list[float | Tensor]:
        if LETTERS.index(letter) > len(self.others):
            known = ", ".join(LETTERS[: len(self.models)])
            raise GraftError(f"There is no model {letter}: 'mapping' is one of {known}.")
        return [float(LETTERS[i] == letter) for i in range(len(self.models))]

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        """The lines that write the model, and draw with it."""
        seeds = at.networks.model(self.model, Network).takes == "seeds"
        lines = self.blending_lines(at)
        if seeds and self.picture:
            lines.append(self.searching_line(at, self.picture, self.steps))
            by = ["--base", at.networks.source(self.model), "--blend", FILE, "--codes", CODES, "--enlarge"]
            lines.append(command("toonify", at.source(self.picture), *by, "-o", "blend.png"))
        elif self.found:
            raise GraftError("No command draws a blend of codes from a file: copy it as Python, or as a film.")
        elif seeds:
            drawn = ["--seeds", self.seed, "--psi", number(self.psi)]
            lines.append(command("sample", "-m", FILE, *drawn, "-o", "blend.png"))
        elif self.picture:
            photo = at.source(self.picture)
            lines.append(command("swap", photo, photo, "-o", "blend.png", *self.reading()[:-1], FILE))
        return "\n".join(lines)

    def searching_line(self, at: Workspace, picture: str, steps: int, out: str = CODES) -> str:
        """That which finds the codes of a photo."""
        how = ["-m", at.networks.source(self.model), "--steps", steps, "--enlarge", "-o", out]
        return command("invert", at.source(picture), *how)

    def parts_lines(self, at: Workspace) -> tuple[list[str], list[object]]:
        """Those that find the parts, and the options that name them."""
        lines, words = [], list[object]()
        for each in self.clusters:
            amounts = ",".join(
                name if amount == 1 else f"{name}={number(amount)}" for name, amount in each.amounts.items()
            )
            how = ["--layer", each.layer, "--parts", each.count, "-o", each.file]
            lines.append(command("clusters", "fit", at.networks.source(self.model), *how))
            words += ["--clusters", f"{each.file}:{','.join(each.chosen) if self.local else amounts}"]
        return lines, [*words, *(["--local"] if self.local else [])]

    def blending_lines(self, at: Workspace) -> list[str]:
        """Those that write the model."""
        fitting, options = self.parts_lines(at)
        words: list[object] = ["blend", *map(at.networks.source, self.models), *options]
        lines = [*self.making_lines(at), *fitting]
        words += ["--hard"] if self.hard else []
        words += ["--reverse"] if self.reverse else []
        if self.clusters:
            pass
        elif len(self.others) == 1:
            words += ["--curve", ",".join(f"{each}:{number(row[1])}" for each, row in self.rows.items())]
        else:
            table = json.dumps({str(each): [float(number(share)) for share in row] for each, row in self.rows.items()})
            lines.append(f"echo '{table}' > weights.json")
            words += ["--weights", "weights.json"]
        if self.local:
            pass
        elif at.networks.model(self.model, Network).takes == "photos":
            words += ["--part", "generator"]
        elif self.mapping:
            words += ["--mapping", self.mapping]
        return [*lines, command(*words, *self.force(at), "-o", FILE)]

    def making_lines(self, at: Workspace) -> list[str]:
        """Those that make models which were made here."""
        return [at.networks.made[name].command for name in self.models if name in at.networks.made]

    def force(self, at: Workspace) -> list[str]:
        """The option by which networks that are no kin are blended, if it is needed."""
        return [] if all(at.networks.kinship(self.model, name).blends for name in self.others) else ["--force"]

    def as_python(self, at: Workspace) -> str:
        seeds = at.networks.model(self.model, Network).takes == "seeds"
        opening = self.opening().replace(f"graftlab.load({self.model!r})", "blended")
        first, _, last = opening.partition("\n\n")
        drawing = f"blended.sample([{self.seed}], psi={number(self.psi)})"
        if self.picture and seeds:
            photo = repr(at.source(self.picture))
            last += f"codes = graftlab.invert(models[0], [{photo}], steps={self.steps}, enlarge=True).codes\n"
            first += "\nfrom graftlab.blending import adopt"
            drawing = "renderer.decode(adopt(codes, models[0], blended))"
        elif self.found:
            first += "\nfrom graftlab.blending import adopt\nfrom graftlab.codes import StyleCodes"
            codes = f'StyleCodes.load("codes-{self.found}.safetensors")'
            drawing = f"renderer.decode(adopt({codes}, models[0], blended))"
        elif not seeds:
            drawing = f"renderer.decode(renderer.encode({at.source(self.picture)!r}))" if self.picture else "None"
        return f'{first}\n{self.blending_python(at)}{last}renderer.write({drawing}, "blend.png")\n'

    def blending_python(self, at: Workspace) -> str:
        """The lines that make `models` and `blended`."""
        network = at.networks.model(self.model, Network)
        opening, saved = self.models_python(at), f"blended.save({FILE!r})\n"
        if not self.clusters:
            rows = {each: [float(number(share)) for share in row] for each, row in self.rows.items()}
            rule = f"matrix({rows})"
            if network.takes == "photos":
                rule = f'only("generator", {rule}, {self.all_of("a")})'
            elif self.mapping:
                rule = f"held({rule}, mapping={self.all_of(self.mapping)}, average={self.all_of(self.mapping)})"
            return (
                "from graftlab.blending import blend_many, held, matrix, only\n\n"
                f"{opening}blended = blend_many(models, {rule})\n{saved}"
            )
        if self.local:
            (each,) = self.clusters
            where = f"clusters=Clusters.load({each.file!r}), names={each.chosen}"
            imports = "from graftlab.blending import Clusters, Inputs, confine, features_at\n"
            return f"{imports}{self.parts_python(at)}blended = confine(*models, {where})\n{saved}"
        rules = []
        for each in self.clusters:
            amounts = ",".join(f"{name}={number(amount)}" for name, amount in each.amounts.items())
            rules.append(f"{each.file}:{amounts}")
        options = "".join(f", {name}=True" for name in ("hard", "reverse") if getattr(self, name))
        options += ', part="generator"' if network.takes == "photos" else f", mapping={self.mapping!r}"
        return (
            "from graftlab.blending import BlendConfig, Inputs, blend_many, features_at\n"
            f"{self.parts_python(at)}rule = BlendConfig(clusters={rules}{options}).rule_for(models[0])\n"
            f"blended = blend_many(models, rule)\n{saved}"
        )

    def models_python(self, at: Workspace) -> str:
        """The line that makes `models`."""
        return f"models = [graftlab.load(name) for name in {list(map(at.networks.source, self.models))}]\n"

    def parts_python(self, at: Workspace) -> str:
        """The lines that find the parts, and write them."""
        seen = f"seeds={SEEDS!r}" if at.networks.model(self.model, Network).takes == "seeds" else ""
        found = [
            f"features = features_at(models[0], {each.layer!r})\n"
            f"fit(models[0], features, {each.count}, probes).save({each.file!r})\n"
            for each in self.clusters
        ]
        opening = f"from graftlab.blending.clusters import fit\n\n{self.models_python(at)}"
        return f"{opening}probes = Inputs({seen}).probes(models[0])\n{''.join(found)}"
