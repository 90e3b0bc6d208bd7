"""Pairs of pictures of the same w, by a base and by a blend of it: what a student learns from (Viazovetskyi et al.
2020, section 3.1).

    drawing = Drawing(base, blend, PairsConfig(psi=(0.5, 1.0), keep=0.9))
    report = make_pairs(drawing, Path("pairs"), 50_000)

Pair n is a function of the seed and of n. How many are drawn, in how many goes and by how many threads changes nothing.
"""

import json
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graftlab.codes import StyleCodes
from graftlab.config import PairsConfig
from graftlab.data.image_source import content_key
from graftlab.data.pack import DATA_START, Entry, Pack, write_pack
from graftlab.data.pairs import PLAN, SHARD, Pairs, digest, is_pairs, open_shard, read_plan, shard_path
from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.hardware import exact_convolutions, require_space
from graftlab.images import from_uint8, to_uint8
from graftlab.networks.alike import adopt, check_alike
from graftlab.networks.style import StyleGAN
from graftlab.work.bulk import ALONE, Bulk, carried_out
from graftlab.work.files import atomic_write, lock, taken_back
from graftlab.work.parallel import ordered_map
from graftlab.work.progress import Progress, part, silent
from graftlab.work.shards import Work

BLOCK = 8  # pairs drawn at once; always the same ones, for rounding depends on who is drawn together
TYPICAL = 2000  # samples of w that tell how far from the mean is far
MOST = 10**9  # pairs in a folder, whose shards have names of six digits
IN_USE = "{} is in use by another process; wait until it ends."
TRIES = 1000  # after which a filter that lets nothing through is a mistake


