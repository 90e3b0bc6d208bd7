"""Pictures to animations: GIF with one palette, animated PNG."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from graftlab.images import open_rgb
from graftlab.video import pyav

CONTAINER_OPTIONS = {"fflags": "+bitexact"}  # no date, no version, no random identifier


def video_frame(pixels: np.ndarray, number: int, fps: Fraction) -> Any:
    """uint8 (H, W, 3) -> a frame of PyAV, shown at number / fps seconds."""
    frame = pyav().VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts, frame.time_base = number, 1 / fps
    return frame


def animate(name: str, pictures: list[Path], kind: str, fps: Fraction, comment: str) -> None:
    """Write picture files as a GIF with one palette for all, or as an animated PNG (`kind` "apng"), for ever again."""
    av = pyav()

    def frames() -> Iterator[Any]:
        for number, part in enumerate(pictures):
            yield video_frame(np.asarray(open_rgb(part)), number, fps)

    options = {"loop": "0"} if kind == "gif" else {"plays": "0"}
    with av.open(name, "w", format=kind, container_options={**CONTAINER_OPTIONS, **options}) as container:
        stream = container.add_stream(kind, rate=fps)
        stream.width, stream.height = open_rgb(pictures[0]).size
        stream.codec_context.time_base = 1 / fps
        stream.pix_fmt = "pal8" if kind == "gif" else "rgb24"
        for frame in _paletted(frames, fps) if kind == "gif" else frames():
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    _append(Path(name), kind, comment)


def _paletted(frames: Callable[[], Iterator[Any]], fps: Fraction) -> Iterator[Any]:
    """RGB frames -> frames of 256 colours, the best for all of them, dithered with a pattern that does not crawl."""
    _held, (found,), palette = _filters(next(frames()), fps, "palettegen", "reserve_transparent=0")
    for frame in frames():
        found.push(frame)
    found.push(None)
    best = palette.pull()
    _held, (shown, colours), dithered = _filters(next(frames()), fps, "paletteuse", "dither=bayer:bayer_scale=3", best)
    colours.push(best)
    colours.push(None)
    for frame in frames():
        shown.push(frame)
        yield dithered.pull()


def _filters(frame: Any, fps: Fraction, name: str, options: str, *others: Any) -> tuple[Any, list[Any], Any]:
    """One of FFmpeg's filters for frames like these: its graph, which must be held on to, its inputs and its output."""
    graph = pyav().filter.Graph()
    work, end = graph.add(name, options), graph.add("buffersink")
    inputs = []
    for number, like in enumerate((frame, *others)):
        inputs.append(
            graph.add_buffer(width=like.width, height=like.height, format=like.format.name, time_base=1 / fps)
        )
        inputs[-1].link_to(work, 0, number)
    work.link_to(end)
    graph.configure()
    return graph, inputs, end


def _append(path: Path, kind: str, comment: str) -> None:
    """Put a comment at the end: in a GIF in blocks of up to 255 bytes, in a PNG as international text."""
    text = comment.encode()
    with path.open("r+b") as file:
        if kind == "gif":
            blocks = (text[i : i + 255] for i in range(0, len(text), 255))
            file.seek(-1, os.SEEK_END)  # the trailer
            file.write(b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0\x3b")
        else:
            chunk = b"iTXtgraftlab\0\0\0\0\0" + text
            file.seek(-12, os.SEEK_END)  # the chunk IEND
            end = file.read()
            file.seek(-12, os.SEEK_END)
            file.write(struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end)
