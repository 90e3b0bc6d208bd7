"""Photos and masks of a visitor: brought, shown, removed; places selected in them."""

from io import BytesIO
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from graftlab import images
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.rendering.stills import select
from graftlab.studio.answers import Here, PhotoAnswer, Whose, answer
from graftlab.studio.scenes.base import PhotoId
from graftlab.studio.sessions import LARGEST_FILE, SHOWN, Photo, bundled, view
from graftlab.work.examples import examples

routes = APIRouter()
AsPicture: dict[int | str, Any] = {200: {"content": {"image/png": {}, "image/webp": {}}, "description": "The picture."}}


class Selection(BaseModel):
    """Places in a photo, whose likes are looked for."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(max_length=1000)
    picture: PhotoId
    places: list[tuple[float, float]] = Field(
        min_length=1, max_length=64, description="Shares of width and height, from the top left."
    )
    threshold: float = Field(0.5, ge=-1, le=1, description="Least likeness of what is selected (`masks.alike`).")
    softness: float = Field(0.3, ge=0, le=2, description="Range of cosines around it over which the mask rises.")


@routes.post("/photos")
def add_photos(whose: Whose, files: Annotated[list[UploadFile], File(max_length=100)]) -> list[PhotoAnswer]:
    """Put pictures on the visitor's shelf, in order, up to the first that cannot be read."""
    return [answer(whose.add(file.file.read(LARGEST_FILE + 1), file.filename or "")) for file in files]


@routes.get("/photos")
def list_photos(whose: Whose) -> list[PhotoAnswer]:
    """All photos of the visitor; at first those that the studio was started with."""
    return [answer(photo) for photo in list(whose.photos.values())]


@routes.get("/photos/{id}", response_class=Response, responses=AsPicture)
def show_photo(
    whose: Whose,
    id: str,
    side: Annotated[int | None, Query(ge=8, le=SHOWN, description="Short side, pixels.")] = None,
) -> Response:
    """A photo, upright and in sRGB, as WebP of a side, or as PNG. What was brought itself is never sent."""
    return picture(whose.photo(id), side)


@routes.delete("/photos/{id}", status_code=204)
def remove_photo(whose: Whose, id: str) -> None:
    """Take a photo off the shelf."""
    whose.remove(id)


@routes.get("/examples")
def list_examples() -> list[str]:
    """Names of the photographs that come with graftlab."""
    return [path.stem for path in examples()]


@routes.post("/examples/{name}")
def add_example(whose: Whose, name: str) -> PhotoAnswer:
    """Put one of them on the visitor's shelf."""
    return answer(whose.put(bundled(name)))


@routes.post("/masks")
def add_mask(whose: Whose, file: Annotated[UploadFile, File()]) -> PhotoAnswer:
    """Keep a grey picture that says where something applies: white is 1, black 0."""
    return answer(whose.add_mask(file.file.read(LARGEST_FILE + 1)))


@routes.get("/masks/{id}", response_class=Response, responses=AsPicture)
def show_mask(whose: Whose, id: str) -> Response:
    """A mask, as PNG."""
    return picture(whose.mask(id), None)


@routes.post("/select")
def select_places(here: Here, whose: Whose, wanted: Selection) -> PhotoAnswer:
    """A mask of all places whose structure is like that of some (`graft select`)."""

    def found() -> bytes:
        renderer = Renderer(here.networks.model(wanted.model, SwappingModel), own=SELECTED)
        photo = whose.photo(wanted.picture)
        picture = images.read(photo.path, renderer.side(photo.path), name=photo.name)
        mask = select(renderer, picture, wanted.places, wanted.threshold, wanted.softness)
        return images.to_png((mask * 2 - 1).expand_as(picture))

    return answer(whose.add_mask(here.turns.run(whose.id, found).result()))


SELECTED = 512  # short side at which places are looked for, pixels


def picture(photo: Photo, side: int | None) -> Response:
    image, data = view(photo, side or SHOWN), BytesIO()
    kind: Literal["WEBP", "PNG"] = "WEBP" if side else "PNG"
    image.save(data, kind, **({"quality": 85, "method": 0} if side else {"compress_level": 1}))
    headers = {"cache-control": "private, max-age=31536000, immutable"}  # the id is that of the content
    return Response(data.getvalue(), media_type=f"image/{kind.lower()}", headers=headers)
