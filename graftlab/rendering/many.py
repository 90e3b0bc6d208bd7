"""Pictures by the thousand, which many processes share: codes of a library, lists of swaps, sheets, enlargements.

A picture of a collection that cannot be read fails alone, with its reason; one that was named is refused.
"""

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.codes import Codes, SwapCodes
from graftlab.data.image_source import ImageSource, SourceError, content_key
from graftlab.data.sources import open_photos
from graftlab.editing import swaps
from graftlab.errors import GraftError
from graftlab.images import FORMATS, dimensions, read
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.rendering.sheets import Named, draw_swaps
from graftlab.work.bulk import ALONE, Bulk, carried_out
from graftlab.work.examples import with_examples
from graftlab.work.files import refuse_endless, spare_others
from graftlab.work.progress import Progress, silent, unwatched
from graftlab.work.shards import Work

KEPT = 8  # pictures with their codes, for those that a list names again and again
SHARD = 64  # pictures: what an interruption costs at most
CODES = "codes.safetensors"  # of a shard
MOST_LIST = 1 << 28  # bytes of a list


@dataclass(frozen=True)
class Picture:
    """A picture of a collection, or one that was named."""

    path: Path
    source: ImageSource | None = None  # None: `path` is its file
    number: int = 0

    def read(self) -> Path | bytes:
        return self.path if self.source is None else self.source.read(self.number)

    def key(self) -> str:
        """What tells its content; nothing of a file that cannot be read, which is told of when its turn comes."""
        if self.source is None:
            return key_of(self.path)
        with suppress(GraftError):
            return self.source.key(self.number)
        return ""


def key_of(path: Path) -> str:
    with suppress(OSError):
        return content_key(path.read_bytes()) if path.is_file() else ""
    return ""


def pictures_of(paths: Iterable[Path]) -> list[Picture]:
    """Pictures, and all of folders and zips, in the order in which they are named."""
    found: list[Picture] = []
    for path in paths:
        if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
            source = open_photos(path)
            found += [Picture(path / name, source, number) for number, name in enumerate(source.names)]
        else:
            found.append(Picture(path))
    return found


def encode(
    renderer: Renderer[SwappingModel],
    pictures: Sequence[Picture],
    out: Path | None = None,  # file of codes to write
    bulk: Bulk = ALONE,
    progress: Progress = silent,  # of pictures
    tell: Callable[[str], object] = lambda sentence: None,  # told of each picture that is left out, and why
) -> SwapCodes:
    """Codes of pictures, in their order, those of collections that cannot be read left out.

    GraftError for one whose shape is another than that of those before it, and if none can be encoded."""
    quiet, side = _quiet(renderer, bulk), renderer.side()

    @torch.no_grad()
    def make(numbers: range, into: Path, progress: Progress) -> dict[str, str]:
        network, codes, failed = quiet.network(), list[SwapCodes](), dict[str, str]()
        for done, number in enumerate(numbers, 1):
            picture = pictures[number]
            try:
                own = network.encode(quiet.read_bytes(picture.read(), str(picture.path), side))
            except SourceError:
                raise
            except GraftError as error:
                if picture.source is None:
                    raise
                failed[str(picture.path)] = str(error)
            else:
                codes.append(own)
                if (own.structure.shape, own.size) != (codes[0].structure.shape, codes[0].size):
                    raise GraftError(
                        f"{picture.path} has another shape than the pictures before it, and a file of codes has one; "
                        "use the central square of each (--square), or encode it into a file of its own."
                    )
            progress(done)
        if codes:
            Codes.cat(codes).save(into / CODES)
        return failed

    plan = {**_plan(renderer), "side": side, "pictures": _digest(picture.key() for picture in pictures)}
    with carried_out(Work(make, len(pictures), SHARD, plan), out, bulk, progress) as results:
        if results is None and out:
            return SwapCodes.load(out)
        files = [folder / CODES for folder in results.folders if (folder / CODES).exists()] if results else []
        for why in results.failed.values() if results else ():
            tell(f"Left out: {why}")
        codes: SwapCodes | None = Codes.cat([SwapCodes.load(file) for file in files]) if files else None
        if out and codes:
            codes.save(out)
    if codes is None:  # told with the results gone: another call would find the same
        raise GraftError(f"None of the {len(pictures)} pictures could be encoded; 'Left out' says why, of each.")
    return codes


