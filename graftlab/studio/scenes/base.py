"""What all kinds of scenes have in common: a JSON description of one picture, which can be drawn and told."""

import shlex
from abc import ABC, abstractmethod
from base64 import b64encode
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import OWN_PICTURE, Renderer
from graftlab.studio.networks import Workspace

PhotoId = Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="As the answer to an upload tells it.")]
MaskId = PhotoId
CodesId = PhotoId
Words = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*\w[^\x00-\x1f]*$")]
Share = Annotated[float, Field(ge=-2, le=3, allow_inf_nan=False)]
"""How much of another picture: 0 none, 1 all of it, beyond exaggerated."""
Gain = Annotated[float, Field(ge=-20, le=20, allow_inf_nan=False, description="Standard deviations.")]


class Scene(BaseModel, ABC):
    """One picture as codes and what is done to them. The same scene gives the same pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    refines: ClassVar[bool] = True  # whether photos are drawn with refined codes, if that is asked for
    own: ClassVar[int] = OWN_PICTURE  # largest short side that pictures keep in what is saved, where no size is told

    model: str = Field(max_length=1000, description="The name of a model, as /api/models lists them.")
    size: int | None = Field(
        None,
        ge=16,
        le=2048,
        description="Short side at which pictures are read, pixels; the model's own on the screen, and up to 1024 in "
        "a picture that is saved.",
    )
    square: bool = Field(False, description="Whether pictures are cropped to their central square.")
    refine: int = Field(
        0,
        ge=0,
        le=200,
        description="Steps by which codes of photos are brought nearer to these. On the screen pictures are drawn "
        "with the encoder's until they are found.",
    )

    @field_validator("refine")
    @classmethod
    def _done(cls, steps: int) -> int:
        """What a scene cannot do is refused, not passed over."""
        if steps and not cls.refines:
            raise ValueError("scenes of this kind are drawn with the codes that the encoder finds")
        return steps

    def renderer(self, at: Workspace) -> Renderer[SwappingModel]:
        """The model, and how photos are read for it."""
        return at.renderer(self.model, self.size, self.square, self.refine)

    @abstractmethod
    def draw(self, at: Workspace) -> Tensor:
        """The picture (1, 3, H, W) in [-1, 1]."""

    @abstractmethod
    def photos(self) -> list[str]:
        """The photos that it needs, by id."""

    def videos(self) -> list[str]:
        """The videos that it needs, by id."""
        return []

    def names(self, at: Workspace) -> dict[str, str]:
        """The names of its photos and videos by id."""
        shelves = ((at.visitor.photo, self.photos()), (at.visitor.video, self.videos()))
        return {id: find(id).name for find, ids in shelves for id in ids}

    def masks(self) -> list[str]:
        """The masks that it needs, by id."""
        return []

    def textures_found(self) -> list[str]:
        """The codes that it needs, by id."""
        return []

    def carried(self, at: Workspace) -> dict[str, dict[str, str]]:
        """Its masks and codes as base64, for files from which it is to open again."""
        shelves = {
            "masks": [at.visitor.mask(id).path for id in self.masks()],
            "codes": [at.visitor.found(id) for id in self.textures_found()],
        }
        return {
            name: {path.stem: b64encode(path.read_bytes()).decode() for path in paths}
            for name, paths in shelves.items()
        }

    @abstractmethod
    def as_command(self, at: Workspace) -> str:
        """The `graft` command that draws it."""

    @abstractmethod
    def as_python(self, at: Workspace) -> str:
        """The Python that draws it."""

    def notice(self, at: Workspace) -> str | None:
        """What people should know of the picture: photos that come out worse than most."""
        return at.notice(self.model, *self.photos())

    def reading(self) -> list[str]:
        """How pictures are read, as options of a command."""
        size = [] if self.size is None else ["--size", str(self.size)]
        refine = ["--refine", str(self.refine)] if self.refine else []
        return [*size, *(["--square"] if self.square else []), *refine, "--model", self.model]

    def opening(self) -> str:
        """How they are read, as Python."""
        size = f"own={self.own}" if self.size is None else f"size={self.size}"
        more = (", square=True" if self.square else "") + (f", refine={self.refine}" if self.refine else "")
        return (
            "import graftlab\nfrom graftlab.rendering import Renderer\n\n"
            f"renderer = Renderer(graftlab.load({self.model!r}), {size}{more})\n"
        )


def command(*words: object) -> str:
    """A command line, quoted where it must be."""
    return shlex.join(["graft", *map(str, words)])


def number(value: float) -> str:
    """As short as it can be told."""
    return f"{value:.6g}"
