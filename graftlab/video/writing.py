"""From pictures to a file: parts that an encoder makes in its own thread, then one film out of the parts.

Every part begins with a key frame and depends on its own frames alone, so a film that was interrupted equals one that
was not. Encoders run with a fixed number of threads, because the bytes depend on it.
"""

import json
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

from graftlab import images
from graftlab.errors import GraftError
from graftlab.video import CONVERSION, open_video, pyav, whole_name
from graftlab.video.animation import CONTAINER_OPTIONS, animate, video_frame
from graftlab.video.sound import add_sound
from graftlab.work.files import atomic_write, spare_others
from graftlab.work.parallel import ordered_map, worker_count
from graftlab.work.parts import Parts, seal

PART = 64  # frames: what a killed process loses at most, and how far apart key frames are
THREADS = 2  # of an encoder, on every machine
AHEAD = 32  # frames made and not yet encoded: enough that neither waits for the other
FASTEST_GIF = 50  # frames per second; viewers slow down what is faster
BT709 = 1  # how RGB becomes luminance and colour difference, as FFmpeg numbers it
LIMITED_RANGE = 1  # luminance from 16 to 235


@dataclass(frozen=True)
class Codec:
    """How a codec is asked for."""

    encoder: str  # FFmpeg's name
    best: int  # constant rate factor at quality 100
    worst: int  # and at quality 0
    options: Mapping[str, str]


CODECS = {
    # Without macroblock trees, because x264 with AVX-512 does not repeat them exactly on pictures below 200 pixels;
    # without frames that depend on later ones, so that frames are stored in the order in which they are shown.
    "h264": Codec("libx264", 11, 51, {"preset": "veryfast", "mbtree": "0", "bf": "0"}),
    "vp9": Codec("libvpx-vp9", 18, 63, {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}),
    "av1": Codec("libsvtav1", 18, 63, {"preset": "8"}),
}
MOVIES = {".mp4": ("h264", "av1"), ".webm": ("vp9", "av1")}  # the first is taken if none is asked for
ANIMATIONS = {".gif": "gif", ".png": "apng", ".apng": "apng"}


@dataclass(frozen=True)
class Target:
    """What is to be written, and how."""

    path: Path  # of the film; for pictures a pattern such as frames/%05d.png
    fps: Fraction
    codec: str | None  # of a movie; None: an animation or pictures
    animation: str | None  # its container; None: a movie or pictures
    quality: int

    @classmethod
    def of(cls, out: str | Path, fps: Fraction, codec: str | None, quality: int) -> "Target":
        """By the extension; a folder means pictures in it. GraftError for what cannot be written."""
        path, suffix = Path(out), Path(out).suffix.lower()
        if not 0 <= quality <= 100:
            raise GraftError(f"Quality {quality} is not between 0 and 100: 90 is a good choice.")
        if "%" in path.name:
            _check_pattern(path)
        elif path.is_dir() or not suffix:
            path = path / "%05d.png"
        elif suffix in MOVIES:
            return cls(path, fps, _codec(path, codec), None, quality)
        elif suffix not in ANIMATIONS:
            kinds = ", ".join([*MOVIES, *ANIMATIONS])
            raise GraftError(f"{out} has no extension for films: use {kinds}, a folder, or frames/%05d.png.")
        if codec is not None:
            raise GraftError(f"{out} has no choice of codec: leave out '{codec}', or write {' or '.join(MOVIES)}.")
        animation = ANIMATIONS.get(suffix) if path == Path(out) and "%" not in path.name else None
        if animation == "gif" and fps > FASTEST_GIF:
            raise GraftError(f"{out} can show {FASTEST_GIF} frames per second at most: choose fewer, or write .mp4.")
        if animation:
            pyav()
        return cls(path, fps, None, animation, quality)

    @property
    def suffix(self) -> str:
        """Of the parts."""
        return ".nut" if self.codec else ".png" if self.animation else self.path.suffix.lower()

    @property
    def length(self) -> int:
        """Of a part, in frames."""
        return PART if self.codec else 1

    @property
    def in_pictures(self) -> bool:
        """Whether the film becomes a picture for each frame."""
        return not (self.codec or self.animation)

    def picture(self, number: int) -> Path:
        """Where a frame goes, if the film becomes pictures."""
        return self.path.with_name(self.path.name % number)

    def files(self, frames: int) -> list[Path]:
        """All that a film of so many frames is written to."""
        return [self.picture(number) for number in range(frames)] if self.in_pictures else [self.path]

    def plan(self, frames: int, recipe: Mapping[str, object]) -> dict[str, Any]:
        """All that the parts depend on."""
        quality = None if self.suffix == ".png" else self.quality
        version = pyav().__version__ if self.codec else None
        plan = {"frames": frames, "frame rate": str(self.fps), "codec": self.codec, "quality": quality, "av": version}
        return {**plan, "recipe": dict(recipe)}

    def check_room(self, frames: int, known: bool) -> None:
        """GraftError if pictures of a longer film, or of somebody else (ours are `known` by their
        recipe), are where these are to go."""
        if self.in_pictures and (after := self.picture(frames)).exists():
            raise GraftError(f"{after} belongs to a longer film: remove the old pictures, or choose another folder.")
        if self.in_pictures and known:
            for number in range(frames):
                spare_others(self.picture(number))


