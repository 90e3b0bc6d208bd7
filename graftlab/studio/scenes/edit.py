"""One photo with another texture, textures in regions, directions and components."""

from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from graftlab.checkpoints.load import bundled_directions
from graftlab.codes import SwapCodes
from graftlab.editing.directions import Directions, directions_beside
from graftlab.editing.edits import Move, Region, edit
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.objectives.words import NEUTRAL
from graftlab.rendering.renderer import Renderer
from graftlab.studio.networks import Workspace
from graftlab.studio.scenes.base import CodesId, Gain, MaskId, PhotoId, Scene, Share, Words, command, number

STRICT = ConfigDict(extra="forbid", frozen=True)
MOST = 64  # of each list
MAPPED = "Words lead a part of a picture as long as no textures are painted into others: undo one of the two."


class Somewhere(BaseModel):
    """Something that may be confined to a mask."""

    model_config = STRICT
    mask: MaskId | None = None
    soft: float = Field(8, ge=0, le=512, allow_inf_nan=False, description="Width of the mask's edges, pixels.")

    @property
    def where(self) -> str:
        """The mask as a command names it."""
        return f"mask-{self.mask}.png~{number(self.soft)}"

    @property
    def inside(self) -> str:
        return f"@{self.where}" if self.mask else ""


class Along(Somewhere):
    """Along a named direction."""

    file: str = Field(max_length=1000, description="The name of the model whose directions they are.")
    name: str = Field(max_length=200)
    gain: Gain


class Phrase(Somewhere):
    """Along what a phrase means to the model."""

    text: Words
    neutral: Words = Field(NEUTRAL, description="What the phrase changes, as night does day.")
    gain: Gain


class Component(Somewhere):
    """Along a principal component of what the model was trained on."""

    part: Literal["texture", "structure"]
    index: int = Field(ge=0, le=1000)
    gain: Gain


class Painted(Somewhere):
    """A region with the texture of another photo."""

    mask: MaskId
    texture: PhotoId
    amount: float = Field(1, ge=0, le=1, allow_inf_nan=False)


