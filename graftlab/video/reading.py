"""Videos as films: frames (1, 3, H, W) at a constant rate, from a file of any kind that FFmpeg reads.

packets --> decoder --> upright RGB --> cropped, resized --> frame by number     (all this in another thread)
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import repeat
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images import from_uint8
from graftlab.video import pyav
from graftlab.video.decoding import decoded, is_skewed, moving, notes, opened, upright
from graftlab.video.film import frame_rate
from graftlab.video.times import BROADCAST, Clock, Times, best_rate, distinct, numbers, told_rates
from graftlab.work.parallel import ordered_map

AHEAD = 4  # frames decoded before they are asked for
WIDEST = Fraction(16)  # width of a pixel over its height, or height over width, beyond which a header is damaged


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
    note: str  # what people should know, such as that pictures are left out or repeated; mostly empty
    short_side: int | None
    square: bool
    times: Times = field(repr=False)
    aspect: Fraction  # width of a pixel over its height

    @classmethod
    def open(
        cls,
        path: str | Path,
        size: int | None = None,  # short side in pixels; None: as it is, up to `most`
        square: bool = False,  # crop the centre to the short side
        fps: float | str | Fraction | None = None,  # frames per second; None: the file's own (`best_rate`)
        begin: float | Fraction = 0,  # seconds to leave out
        most: int | None = None,  # largest short side, pixels, where no size is given
    ) -> "Video":
        """Look at a video: its first frame is decoded, and the times of all are read. Upright as its matrix says.

        GraftError if it is missing, damaged at its beginning, no video, only sound, or shorter than `begin`. What can
        be read of it is the video; what is missing, left out, repeated or fitted is told in `note`."""
        path, wanted = Path(path), None if fps is None else frame_rate(fps)
        if size is not None and size < 1:
            raise GraftError(f"A video cannot be read at a size of {size} pixels; give 1 or more.")
        with opened(path) as (container, stream):
            frame = next(decoded(container, stream), None)
            if frame is None:
                raise GraftError(f"{path} holds no frame that can be read: fetch or export it again.")
            shown = stream.codec_context if is_skewed(frame) else stream  # FFmpeg takes what is askew for wide pixels
            stated = shown.sample_aspect_ratio or Fraction(1)
            aspect = stated if 1 / WIDEST <= stated <= WIDEST else Fraction(1)
            shape = upright(frame, aspect, size, square).shape
            if size is None and most is not None and min(shape[:2]) > most:
                size, shape = most, upright(frame, aspect, most, square).shape
            told, promised = told_rates(stream), _promised(container, stream)
            tracks = sum(track.frames != 1 for track in moving(container))
            has_audio = bool(container.streams.audio)
        try:
            times = Times.read(path, frame)
        except OverflowError as error:
            raise GraftError(f"{path} is damaged, its times have too many digits: fetch or export it again.") from error
        own = frame_rate(best_rate(times.ticks, times.base, told))
        rate, start = wanted or own, Fraction(begin).limit_denominator(10**6)
        if not 0 <= start < times.seconds:
            raise GraftError(f"{path} lasts {float(times.seconds):.2f} seconds: it cannot begin at {float(start):g}.")
        frames = max(1, round((times.seconds - start) * rate))
        if not wanted:  # the last picture, too, if it is shown for less than half a frame
            frames = max(frames, 1 + next(numbers(times.ticks[-1:], times.base, rate, start)))
        video = cls(path, rate, frames, shape[:2], has_audio, start, "", size, square, times, aspect)
        told_of_pixels = notes(frame)
        if tracks > 1:
            told_of_pixels.insert(0, f"it holds {tracks} tracks of pictures, of which one is read")
        if aspect != stated:
            told_of_pixels.append(
                f"its pixels, {float(stated):.3g} times as wide as high by its header, are taken as square"
            )
        return replace(video, note=video._told(promised, own, told_of_pixels))

    def _told(self, promised: Fraction | None, own: Fraction, of_pixels: list[str]) -> str:
        """What is not as one might think, in a line."""
        times, said = self.times, list[str]()
        if times.joints:
            more = f", and {len(times.joints) - 1} more times" if len(times.joints) > 1 else ""
            at = float(times.joints[0] * times.base)
            said.append(f"its clock begins anew or jumps at {at:.1f} s{more}: joined")
        if times.resized is not None:
            at, (height, width) = float(times.resized * times.base), self.size
            said.append(f"its pictures change their size at {at:.1f} s: fitted to {width} × {height}")
        said += of_pixels
        pictures = sum(number >= 0 for number in numbers(times.ticks, times.base, self.fps, self.begin))
        kept = distinct(times.ticks, times.base, self.fps, self.begin, self.frames)
        length = f"{float(self.fps):.5g} fps, film of {float(self.duration):.1f} s"
        if kept < pictures:
            said.append(f"{kept} of {pictures} distinct frames are kept at {length}")
        elif self.fps == own and self.frames != pictures:
            said.append(f"variable rate: {pictures} distinct frames, {length}")
        readable = max(times.seconds, times.end)
        if promised and promised - readable > 2 / own and not times.joints:
            cut = f"is cut short: {float(readable):.1f} of its {float(promised):.1f} seconds can be read"
            return "; ".join([f"{self.path} {cut}", *said])
        return f"{self.path}: {'; '.join(said)}" if said else ""

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
        with opened(self.path) as (container, stream):
            after = self.begin + first / self.fps
            if after > 0 and not self.times.clock:
                with suppress(pyav().FFmpegError):
                    container.seek(self.times.origin + floor(after / self.times.base), stream=stream)
                pictures = self._with_numbers(container, stream)
                found = next(pictures, None)
                if found and found[0] <= first:
                    yield found
                    yield from pictures
                    return
        with opened(self.path) as (container, stream):  # this kind of file cannot seek exactly
            yield from self._with_numbers(container, stream)

    def _with_numbers(self, container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
        clock = Clock(*self.times.clock) if self.times.clock else None
        for frame in decoded(container, stream):
            tick = clock(frame.pts) if clock else frame.pts
            if tick is not None:
                yield next(numbers([tick - self.times.origin], self.times.base, self.fps, self.begin)), frame

    def _upright(self, frame: Any) -> np.ndarray:
        """Of the first frame's size, whatever its own."""
        pixels, (height, width) = upright(frame, self.aspect, self.short_side, self.square), self.size
        if pixels.shape[:2] == self.size:
            return pixels
        return np.asarray(ImageOps.fit(Image.fromarray(pixels), (width, height), Image.Resampling.LANCZOS))


def _promised(container: Any, stream: Any) -> Fraction | None:
    """How long the video is by its header, in seconds; None if it has none, and FFmpeg has only looked at the end."""
    if container.format.name in BROADCAST:
        return None
    if stream.duration:
        return stream.duration * stream.time_base
    return Fraction(container.duration, pyav().time_base) if container.duration else None