@dataclass(frozen=True)
class Swap:
    """A line of a list of swaps."""

    structure: Path
    texture: Path
    name: str  # of the file to write


def read_swaps(path: Path) -> list[Swap]:
    """A list (CSV): a line for each swap, with a structure, a texture, and if you like the name of the picture, between
    commas, semicolons or tabs; a first line of titles is left out.

    GraftError if there is no such file, or it holds something else, or names a picture twice."""
    refuse_endless(path)
    if path.is_dir():
        raise GraftError(f"{path} is a folder: name a list of swaps, with lines such as a.jpg,b.jpg.")
    try:
        if path.stat().st_size > MOST_LIST:
            raise ValueError("it is too large")
        text = _text(path.read_bytes())
        divider = next((each for each in "\t;," if each in text.strip().partition("\n")[0]), ",")
        lines = [line for line in csv.reader(text.splitlines(), delimiter=divider, skipinitialspace=True) if line]
    except OSError as error:
        raise GraftError(f"{path} cannot be read ({error.strerror}): check the path.") from None
    except (ValueError, csv.Error) as error:
        raise GraftError(f"{path} cannot be read as a list ({error}); write lines such as a.jpg,b.jpg.") from None
    if lines and [field.strip().lower() for field in lines[0][:2]] == ["structure", "texture"]:
        del lines[0]
    found = []
    for number, line in enumerate(lines):
        structure, texture, name, *more = [*(field.strip() for field in line), "", ""][: max(3, len(line))]
        name = name or f"{number:06d}.png"
        if more or not (structure and texture):
            raise GraftError(f"{path}: a line is STRUCTURE,TEXTURE or STRUCTURE,TEXTURE,NAME, not '{','.join(line)}'.")
        if Path(name).name != name or Path(name).suffix.lower() not in FORMATS:
            raise GraftError(f"{path}: '{name}' is no name of a picture without folders; end it in .png or .jpg.")
        found.append(Swap(Path(with_examples(structure)), Path(with_examples(texture)), name))
    if not found or len({swap.name.lower() for swap in found}) < len(found):
        raise GraftError(f"{path} holds {'two swaps of one name' if found else 'no swap'}; write one in each line.")
    return found


def _text(data: bytes) -> str:
    """What stands in a file of a spreadsheet. ValueError if it is not in Unicode."""
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None


def swap(
    renderer: Renderer[SwappingModel],
    wanted: Sequence[Swap],
    out: Path,  # folder
    bulk: Bulk = ALONE,
    progress: Progress = silent,  # of swaps
) -> dict[str, str]:
    """Write the hybrids of a list. Returns which failed, by name, and why.

    GraftError if files of others are in the place of theirs, and if all fail."""
    quiet = _quiet(renderer, bulk)
    latest: dict[Path, tuple[Tensor, SwapCodes]] = {}

    def known(path: Path) -> tuple[Tensor, SwapCodes]:
        if path not in latest:
            picture = quiet.read(path)
            codes = quiet.network(picture).encode(picture)
            latest[path] = picture, codes
            for old in list(latest)[:-KEPT]:
                del latest[old]
        return latest[path]

    @torch.no_grad()
    def draw(number: int) -> Tensor:
        each = wanted[number]
        (a, structure), (b, texture) = known(each.structure), known(each.texture)
        return quiet.network(a, b).decode(structure.mix(texture, texture=1), **quiet.rendering)

    listed = [(str(each.structure), str(each.texture), each.name) for each in wanted]
    files = sorted({path for each in wanted for path in (each.structure, each.texture)})
    plan = {**_plan(renderer), "size": renderer.size, "own": renderer.own, "swaps": _digest(map(str, listed))}
    plan["pictures"] = _digest(map(key_of, files))
    return _write(quiet, draw, [out / each.name for each in wanted], out, plan, bulk, progress)


def upscale(
    renderer: Renderer[Any],  # whose `larger` does the work
    pictures: Sequence[Picture],
    files: Sequence[Path],  # to write, one for each, in one folder
    out: Path,  # that folder, or another name for all of them
    bulk: Bulk = ALONE,
    progress: Progress = silent,  # of pictures
) -> dict[str, str]:
    """Write pictures made larger. Returns which failed, by the names of their files, and why.

    GraftError if files of others are in the place of theirs, for a picture that was named and is none, for any that
    would become too large, and if all fail."""
    assert renderer.larger is not None
    for each in pictures:
        size = None
        with suppress(GraftError) if each.source else nullcontext():  # those of folders fail when their turn comes
            size = dimensions(each.read())
        if size:
            renderer.larger.check(*size)
    larger = {"factor": renderer.larger.factor, "tile": renderer.larger.tile, "names": [file.name for file in files]}
    plan = {**_plan(renderer), "larger": _digest([larger]), "pictures": _digest(each.key() for each in pictures)}
    return _write(
        _quiet(renderer, bulk), lambda number: read(pictures[number].read()), files, out, plan, bulk, progress
    )


