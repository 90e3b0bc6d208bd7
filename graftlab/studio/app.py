"""The REST half of the studio: what stands below /api/."""

from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from graftlab import __version__
from graftlab.errors import GraftError
from graftlab.studio import (
    job_routes,
    kin_routes,
    library_routes,
    model_routes,
    photo_routes,
    session_routes,
    training_routes,
    video_routes,
)
from graftlab.studio.answers import Problem
from graftlab.studio.live import Connection
from graftlab.studio.server import Server, sentence
from graftlab.studio.sessions import MissingError
from graftlab.studio.stage import Stage, Stages


def create(server: Server) -> FastAPI:
    """The application of a server."""
    app = FastAPI(
        title="graftlab studio",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages take scripts from elsewhere
        redoc_url=None,
        responses={status: {"model": Problem, "description": told} for status, told in PROBLEMS.items()},
    )
    app.state.server = server
    for part in PARTS:
        app.include_router(part.routes, prefix="/api")

    @app.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await Connection(socket, server, socket.scope["visitor"]).run()

    stages = app.state.stages = Stages()

    @app.websocket("/api/stage")
    async def stage(socket: WebSocket) -> None:
        await Stage(socket, server, socket.scope["visitor"], stages).run()

    @app.websocket("/api/watch/{name}")
    async def watch(socket: WebSocket, name: str) -> None:
        await stages.watch(socket, name)

    @app.exception_handler(GraftError)
    async def refused(request: Request, error: GraftError) -> JSONResponse:
        return JSONResponse({"error": sentence(error)}, 404 if isinstance(error, MissingError) else 400)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "it"
        return JSONResponse({"error": f"The request makes no sense: {place}: {first['msg']}."}, 422)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": f"{error.detail}."}, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": sentence(error)}, 500)

    return app


PARTS = (
    photo_routes,
    library_routes,
    model_routes,
    kin_routes,
    job_routes,
    session_routes,
    training_routes,
    video_routes,
)
PROBLEMS: dict[int | str, Any] = {
    400: "What was asked cannot be done: one sentence that says why, and what to do.",
    404: "A photo, mask, model or job is not there (any more).",
    403: "No token, or a request from elsewhere.",
    422: "The request is not as it should be.",
}
