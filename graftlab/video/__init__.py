"""Films: pictures that follow each other, read from videos and written to them. PyAV does both."""

import os
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from graftlab.errors import needs
from graftlab.video.moving import playable

# How FFmpeg turns RGB into luminance and colour difference and back: bicubic, a colour for every pixel, exact rounding.
# Without, films lose twice as much here as in their codec.
CONVERSION = 4 | 0x2000 | 0x4000 | 0x40000  # SWS_BICUBIC, SWS_FULL_CHR_H_INT, SWS_FULL_CHR_H_INP, SWS_ACCURATE_RND


def pyav() -> ModuleType:
    """The package `av`, which carries FFmpeg with it. GraftError if it is not installed."""
    needs("Videos", "av", "av", "video")
    import av
    from av.sidedata.sidedata import Type

    Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment, method-assign]
    return av


def _unnamed(kinds: Any, number: int) -> Any:
    """A kind of what stands beside frames, such as EXIF, that `av` has no name for: it would raise, and all be lost."""
    kind = object.__new__(kinds)
    kind._name_, kind._value_ = f"KIND_{number}", number
    return kind


def whole_name(path: str | Path) -> str:
    """A file's name for FFmpeg, to which the beginning of 12:30.mp4 would be a protocol."""
    return os.path.abspath(path)


def open_video(
    source: Path | BytesIO,
    formats: str = "",  # the only ones that are read, as FFmpeg names them, with commas; none: all
) -> Any:
    """A video or sound file for reading; playlists may name other files only, and odd letters in titles do not matter.

    Whatever av raises, if it cannot be opened."""
    options = {"protocol_whitelist": "file"} | ({"format_whitelist": formats} if formats else {})
    av = pyav()
    found = whole_name(playable(source)) if isinstance(source, Path) else source
    return av.open(found, options=options, metadata_errors="replace")
