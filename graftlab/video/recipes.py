"""How films of ours were made, as they tell it themselves."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from graftlab.video import open_video, pyav

_TEXT = b"iTXtgraftlab\0\0\0\0\0"  # behind the last frame of an animated PNG, after its length (`animation`)


def read_recipe(source: Path | bytes) -> dict[str, Any] | None:
    """The recipe that `render` stored in a film: .mp4, .webm, .gif or an animated .png. None if there is none, and for
    what is no film. GraftError if av is missing."""
    if isinstance(source, Path) and source.suffix.lower() in (".png", ".apng"):
        source = source.read_bytes()
    if isinstance(source, bytes) and source.startswith(b"\x89PNG"):
        at = source.rfind(_TEXT)
        end = at + 4 + int.from_bytes(source[at - 4 : at], "big")
        text = source[at + len(_TEXT) : end].decode(errors="replace") if at >= 4 else ""
    else:
        try:
            with open_video(source if isinstance(source, Path) else BytesIO(source)) as film:
                text = next((told for key, told in film.metadata.items() if key.lower() == "comment"), "")
        except (pyav().FFmpegError, OSError):
            return None
    try:
        recipe = json.loads(text)
    except (ValueError, RecursionError):  # somebody else's comment
        return None
    return recipe if isinstance(recipe, dict) else None
