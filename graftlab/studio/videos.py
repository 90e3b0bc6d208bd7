"""Videos that visitors bring: looked at once, and read from any moment on."""

from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from torch import Tensor

from graftlab.errors import GraftError
from graftlab.studio.sessions import LARGEST_PICTURE, Clip, Visitor, few, is_json, shown
from graftlab.video import open_video, pyav
from graftlab.video.reading import Video
from graftlab.video.recipes import read_recipe
from graftlab.work.files import atomic_write

FORMATS = "mov,matroska,avi,mpeg,mpegts,ogg,flv,asf,gif"  # no playlists, which name other files
LARGEST = 240 << 20  # bytes of a video
NEAR = 2  # seconds up to which it is quicker to read on than to look for a moment


def add(visitor: Visitor, file: BinaryIO, name: str) -> Clip:
    """Keep a video. GraftError if it is none, or too large, or the visitor has too much."""
    name = shown(name)
    id = file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]  # uploads have `readinto`
    if id not in visitor.videos:
        if (size := file.tell()) > LARGEST:
            raise GraftError(f"{name} is larger than {LARGEST >> 20} MiB: cut it, or make it smaller.")
        visitor.check_room(size, name)
        path = visitor.folder / id
        file.seek(0)
        atomic_write(path, lambda kept: copyfileobj(file, kept))
        try:
            clip = inspect(path, id, name, f"./{name}" if name[0] in "-@" else name, size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        visitor.videos[id] = clip
    return visitor.video(id)


def inspect(path: Path, id: str, name: str, source: str, size: int) -> Clip:
    """What a video is. GraftError if it is none, is in an unusual format, or has too many pixels."""
    try:
        with few, open_video(path, FORMATS):
            pass
    except (pyav().FFmpegError, OSError):
        raise GraftError(f"{name} is no video that can be played here: export it as .mp4 or .webm.") from None
    try:
        with few:
            video = Video.open(path)
    except GraftError as error:
        raise GraftError(str(error).replace(str(path), name)) from None
    height, width = video.size
    if width * height > LARGEST_PICTURE:
        raise GraftError(f"{name} has {width} × {height} pixels: make it smaller in another program.")
    recipe = read_recipe(path)
    kept = recipe if is_json(recipe) else None
    return Clip(id, name, path, source, width, height, size, kept, float(video.duration), float(video.fps))


class Reel:
    """A video's pictures by number; fast where they are asked for in order."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self._pictures: Iterator[Tensor] = iter(())
        self._number = -1  # of the last
        self._last: Tensor | None = None

    def at(self, seconds: float) -> Tensor:
        """The picture (1, 3, H, W) of a moment; after the end it begins again."""
        return self.picture(self.number(seconds))

    def number(self, seconds: float) -> int:
        return int(seconds * float(self.video.fps)) % self.video.frames

    def picture(self, number: int) -> Tensor:
        if number == self._number and self._last is not None:
            return self._last
        if self._last is None or not self._number < number <= self._number + NEAR * self.video.fps:
            self._pictures, self._number = self.video.play(number), number - 1
        while self._number < number:
            self._last = next(self._pictures)
            self._number += 1
        assert self._last is not None  # a number is one of the video's
        return self._last
