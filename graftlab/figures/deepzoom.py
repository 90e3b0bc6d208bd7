"""Pictures of any size as tiles that a browser loads as it needs them, and the page that shows them.

    write(strips, (20_000, 20_000), "sheet.html")

makes sheet.html, sheet.dzi and sheet_files/, the layout that Deep Zoom Image viewers know: the picture, and its halves,
quarters and so on down to a single pixel, each in tiles of 256 pixels. The page needs no server; it carries its viewer,
OpenSeadragon, and where the picture lies, so that it opens from a disk as from the web. The viewer is no part of a
checkout: tools/bring_javascript.py brings it.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment
from PIL import Image

from graftlab.errors import GraftError
from graftlab.work.files import atomic_write

TILE = 256  # pixels; even, so that a row of tiles is halved without its neighbours
QUALITY = 92  # of the tiles, JPEG
VIEWER = Path(__file__).parents[1] / "bundled" / "openseadragon" / "openseadragon.min.js"


def write(
    strips: Iterable[np.ndarray],  # uint8 (h, W, 3) of any heights, from the top down
    size: tuple[int, int],  # of the whole picture: width and height, pixels
    page: str | Path,  # ends in .html
    title: str = "",
    grid: Mapping[str, Any] | None = None,  # what the page tells of the cell under the pointer: `Layout.grid`
    recipe: Mapping[str, object] | None = None,  # how the picture was made, as of `images.write`
) -> Path:
    """Write a picture as a page and tiles, in memory for about a thousand of its rows.

    The tiles become visible when all are there, in the place of earlier ones; other files among those stay. Returns
    the page's path. GraftError if the strips are not as wide or not as many as they should be, if a folder of that name
    holds something else, and whatever the disk refuses."""
    page = Path(page)
    tiles, part, earlier = tiles_of(page), beside(page, "part"), beside(page, "earlier")
    try:
        settle(earlier, tiles)
        check(page)
        shutil.rmtree(part, ignore_errors=True)  # of a call that was killed
        pyramid(strips, size, part)
        if tiles.exists():
            tiles.rename(earlier)
        part.rename(tiles)
    except OSError as error:
        raise GraftError(f"{tiles} could not be written ({error.strerror or error}): choose another folder.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):  # whatever is left of them does no harm, and is removed by the next call
            settle(earlier, tiles)
    atomic_write(page.with_suffix(".dzi"), lambda file: file.write(descriptor(size).encode()))
    text = document(size, tiles.name, title or page.stem, grid, recipe)
    return atomic_write(page, lambda file: file.write(text.encode()))


def check(page: Path) -> None:
    """GraftError if a page cannot be written here: no viewer, another extension, a folder in the place of tiles."""
    if not VIEWER.is_file():
        raise GraftError("The viewer of deep-zoom pages is missing from this checkout; run 'make javascript' (npm).")
    if page.suffix.lower() != ".html":
        raise GraftError(f"{page} must end in .html.")
    tiles = tiles_of(page)
    if tiles.exists() and not (tiles.is_dir() and any(is_tile(path, tiles) for path in tiles.glob("*/*"))):
        raise GraftError(f"{tiles} is there already and holds no tiles; name another page than {page}.")


def tiles_of(page: Path) -> Path:
    """The folder of a page's tiles."""
    return page.with_name(f"{page.stem}_files")


def beside(page: Path, what: str) -> Path:
    """A hidden folder beside the tiles: those that are being written, or those that were there before."""
    return page.with_name(f".{page.stem}_files.{what}")


def is_tile(path: Path, tiles: Path) -> bool:
    return re.fullmatch(r"\d+/\d+_\d+\.jpg", path.relative_to(tiles).as_posix()) is not None


