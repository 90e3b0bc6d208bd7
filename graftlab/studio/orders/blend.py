"""A blend as a model to keep, what is found for blends, and sheets of them."""

from pathlib import Path
from typing import Annotated, Literal
from zipfile import ZipFile

from pydantic import Field, PrivateAttr

import graftlab
from graftlab import __version__
from graftlab.blending.inputs import Inputs
from graftlab.blending.sheets import sheet
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.networks.style import StyleGAN
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.base import PhotoId
from graftlab.studio.scenes.blend import CODES, FILE, MOST_PARTS, MOST_STEPS, STEPS, Blend, Name
from graftlab.work.progress import Watch, steps

PAGE = "sheet.html"  # of a sheet with tiles, in the folder where it is made


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
        model, photo = at.networks.model(self.model, StyleGAN), at.visitor.photo(self.picture).path
        graftlab.invert(model, [photo], steps=self.steps, enlarge=True, watch=watch).codes.save(out)
        self._found = at.visitor.add_codes(out.read_bytes())


class Levels(Order):
    """The level of a layer swap, or seeds, across; seeds, photos, shares, models or snapshots down (`graft sheet`).

    As a picture, or (`zoom`) of any size, as a page with tiles, which can be looked at before it is taken along."""

    kind: Literal["levels"]
    models: list[Name] = Field(min_length=2, max_length=8)
    rows: Literal["inputs", "alpha", "models", "snapshots"] = "inputs"
    columns: Literal["levels", "inputs"] = "levels"
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field([0, 1, 2, 3], min_length=1, max_length=1000)
    psi: float = Field(0.7, ge=-2, le=3, allow_inf_nan=False)
    pictures: list[PhotoId] = Field([], max_length=64)
    format: Literal["png", "jpg", "webp", "tif", "zoom"] = "png"

    @property
    def file(self) -> str:
        return "sheet.zip" if self.format == "zoom" else f"levels.{self.format}"

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        base = at.networks.model(self.models[0], Network)
        if base.takes == "seeds":
            inputs = Inputs(seeds=",".join(map(str, self.seeds)), psi=self.psi)
        else:
            inputs = Inputs(photo=[at.visitor.photo(id).path for id in self.pictures] or None)
        axes = {"inputs": base.takes, "models": "snapshots"}
        page = out.with_suffix("") / PAGE
        page.parent.mkdir(exist_ok=True)
        sheet(
            self._files(at),
            page if self.format == "zoom" else out,
            axes.get(self.rows, self.rows),
            axes.get(self.columns, self.columns),
            inputs=inputs,
            force=True,  # the page has told whether they are kin
            device=at.networks.device,
            recipe={"command": "graft studio", "version": __version__},
            watch=watch,
        )
        if self.format == "zoom":
            pack(page.parent, out, watch)

    def _files(self, at: Workspace) -> list[Path]:
        """The models' files; for snapshots the first's, and the folder of the second's."""
        files = [at.networks.file(name) for name in self.models]
        if self.rows != "snapshots":
            return files
        if (folder := at.networks.snapshots(self.models[1])) is None:
            raise GraftError(f"{self.models[1]} came without snapshots: choose other rows.")
        return [files[0], folder]


def pack(folder: Path, out: Path, watch: Watch) -> None:
    """All files of a folder in one, which opens as they lie there."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    with watch("packing", len(files), unit="files") as progress, ZipFile(out, "w") as archive:
        for file in steps(files, progress, len(files)):
            archive.write(file, file.relative_to(folder))
