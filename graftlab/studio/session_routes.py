"""A session in one file: the page's document, and the photos and masks that it names."""

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from graftlab.errors import GraftError
from graftlab.studio.answers import PhotoAnswer, Whose, answer
from graftlab.studio.scenes.base import CodesId, PhotoId
from graftlab.studio.sessions import LARGEST_FILE, Photo
from graftlab.work.examples import FOLDER

routes = APIRouter(prefix="/session")
LARGEST_SESSION = 128 << 20  # bytes
AsFile: dict[int | str, Any] = {200: {"content": {"application/json": {}}, "description": "The file."}}


class Session(BaseModel):
    """What is to be saved."""

    model_config = ConfigDict(extra="forbid")
    document: dict[str, Any] = Field(description="The page's document, as it is.")
    photos: list[PhotoId] = Field([], max_length=300)
    masks: list[PhotoId] = Field([], max_length=300)
    codes: list[CodesId] = Field([], max_length=300, description="Textures that words led to.")


class SavedPicture(BaseModel):
    """A picture in a file of a session."""

    id: PhotoId
    name: str = Field(max_length=1000)
    data: str | None = None  # base64; None: a photograph that comes with graftlab


class SavedSession(BaseModel):
    """The file."""

    graftlab: Literal["session"] = "session"
    version: Literal[1] = 1
    document: dict[str, Any]
    photos: list[SavedPicture] = Field([], max_length=300)
    masks: list[SavedPicture] = Field([], max_length=300)
    codes: list[str] = Field([], max_length=300)  # base64 of their files


class Opened(BaseModel):
    """What a file of a session held; its photos are on the visitor's shelf."""

    document: dict[str, Any]
    photos: list[PhotoAnswer]
    masks: list[PhotoAnswer]


@routes.post("", response_class=Response, responses=AsFile)
def save_session(whose: Whose, session: Session) -> Response:
    """The session as a file to keep, with its photos inside."""

    def saved(photo: Photo) -> SavedPicture:
        own = photo.path.parent != FOLDER  # the bundled ones are wherever this file is opened
        return SavedPicture(
            id=photo.id,
            name=photo.name,
            data=base64.b64encode(photo.path.read_bytes()).decode() if own else None,
        )

    found = SavedSession(
        document=session.document,
        photos=[saved(whose.photo(id)) for id in session.photos],
        masks=[saved(whose.mask(id)) for id in session.masks],
        codes=[base64.b64encode(whose.found(id).read_bytes()).decode() for id in session.codes],
    )
    headers = {"content-disposition": 'attachment; filename="session.graft.json"'}
    try:
        data = found.model_dump_json()
    except ValueError:  # text that is no Unicode, or depth without end
        raise GraftError("This document cannot be saved: it holds what JSON cannot.") from None
    return Response(data, media_type="application/json", headers=headers)


@routes.post("/open")
def open_session(whose: Whose, file: Annotated[UploadFile, File()]) -> Opened:
    """Open a file of a session: its photos and masks come on the visitor's shelf under the ids that they had."""
    name = file.filename or "the file"
    data = file.file.read(LARGEST_SESSION + 1)
    try:
        if len(data) > LARGEST_SESSION:
            raise ValueError
        session = SavedSession.model_validate_json(data)
        photos = [whose.restore(one.name, decoded(one)) for one in session.photos]
        masks = [whose.add_mask(decoded(one) or b"") for one in session.masks]
        for codes in session.codes:
            whose.add_codes(base64.b64decode(codes, validate=True))
    except GraftError:
        raise
    except ValueError:  # of the model, of base64
        raise GraftError(f"{name} is no session of the studio: choose a file that it has saved.") from None
    return Opened(document=session.document, photos=list(map(answer, photos)), masks=list(map(answer, masks)))


def decoded(one: SavedPicture) -> bytes | None:
    return None if one.data is None else base64.b64decode(one.data[: 2 * LARGEST_FILE], validate=True)