def settle(earlier: Path, tiles: Path) -> None:
    """End the replacing of tiles, also of a call that was killed: what is no tile of the earlier ones moves to the new
    ones, and they are removed. Where there are no new ones yet, the earlier ones take their place again."""
    if not earlier.is_dir():
        return
    if not tiles.exists():
        earlier.rename(tiles)
        return
    for path in sorted(earlier.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        elif is_tile(path, earlier):
            path.unlink()
        else:
            kept = tiles / path.relative_to(earlier)
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
    earlier.rmdir()


# -- tiles ------------------------------------------------------------------------------------------------------------


def pyramid(strips: Iterable[np.ndarray], size: tuple[int, int], folder: Path) -> None:
    """Write the tiles of a picture of this width and height, FOLDER/LEVEL/COLUMN_ROW.jpg.

    GraftError if the strips are not as wide or not as many as they should be."""
    width, height = size
    if width < 1 or height < 1:
        raise GraftError(f"A picture of {width} × {height} pixels has no tiles.")
    level, rows = _Level(folder, top(size), width), 0
    for strip in strips:
        if strip.shape[1:] != (width, 3) or strip.dtype != np.uint8:
            raise GraftError(f"expected uint8 strips (h, {width}, 3), got {strip.dtype} {strip.shape}.")
        level.add(strip)
        rows += len(strip)
    if rows != height:
        raise GraftError(f"These strips have {rows} rows together, and the picture {height}.")
    level.finish()


def top(size: tuple[int, int]) -> int:
    """The number of the level that shows every pixel; level 0 is a single one."""
    return (max(size) - 1).bit_length()


class _Level:
    """The picture at one size, which takes its rows from the top down and hands half of them on to the next smaller."""

    def __init__(self, folder: Path, number: int, width: int) -> None:
        self.folder = folder / str(number)
        self.folder.mkdir(parents=True)
        self.waiting = np.empty((0, width, 3), np.uint8)
        self.bands = 0
        self.smaller = _Level(folder, number - 1, (width + 1) // 2) if number else None

    def add(self, rows: np.ndarray) -> None:
        for start in range(0, len(rows), TILE):  # so that a high strip is not copied whole
            self.waiting = np.concatenate([self.waiting, rows[start : start + TILE]])
            if len(self.waiting) >= TILE:
                self._write(self.waiting[:TILE])
                self.waiting = self.waiting[TILE:]

    def finish(self) -> None:
        if len(self.waiting):
            self._write(self.waiting)
        if self.smaller:
            self.smaller.finish()

    def _write(self, band: np.ndarray) -> None:
        """A row of tiles."""
        for column, left in enumerate(range(0, band.shape[1], TILE)):
            tile = Image.fromarray(np.ascontiguousarray(band[:, left : left + TILE]))
            tile.save(self.folder / f"{column}_{self.bands}.jpg", quality=QUALITY, subsampling=0)
        self.bands += 1
        if self.smaller:
            self.smaller.add(halved(band))


def halved(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) at half the size, rounded up: the mean of every four; what is over is repeated."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.uint16)
    rows = even[::2] + even[1::2]
    return ((rows[:, ::2] + rows[:, 1::2] + 2) // 4).astype(np.uint8)


# -- the page ---------------------------------------------------------------------------------------------------------


def descriptor(size: tuple[int, int]) -> str:
    """The .dzi file, for other viewers."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpg" Overlap="0" TileSize="{TILE}">\n'
        f'  <Size Width="{size[0]}" Height="{size[1]}"/>\n'
        "</Image>\n"
    )


def describe(page: Path) -> dict[str, Any]:
    """What a page knows of its picture: width, height, tileSize, maxLevel, tiles, grid and recipe.

    GraftError if it is no such page."""
    found = re.search(r"<script>const picture = (.*);</script>", page.read_text("utf-8"))
    if found is None:
        raise GraftError(f"{page} is no page with tiles; 'graft sheet' writes such files.")
    told: dict[str, Any] = json.loads(found[1])
    return told


def document(
    size: tuple[int, int],
    tiles: str,  # name of the folder beside the page
    title: str,
    grid: Mapping[str, Any] | None = None,
    recipe: Mapping[str, object] | None = None,
) -> str:
    """The page: HTML that needs nothing but the tiles."""
    viewer = VIEWER.read_text(encoding="utf-8").rpartition("//# sourceMappingURL=")[0]
    place = {"width": size[0], "height": size[1], "tileSize": TILE, "maxLevel": top(size), "tiles": tiles}
    pages = Environment(autoescape=True, keep_trailing_newline=True)
    pages.policies["json.dumps_kwargs"] = {"default": str}
    return pages.from_string(Path(__file__).with_suffix(".html").read_text("utf-8")).render(
        title=title, picture={**place, "grid": grid, "recipe": recipe}, viewer=viewer
    )
