"""Jobs of a visitor: started, watched, cancelled, and what they made."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from graftlab.rendering.renderer import OWN_PICTURE
from graftlab.studio.answers import Here, Whose
from graftlab.studio.jobs import State
from graftlab.studio.orders import AnyOrder
from graftlab.studio.sessions import MissingError

routes = APIRouter(prefix="/jobs")
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
    found: str | None  # the id of codes that it has come to


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


@routes.get("/{id}/result", response_class=Response, responses=AsFile)
def give_result(here: Here, whose: Whose, id: str) -> FileResponse:
    """What a job that is done has made, to download."""
    job = here.jobs.find(whose.id, id)
    if job.state != "done" or not job.out.is_file():
        raise MissingError("This job has no result (yet).")
    return FileResponse(job.out, filename=job.order.file)
