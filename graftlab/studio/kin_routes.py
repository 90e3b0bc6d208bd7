"""What blends with what, and which model was made from which."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from graftlab.blending.channels import features_at, features_of
from graftlab.blending.clusters import observe
from graftlab.blending.layers import layers_of
from graftlab.checkpoints.catalogue.registry import cached_models
from graftlab.checkpoints.load import bundled_models
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.readers import open_model
from graftlab.errors import GraftError
from graftlab.networks.model import Network, ancestors
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.studio.answers import Here, Whose
from graftlab.studio.networks import Networks
from graftlab.studio.parts import as_text
from graftlab.studio.scenes.blend import MOST_PARTS, Blend
from graftlab.studio.sessions import MissingError

routes = APIRouter()
PICTURES = ("synthesis", "generator")  # the parts that make pictures


class Relative(BaseModel):
    """Another model of the same kind, and whether the two blend."""

    name: str
    blends: bool
    verdict: str  # same, kin, likely, doubtful, unrelated, or different: not of the same layers
    why: str
    cosine: float | None = None  # of the median layer's weights
    relative: float | None = None  # their distance, as a share of the length


class Kin(BaseModel):
    """What a model can be blended with, and where it comes from."""

    origin: str  # bundled, cached, given or made
    resolutions: list[int]  # at which it makes pictures, the coarsest first; none if it cannot be blended
    layers: list[int]  # resolutions whose channels can be told apart
    takes: str  # seeds or photos
    relatives: list[Relative]
    parents: list[str]  # names, or the beginning of the fingerprint of those that are not here
    children: list[str]


class PartsWanted(BaseModel):
    """Where parts are wanted: in the picture of a scene."""

    scene: Blend
    layer: str = Field(pattern=r"^[\w.]{1,100}$")
    count: int = Field(8, ge=1, le=MOST_PARTS)


class Regions(BaseModel):
    """Where parts are in a picture."""

    width: int
    height: int
    labels: str  # base64: the part of every place, a byte each, from the top left on
    names: list[str]
    areas: list[float]  # shares of all pictures


@routes.post("/regions")
def show_regions(here: Here, whose: Whose, wanted: PartsWanted) -> Regions:
    """Which part each place of a blend's picture belongs to. The job `clusters` looks for the parts first."""
    at = here.workspace(whose.id)

    def look() -> Regions:
        model, layer = wanted.scene.model, wanted.layer
        if not at.networks.has_parts(model, layer, wanted.count):
            raise MissingError(f"The parts that {model} tells apart at {layer} are not known yet: look for them first.")
        known = at.networks.parts(model, layer, wanted.count)
        network = at.networks.model(model, Network) if wanted.scene.local else wanted.scene.blended(at)
        _, seen = observe(network, features_at(network, layer), lambda blended: wanted.scene.drawn_by(at, blended))
        labels = known.labels(seen)[0]
        height, width = labels.shape
        areas = known.areas.tolist()
        return Regions(width=width, height=height, labels=as_text(labels), names=list(known.names), areas=areas)

    return here.turns.run(whose.id, look).result()


@routes.get("/kin/{name:path}")
def show_kin(here: Here, whose: Whose, name: str) -> Kin:
    """Every other model of a kind: whether it blends with this one, and why; parents and children."""
    mine = here.networks.files_of(whose.id)
    files = {each: opened for each, path in mine.items() if (opened := open_or_none(path))}
    here.networks.file(name)  # refuses what the page may not name
    own = files.get(name)
    if own is None:
        raise GraftError(f"{name} cannot be read: it is damaged, or no model.")
    told: dict[str, Any] = here.turns.run(whose.id, lambda: compare(here.networks, name, files)).result()
    known = {file.fingerprint: each for each, file in files.items() if file.fingerprint}
    before = ancestors(own.about)
    return Kin(
        **told,
        origin=origin(here.networks, name),
        parents=sorted(known.get(fingerprint, fingerprint[:12]) for fingerprint in before),
        children=[each for each, file in files.items() if own.fingerprint in ancestors(file.about)],
    )


def origin(networks: Networks, name: str) -> str:
    """Where a model comes from."""
    known = {"bundled": set(bundled_models()), "cached": set(cached_models()), "made": set(networks.made)}
    return next((where for where, names in known.items() if name in names), "given")


def compare(networks: Networks, name: str, files: dict[str, ModelFile]) -> dict[str, Any]:
    """The verdicts on all models of a model's kind. In the thread of the networks."""
    own = networks.model(name, Network)
    if not isinstance(own, StyleGAN | SwappingModel):
        return {"resolutions": [], "layers": [], "takes": own.takes, "relatives": []}
    same = [each for each, file in files.items() if each != name and file.kind == files[name].kind]
    return {
        "resolutions": sorted({layer.resolution for layer in layers_of(own) if layer.part in PICTURES}),
        "layers": sorted({features.resolution for features in features_of(own)}),
        "takes": own.takes,
        "relatives": [relative(networks, name, each, files) for each in same],
    }


def relative(networks: Networks, name: str, other: str, files: dict[str, ModelFile]) -> Relative:
    sizes = [getattr(files[each].config, "size", 0) for each in (name, other)]
    if sizes[0] != sizes[1]:  # told without opening it
        return Relative(
            name=other, blends=False, verdict="different", why=f"It draws {sizes[1]} px, and {name} {sizes[0]} px."
        )
    try:
        found = networks.kinship(name, other)
    except GraftError as error:
        return Relative(name=other, blends=False, verdict="different", why=str(error))
    return Relative(name=other, blends=found.blends, **found.to_dict())


def open_or_none(path: Any) -> ModelFile | None:
    try:
        return open_model(path)
    except GraftError:  # one damaged file does not hide the others
        return None
