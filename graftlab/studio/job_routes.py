"""Jobs of a visitor: started, watched, cancelled, and what they made."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import BaseModel

from graftlab.figures.deepzoom import describe, tiles_of
from graftlab.rendering.renderer import OWN_PICTURE
from graftlab.studio.answers import Here, Whose
from graftlab.studio.jobs import Job, State
from graftlab.studio.orders import AnyOrder
from graftlab.studio.orders.blend import PAGE
from graftlab.studio.sessions import MissingError

routes = APIRouter(prefix="/jobs")
Level = Annotated[int, InPath(ge=0, le=40)]
Place = Annotated[int, InPath(ge=0, le=2**31)]
AsPicture: dict[int | str, Any] = {200: {"content": {"image/jpeg": {}}, "description": "The picture."}}
AsFile: dict[int | str, Any] = {200: {"content": {"application/octet-stream": {}}, "description": "The file."}}


class JobAnswer(BaseModel):
    """A job, and how far it is."""

    id: str
    kind: str
    state: State
    done: float
    total: float | None
    note: str
    rate: float | None  # done per second
    error: str | None  # why it failed
    file: str  # the name of what it makes
    found: str | None  # the id of codes, or the name of a model, that it has come to
    notices: tuple[str, ...]  # what is to be known of what was ordered


class TilesAnswer(BaseModel):
    """A sheet that is made of tiles."""

    width: int
    height: int
    tileSize: int  # noqa: N815  # as the viewer names them
    maxLevel: int  # noqa: N815
    grid: dict[str, Any] | None  # what is in its cells


@routes.post("", status_code=202)
def start_job(here: Here, whose: Whose, order: AnyOrder) -> JobAnswer:
    """Start long work; how far it is, the WebSocket tells."""
    return JobAnswer(**here.jobs.start(order.kind, order, here.workspace(whose.id, own=OWN_PICTURE)).told)


@routes.get("")
def list_jobs(here: Here, whose: Whose) -> list[JobAnswer]:
    """The visitor's jobs, the newest first."""
    return [JobAnswer(**job.told) for job in here.jobs.of(whose.id)]


@routes.get("/{id}")
def show_job(here: Here, whose: Whose, id: str) -> JobAnswer:
    """How far a job is."""
    return JobAnswer(**here.jobs.find(whose.id, id).told)


@routes.delete("/{id}")
def cancel_job(here: Here, whose: Whose, id: str) -> JobAnswer:
    """Stop a job at its next step. What has ended stays as it is."""
    return JobAnswer(**here.jobs.cancel(whose.id, id).told)


@routes.get("/{id}/look", response_class=Response, responses=AsPicture)
def look_at_job(here: Here, whose: Whose, id: str) -> FileResponse:
    """The newest picture of how far it is, if it draws some on the way."""
    look = here.jobs.find(whose.id, id).order.look
    if look is None or not look.is_file():
        raise MissingError("This job has drawn nothing yet.")
    return FileResponse(look, media_type="image/jpeg")


@routes.get("/{id}/tiles")
def show_tiles(here: Here, whose: Whose, id: str) -> TilesAnswer:
    """What there is of a sheet that is made of tiles."""
    return TilesAnswer(**describe(page_of(here.jobs.find(whose.id, id))))


@routes.get("/{id}/tiles/{level}/{column}/{row}", response_class=Response, responses=AsPicture)
def show_tile(here: Here, whose: Whose, id: str, level: Level, column: Place, row: Place) -> FileResponse:
    """One of them."""
    tile = tiles_of(page_of(here.jobs.find(whose.id, id))) / f"{level}" / f"{column}_{row}.jpg"
    if not tile.is_file():
        raise MissingError("There is no such tile.")
    return FileResponse(tile, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


def page_of(job: Job) -> Path:
    """The page of a sheet that is made of tiles."""
    page = job.out.with_suffix("") / PAGE
    if job.state != "done" or not page.is_file():
        raise MissingError("This job has made no sheet of tiles (yet).")
    return page


@routes.get("/{id}/result", response_class=Response, responses=AsFile)
def give_result(here: Here, whose: Whose, id: str) -> FileResponse:
    """What a job that is done has made, to download."""
    job = here.jobs.find(whose.id, id)
    if job.state != "done" or not job.out.is_file():
        raise MissingError("This job has no result (yet).")
    return FileResponse(job.out, filename=job.order.file)
