"""What a picture's codes lose of it, remembered, and given back to other codes by what is alike.

    memory = Recall(model, photo)
    alike = memory.find(codes.structure)
    picture = model.decode(codes) + memory.lost(alike)

A decoded picture is softer than the one that was encoded. The difference belongs to the cells of the structure: where
cells of other codes have the same surroundings, they get the same difference. It is texture synthesis by example
(Efros and Leung 1999), with codes for what is compared, and with the preference for pieces that continue each other of
Ashikhmin 2001, "Synthesizing natural textures".
"""

from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.codes import Autoencoder

MOST = 4096  # examples among which one searches; the others are found as neighbours of these
PASSES = 4  # over all cells, in which neighbours agree on pieces that continue each other
TOGETHER = 0.2  # what that is worth, as a share of the variance of surroundings
SOFT, SHARP = 4, 16  # powers of the window in which pieces overlap: of what is coarse, of what is fine
FARTHEST = 0.75  # of a cell, by which a piece is moved to fit
SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True, eq=False)
class Alike:
    """For each cell of a structure (h, w), in rows, the cell that it is like."""

    grid: tuple[int, int]  # h, w
    index: Tensor  # (h * w) of cells of the picture that is remembered
    offset: Tensor  # (h * w, 2) to the right and down of that cell, cells


