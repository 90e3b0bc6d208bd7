"""Videos of a visitor: brought, shown, removed."""

from typing import Annotated

from fastapi import APIRouter, File, Response, UploadFile

from graftlab.images import to_webp
from graftlab.studio import videos
from graftlab.studio.answers import Here, VideoAnswer, Whose, video_answer
from graftlab.studio.photo_routes import AsPicture

routes = APIRouter(prefix="/videos")
SMALL = 160  # short side of the picture that stands for a video, pixels


@routes.post("")
def add_video(whose: Whose, file: Annotated[UploadFile, File()]) -> VideoAnswer:
    """Keep a video, for the rooms Live and Film."""
    return video_answer(videos.add(whose, file.file, file.filename or ""))


@routes.get("")
def list_videos(whose: Whose) -> list[VideoAnswer]:
    """All videos of the visitor."""
    return [video_answer(clip) for clip in list(whose.videos.values())]


@routes.get("/{id}", response_class=Response, responses=AsPicture)
def show_video(here: Here, whose: Whose, id: str) -> Response:
    """The first picture of a video, small. The video itself is never sent."""
    clip = whose.video(id)
    first = here.turns.run(whose.id, lambda: here.networks.reel(clip, SMALL, False).picture(0)).result()
    return Response(to_webp(first, 85), media_type="image/webp")


@routes.delete("/{id}", status_code=204)
def remove_video(whose: Whose, id: str) -> None:
    """Forget a video."""
    whose.remove_video(id)
