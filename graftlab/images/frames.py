"""A box of a picture that may be turned and may reach beyond it: cut out upright, and put back."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """A rectangle of a picture, in its pixels; (0, 0) is the corner of the first one."""

    x: float  # of the middle
    y: float
    width: float
    height: float
    angle: float = 0.0  # by which it is turned clockwise, in radians

    def cut(self, picture: Tensor, size: tuple[int, int], beyond: str = "reflection") -> Tensor:
        """What the frame shows of (1, 3, H, W), upright at (height, width): (1, 3, height, width), within [-1, 1].

        Smaller than in the picture, pixels are means over areas; beyond the border the picture is mirrored, or
        gray ("zeros")."""
        rows, columns = (self._reach(i, picture.shape[2 + i]) for i in (0, 1))
        part = picture[:, :, rows, columns]
        shrink = min(1.0, max(size[0] / self.height, size[1] / self.width))
        small = [max(1, round(side * shrink)) for side in part.shape[2:]]
        if shrink < 1:
            part = F.interpolate(part, size=small, mode="bicubic", antialias=True, align_corners=False)
        v, u = torch.meshgrid(*((torch.arange(n) + 0.5) * 2 / n - 1 for n in size), indexing="ij")
        across, down = u * self.width / 2, v * self.height / 2
        x = self.x + math.cos(self.angle) * across - math.sin(self.angle) * down - columns.start
        y = self.y + math.sin(self.angle) * across + math.cos(self.angle) * down - rows.start
        grid = torch.stack([x * 2 / (columns.stop - columns.start) - 1, y * 2 / (rows.stop - rows.start) - 1], -1)
        return _sample(part, grid[None], beyond).clamp(-1, 1)

    def paste(self, picture: Tensor, piece: Tensor, soft: float = 0.1, match: bool = False) -> Tensor:
        """The picture (1, 3, H, W) with an upright piece (1, 3, h, w) where the frame is; what lies beyond is lost.

        Along the frame's edge the picture turns into the piece over `soft` of its shorter side, in a straight line.
        With `match` the piece's mean colour along that edge becomes the picture's there."""
        size = max(1, round(self.height)), max(1, round(self.width))
        if size[0] < piece.shape[2]:
            piece = F.interpolate(piece, size=size, mode="bicubic", antialias=True, align_corners=False)
        rows, columns = (self._reach(i, picture.shape[2 + i], mirrored=False) for i in (0, 1))
        y, x = torch.meshgrid(
            torch.arange(rows.start, rows.stop) + 0.5 - self.y,
            torch.arange(columns.start, columns.stop) + 0.5 - self.x,
            indexing="ij",
        )
        u = (math.cos(self.angle) * x + math.sin(self.angle) * y) * 2 / self.width
        v = (math.cos(self.angle) * y - math.sin(self.angle) * x) * 2 / self.height
        inside = (u.abs() < 1) & (v.abs() < 1)
        edge = max(1.0, soft * min(self.width, self.height))  # pixels
        mask = ((1 - u.abs()) * self.width / 2 / edge).clamp(0, 1) * ((1 - v.abs()) * self.height / 2 / edge).clamp(
            0, 1
        )
        behind, piece = picture[:, :, rows, columns], _sample(piece, torch.stack([u, v], -1)[None], "border")
        if match and (band := inside & (mask < 1)).any():
            piece = piece + (behind - piece)[:, :, band].mean(2)[..., None, None]
        result = picture.clone()
        result[:, :, rows, columns] = torch.lerp(behind, piece.clamp(-1, 1), mask)
        return result

    def _reach(self, axis: int, length: int, mirrored: bool = True) -> slice:
        """The rows (0) or columns (1) of a picture that the frame touches, also by mirroring."""
        cos, sin = abs(math.cos(self.angle)), abs(math.sin(self.angle))
        middle, reach = (
            (self.y, (cos * self.height + sin * self.width) / 2)
            if axis == 0
            else (self.x, (cos * self.width + sin * self.height) / 2)
        )
        first, last = middle - reach - 4, middle + reach + 4  # what the filters see beyond
        if mirrored:
            first, last = min(first, 2 * length - last), max(last, -first)
        start = min(max(0, math.floor(first)), length - 1)
        return slice(start, max(start + 1, min(length, math.ceil(last))))


def _sample(picture: Tensor, grid: Tensor, beyond: str) -> Tensor:
    return F.grid_sample(picture, grid.to(picture), mode="bicubic", padding_mode=beyond, align_corners=False)
