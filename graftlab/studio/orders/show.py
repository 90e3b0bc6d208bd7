"""A show that was played, filmed afterwards."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from graftlab import __version__
from graftlab.errors import GraftError
from graftlab.studio.networks import Workspace
from graftlab.studio.orders.base import Order
from graftlab.studio.scenes.live import Live, Time
from graftlab.video.film import Film, render
from graftlab.work.parts import forget
from graftlab.work.progress import Watch

LONGEST = 4 * 3600  # seconds


class ShowFile(BaseModel):
    """What a page recorded: how a show began, and every change of a control with its time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    graftlab: Literal["show"] = "show"
    version: Literal[1] = 1
    begins: Time  # on the clock of the page, which all times are of
    ends: Time
    scene: Live  # at the beginning
    events: tuple[tuple[Time, dict[str, Any]], ...] = Field((), max_length=500_000)  # fields of it that are new
    photos: dict[str, str] = {}  # their names by id

    def played(self) -> Callable[[float], Live]:
        """Scenes by time, each as it was on stage then. A ValidationError for an event that makes none."""
        times, states = [self.begins], [self.scene]
        for time, change in self.events:
            times.append(max(time, times[-1]))
            states.append(Live.model_validate({**states[-1].model_dump(), **change}))

        def at(time: float) -> Live:
            state = states[max(0, bisect_right(times, time) - 1)]
            return state.model_copy(update={"time": 0.0 if state.sees_camera else time})

        return at


class Show(Order):
    """All of a show at any size: at the size of the stage with the codes that were played, bit for bit."""

    kind: Literal["show"]
    show: ShowFile
    size: int | None = Field(None, ge=16, le=1024, description="Short side, pixels; the model's by default.")
    fps: int = Field(25, ge=1, le=60)
    format: Literal["mp4", "webm", "gif"] = "mp4"

    @property
    def file(self) -> str:
        return f"show.{self.format}"

    def carry_out(self, at: Workspace, watch: Watch, out: Path) -> None:
        seconds = self.show.ends - self.show.begins
        if not 0 < seconds <= LONGEST:
            raise GraftError("The show file tells no time, or more than four hours: record a shorter show.")
        played = self.show.played()
        if any(played(time).sees_camera for time in [self.show.begins, *(time for time, _ in self.show.events)]):
            raise GraftError(
                "This show was of a camera, whose pictures are kept nowhere: record it on a walk, or of a video."
            )
        renderer = at.renderer(self.show.scene.model)
        size = self.size or renderer.model.config.size

        def frame(number: int) -> Any:
            scene = played(self.show.begins + number / self.fps)
            return scene.model_copy(update={"size": size}).draw(replace(at, watch=watch))

        names: dict[str, str] = {}
        for time in [self.show.begins, *(time for time, _ in self.show.events)]:
            names |= played(time).names(at)
        about = {
            "command": "graft studio",
            "version": __version__,
            "show": self.show.model_dump(mode="json"),
            "photos": names,
        }
        recipe = {**about, **renderer.recipe}
        film = Film(max(1, round(seconds * self.fps)), Fraction(self.fps), frame, recipe=recipe)
        try:
            with watch("filming", film.frames) as progress:
                render(film, out, progress=progress, resume=False)
        finally:
            forget(out)
