"""Pictures that move: which files hold them, and those of a WebP in a form that FFmpeg decodes."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from graftlab.errors import GraftError
from graftlab.images import identified
from graftlab.images.srgb import to_srgb

ANIMATIONS = {
    "AVIF",
    "GIF",
    "PNG",
    "WEBP",
}  # formats whose pictures are no pages, but follow each other
TICK = Fraction(1, 1000)  # seconds, of WebP
UNTIMED = 100  # ticks for which players show a picture of a WebP that is to be shown for none
KEPT = 8  # animations of a process


def is_moving(path: Path) -> bool:
    """Whether a file is a picture that moves. GraftError, or an OSError, if it is no picture that can be read."""
    with path.open("rb") as file, identified(file, str(path)) as image:
        return image.format in ANIMATIONS and bool(getattr(image, "is_animated", False))


def playable(path: Path) -> Path:
    """The file itself, or instead of an animated WebP, or an AVIF with transparency, which FFmpeg takes for another
    track, a film of the same pictures and times, without loss.

    OSError if none of its pictures can be read."""
    if not path.is_file():
        return path
    with path.open("rb") as file:
        start = file.read(21)
    webp = start[:4] + start[8:16] == b"RIFFWEBPVP8X" and start[20] & 2
    if not (webp or (start[4:12] == b"ftypavis" and _has_alpha(path))):
        return path
    status = path.stat()
    return _unfolded(path.absolute(), status.st_mtime_ns, status.st_size)


def _has_alpha(path: Path) -> bool:
    with suppress(GraftError, OSError), path.open("rb") as file, identified(file, str(path)) as image:
        return image.mode == "RGBA"
    return False


@lru_cache(KEPT)
def _unfolded(path: Path, changed: int, size: int) -> Path:
    import av

    film = Path(_folder().name) / f"{len(list(Path(_folder().name).iterdir()))}.mov"
    with path.open("rb") as file, identified(file, str(path)) as image, av.open(str(film), "w") as out:
        stream = out.add_stream("png", rate=1 / TICK, options={"compression_level": "1"})
        (stream.width, stream.height), stream.pix_fmt = image.size, "rgb24"
        tick = 0
        for pixels, length in _pictures(image):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = tick, TICK
            tick += length
            for packet in stream.encode(frame):
                packet.duration = length
                out.mux(packet)
        out.mux(stream.encode(None))
    return film


def _pictures(image: Any) -> Iterator[tuple[np.ndarray, int]]:
    """Pictures (H, W, 3) in sRGB, and how many ticks each is shown, as far as they can be read; OSError for none."""
    for number in range(image.n_frames):
        try:
            image.seek(number)
            image.load()
        except Exception as error:  # whatever a damaged file makes Pillow raise
            if number:
                return
            raise OSError(str(error)) from error
        yield np.asarray(to_srgb(image)), int(image.info.get("duration", 0)) or UNTIMED


@cache
def _folder() -> TemporaryDirectory[str]:
    """Removed when this process ends."""
    return TemporaryDirectory(prefix="graftlab-")
