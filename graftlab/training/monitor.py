"""What a run tells while it goes on: figures in stats.jsonl, pictures in samples/, a status line."""

import json
import os
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.errors import GraftError
from graftlab.files import atomic_write
from graftlab.images import l1, psnr, write
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.sheets import sheet


class Stats:
    """Means of the figures since the last record, and the file they are appended to, one JSON object a line.

    Nothing in the file depends on the clock, and a resumed run cuts the file back to where its state was saved: so the
    file of an interrupted run is, byte for byte, that of an uninterrupted one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latest: dict[str, float] = {}  # the last record, for the status line
        self._sums: dict[str, list[float]] = {}  # name -> [sum, count]
        self._board: Any = None  # TensorBoard's, opened by the first line

    def add(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            if not isfinite(value):  # of a step that was skipped, and is counted as such
                continue
            entry = self._sums.setdefault(name, [0.0, 0])
            entry[0] += value
            entry[1] += 1

    def record(self, seen: int, skipped: int) -> None:
        """Append the means since the last record."""
        self.latest = {name: total / count for name, (total, count) in sorted(self._sums.items())}
        self._sums = {}
        self.append({"seen": seen, **self.latest, "skipped": skipped})

    def append(self, line: dict[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise GraftError(
                f"{self.path} could not be written ({error.strerror}); free some space and run the same command again."
            ) from error
        self._board = self._board or tensorboard(self.path.parent, line["seen"])
        for name, value in line.items():
            self._board.add_scalar(name, value, line["seen"])

    def state(self) -> dict[str, Any]:
        """What resuming needs; the file is on the disk once this returns."""
        if self._board:
            self._board.flush()
        with self.path.open("ab") as file:
            os.fsync(file.fileno())
            return {"bytes": file.tell(), "sums": self._sums}

    def restore(self, state: dict[str, Any]) -> None:
        self._sums = state["sums"]
        with self.path.open("ab") as file:
            file.truncate(min(state["bytes"], file.tell()))  # one that somebody shortened does not grow


def tensorboard(folder: Path, seen: int) -> Any:
    """A writer of TensorBoard's events, which replace earlier ones from `seen` images on.

    It is deaf where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return SimpleNamespace(add_scalar=lambda *figure: None, flush=lambda: None)
    return SummaryWriter(str(folder / "tensorboard"), purge_step=seen)


@torch.no_grad()
def validate(model: SwappingAutoencoder, images: Tensor) -> dict[str, float]:
    """How good the model is on held-out pictures (N, 3, S, S), means over pictures, for values in [-1, 1].

    l1 and psnr (dB) of reconstructions; texture: distance in colours between hybrids and the pictures that gave their
    texture; error: l1 + texture, by which the best model is chosen. Reconstruction alone would favour a structure code
    that carries the texture too."""
    codes = SwapCodes.cat([model.encode(batch) for batch in images.split(16)])
    mixed = SwapCodes(codes.structure, codes.texture.roll(-1, 0))
    decoded, hybrids = (
        torch.cat([model.decode(batch[i : i + 16]).cpu() for i in range(0, len(images), 16)])
        for batch in (codes, mixed)
    )
    error, texture = 2 * l1(decoded, images).mean().item(), colour_distance(hybrids, images.roll(-1, 0)).mean().item()
    return {
        "validation_l1": error,
        "validation_psnr": psnr(decoded, images).mean().item(),
        "validation_texture": texture,
        "validation_error": error + texture,
    }


def colour_distance(a: Tensor, b: Tensor) -> Tensor:
    """Earth mover's distance between the values of pictures (N, 3, H, W), mean over channels: (N,)."""
    ordered = [picture.clamp(-1, 1).flatten(2).sort(2).values for picture in (a, b)]
    return (ordered[0] - ordered[1]).abs().mean((1, 2))


@torch.no_grad()
def swap_sheet(model: SwappingAutoencoder, images: Tensor, title: str) -> Tensor:
    """Every structure (rows) with every texture (columns) of a few pictures (N, 3, S, S): one sheet (1, 3, H, W).

    The diagonal holds the reconstructions."""
    codes, rows = model.encode(images), []
    for i, structure in enumerate(codes.structure):
        repeated = structure.expand(len(images), *structure.shape)
        hybrids = model.decode(SwapCodes(repeated, codes.texture)).cpu()
        rows.append([images[i : i + 1], *hybrids.split(1)])
    scale = max(1, 128 // images.shape[-1])
    return sheet([[None, *images.split(1)], *rows], title=title, scale=scale)


def write_samples(folder: Path, model: SwappingAutoencoder, images: Tensor, seen: int) -> None:
    """The swap sheet of this moment, always of the same pictures."""
    title = f"{seen:,} images seen: structure of the left, texture of the top"
    write(swap_sheet(model, images, title), folder / f"{seen:09d}.jpg", {"images seen": seen})


def write_json(path: Path, content: Any) -> None:
    atomic_write(path, lambda file: file.write(json.dumps(content, indent=1).encode()))