def _check_pattern(path: Path) -> None:
    if not re.fullmatch(r"[^%]*%0?\d*d[^%]*", path.name) or path.suffix.lower() not in images.FORMATS:
        kinds = ", ".join(images.FORMATS)
        raise GraftError(f"{path} is no pattern for pictures: write frames/%05d.png, with one of {kinds}.")


def _codec(path: Path, codec: str | None) -> str:
    """The codec of a movie, one that the container takes and this FFmpeg has."""
    choice = MOVIES[path.suffix.lower()]
    codec = codec or choice[0]
    if codec not in choice:
        raise GraftError(f"{path} cannot hold the codec '{codec}': choose {' or '.join(choice)}.")
    av = pyav()
    try:
        av.codec.Codec(CODECS[codec].encoder, "w")
    except av.codec.codec.UnknownCodecError as error:
        others = " or ".join(name for name in MOVIES if name != path.suffix.lower())
        raise GraftError(
            f"{path} needs the encoder {CODECS[codec].encoder}, which the installed av lacks: reinstall av from PyPI, "
            f"or write {others}."
        ) from error
    return codec


# ---------------------------------------------------------------- pictures -> parts


def record(
    pictures: Iterable[Tensor],  # (1, 3, H, W) each
    first: int,  # number of the first of them
    frames: int,  # of the whole film
    target: Target,
    parts: Parts,
    recipe: Mapping[str, object],
) -> Generator[int, None, None]:
    """Encode pictures in another thread while the next are made; yields how many frames of the film are done.

    If making one fails, those before it are encoded first."""
    if target.codec:
        work: Callable[[tuple[int, Tensor]], int] = _Recorder(target, parts, frames)
        workers = 1
    else:

        def work(numbered: tuple[int, Tensor]) -> int:
            number, picture = numbered
            seal(images.write(picture, parts.path(number), recipe, max(1, target.quality)))
            return number + 1

        workers = worker_count()
    yield from ordered_map(work, _numbered(pictures, first, frames, target.path), workers, max(AHEAD, workers))


def _numbered(pictures: Iterable[Tensor], first: int, frames: int, out: Path) -> Iterator[tuple[int, Tensor]]:
    """The pictures with their numbers, all of one size."""
    shape = None
    for number, picture in zip(range(first, frames), pictures, strict=False):
        shape = shape or picture.shape
        if picture.shape != shape:
            was, now = (f"{width} × {height}" for *_, height, width in (shape, picture.shape))
            raise GraftError(f"{out} cannot change from {was} to {now} pixels at frame {number}: keep one size.")
        yield number, picture


