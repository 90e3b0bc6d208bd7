"""Trainings on this machine: started, watched, stopped."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from graftlab.config import PRESETS
from graftlab.studio.answers import Here
from graftlab.studio.sessions import MissingError
from graftlab.studio.trainings import Plan

routes = APIRouter(prefix="/trainings")
AsPicture: dict[int | str, Any] = {200: {"content": {"image/jpeg": {}}, "description": "The picture."}}


class Figure(BaseModel):
    """A chart: points of (images seen, value) by name."""

    title: str
    series: dict[str, list[tuple[float, float]]]
    note: str


class TrainingAnswer(BaseModel):
    """Something that was started, and how far it is."""

    id: str
    plan: Plan
    state: Literal["running", "stopping", "stopped", "done", "failed"]
    text: str  # what a scan or an estimate found
    error: str | None
    figures: list[Figure] = []
    seen: float = 0  # images
    images: int = 0  # of the whole run
    sheet: str | None = None  # the newest one: images seen


class All(BaseModel):
    """What was started, the newest first, and what can be."""

    presets: list[str]
    trainings: list[TrainingAnswer]


@routes.get("")
def list_trainings(here: Here) -> All:
    """What this studio has started."""
    return All(presets=list(PRESETS), trainings=[TrainingAnswer(**each.told) for each in here.trainings.all()])


@routes.post("", status_code=202)
def start_training(here: Here, plan: Plan) -> TrainingAnswer:
    """Scan photos, estimate a training, start one, or resume it."""
    return TrainingAnswer(**here.trainings.start(plan).told)


@routes.get("/{id}")
def show_training(here: Here, id: str) -> TrainingAnswer:
    """How far it is."""
    return TrainingAnswer(**here.trainings.find(id).told)


@routes.delete("/{id}")
def stop_training(here: Here, id: str) -> TrainingAnswer:
    """Let it save what it has, and end."""
    training = here.trainings.find(id)
    if training.state == "running":
        training.stop()
    return TrainingAnswer(**training.told)


@routes.get("/{id}/sheet", response_class=Response, responses=AsPicture)
def show_sheet(here: Here, id: str) -> FileResponse:
    """The newest sheet of samples."""
    sheet = here.trainings.find(id).sheet
    if sheet is None:
        raise MissingError("This training has drawn no sheet yet.")
    return FileResponse(sheet, media_type="image/jpeg")
