"""The generator's noise as a function of (seed, layer, absolute position).

So the same codes always give the same pixels, films do not flicker, and the tiles of a large picture agree at their
seams.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import pi
from typing import Literal, TypeVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.networks.chance import drawn
from graftlab.networks.layers import Noise

NoiseMode = Literal["none", "fixed", "random"]
N = TypeVar("N", int, Tensor)
_WORD = 0xFFFFFFFF


def noise_source(mode: NoiseMode, seed: int = 0, origin: tuple[int, int] = (0, 0)) -> Noise:
    """The source of noise for a generator's layers.

    "none": no noise; "fixed": from `seed` and absolute position, the same for every item of a batch; "random": from
    torch's global generator, new for every item and call. `origin` (y, x) is the position, in cells, of the structure
    code's first cell within that of a larger picture."""
    if mode == "none":
        return lambda layer, like: None
    if mode == "random":
        return lambda layer, like: drawn(
            torch.randn, (like.shape[0], 1, *like.shape[2:]), device=like.device, dtype=like.dtype
        )
    if mode == "fixed":
        grid: list[int] = []  # height of the first layer's output, in cells: tells how fine a later layer is

        def fixed(layer: int, like: Tensor) -> Tensor:
            height, width = like.shape[2:]
            grid[:] = grid or [height]
            fineness = height // grid[0]
            return field(seed, layer, (height, width), (origin[0] * fineness, origin[1] * fineness), like.device)

        return fixed
    raise GraftError(f"noise must be one of {', '.join(get_args(NoiseMode))}, not '{mode}'.")


def noise_of(picture: Tensor) -> Noise:
    """The source of noise whose layers all see one field (N, 1, H, W), made coarser by sums of its squares of pixels.

    Sums of standard normal noise over k x k pixels have a deviation of k, by which they are divided."""

    def seen(layer: int, like: Tensor) -> Tensor:
        count = picture.shape[2] // like.shape[2]
        return (picture if count == 1 else F.avg_pool2d(picture, count) * count).to(like)

    return seen


@lru_cache(maxsize=24)  # the layers of one large generator
@torch.inference_mode(False)  # a field made during inference is also good for the gradients of a later call
def field(seed: int, layer: int, size: tuple[int, int], origin: tuple[int, int], device: torch.device) -> Tensor:
    """Standard normal noise (1, 1, H, W) whose value depends on seed, layer and absolute position alone."""
    where = device if device.type == "cuda" else None  # Apple's GPUs have no float64
    y, x = (torch.arange(start, start + count, device=where) for start, count in zip(origin, size, strict=True))
    return at_crossings(seed, layer, y, x).to(device)


def at_crossings(seed: N, layer: N, y: Tensor, x: Tensor) -> Tensor:
    """The same (1, 1, H, W) at rows y (H,) and columns x (W,); seed and layer may be int64 tensors ()."""
    return _normal(_key(seed, layer), y[:, None], x[None])[None, None]


def scattered(seed: int, layers: Sequence[int], y: Tensor, x: Tensor) -> Tensor:
    """The same noise at arbitrary points: layers (K, ...) at integer positions y and x (...), of any sign."""
    keys = torch.tensor([_key(seed, layer) for layer in layers], device=y.device)
    return _normal(keys.reshape(-1, *[1] * y.ndim), y, x)


def _key(seed: N, layer: N) -> N:
    return (seed * 0x9E3779B1 + layer * 0x85EBCA77 + 1) & _WORD


def _normal(key: int | Tensor, y: Tensor, x: Tensor) -> Tensor:
    cell = _scramble(_scramble(y ^ key) + _scramble(x ^ 0x5BD1E995))
    uniform = [(_scramble(cell ^ salt).double() + 0.5) / (_WORD + 1) for salt in (0x27220A95, 0x165667B1)]
    normal = torch.sqrt(-2 * uniform[0].log()) * torch.cos(2 * pi * uniform[1])  # Box and Muller 1958
    return normal.float()


def _scramble(x: Tensor) -> Tensor:
    """A bijection of 32-bit words in which every input bit moves every output bit (the finaliser of MurmurHash3)."""
    x = x & _WORD
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = ((x ^ (x >> shift)) * factor) & _WORD
    return x