class _Recorder:
    """Frames in, files with one part of a movie each out. Called in order, by one thread."""

    def __init__(self, target: Target, parts: Parts, frames: int) -> None:
        self._target, self._parts, self._frames = target, parts, frames
        self._buffer = BytesIO()
        self._container: Any = None
        self._stream: Any = None

    def __call__(self, numbered: tuple[int, Tensor]) -> int:
        number, picture = numbered
        pixels = _even(images.to_uint8(picture)[0])
        position, done = number % PART, number + 1
        try:
            if position == 0:
                self._open(*pixels.shape[:2])
            self._encode(pixels, position)
            if done % PART == 0 or done == self._frames:
                self._close(number - position)
        except (pyav().FFmpegError, ValueError) as error:
            if isinstance(error, GraftError):
                raise
            size = f"{pixels.shape[1]} × {pixels.shape[0]} pixels"
            what = f"{self._target.path} could not be encoded as {self._target.codec} with {size} ({error})"
            raise GraftError(f"{what}: choose another extension or codec.") from error
        return done

    def _open(self, height: int, width: int) -> None:
        av, codec = pyav(), CODECS[self._target.codec or ""]
        factor = round(codec.worst + (codec.best - codec.worst) * self._target.quality / 100)
        os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 would print a page on stderr
        self._buffer = BytesIO()
        self._container = av.open(self._buffer, "w", format="nut", container_options=CONTAINER_OPTIONS)
        stream = self._container.add_stream(
            codec.encoder, rate=self._target.fps, options={**codec.options, "crf": str(factor)}
        )
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._target.fps
        context.thread_count, context.gop_size = THREADS, PART
        context.color_range = LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = BT709
        self._stream = stream

    def _encode(self, pixels: np.ndarray, position: int) -> None:
        frame = video_frame(pixels, position, self._target.fps)
        frame = frame.reformat(format="yuv420p", dst_colorspace=BT709, interpolation=CONVERSION)
        self._container.mux(self._stream.encode(frame))

    def _close(self, first: int) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        seal(atomic_write(self._parts.path(first), lambda file: file.write(self._buffer.getbuffer())))


def _even(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, 3) with an edge repeated where a side is odd: two pixels share their colour in yuv420p."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


# ---------------------------------------------------------------- parts -> film


def assemble(
    parts: list[Path],
    target: Target,
    recipe: Mapping[str, object],
    frames: int,
    audio: Path | None,
    audio_start: Fraction,
) -> None:
    """Put the parts together: copied into a movie, with sound, or encoded as an animation, or renamed as pictures."""
    if target.in_pictures:
        for number, part in reversed(list(enumerate(parts))):  # what is left then is a beginning, and is continued
            part.replace(target.picture(number))
        return
    comment = json.dumps(dict(recipe), default=str)

    def write(file: BinaryIO) -> None:
        name = whole_name(file.name)  # because FFmpeg reads again what it wrote to put the index of an mp4 in front
        if target.codec:
            sound = (audio, audio_start, frames / target.fps) if audio else None
            _join(name, parts, target, comment, sound)
        else:
            animate(name, parts, target.animation or "", target.fps, comment)

    try:
        atomic_write(target.path, write)
    except pyav().FFmpegError as error:
        what = f"{target.path} could not be put together ({error})"
        raise GraftError(f"{what}: its parts are kept; run it again, or choose another extension.") from error


def _join(
    name: str, parts: list[Path], target: Target, comment: str, sound: tuple[Path, Fraction, Fraction] | None
) -> None:
    av, kind = pyav(), target.path.suffix.lower()[1:]
    options = {**CONTAINER_OPTIONS, **({"movflags": "+faststart"} if kind == "mp4" else {})}
    with av.open(name, "w", format=kind, container_options=options) as movie, open_video(parts[0]) as first:
        movie.metadata["comment"] = comment
        stream = movie.add_stream_from_template(first.streams.video[0], opaque=True)  # no encoder is looked for
        stream.time_base = 1 / target.fps
        tracks = [_packets(parts, stream, 1 / target.fps)]
        if sound:
            tracks.append(add_sound(movie, kind, *sound))
        for packet in merge(*tracks, key=lambda packet: packet.dts * packet.time_base):
            movie.mux(packet)


def _packets(parts: list[Path], stream: Any, tick: Fraction) -> Iterator[Any]:
    """The encoded frames of all parts, numbered anew: the parts' own times begin at zero, and are rounded."""
    number = 0
    for path in parts:
        with open_video(path) as part:
            for packet in part.demux(video=0):
                if packet.size:  # the last is empty, to flush a decoder
                    packet.pts = packet.dts = number
                    packet.time_base, packet.duration, packet.stream = tick, 1, stream
                    number += 1
                    yield packet
