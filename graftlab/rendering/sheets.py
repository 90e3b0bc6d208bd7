"""Sheets that show at a glance what a model does: swaps, reconstructions, ways from code to code, directions.

Pictures come and go with their names. A sheet that would be too large is refused before any of it is drawn.
"""

import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import Codes, SwapCodes
from graftlab.data.sources import open_photos
from graftlab.editing import directions as editing
from graftlab.editing import masks, swaps
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import Distribution, draw_samples
from graftlab.editing.photo_index import Found, PhotoIndex
from graftlab.errors import GraftError
from graftlab.figures.sheets import grid_shape, sheet
from graftlab.images import dimensions, read_recipe
from graftlab.inversion.sources import USUAL, Finding, Source, read_sources
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.work.progress import Progress, silent, steps
from graftlab.work.texts import name_seeds

SEEDS = re.compile(r"[\d,\s-]+")
Named = Sequence[tuple[str, Tensor]]
"""Pictures (1, 3, H, W) in [-1, 1], and what to call them."""

Start = Source[Any]
"""Where a strip begins."""


def read_named(
    renderer: Renderer[Any], path: Path, out: Path, tell: Callable[[str], object] = lambda sentence: None
) -> Named:
    """All pictures of a folder or zip but the one to be written, or one picture, with their names.

    Those of a folder that cannot be read are left out, each with a sentence that is told. GraftError if what is to be
    written is a picture which nothing of ours has made, and if none is left."""
    if path.is_file() and not zipfile.is_zipfile(path):
        return [(path.stem, renderer.read(path))]

    source = open_photos(path)
    files = {i: path / name for i, name in enumerate(source.names)}
    for i in [i for i, file in files.items() if file.absolute() == out.absolute()]:
        if read_recipe(out) is None:  # not an earlier sheet of ours
            raise GraftError(f"{out} is a picture that this command reads; name another.")
        del files[i]
    if not files:
        raise GraftError(f"{path} holds no picture but --out; name a folder of pictures.")
    named: list[tuple[str, Tensor]] = []
    for i, file in files.items():
        try:
            named.append((file.stem, renderer.read_bytes(source.read(i), str(file), renderer.side())))
        except GraftError as error:
            tell(f"Left out: {error}")
    if not named:
        raise GraftError(f"{path} holds no picture that can be read; 'graft data scan {path}' says why.")
    return named


def draw_swaps(
    renderer: Renderer[SwappingModel],
    structures: Named,
    textures: Named,
    progress: Progress = silent,  # of hybrids
    hybrids: Iterable[Sequence[Tensor]] | None = None,  # row by row, if they are there already
) -> Tensor:
    """Every structure with every texture, the originals in the margins."""
    names, rows = zip(*structures, strict=True)
    titles, columns = zip(*textures, strict=True)
    scale, across = renderer.scale(len(rows) + 1, len(columns) + 1, [*rows, *columns]), len(columns)
    lines: list[Sequence[Tensor | None]] = [[None, *columns]]
    if hybrids is None:
        hybrids = swaps.grid(renderer.network(), rows, columns, **renderer.rendering)
    for picture, line in zip(rows, hybrids, strict=True):
        lines.append([picture, *line])
        progress((len(lines) - 1) * across, len(rows) * across)
    return sheet(lines, ["", *names], ["", *titles], renderer.title(), scale=scale)


def draw_reconstructions(
    renderer: Renderer[SwappingModel], pictures: Named, tile: int | None = None
) -> tuple[Tensor, list[dict[str, float]]]:
    """Pictures beside what their codes keep of them; and of each the L1, as a share of the full range, and PSNR, dB."""
    renderer.scale(len(pictures), 2)
    rows, names, figures = [], [], []
    for name, picture in pictures:
        result = swaps.reconstruct(renderer.network(picture, tile=tile), picture, **renderer.rendering)
        (l1,), (psnr,) = result.l1, result.psnr
        rows.append([picture, result.image])
        names.append(f"{name}: L1 {l1:.3f}, {psnr:.1f} dB")
        figures.append({"l1": l1, "psnr": psnr})
    scale = renderer.scale(len(rows), 2, [picture for _, picture in pictures])
    return sheet(rows, names, ["original", "reconstruction"], renderer.title(), scale=scale), figures


def draw_interpolation(
    renderer: Renderer[SwappingModel],
    a: tuple[str, Tensor],
    b: tuple[str, Tensor],
    amounts: Sequence[float],
    what: str = "texture",
    how: str = "linear",
) -> Tensor:
    """A strip from one picture's codes to another's, with the originals at its ends (`swaps.interpolate`)."""
    (start, first), (end, last) = a, b
    scale = renderer.scale(1, len(amounts) + 2, [first, last])
    strip = list(swaps.interpolate(renderer.network(), first, last, amounts, what, how, **renderer.rendering))
    labels = [start, *(f"{step:g}" for step in amounts), end]
    return sheet([[first, *strip, last]], [], labels, renderer.title(what), scale=scale)


