"""What FFmpeg reads of a video file: packets, and pictures in the order of showing, upright, as 8-bit sRGB."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from graftlab.errors import GraftError
from graftlab.images import resize
from graftlab.images.colours import Colour, from_narrow
from graftlab.images.headers import placeholder
from graftlab.video import CONVERSION, open_video, pyav

NO_VIDEOS = {"tty", "image2"}  # FFmpeg's names for text as pictures of letters, and for single pictures
STILLS = {
    "avif",
    "heic",
    "heix",
    "mif1",
}  # brands of files of pictures, which may hold moving ones beside (ISO 23008-12)
LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A video file and its first track of moving pictures. GraftError, in one sentence, if there is none."""
    av = pyav()
    if not path.exists():
        raise GraftError(f"{path} does not exist: check the path.")
    if path.is_dir():
        raise GraftError(f"{path} is a folder: name a video in it.")
    if not path.is_file():
        raise GraftError(f"{path} is a pipe or a device: save the video in a file and name that.")
    try:
        container = open_video(path)
    except PermissionError as error:
        raise GraftError(f"{path} may not be read: change its permissions.") from error
    except (av.FFmpegError, OSError) as error:
        with path.open("rb") as file:
            if told := placeholder(file):
                raise GraftError(f"{path} {told}.") from error
        what = f"{path} is no video, or its beginning or end is missing ({_reason(error)})"
        raise GraftError(f"{what}: fetch or export it again.") from error
    with container:
        kind = container.format.name
        streams = moving(container)
        still = container.metadata.get("major_brand") in STILLS and all(stream.frames == 1 for stream in streams)
        if kind in NO_VIDEOS or kind.endswith("_pipe") or still:
            raise GraftError(f"{path} is no video, but {'text' if kind == 'tty' else 'a picture'}: name a video.")
        if not streams:
            what = "holds sound and no pictures" if container.streams.audio else "holds no pictures"
            raise GraftError(f"{path} {what}: name a video.")
        if streams[0].codec_context is None:
            raise GraftError(f"{path} is in a codec that the installed av lacks: export it as H.264 in .mp4.")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def moving(container: Any) -> list[Any]:
    """The tracks of pictures, the one that is shown first; covers of music are none, stills come last."""
    covers = pyav().stream.Disposition.attached_pic
    streams = by_default(stream for stream in container.streams.video if not stream.disposition & covers)
    return sorted(streams, key=lambda stream: stream.frames == 1)


def by_default(tracks: Iterable[Any]) -> list[Any]:
    """Tracks of one kind, those first that a file has played if nobody chooses."""
    default = pyav().stream.Disposition.default
    return sorted(tracks, key=lambda track: not track.disposition & default)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of some tracks, as far as the file can be read; the last of each is empty."""
    with suppress(pyav().FFmpegError):  # the file ends here
        yield from container.demux(*streams)


def attempt(packet: Any, decoder: Any = None) -> list[Any]:
    """The frames that a packet completes; none if it is damaged."""
    try:
        return (decoder or packet.stream.codec_context).decode(packet)
    except pyav().FFmpegError:
        return []


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames in the order of showing; what is damaged is left out."""
    decoder = _transparent(stream)
    for packet in packets(container, stream):
        yield from attempt(packet, decoder)


def _transparent(stream: Any) -> Any:
    """A decoder for the alpha of VP8 and VP9, which lies beside their pictures and FFmpeg's own decoders leave out;
    None where there is none, or no such decoder."""
    av, name = pyav(), LIBVPX.get(stream.codec_context.codec.canonical_name)
    if stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return None
    return av.CodecContext.create(name, "r")


# ---------------------------------------------------------------- decoded -> upright

# Matrices between RGB and luminance with colour differences (ITU-T H.273, Table 4); those that FFmpeg's scaler knows.
BT709, UNSPECIFIED = 1, 2
NARROW = 1  # FFmpeg's number for the range of television, 16 to 235
MATRICES = {0, BT709, UNSPECIFIED, 4, 5, 6, 7, 9}


def upright(frame: Any, aspect: Fraction, short_side: int | None, square: bool) -> np.ndarray:
    """A decoded frame -> uint8 (H, W, 3) in sRGB: with square pixels, turned, cropped and resized."""
    image = Image.fromarray(_rgb(frame))
    if aspect != 1:
        image = image.resize((max(1, round(image.width * aspect)), image.height), Image.Resampling.LANCZOS)
    image = _turned(image, frame)
    if square:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if short_side is not None:
        image = resize(image, short_side)
    return np.asarray(image)


def colour(frame: Any) -> Colour:
    """What a frame says of its colours, apart from the matrix."""
    return Colour(frame.color_primaries, frame.color_trc)


def notes(frame: Any) -> list[str]:
    """What people should know of how the pixels of a frame are read."""
    told = [f"{kind} is tone-mapped to sRGB"] if (kind := colour(frame).high_dynamic_range) else []
    if frame.colorspace not in MATRICES:
        told.append(f"its colours are coded by a matrix not known here (number {frame.colorspace}) and may be wrong")
    if frame.interlaced_frame:
        told.append("it is interlaced, two moments in each frame, and stays so")
    if is_skewed(frame):
        told.append("its header has it shown askew, which is not followed")
    return told


def _rgb(frame: Any) -> np.ndarray:
    """uint8 (H, W, 3) in sRGB, what is transparent laid over white."""
    options: dict[str, Any] = {"interpolation": CONVERSION}
    if frame.colorspace == UNSPECIFIED and not frame.format.is_rgb and _is_high(frame):
        options["src_colorspace"] = BT709
    seen, channels = colour(frame), frame.format.components
    kind = "rgba" if any(channel.is_alpha for channel in channels) else "rgb"
    bits = {"rgb": "24", "rgba": ""} if seen.is_srgb else {"rgb": "48le", "rgba": "64le"}
    both = frame.to_ndarray(format=kind + bits[kind], **options)
    pixels, alpha = np.ascontiguousarray(both[..., :3]), both[..., 3:]
    if frame.color_range == NARROW and all(channel.is_luma or channel.is_alpha for channel in channels):
        pixels = from_narrow(pixels)  # grays, which FFmpeg's scaler takes for full range whatever they are
    if not seen.is_srgb:
        pixels = seen.to_srgb(pixels)
    if not alpha.size:
        return pixels
    cover = Image.fromarray((alpha[..., 0] >> (8 * alpha.itemsize - 8)).astype(np.uint8))
    shown = Image.fromarray(pixels)
    return np.asarray(Image.composite(shown, Image.new("RGB", shown.size, "white"), cover))


def _is_high(frame: Any) -> bool:
    return frame.height >= 720 or frame.width >= 1280


def matrix(frame: Any) -> tuple[int, int, int, int]:
    """How a pixel at x, y is shown at ax + cy, bx + dy (ISO 14496-12, 8.3.2), in numbers of any scale."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d


def is_skewed(frame: Any) -> bool:
    """Whether its matrix is none of those that turn by quarters, mirror and stretch."""
    a, b, c, d = map(abs, matrix(frame))
    return max(min(a, d), min(b, c)) < 100 * max(min(a, b), min(c, d)) or (a > b) != (d > c)


def _turned(image: Image.Image, frame: Any) -> Image.Image:
    """As the display matrix says: a transposition if x becomes y, then mirrors, so all eight."""
    a, b, c, d = matrix(frame)
    if is_skewed(frame):
        return image
    swapped = abs(b) > abs(a)
    if swapped:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    if (c if swapped else a) < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if (b if swapped else d) < 0:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image