@dataclass(frozen=True)
class PairsReport:
    """What a folder of pairs holds."""

    folder: str
    pairs: int
    shards: int
    made: int  # shards that this call has drawn; the others were there
    size: int  # side of the pictures, pixels
    dropped: float  # share of the w tried that the filter turned down
    bytes: int

    def summary(self) -> str:
        shards = f"{self.shards} shards" if self.shards > 1 else "1 shard"
        drawn = "all drawn now" if self.made == self.shards else f"{self.made or 'none'} drawn now"
        return (
            f"{self.folder}: {self.pairs:,} pairs of {self.size} px in {shards} ({drawn}), "
            f"{self.bytes / 2**20:,.1f} MiB; {self.dropped:.1%} of all w were turned down"
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Drawing:
    """A base, a blend of it, and which w they both draw.

    GraftError unless they have the same layers, draw squares, and are two."""

    def __init__(self, base: StyleGAN, blend: StyleGAN, config: PairsConfig) -> None:
        check_alike(base, blend)
        height, width = base.config.resolutions[-1]
        if height != width:
            raise GraftError(f"These models draw {width} x {height} pixels; a student learns from squares.")
        if base.fingerprint == blend.fingerprint:
            raise GraftError("Base and blend are the same model, from which there is nothing to learn; name another.")
        self.base, self.blend, self.config, self.size = base, blend, config, width

    @property
    def plan(self) -> dict[str, Any]:
        """All that a pair depends on, as JSON."""
        models = {"base": self.base.fingerprint, "blend": self.blend.fingerprint, "size": self.size}
        return models | json.loads(json.dumps(self.config.to_dict()))

    @torch.no_grad()
    def pictures(self, numbers: range) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Pairs by number, at most a block: pictures by the base and by the blend, (n, size, size, 3) uint8, and how
        many w were tried for each."""
        codes, tried = self.codes(numbers)
        return (
            to_uint8(self.base.decode(codes)),
            to_uint8(self.blend.decode(adopt(codes, self.base, self.blend))),
            tried,
        )

    @torch.no_grad()
    def codes(self, numbers: range) -> tuple[StyleCodes, list[int]]:
        """The w of pairs: of each number the first that the filter lets through; and how many were tried for each."""
        randoms = [np.random.default_rng([self.config.seed, number]) for number in numbers]
        psi = torch.tensor([random.uniform(*self.config.psi) for random in randoms], dtype=torch.float32)
        found: dict[int, Tensor] = {}
        tried = [0] * len(numbers)
        for _ in range(TRIES):
            missing = [i for i in range(len(numbers)) if i not in found]
            if not missing:
                break
            w = self._map([randoms[i] for i in missing])
            for i in missing:
                tried[i] += 1
            near = self._distance(w) <= self.limit
            found |= {i: row for i, row, kept in zip(missing, w, near.tolist(), strict=True) if kept}
        else:
            raise GraftError(f"Of {sum(tried)} samples of the base none is near enough to its mean; raise --keep.")
        w = torch.stack([found[i] for i in range(len(numbers))])
        mixed = torch.lerp(self.base.mapping.average, w, psi.to(w)[:, None, None])
        return StyleCodes(mixed, model=self.base.fingerprint), tried

    @cached_property
    def limit(self) -> float:
        """The distance from the mean of w within which the share to keep lies, of samples that are always the same."""
        if self.config.keep == 1:
            return float("inf")
        w = self._map([np.random.default_rng([number, 0, 0]) for number in range(TYPICAL)])
        return float(torch.quantile(self._distance(w), self.config.keep))

    def _map(self, randoms: list[np.random.Generator]) -> Tensor:
        """The next w (n, L, Cw) of each generator; of a conditional model each of any class."""
        config = self.base.config
        z = torch.from_numpy(np.stack([random.standard_normal(config.z_channels) for random in randoms]))
        labels = [int(random.integers(config.classes)) for random in randoms] if config.classes else None
        return self.base.map(z, labels).w

    def _distance(self, w: Tensor) -> Tensor:
        """From the mean of w that truncation draws towards: (n,)."""
        return (w[:, 0] - self.base.mapping.average).norm(dim=1)


def make_pairs(
    drawing: Drawing,
    folder: Path,
    count: int,
    workers: int = 1,  # threads that draw, if one process does
    names: dict[str, str] | None = None,  # of the two models, for people
    progress: Progress = silent,
    bulk: Bulk = ALONE,
) -> PairsReport:
    """Draw what is missing of so many pairs: shards that are there and whole stay.

    GraftError if the folder holds pairs of other models or options, or is in use, or the disk has no room. After any
    interruption the same call goes on, at the price of a shard."""
    if not 1 <= count <= MOST:
        raise GraftError(f"A folder holds 1 to {MOST:,} pairs, not {count:,}; give another number (--count).")
    plan, shards = drawing.plan, -(-count // SHARD)
    about = {"plan": digest(plan), **(names or {})}
    begun = taken_back(folder, {PLAN, "lock"})
    open_folder(folder, plan)
    if not bulk.alone:
        with begun:
            made = _share(drawing, folder, count, about, bulk, progress)
        return report(folder, plan, made)
    with lock(folder / "lock", IN_USE.format(folder)), begun:
        for left in folder.glob(".*.part-*"):  # what a process killed while it wrote has left
            left.unlink()
        held = {number: count_whole(shard_path(folder, number), plan) for number in range(shards)}
        missing = {
            number: range(number * SHARD, min(count, (number + 1) * SHARD))
            for number in range(shards)
            if held[number] < min(SHARD, count - number * SHARD)
        }
        pixels = 2 * drawing.size**2 * 3
        require_space(folder, sum(DATA_START + len(numbers) * (pixels + 128) for numbers in missing.values()))
        done = sum(held[number] for number in held if number not in missing)
        total = done + sum(map(len, missing.values()))
        for number, numbers in missing.items():
            within = part(progress, done, total)
            write_shard(shard_path(folder, number), drawing, numbers, about, workers, within)
            done += len(numbers)
    return report(folder, plan, len(missing))


def _share(drawing: Drawing, folder: Path, count: int, about: dict[str, str], bulk: Bulk, progress: Progress) -> int:
    """Draw what is missing together with other processes; how many shards these were, if this one puts them there."""
    plan, length = drawing.plan, SHARD

    def make(numbers: range, into: Path, progress: Progress) -> dict[str, str]:
        place = shard_path(folder, numbers.start // length)
        if count_whole(place, plan) < len(numbers):
            write_shard(into / place.name, drawing, numbers, about, 1, progress)
        return {}

    with carried_out(Work(make, count, length, {**plan, **about}), folder, bulk, progress) as results:
        files = [file for place in results.folders for file in place.iterdir()] if results else []
        with lock(folder / "lock", IN_USE.format(folder)) if files else nullcontext():
            for file in files:
                file.replace(folder / file.name)
    return len(files)


def open_folder(folder: Path, plan: dict[str, Any]) -> None:
    """Make a folder for pairs of a plan. GraftError if it holds others, or something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        atomic_write(folder / PLAN, lambda file: file.write(json.dumps(plan, indent=1).encode()))
    elif not is_pairs(folder):
        raise GraftError(f"{folder} is no folder of pairs, and not empty; name another (--out).")
    elif digest(read_plan(folder)) != digest(plan):
        before = read_plan(folder)
        changed = ", ".join(name for name in plan if plan[name] != before.get(name))
        raise GraftError(f"{folder} holds pairs of another {changed}; name another folder, or give the same as there.")


def count_whole(path: Path, plan: dict[str, Any]) -> int:
    """How many pairs a shard holds; none if it is missing, damaged, cut off or of another plan, and to be drawn
    again."""
    try:
        shard = open_shard(path, plan)
        shard.verify()
        return len(shard) // 2
    except GraftError:
        return 0


def write_shard(
    path: Path, drawing: Drawing, numbers: range, about: dict[str, str], workers: int, progress: Progress
) -> None:
    """Draw pairs and write them into one pack, whole or not at all."""
    blocks = [range(start, start + BLOCK) for start in range(numbers.start, numbers.stop, BLOCK)]
    metadata = dict(about)

    def entries() -> Iterator[Entry]:
        tried = 0
        with exact_convolutions(), closing(ordered_map(drawing.pictures, blocks, workers, 2 * workers)) as drawn:
            for block, (base, blend, tries) in zip(blocks, drawn, strict=True):
                for number, *pair, times in zip(block, base, blend, tries, strict=True):
                    if number not in numbers:  # the last block is drawn whole, and not all of it may be wanted
                        break
                    tried += times
                    key = content_key(f"{about['plan']} {number}".encode())
                    for whose, image in zip(("base", "blend"), pair, strict=True):
                        yield image, key, f"{number:07d} {whose}"
                progress(min(block.stop, numbers.stop) - numbers.start)
        metadata["tried"] = str(tried)

    _ = drawing.limit  # before there are threads, which would all work it out
    write_pack(path, drawing.size, entries(), metadata)


def report(folder: Path, plan: dict[str, Any], made: int) -> PairsReport:
    """What lies in a folder, all of whose shards are whole."""
    paths = sorted(folder.glob("*.pack"))
    shards: list[Pack] = [open_shard(path, plan) for path in paths]
    pairs, tried = sum(len(shard) // 2 for shard in shards), sum(int(shard.metadata["tried"]) for shard in shards)
    space = sum(path.stat().st_size for path in paths)
    return PairsReport(str(folder), pairs, len(shards), made, int(plan["size"]), 1 - pairs / tried, space)


def draw_examples(pairs: Pairs, count: int, scale: int = 1) -> Tensor:
    """The first pairs, or as many as there are, as a sheet (1, 3, H, W): those of the base above their blend's."""
    first = [from_uint8(pairs.images[i][None]).chunk(2, dim=2) for i in range(min(count, len(pairs)))]
    return sheet([list(row) for row in zip(*first, strict=True)], ["base", "blend"], scale=scale)