def _write(
    renderer: Renderer[Any],
    draw: Callable[[int], Tensor],
    files: Sequence[Path],  # in one folder
    out: Path,  # beside which is kept what is finished
    plan: dict[str, Any],
    bulk: Bulk,
    progress: Progress,
) -> dict[str, str]:
    """Write numbered pictures; a GraftError of one is its reason to be missing, if it is not that of all."""
    for file in files:
        spare_others(file)

    def make(numbers: range, into: Path, progress: Progress) -> dict[str, str]:
        failed = {}
        for done, number in enumerate(numbers, 1):
            try:
                renderer.write(draw(number), into / files[number].name)
            except GraftError as error:
                failed[files[number].name] = str(error)
            progress(done)
        return failed

    with carried_out(Work(make, len(files), SHARD, plan), out, bulk, progress) as results:
        if results is None:
            return {}
        if len(results.failed) == len(files):
            first = next(iter(results.failed.values()))
            raise GraftError(f"None of the {len(files)} pictures can be made; the first: {first}")
        files[0].parent.mkdir(parents=True, exist_ok=True)
        for folder in results.folders:
            for file in sorted(folder.iterdir()):
                file.replace(files[0].parent / file.name)
        return results.failed


def grid(
    renderer: Renderer[SwappingModel],
    structures: Named,
    textures: Named,
    out: Path,  # picture
    bulk: Bulk = ALONE,
    progress: Progress = silent,  # of hybrids
) -> None:
    """Write the sheet of every structure with every texture (`sheets.draw_swaps`)."""
    quiet, across = _quiet(renderer, bulk), len(textures)
    rows, columns = ([picture for _, picture in named] for named in (structures, textures))
    renderer.scale(len(rows) + 1, across + 1, [*rows, *columns])

    codes: list[SwapCodes] = []  # of the columns, once for all shards of a process

    @torch.no_grad()
    def make(numbers: range, into: Path, progress: Progress) -> dict[str, str]:
        network, (first, last) = quiet.network(), (numbers.start // across, numbers.stop // across)
        codes.extend(network.encode(column) for column in columns[len(codes) :])
        for i, line in enumerate(swaps.grid(network, rows[first:last], codes, **quiet.rendering), first):
            write_tensors(into / f"{i:06d}.safetensors", {"row": torch.cat(line)}, {})
            progress((i + 1 - first) * across)
        return {}

    plan = {**_plan(renderer), "pictures": _digest(content_key(each.numpy().tobytes()) for each in (*rows, *columns))}
    work = Work(make, len(rows) * across, max(1, SHARD // across) * across, plan)
    with carried_out(work, out, bulk, progress) as results:
        if results is None:
            renderer.tell(out)
            return
        files = [file for folder in results.folders for file in sorted(folder.iterdir())]
        hybrids = [read_tensors(file)[0]["row"].split(1) for file in files]
        renderer.write(draw_swaps(renderer, structures, textures, silent, hybrids), out)


def _quiet(renderer: Renderer[SwappingModel], bulk: Bulk) -> Renderer[SwappingModel]:
    """The same, which does not say what it writes, and shows how far a picture is only where one process does all."""
    return replace(renderer, watch=renderer.watch if bulk.alone else unwatched, tell=lambda path: None)


def _plan(renderer: Renderer[Any]) -> dict[str, Any]:
    """What of a renderer the work depends on."""
    model = renderer.model
    told = {"device": str(next(model.parameters()).device.type), "precision": str(model.precision)}
    return {**told, "recipe": renderer.recipe, "refine": renderer.refine, "square": renderer.square}


def _digest(told: Iterable[Any]) -> str:
    """One text for many, or for whatever else JSON can write."""
    digest = hashlib.sha256()
    for each in told:
        digest.update(json.dumps(each).encode())
    return digest.hexdigest()
