"""A blend as a model to keep, what is found for blends, and sheets of them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

import graftlab
from graftlab import __version__
from graftlab.blending.inputs import Inputs
from graftlab.blending.sheets import sheet
from graftlab.networks.model import Network
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.base import PhotoId
from graftlab.studio.scenes.blend import CODES, FILE, MOST_PARTS, MOST_STEPS, STEPS, Blend, Name
from graftlab.work.progress import Watch


class SaveBlend(Order):
    """The network of a scene, as a file of its own (`graft blend`)."""

    kind: Literal["blend"]
    scene: Blend

    @property
    def file(self) -> str:
        return FILE

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        with watch("blending", 1) as progress:
            self.scene.blended(at).save(out)
            progress(1)


class FindParts(Order):
    """The clusters of a layer's channels (`graft clusters fit`), which scenes can name from then on."""

    kind: Literal["clusters"]
    model: Name
    layer: str = Field(pattern=r"^[\w.]{1,100}$", description="A resolution in pixels, or the name of a layer.")
    count: int = Field(8, ge=1, le=MOST_PARTS)

    @property
    def file(self) -> str:
        return f"parts-{self.layer}.json"

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        at.networks.parts(self.model, self.layer, self.count, watch).save(out)


class Invert(Order):
    """The codes of a photo in a StyleGAN2 (`graft invert`), kept under an id, which blends of it take as `found`."""

    kind: Literal["invert"]
    model: Name
    picture: PhotoId
    steps: int = Field(STEPS, ge=1, le=MOST_STEPS)
    _found: str | None = PrivateAttr(None)

    @property
    def file(self) -> str:
        return CODES

    @property
    def found(self) -> str | None:
        return self._found

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        model, photo = at.networks.model(self.model, StyleGAN2), at.visitor.photo(self.picture).path
        graftlab.invert(model, [photo], steps=self.steps, enlarge=True, watch=watch).codes.save(out)
        self._found = at.visitor.add_codes(out.read_bytes())


class Levels(Order):
    """The level of a layer swap across, and seeds, photos, shares or models down (`graft sheet`)."""

    kind: Literal["levels"]
    models: list[Name] = Field(min_length=2, max_length=8)
    rows: Literal["inputs", "alpha", "models"] = "inputs"
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field([0, 1, 2, 3], min_length=1, max_length=64)
    psi: float = Field(0.7, ge=-2, le=3, allow_inf_nan=False)
    pictures: list[PhotoId] = Field([], max_length=64)
    format: Literal["png", "jpg", "webp", "tif"] = "png"

    @property
    def file(self) -> str:
        return f"levels.{self.format}"

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        base = at.networks.model(self.models[0], Network)
        if base.takes == "seeds":
            inputs = Inputs(seeds=",".join(map(str, self.seeds)), psi=self.psi)
        else:
            inputs = Inputs(photo=[at.visitor.photo(id).path for id in self.pictures] or None)
        sheet(
            [at.networks.file(name) for name in self.models],
            out,
            {"inputs": base.takes, "models": "snapshots"}.get(self.rows, self.rows),
            inputs=inputs,
            force=True,  # the page has told whether they are kin
            device=at.networks.device,
            recipe={"command": "graft studio", "version": __version__},
            watch=watch,
        )