class Edit(Scene):
    """One photo, and what is done to it: another texture or a random one, then regions, then directions."""

    kind: Literal["edit"]
    picture: PhotoId
    texture: PhotoId | None = None
    amount_texture: Share = 1
    amount_structure: Share = 0
    seed_texture: int | None = Field(None, ge=0, lt=2**32, description="Of a random texture in the photo's place.")
    found: CodesId | None = Field(None, description="Codes that words led to, whose texture takes its place.")
    psi: float = Field(0.8, ge=0, le=3, allow_inf_nan=False, description="How far random textures vary.")
    directions: tuple[Along, ...] = Field((), max_length=MOST)
    phrases: tuple[Phrase, ...] = Field((), max_length=MOST)
    components: tuple[Component, ...] = Field((), max_length=MOST)
    regions: tuple[Painted, ...] = Field((), max_length=MOST)

    def draw(self, at: Workspace) -> Tensor:
        renderer = self.renderer(at)
        codes = self.begin(at, renderer)
        if self.regions and codes.texture.ndim == 4:
            raise GraftError(MAPPED)
        painted = at.codes(renderer, self.model, *(region.texture for region in self.regions))
        regions = [
            Region(at.mask(str(one.mask)), texture, one.amount, one.soft)
            for one, texture in zip(self.regions, painted, strict=True)
        ]
        moved = edit(codes, regions=regions, moves=self._moves(at), stride=renderer.model.config.stride)
        return at.decode(renderer, moved)

    def begin(self, at: Workspace, renderer: Renderer[SwappingModel]) -> SwapCodes:
        """The codes of the whole picture, before its regions and whatever moves it."""
        others = [self.texture] if self.texture else []
        codes, *given = at.codes(
            renderer, self.model, self.picture, *others, together=bool(others and self.amount_structure)
        )
        other = given[0] if given else None
        if self.seed_texture is not None:
            other = at.networks.distribution(self.model).sample(other or codes, [self.seed_texture], self.psi)
        if self.found is not None:
            other = replace(other or codes, texture=at.found(self.model, self.found).texture.to(codes.texture))
        return edit(codes, other, self.amount_texture, self.amount_structure)

    def photos(self) -> list[str]:
        return [self.picture, *([self.texture] if self.texture else []), *(region.texture for region in self.regions)]

    def masks(self) -> list[str]:
        everything = (*self.directions, *self.phrases, *self.components, *self.regions)
        return [one.mask for one in everything if one.mask]

    def textures_found(self) -> list[str]:
        return [self.found] if self.found else []

    def _moves(self, at: Workspace) -> list[Move]:
        named: list[tuple[Directions, str, float, Somewhere]] = [
            (at.networks.directions(each.file), each.name, each.gain, each) for each in self.directions
        ]
        said = [each for each in self.phrases if each.gain]
        if said and (probe := at.probe(self.model)) is not None:
            words = at.networks.words()
            for each in said:
                named.append((probe.directions(words, [each.text], each.neutral), each.text.strip(), each.gain, each))
        for one in self.components:
            found = at.networks.distribution(self.model).components(one.part)
            named.append((found, f"component {one.index + 1}", one.gain, one))
        return [
            Move(directions, {name: gain}, at.mask(where.mask) if where.mask else None, where.soft)
            for directions, name, gain, where in named
            if gain
        ]

    # -- as people would write it -------------------------------------------------------------------------------------

    def as_command(self, at: Workspace) -> str:
        if self.found:
            raise GraftError(
                "No command draws the texture that words led to: copy this as Python, or save the picture."
            )
        words: list[object] = ["edit", at.source(self.picture)]
        if self.texture:
            words += ["--texture", at.source(self.texture)]
        if self.seed_texture is not None:
            words += ["--random", self.seed_texture, "--psi", number(self.psi)]
        if (self.texture or self.seed_texture is not None) and (self.amount_texture, self.amount_structure) != (1, 0):
            words += ["--amount", number(self.amount_texture), "--structure-amount", number(self.amount_structure)]
        for each in self.regions:
            words += ["--region", f"{each.where}={at.source(each.texture)}:{number(each.amount)}"]
        for along in self.directions:
            words += ["--move", f"{along.name}={number(along.gain)}{along.inside}"]
        first, files = self._read_words()
        for phrase in self.phrases:
            words += ["--move", f"{phrase.text.strip()}={number(phrase.gain)}{phrase.inside}"]
        if files and self.directions:
            files = [own(self.directions[0].file), *files]
        for file in files:
            words += ["--directions", file]
        for one in self.components:
            words += ["--move", f"{one.part} {one.index + 1}={number(one.gain)}{one.inside}"]
        return " && ".join([*first, command(*words, "-o", "edit.png", *self.reading())])

    def _read_words(self) -> tuple[list[str], list[str]]:
        """The commands that make directions of phrases, one for what is the same without them, and their files."""
        groups: dict[str, list[str]] = {}
        for phrase in self.phrases:
            groups.setdefault(phrase.neutral, []).append(phrase.text.strip())
        files = [f"words-{i + 1}.directions.safetensors" for i in range(len(groups))]
        lines = [
            command(
                "directions", "text", *dict.fromkeys(texts), "--neutral", neutral, "-o", file, "--model", self.model
            )
            for file, (neutral, texts) in zip(files, groups.items(), strict=True)
        ]
        return lines, files

    def as_python(self, at: Workspace) -> str:
        def masked(one: Somewhere) -> str:
            return f'masks.read("mask-{one.mask}.png")' if one.mask else "None"

        lines = [self.opening(), f"codes = renderer.encode({at.source(self.picture)!r})"]
        arguments = []
        if self.texture:
            if self.amount_structure:
                lines.insert(
                    1, f"renderer = renderer.together([{at.source(self.picture)!r}, {at.source(self.texture)!r}])"
                )
            lines.append(f"other = renderer.encode({at.source(self.texture)!r})")
        if self.seed_texture is not None:
            known = "other" if self.texture else "codes"
            lines.append(f"known = Distribution.load(beside({self.model!r}))")
            lines.append(f"other = known.sample({known}, [{self.seed_texture}], psi={number(self.psi)})")
        if self.found:
            found = f'Codes.load("codes-{self.found}.safetensors")'
            lines.append(f"other = replace({'other' if self.texture else 'codes'}, texture={found}.texture)")
        if self.texture or self.found or self.seed_texture is not None:
            arguments.append(f"other, {number(self.amount_texture)}, {number(self.amount_structure)}")
        regions = [
            f"Region({masked(one)}, renderer.encode({at.source(one.texture)!r}), "
            f"{number(one.amount)}, {number(one.soft)})"
            for one in self.regions
        ]
        moves = [
            f"Move(Directions.load(directions_beside({each.file!r})), {{{each.name!r}: {number(each.gain)}}}, "
            f"{masked(each)}, {number(each.soft)})"
            for each in self.directions
        ]
        if self.phrases:
            lines.append(READ_WORDS.format(model=self.model))
        moves += [
            f"Move(probe.directions(words, [{each.text!r}], {each.neutral!r}), "
            f"{{{each.text.strip()!r}: {number(each.gain)}}}, {masked(each)}, {number(each.soft)})"
            for each in self.phrases
        ]
        moves += [
            f"Move(Distribution.load(beside({self.model!r})).components({one.part!r}), "
            f"{{'component {one.index + 1}': {number(one.gain)}}}, {masked(one)}, {number(one.soft)})"
            for one in self.components
        ]
        for name, items in (("regions", regions), ("moves", moves)):
            if items:
                arguments.append(f"{name}=[" + "".join(f"\n        {item}," for item in items) + "\n    ]")
        arguments.append("stride=renderer.model.config.stride")
        lines.append("codes = edit(\n    codes,\n" + "".join(f"    {each},\n" for each in arguments) + ")")
        lines.append('renderer.write(renderer.decode(codes), "edit.png")\n')
        return IMPORTS + "\n".join(lines)


def own(file: str) -> str:
    """The directions of a model, as a command names them."""
    return file if file in bundled_directions() else str(directions_beside(file))


IMPORTS = """from dataclasses import replace

from graftlab.codes import Codes
from graftlab.editing import masks
from graftlab.editing.directions import Directions, directions_beside
from graftlab.editing.distributions import Distribution, beside
from graftlab.editing.edits import Move, Region, edit
from graftlab.editing.word_directions import probe_textures
from graftlab.language import text_model
"""
READ_WORDS = """known, words = Distribution.load(beside({model!r})), text_model()
probe = probe_textures(renderer.model, known, words, size=renderer.model.config.size)"""
