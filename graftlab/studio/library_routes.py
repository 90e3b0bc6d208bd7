"""Photos of a collection that are like one of the visitor's (`graft find`)."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from graftlab import images
from graftlab.editing.photo_index import Found
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.studio.answers import Here, PhotoAnswer, Whose, answer

routes = APIRouter()


class LibraryAnswer(BaseModel):
    """The collection of this studio."""

    there: bool


class Likes(BaseModel):
    """What the photos are to have in common."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(max_length=1000)
    part: Literal["texture", "structure"]
    count: int = Field(6, ge=1, le=24)


@routes.get("/library")
def show_library(here: Here) -> LibraryAnswer:
    """Whether there is a collection in which photos are found."""
    return LibraryAnswer(there=here.index is not None)


@routes.post("/photos/{id}/like")
def find_photos(here: Here, whose: Whose, id: str, wanted: Likes) -> list[PhotoAnswer]:
    """Put on the visitor's shelf the photos of the collection whose texture or structure is nearest to a photo's."""
    collection, photo = here.collection, whose.photo(id)

    def nearest() -> list[Found]:
        renderer = Renderer(here.networks.model(wanted.model, SwappingModel))
        codes = renderer.network().encode(images.read(photo.path, collection.size, True, photo.name))
        return collection.nearest(**{wanted.part: codes}, count=wanted.count + 1)

    found = here.turns.run(whose.id, nearest).result()
    photos = [whose.add(collection.read(each.name), each.name) for each in found]
    return [answer(each) for each in photos if each.id != id][: wanted.count]
