"""A box of a photo, or the frame of a face, cut out at the size of a model, and put back with a soft edge."""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.editing.masks import soften
from graftlab.errors import GraftError
from graftlab.images.frames import Frame

ASPECT = 0.02  # by which a box may differ from a model's aspect, of which nobody sees the stretching


@dataclass(frozen=True)
class Box:
    """Pixels of a picture: left and top edge, width and height."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """ "120,40,256,256". GraftError for anything but four whole numbers, the last two above 0."""
        try:
            x, y, width, height = map(int, text.split(","))
        except ValueError:
            x = y = width = height = -1
        if min(x, y) < 0 or min(width, height) < 1:
            raise GraftError(f"A box is left,top,width,height in pixels, such as 120,40,256,256, not '{text}'.")
        return cls(x, y, width, height)

    @classmethod
    def central(cls, image: Tensor, size: tuple[int, int]) -> Self:
        """The largest box in the middle of a picture (1, 3, H, W) that has the aspect of (height, width)."""
        height, width = image.shape[2:]
        scale = min(height / size[0], width / size[1])
        down, across = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        return cls((width - across) // 2, (height - down) // 2, across, down)

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def cut(image: Tensor, box: Box | Frame, size: tuple[int, int], name: str, enlarge: bool = False) -> Tensor:
    """What the box shows of a picture (1, 3, H, W), at the size (height, width): (1, 3, height, width).

    GraftError if the box reaches beyond the picture, is of another aspect, or, unless `enlarge`, has fewer pixels."""
    height, width = image.shape[2:]
    if isinstance(box, Frame):
        _large_enough(box, size, name, enlarge)
        return box.cut(image, size)
    if box.x + box.width > width or box.y + box.height > height:
        raise GraftError(f"The box {box.x},{box.y},{box.width},{box.height} reaches beyond {name}, {width} x {height}.")
    if abs(box.width * size[0] / (box.height * size[1]) - 1) > ASPECT:
        raise GraftError(
            f"The box is {box.width} x {box.height} pixels, and the model draws {size[1]} x {size[0]}: "
            "give a box of the same shape."
        )
    _large_enough(box, size, name, enlarge)
    return rescale(image[:, :, *box.area], size)


def _large_enough(box: Box | Frame, size: tuple[int, int], name: str, enlarge: bool) -> None:
    if not enlarge and (box.height < size[0] or box.width < size[1]):
        raise GraftError(
            f"{name} shows {box.width:.0f} x {box.height:.0f} pixels, fewer than the {size[1]} x {size[0]} that the "
            "model draws: give a larger photo or box, or enlarge it (--enlarge)."
        )


def paste(image: Tensor, piece: Tensor, box: Box | Frame, soft: float = 0.1) -> Tensor:
    """The picture (1, 3, H, W) with a piece (1, 3, h, w), scaled to the box, in it.

    Along the box's edge the picture turns into the piece over `soft` of its shorter side, in a straight line.
    GraftError for a share outside of [0, 0.5]."""
    if not 0 <= soft <= 0.5:
        raise GraftError(f"The soft edge is a share of the box from 0 to 0.5, not {soft:g}.")
    if isinstance(box, Frame):
        return box.paste(image, piece, soft, match=True)
    piece = rescale(piece, (box.height, box.width))
    half = round(soft * min(box.height, box.width) / 2)
    mask = torch.zeros(1, 1, box.height, box.width)
    mask[:, :, half : box.height - half, half : box.width - half] = 1
    result = image.clone()
    result[:, :, *box.area] = torch.lerp(image[:, :, *box.area], piece, soften(mask, 2 * half))
    return result


def rescale(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (1, 3, H, W) at another size (height, width), within [-1, 1]."""
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