class Recall:
    """A picture (1, 3, H, W), its structure, and what that lacks."""

    def __init__(self, model: Autoencoder, picture: Tensor) -> None:
        with torch.no_grad():
            self.codes = codes = model.encode(picture)
            missing = picture - model.decode(codes).to(picture)
        self._structure = structure = codes.structure
        self._height, self._width = structure.shape[2:]
        self._stride = -(-picture.shape[2] // self._height)
        self._coarse = smooth(smooth(missing), 2)
        self._fine = missing - self._coarse
        self._keys = _surroundings(structure)
        self._variance = self._keys.var(0).sum()
        many = len(self._keys)
        drawn = torch.randperm(many, generator=torch.Generator().manual_seed(0))[:MOST].sort().values
        self._examples = drawn.to(structure.device)
        wide = F.pad(structure, (1, 1, 1, 1), mode="replicate")
        slopes = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2], wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1])
        self._slopes = torch.stack([_surroundings(slope / 2) for slope in slopes], 1)  # (hw, 2, 9 C)
        normal = self._slopes @ self._slopes.mT
        damping = 0.02 * normal.diagonal(dim1=1, dim2=2).mean() + 1e-12
        self._inverse = torch.linalg.inv(normal + damping * torch.eye(2).to(normal))

    def find(self, structure: Tensor, choice: Tensor | None = None) -> Alike:
        """The cells that those of a structure (1, Cs, h, w) are like, by their surroundings of 3 x 3.

        Among cells that are about as much alike, `choice` (1, K, h, w) decides: numbers of about the share of the
        variance between surroundings that a choice may cost."""
        wanted, many = _surroundings(structure), len(self._examples)
        examples = self._keys[self._examples]
        taste = torch.zeros(len(wanted), 0).to(wanted) if choice is None else choice.flatten(2)[0].T.to(wanted)
        kinds = torch.randn(many, taste.shape[1], generator=torch.Generator().manual_seed(1)).to(wanted)
        penalty = kinds * self._variance / max(1, taste.shape[1]) ** 0.5
        near = [
            torch.addmm(examples.square().sum(1), part, examples.T, alpha=-2).addmm_(liked, penalty.T).argmin(1)
            for part, liked in zip(wanted.split(MOST), taste.split(MOST), strict=True)
        ]
        index = self._continued(wanted, self._examples[torch.cat(near)], structure.shape[2], structure.shape[3])
        # How far the surroundings are moved against the example's, by least squares (Lucas and Kanade 1981).
        rest = (self._slopes[index] @ (wanted - self._keys[index])[..., None]).mT @ self._inverse[index]
        return Alike((structure.shape[2], structure.shape[3]), index, rest[:, 0].clamp(-FARTHEST, FARTHEST))

    def structure(self, alike: Alike) -> Tensor:
        """What is remembered in the places of what is like it: (1, Cs, h, w), moved as that is."""
        pieces = self._keys[alike.index] + (alike.offset[:, None] @ self._slopes[alike.index])[:, 0]
        height, width = alike.grid
        window = torch.tensor([1.0, 2.0, 1.0]).to(pieces)
        weight = torch.outer(window, window).flatten()
        channels = pieces.shape[1] // 9
        size, shares = (height + 2, width + 2), weight.expand(channels, 9).reshape(1, -1, 1)
        total = F.fold(pieces.T[None] * shares, size, 3) / F.fold(shares.expand(-1, -1, height * width), size, 3)
        return total[..., 1:-1, 1:-1]

    def lost(self, alike: Alike, colours: float = 1.0) -> Tensor:
        """What decoding the like of it lacks: (1, 3, H, W) of h by w cells, less any padding of the picture's own.

        What is coarse, such as colours that the model does not know, counts by the share `colours`."""
        return colours * self._placed(self._coarse, alike, SOFT) + self._placed(self._fine, alike, SHARP)

    def _continued(self, wanted: Tensor, index: Tensor, height: int, width: int) -> Tensor:
        """The same where most cells' examples are neighbours of their neighbours' examples."""

        def cost(found: Tensor) -> Tensor:
            return (wanted - self._keys[found]).square().sum(1)

        checks = (torch.arange(height)[:, None] + torch.arange(width)).flatten().to(index.device) % 2
        for turn in range(PASSES):
            options, costs = [index], [cost(index)]
            for down, right in SIDES:
                moved = torch.roll(index.reshape(height, width), (down, right), (0, 1)).flatten()
                row, column = moved // self._width + down, moved % self._width + right
                there = (row >= 0) & (row < self._height) & (column >= 0) & (column < self._width)
                options.append(torch.where(there, row * self._width + column, moved))
                costs.append(torch.where(there, cost(options[-1]), torch.inf))
            agree = [sum((each == other).float() for other in options[1:]) for each in options]
            total = [far - TOGETHER * self._variance * (n / 4) for far, n in zip(costs, agree, strict=True)]
            best = torch.stack(options).gather(0, torch.stack(total).argmin(0)[None])[0]
            index = torch.where(checks == turn % 2, best, index)  # half of them at a time, or neighbours swap for ever
        return index

    def _placed(self, picture: Tensor, alike: Alike, power: int) -> Tensor:
        """Pieces of a picture of 3 x 3 cells, each around the cell that is like its own, in windows that overlap."""
        (rows, columns), stride = alike.grid, self._stride
        own = ((self._height, picture.shape[2]), (self._width, picture.shape[3]))
        pads = [(cells * stride - side) // 2 for cells, side in own]  # as `encode` extends pictures
        sides = torch.tensor([picture.shape[3], picture.shape[2]]).to(picture)
        cell = torch.stack([alike.index % self._width, alike.index // self._width], 1) + 0.5 + alike.offset
        source = (cell * stride).reshape(rows, columns, 2) - torch.tensor(pads[::-1]).to(picture)
        y, x = (torch.arange(cells * stride).to(picture) + 0.5 for cells in (rows, columns))
        total = weights = torch.zeros(()).to(picture)
        for down in (-1, 0, 1):
            row = (torch.arange(rows * stride) // stride + down).clamp(0, rows - 1).to(picture.device)
            below = y - (row + 0.5) * stride
            for right in (-1, 0, 1):
                column = (torch.arange(columns * stride) // stride + right).clamp(0, columns - 1).to(picture.device)
                beside = x - (column + 0.5) * stride
                share = (_window(below, stride)[:, None] * _window(beside, stride)) ** power
                apart = torch.stack(torch.broadcast_tensors(beside, below[:, None]), -1)
                where = (source[row][:, column] + apart) * 2 / sides - 1
                piece = F.grid_sample(picture, where[None], "bicubic", "reflection", align_corners=False)
                total, weights = total + share * piece, weights + share
        whole = total / weights
        if alike.grid != (self._height, self._width):
            return whole
        return whole[..., pads[0] : pads[0] + picture.shape[2], pads[1] : pads[1] + picture.shape[3]]


def smooth(picture: Tensor, step: int = 1) -> Tensor:
    """Pictures (N, C, H, W) without what is finer than `step` pixels: a binomial of five taps, so far apart.

    Beyond the border the picture goes on as it ends (the pyramid of Burt and Adelson 1983, at full size)."""
    channels, taps = picture.shape[1], picture.new_zeros(4 * step + 1)
    taps[::step] = picture.new_tensor([1, 4, 6, 4, 1]) / 16
    padded = F.pad(picture, (2 * step,) * 4, mode="replicate")
    along = F.conv2d(padded, taps.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(along, taps[:, None].expand(channels, 1, -1, 1), groups=channels)


def _window(distance: Tensor, stride: int) -> Tensor:
    return (distance * (pi / (3 * stride))).cos().clamp(min=0)


def _surroundings(structure: Tensor) -> Tensor:
    """Each cell with its eight neighbours: (h * w, 9 C) of (1, C, h, w)."""
    return F.unfold(F.pad(structure, (1, 1, 1, 1), mode="replicate"), 3)[0].T
