"""The shapes of answers, and where requests find what they need."""

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel

from graftlab.studio.server import Server
from graftlab.studio.sessions import Clip, Photo, Visitor


class Problem(BaseModel):
    """What is wrong, in a sentence."""

    error: str


class PhotoAnswer(BaseModel):
    """A picture of the visitor's."""

    id: str
    name: str
    width: int
    height: int
    bytes: int
    recipe: dict[str, Any] | None = None


def answer(photo: Photo) -> PhotoAnswer:
    return PhotoAnswer(**photo.told)


class VideoAnswer(PhotoAnswer):
    """A video of the visitor's."""

    seconds: float
    fps: float  # frames per second


def video_answer(clip: Clip) -> VideoAnswer:
    return VideoAnswer(**clip.told)


def server_of(request: Request) -> Server:
    found: Server = request.app.state.server
    return found


def visitor_of(request: Request) -> Visitor:
    return server_of(request).visitors.get(request.scope["visitor"])


Here = Annotated[Server, Depends(server_of)]
Whose = Annotated[Visitor, Depends(visitor_of)]