@torch.no_grad()
def find_starts(
    renderer: Renderer[Any],
    named: Sequence[Path],  # files of codes, pictures, and of a StyleGAN2 seeds and folders too (`parse_sources`)
    psi: float = 0.7,  # truncation of seeds
    finding: Finding = USUAL,  # how a StyleGAN2's codes of pictures are searched for
    seed: int = 0,  # of that search
) -> list[Start]:
    """What strips, films and sheets begin with, picture by picture: codes, and the picture if there is one."""
    if isinstance(renderer.model, StyleGAN):
        watch, tell = renderer.watch, renderer.tell
        return [*read_sources(renderer.model, named, psi, None, finding, seed, watch=watch, tell=tell)]
    starts: list[Start] = []
    for path in named:
        if path.is_file() and path.suffix == ".safetensors":
            codes = Codes.load(path)
            names = [f"{path.stem} {i}" if len(codes) > 1 else path.stem for i in range(len(codes))]
            starts += [Source(name, codes[i]) for i, name in enumerate(names)]
        elif SEEDS.fullmatch(str(path)) and not path.exists():
            raise GraftError(f"{path} is no file; seeds are for a StyleGAN2, and this model is {renderer.model.title}.")
        else:
            picture = renderer.read(path)
            starts.append(Source(path.stem, renderer.network(picture).encode(picture), picture))
    return starts


def read_mask(renderer: Renderer[Any], path: Path, starts: Sequence[Start]) -> Tensor:
    """A mask (1, 1, H, W) in [0, 1], read as the pictures are. GraftError if it is black, or of another shape."""
    mask = renderer.read(path).mean(1, keepdim=True) / 2 + 0.5
    for name, codes, _ in starts:
        if isinstance(codes, SwapCodes):
            cells = codes.structure.shape[2:]
            size = codes.size or tuple(side * renderer.model.config.stride for side in cells)
            masks.check(mask, size, f"--mask {path}", dimensions(path)[::-1], f"{name}, which is read as one")
    return mask


@torch.no_grad()
def draw_sweep(
    renderer: Renderer[Any],
    directions: Directions,
    starts: Sequence[Start],
    names: Sequence[str],  # of directions
    gains: Sequence[float],  # in standard deviations
    mask: Tensor | None = None,  # as of `Directions.apply`
    layers: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Tensor:
    """A strip of gains for each start and direction, the pictures in the margin if there are any."""
    pictured = starts[0][2] is not None
    renderer.scale(len(starts) * len(names), len(gains) + pictured)
    rows, labels, one, single = [], [], len(starts) == 1, len(names) == 1
    total = len(starts) * len(names) * len(gains)
    for label, codes, picture in starts:
        known = directions.inherited(renderer.model, codes)
        strips = editing.sweep(renderer.model, known, codes, names, gains, mask, layers, **renderer.rendering)
        for name, strip in zip(names, strips, strict=True):
            rows.append(strip if picture is None else [picture, *strip])
            labels.append(name if one else label if single else f"{label}: {name}")
            progress(len(rows) * len(gains), total)
    title = renderer.title(names[0] if single else starts[0][0] if one else "")
    columns = [*(["original"] if pictured else []), *(f"{gain:+g}" if gain else "0" for gain in gains)]
    scale = renderer.scale(len(rows), len(columns), [row[0] for row in rows])
    return sheet(rows, labels, columns, title, scale=scale)


@torch.no_grad()
def draw_textures(
    renderer: Renderer[SwappingModel],
    known: Distribution,
    picture: Tensor,  # that gives the structure
    seeds: Sequence[int],
    psi: float = 1.0,
    progress: Progress = silent,
) -> Tensor:
    """A picture under random textures, by number; of a single one the picture itself, without margins."""
    scale = renderer.scale(*grid_shape(len(seeds)), [picture])
    codes = renderer.network().encode(picture)
    drawn = draw_samples(renderer.model, known, codes, seeds, psi, **renderer.rendering)
    return sheet_of_seeds(renderer, list(steps(drawn, progress, len(seeds))), seeds, psi, scale)


def draw_found(
    renderer: Renderer[Any], library: PhotoIndex, asked: Mapping[str, Tensor], found: Sequence[Found]
) -> Tensor:
    """Photos of an index, nearest first, under the pictures that they are like ("texture", "structure").

    GraftError if the photos are no longer where they were."""
    photos = [renderer.read_bytes(library.read(each.name), each.name, renderer.side()) for each in found]
    _, across = grid_shape(len(found))
    rows = [list(asked.values()), *(photos[i : i + across] for i in range(0, len(photos), across))]
    named = [f"{each.distance:.2f}" for each in found]
    labels = [" and ".join(asked), *(" ".join(named[i : i + across]) for i in range(0, len(named), across))]
    scale = renderer.scale(len(rows), max(across, len(asked)), photos)
    return sheet(rows, labels, title=renderer.title("photos that are alike"), scale=scale)


def sheet_of_seeds(
    renderer: Renderer[Any], images: Sequence[Tensor], seeds: Sequence[int], psi: float, scale: int
) -> Tensor:
    """Pictures (1, 3, H, W) of numbers, beside and below each other; a single one as it is, without margins."""
    if len(images) == 1:
        return images[0]
    _, across = grid_shape(len(images))
    rows = [images[i : i + across] for i in range(0, len(images), across)]
    labels = [name_seeds(seeds[i : i + across]) for i in range(0, len(seeds), across)]
    return sheet(rows, labels, title=renderer.title(f"psi {psi:g}"), scale=scale)
