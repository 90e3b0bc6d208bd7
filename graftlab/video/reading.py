"""Videos as films: frames (1, 3, H, W) at a constant rate, from a file of any kind that FFmpeg reads.

packets --> decoder --> upright RGB --> cropped, resized --> frame by number     (all this in another thread)
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images import from_uint8, resize
from graftlab.video import CONVERSION, pyav
from graftlab.video.film import frame_rate
from graftlab.work.parallel import ordered_map

AHEAD = 4  # frames decoded before they are asked for
UNKNOWN_RATE = Fraction(25)  # frames per second, where a file says nothing
NO_VIDEOS = {"tty", "image2"}  # FFmpeg's names for text as pictures of letters, and for single pictures


@dataclass(frozen=True)
class Video:
    """The pictures of a video file, numbered at a constant rate.

    A picture of the file belongs to the number nearest to its time, counted from the first; where none belongs to a
    number, the one before is shown, and of several the last. So frames of a constant rate are all there once, and a
    variable rate becomes a constant one."""

    path: Path
    fps: Fraction  # frames per second
    frames: int
    size: tuple[int, int]  # height and width of the frames, pixels
    has_audio: bool
    begin: Fraction  # second of the file at which frame 0 is shown
    note: str  # what people should know, such as that the file is cut short; mostly empty
    short_side: int | None
    square: bool
    origin: Fraction  # time that the file gives to its first picture, seconds
    aspect: Fraction  # width of a pixel over its height

    @classmethod
    def open(
        cls,
        path: str | Path,
        size: int | None = None,  # short side in pixels; None: as it is, up to `most`
        square: bool = False,  # crop the centre to the short side
        fps: float | str | Fraction | None = None,  # frames per second; None: the file's own, on average
        begin: float | Fraction = 0,  # seconds to leave out
        most: int | None = None,  # largest short side, pixels, where no size is given
    ) -> "Video":
        """Look at a video: its first frame is decoded, and its end is looked up. Turned as its rotation flag says.

        GraftError if it is missing, damaged at its beginning, no video, only sound, or shorter than `begin`; if it is
        cut short later on, what can be read of it is the video, and `note` says so."""
        path, rate = Path(path), None if fps is None else frame_rate(fps)
        if size is not None and size < 1:
            raise GraftError(f"A video cannot be read at a size of {size} pixels; give 1 or more.")
        with _opened(path) as (container, stream):
            frame = next(_pictures(container, stream), None)
            if frame is None:
                raise GraftError(f"{path} holds no frame that can be read: fetch or export it again.")
            aspect = stream.sample_aspect_ratio or Fraction(1)
            origin, shape = _time(frame), _upright(frame, aspect, size, square).shape
            if size is None and most is not None and min(shape[:2]) > most:
                size, shape = most, _upright(frame, aspect, most, square).shape
            own = frame_rate(min(stream.average_rate or stream.guessed_rate or UNKNOWN_RATE, Fraction(1000)))
            has_audio, promised = bool(container.streams.audio), _promised(container, stream)
        end, scanned = _end(path, promised)
        seconds = max(end - origin, 1 / own)
        note = ""
        if scanned and promised and promised - seconds > 2 / own:
            note = f"{path} is cut short: {float(seconds):.1f} of its {float(promised):.1f} seconds can be read"
        start, rate = Fraction(begin).limit_denominator(10**6), rate or own
        if not 0 <= start < seconds:
            raise GraftError(f"{path} lasts {float(seconds):.2f} seconds: it cannot begin at {float(start):g}.")
        frames = max(1, round((seconds - start) * rate))
        return cls(path, rate, frames, shape[:2], has_audio, start, note, size, square, origin, aspect)

    @property
    def duration(self) -> Fraction:
        """Of the frames, in seconds."""
        return self.frames / self.fps

    def play(self, first: int = 0) -> Iterator[Tensor]:
        """All frames from a number on, (1, 3, H, W) in [-1, 1]; where the file is damaged the last good one stays."""
        pixels = self._numbered(first)
        # One thread asks the decoder again and again, a few frames ahead.
        for array in ordered_map(lambda _: next(pixels, None), repeat(None), workers=1, ahead=AHEAD):
            if array is None:
                return
            yield from_uint8(array[None])

    def frame(self, number: int) -> Tensor:
        """One frame (1, 3, H, W), found by seeking: the same as `play` gives."""
        return from_uint8(next(self._numbered(number))[None])

    def _numbered(self, first: int) -> Iterator[np.ndarray]:
        """Frames from a number on, as uint8 (H, W, 3)."""
        number, held, pixels = first, None, None
        for slot, frame in self._from(first):
            while held is not None and number < min(slot, self.frames):
                pixels = self._upright(held) if pixels is None else pixels
                yield pixels
                number += 1
            if number >= self.frames:
                return
            held, pixels = frame, None
        if held is None:
            raise GraftError(f"{self.path} holds no frame that can be read: fetch or export it again.")
        pixels = self._upright(held)
        yield from repeat(pixels, self.frames - number)

    def _from(self, first: int) -> Iterator[tuple[int, Any]]:
        """Decoded pictures with their numbers, from one on whose number is `first` or less."""
        with _opened(self.path) as (container, stream):
            time = self.origin + self.begin + first / self.fps
            if time > self.origin:
                with suppress(pyav().FFmpegError):
                    container.seek(floor(time / stream.time_base), stream=stream)
            pictures = ((self._number(frame), frame) for frame in _pictures(container, stream))
            found = next(pictures, None)
            if found and found[0] <= first:
                yield found
                yield from pictures
                return
        with _opened(self.path) as (container, stream):  # this kind of file cannot seek exactly
            yield from ((self._number(frame), frame) for frame in _pictures(container, stream))

    def _upright(self, frame: Any) -> np.ndarray:
        return _upright(frame, self.aspect, self.short_side, self.square)

    def _number(self, frame: Any) -> int:
        return floor((_time(frame) - self.origin - self.begin) * self.fps + Fraction(1, 2))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A video file and its first track of moving pictures. GraftError, in one sentence, if there is none."""
    av = pyav()
    if not path.exists():
        raise GraftError(f"{path} does not exist: check the path.")
    if not path.is_file():
        raise GraftError(f"{path} is a folder: name a video in it.")
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})  # playlists may name other files only
    except PermissionError as error:
        raise GraftError(f"{path} cannot be read: change its permissions.") from error
    except (av.FFmpegError, OSError) as error:
        what = f"{path} is no video, or its beginning or end is missing ({_reason(error)})"
        raise GraftError(f"{what}: fetch or export it again.") from error
    with container:
        kind = container.format.name
        if kind in NO_VIDEOS or kind.endswith("_pipe"):
            raise GraftError(f"{path} is no video, but {'text' if kind == 'tty' else 'a picture'}: name a video.")
        covers = av.stream.Disposition.attached_pic  # of music
        streams = [stream for stream in container.streams.video if not stream.disposition & covers]
        if not streams:
            what = "holds sound and no pictures" if container.streams.audio else "holds no pictures"
            raise GraftError(f"{path} {what}: name a video.")
        if streams[0].codec_context is None:
            raise GraftError(f"{path} is in a codec that the installed av lacks: export it as H.264 in .mp4.")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _pictures(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames in the order of showing; what is damaged is left out, and what has no time gets the next."""
    av, following, tick = pyav(), None, None
    with suppress(av.FFmpegError):  # the file ends here
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                tick = tick or round(1 / ((stream.average_rate or UNKNOWN_RATE) * frame.time_base))
                frame.pts = following or 0 if frame.pts is None else frame.pts
                following = frame.pts + tick
                yield frame


def _time(frame: Any) -> Fraction:
    return frame.pts * frame.time_base


def _promised(container: Any, stream: Any) -> Fraction | None:
    """How long the video is by its header, in seconds."""
    if stream.duration:
        return stream.duration * stream.time_base
    return Fraction(container.duration, pyav().time_base) if container.duration else None


def _end(path: Path, promised: Fraction | None) -> tuple[Fraction, bool]:
    """When the last picture ends, in the file's seconds, and whether all of it had to be read for that.

    Near the end that the header promises if something is there, else from the beginning on."""
    with _opened(path) as (container, stream):
        if promised:
            first = stream.start_time or 0
            with suppress(pyav().FFmpegError):
                container.seek(first + floor(promised / stream.time_base), stream=stream)
                end = _last(container, stream)
                if end is not None:
                    return end, False
    with _opened(path) as (container, stream):
        return _last(container, stream) or Fraction(0), True


def _last(container: Any, stream: Any) -> Fraction | None:
    """The end of the latest picture among the packets that are still to be read."""
    rate, end = stream.average_rate or UNKNOWN_RATE, None
    with suppress(pyav().FFmpegError):
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                length = packet.duration * stream.time_base if packet.duration else 1 / rate
                end = max(end or Fraction(0), packet.pts * stream.time_base + length)
    return end


# ---------------------------------------------------------------- decoded -> upright


_TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def _upright(frame: Any, aspect: Fraction, short_side: int | None, square: bool) -> np.ndarray:
    """A decoded frame -> uint8 (H, W, 3): with square pixels, turned, cropped and resized."""
    image = Image.fromarray(frame.to_ndarray(format="rgb24", interpolation=CONVERSION))
    if aspect != 1:
        image = image.resize((max(1, round(image.width * aspect)), image.height), Image.Resampling.LANCZOS)
    turns = round(frame.rotation / 90) % 4  # counterclockwise
    if turns:
        image = image.transpose(_TURNS[turns - 1])
    if square:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if short_side is not None:
        image = resize(image, short_side)
    return np.asarray(image)
